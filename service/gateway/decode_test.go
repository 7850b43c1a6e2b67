package gateway

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"phios/api/inference"
)

func TestParse(t *testing.T) {
	for _, good := range []string{
		`{}`, `[]`, `""`, ` 1 `, `-0.5e+3`, `true`, `null`, `{"a":[1,{"b":"\u00e9\ud83d\ude00\n"}],"":0}`, `"\/"`,
		strings.Repeat("[", depthMax) + strings.Repeat("]", depthMax),
	} {
		if _, err := parse([]byte(good)); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	members := make([]string, membersMax+1)
	for i := range members {
		members[i] = fmt.Sprintf(`"%d":0`, i)
	}
	for _, bad := range []string{
		``, ` `, `{`, `[1,]`, `{"a":1,}`, `{"a"}`, `{a:1}`, `01`, `1.`, `+1`, `.5`, `1e`, `-`, `NaN`, `tru`, `"`, `"\x"`, `"\u12"`, "\"\n\"",
		`{"a":1,"a":2}`, `{"a":1,"\u0061":2}`, `"\ud800"`, `"\udc00"`, `"\ud800\u0041"`, "\"\xff\"", `1 2`, `{}{}`, "\ufeff{}",
		strings.Repeat("[", depthMax+1) + strings.Repeat("]", depthMax+1),
		strings.Repeat("1", numberBytesMax+1), "[" + strings.Repeat("0,", valuesMax) + "0]", "{" + strings.Join(members, ",") + "}",
	} {
		if _, err := parse([]byte(bad)); err == nil {
			t.Errorf("%.60s was taken", bad)
		}
	}
}

// TestValues: members and elements are those of the standard library.
func TestValues(t *testing.T) {
	v, err := parse([]byte(` { "a" : [ 1 , "x,]}\"" , [ ] , {"y":{}} , null,true ] , "b\n":-2.5e1 } `))
	if err != nil {
		t.Fatal(err)
	}
	var keys, elements []string
	for key, member := range v.members() {
		keys = append(keys, key)
		if member[0] == '[' {
			for e := range member.elements() {
				elements = append(elements, string(e))
			}
		} else if n, ok := member.number(); !ok || n != -25 {
			t.Error(n, ok)
		}
	}
	if want := []string{"a", "b\n"}; !slices.Equal(keys, want) {
		t.Errorf("keys %q", keys)
	}
	if want := []string{"1", `"x,]}\""`, "[ ]", `{"y":{}}`, "null", "true"}; !slices.Equal(elements, want) {
		t.Errorf("elements %q", elements)
	}
	for text, want := range map[string]int64{"7": 7, "1e3": 1000, "2.0": 2, "-9223372036854775808": -1 << 63} {
		if n, ok := value(text).integer(); !ok || n != want {
			t.Error(text, n, ok)
		}
	}
	for _, text := range []string{"1.5", "1e99", "1e999", `"1"`, "true"} {
		if n, ok := value(text).integer(); ok {
			t.Error(text, n)
		}
	}
}

// seeds are the bodies of the stories.
func seeds(f *testing.F) {
	f.Helper()
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for story := range strings.SplitSeq(string(b), "\n=====\n") {
			head, _, _ := strings.Cut(story, "\n----\n")
			if _, body, ok := strings.Cut(head, "\n\n"); ok {
				f.Add([]byte(body))
			}
		}
	}
}

// FuzzParse: what is taken is what the standard library takes, read the same.
func FuzzParse(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		v, err := parse(body)
		if err != nil {
			return
		}
		if !json.Valid(body) {
			t.Fatalf("%q is not JSON", body)
		}
		same(t, v, 0)
	})
}

func same(t *testing.T, v value, depth int) {
	t.Helper()
	switch v[0] {
	case '{':
		var want map[string]json.RawMessage
		if err := json.Unmarshal(v, &want); err != nil {
			t.Fatal(err)
		}
		n := 0
		for key, member := range v.members() {
			if n++; !bytes.Equal(want[key], member) {
				t.Fatalf("%q is %s, not %s", key, member, want[key])
			}
			same(t, member, depth+1)
		}
		if n != len(want) {
			t.Fatalf("%d members, not %d, in %s", n, len(want), v)
		}
	case '[':
		var want []json.RawMessage
		if err := json.Unmarshal(v, &want); err != nil {
			t.Fatal(err)
		}
		n := 0
		for e := range v.elements() {
			if n >= len(want) || !bytes.Equal(want[n], e) {
				t.Fatalf("element %d is %s", n, e)
			}
			n++
			same(t, e, depth+1)
		}
		if n != len(want) {
			t.Fatalf("%d elements, not %d, in %s", n, len(want), v)
		}
	case '"':
		var want string
		if err := json.Unmarshal(v, &want); err != nil || want != v.text() {
			t.Fatalf("%s is %q, not %q; %v", v, v.text(), want, err)
		}
	}
}

// within checks what holds of each request that is passed on.
func within(t *testing.T, r *inference.Request) {
	t.Helper()
	given := 0
	for _, is := range []bool{len(r.Messages) > 0, r.Prompt != "", len(r.Tokens) > 0} {
		if is {
			given++
		}
	}
	p := r.Sampling
	if given != 1 || len(r.Tools) > inference.ToolsMax || len(r.Stop) > inference.StopsMax || r.TokensMax < 0 ||
		p.Temperature < 0 || p.Temperature > 2 || p.TopP < 0 || p.TopP > 1 || p.TopK < 0 || len(p.Bias) > inference.BiasMax {
		t.Fatalf("passed on: %+v", r)
	}
	for i := range r.Messages {
		switch r.Messages[i].Role {
		case "system", "user", "assistant", "tool":
		default:
			t.Fatalf("role %q", r.Messages[i].Role)
		}
	}
	if r.Constraint != nil && r.ToolChoice != "" && r.ToolChoice != "auto" && r.ToolChoice != "none" {
		t.Fatalf("passed on with two constraints: %+v", r)
	}
}

func FuzzChat(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		if a, err := readChat(body); err == nil {
			within(t, &a.Request)
		}
	})
}

func FuzzCompletions(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		if _, all, err := readCompletions(body); err == nil {
			for i := range all {
				within(t, &all[i])
			}
		}
	})
}

func FuzzEmbeddings(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		if r, _, err := readEmbeddings(body); err == nil && (len(r.Texts) == 0 || len(r.Texts) > inference.EmbedTextsMax) {
			t.Fatalf("%d texts", len(r.Texts))
		}
	})
}

func FuzzResponse(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		if a, err := readResponse(body); err == nil {
			within(t, &a.Request)
		}
	})
}

func FuzzMessages(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		if a, err := readMessages(body, false); err == nil {
			within(t, &a.Request)
			if a.TokensMax == 0 {
				t.Fatal("without a bound")
			}
		}
	})
}
