package grammar

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// validator compiles a schema by an independent implementation.
func validator(tb testing.TB, source string) *jsonschema.Schema {
	tb.Helper()
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(source))
	if err != nil {
		tb.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("mem://schema", doc); err != nil {
		tb.Fatal(err)
	}
	s, err := c.Compile("mem://schema")
	if err != nil {
		tb.Fatalf("%s: %v", source, err)
	}
	return s
}

func checkSchema(tb testing.TB, source string, v *Vocabulary, r *rand.Rand, texts int) {
	tb.Helper()
	g, err := FromSchema([]byte(source))
	if err != nil {
		tb.Fatalf("%s: %v", source, err)
	}
	valid := validator(tb, source)
	for range texts {
		text := generate(tb, g, v, r, 1+r.IntN(60))
		doc, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
		if err != nil || !json.Valid([]byte(text)) {
			tb.Fatalf("%s: %q is not JSON: %v", source, text, err)
		}
		if err := valid.Validate(doc); err != nil {
			tb.Fatalf("%s: %q is not valid: %v", source, text, err)
		}
	}
}

var schemasTable = []string{
	`{}`, `true`, `{"type":"string"}`, `{"type":["integer","null"]}`, `{"enum":["a",1,null,[1,{"x":2}],"é\n"]}`, `{"const":{"a":"b"}}`,
	`{"type":"object","properties":{"name":{"type":"string"},"age":{"type":"integer","minimum":0,"maximum":130}},"required":["name","age"],"additionalProperties":false}`,
	`{"type":"object","properties":{"a":{"type":"null"},"b":{"type":"boolean"},"c":{"type":"number"}},"required":["b"]}`,
	`{"type":"object","properties":{"a":{"type":"null"}},"additionalProperties":{"type":"integer"}}`,
	`{"type":"object","additionalProperties":{"type":"string"},"maxProperties":2,"required":["zz"]}`,
	`{"type":"object","patternProperties":{"^x-":{"type":"integer"},"d$":{"type":"boolean"}},"additionalProperties":{"type":"null"},"properties":{"x-a":{"minimum":3}}}`,
	`{"type":"array","items":{"type":"integer"},"minItems":2,"maxItems":4}`, `{"type":"array","maxItems":0}`,
	`{"type":"array","prefixItems":[{"type":"integer"},{"type":"string"}],"items":false,"minItems":1}`,
	`{"type":"array","prefixItems":[{"type":"integer"},{"type":"string"}],"items":{"const":7},"maxItems":3,"minItems":3}`,
	`{"anyOf":[{"type":"string","maxLength":3},{"type":"integer","exclusiveMinimum":5,"exclusiveMaximum":9}]}`,
	`{"oneOf":[{"type":"object","properties":{"k":{"const":"a"},"x":{"type":"integer"}},"required":["k"]},{"type":"object","properties":{"k":{"const":"b"},"y":{"type":"string"}},"required":["k"]}]}`,
	`{"oneOf":[{"type":"integer","maximum":3},{"type":"integer","minimum":4},{"type":"null"}]}`,
	`{"allOf":[{"type":"object","properties":{"a":{"type":"integer"}},"required":["a"]},{"properties":{"b":{"type":"string"},"a":{"minimum":7}},"required":["b"]}]}`,
	`{"$ref":"#/$defs/tree","$defs":{"tree":{"type":"object","properties":{"v":{"type":"integer"},"kids":{"type":"array","items":{"$ref":"#/$defs/tree"}}},"required":["v","kids"],"additionalProperties":false}}}`,
	`{"type":"object","properties":{"next":{"anyOf":[{"type":"null"},{"$ref":"#"}]}},"required":["next"],"additionalProperties":false}`,
	`{"type":"integer","minimum":-17,"maximum":1234}`, `{"type":"integer","multipleOf":7,"minimum":-100,"maximum":1000}`,
	`{"type":"number","minimum":0,"maximum":1}`, `{"type":"number","exclusiveMinimum":-3,"exclusiveMaximum":2.5}`, `{"type":"number","multipleOf":0.01}`,
	`{"type":"number","exclusiveMinimum":0,"exclusiveMaximum":1}`,
	`{"type":"string","minLength":2,"maxLength":5}`, `{"type":"string","maxLength":100000}`, `{"type":"string","pattern":"^[a-z]{2,4}$"}`, `{"type":"string","pattern":"a\\db"}`,
	`{"type":"string","pattern":"^(a|b\"|\\\\)+$","maxLength":4}`, `{"type":"string","pattern":"^a|z$","minLength":3}`,
	`{"type":"string","format":"date"}`, `{"type":"string","format":"time"}`, `{"type":"string","format":"date-time"}`, `{"type":"string","format":"uuid"}`,
	`{"type":"string","format":"email"}`, `{"type":"string","format":"ipv4"}`, `{"type":"string","format":"ipv6"}`, `{"type":"string","format":"hostname"}`,
	`{"type":"string","format":"uri"}`, `{"type":"string","format":"duration"}`, `{"enum":["ab","abc","b"],"pattern":"^a","maxLength":2}`,
	`{"type":"object","properties":{"a\"b/~":{"type":"null"}},"required":["a\"b/~"]}`,
	`{"type":"integer","minimum":3}`, `{"type":"number","maximum":-30}`,
	`{"required":["q"]}`, `{"type":"object","properties":{"opt":false,"x":true}}`,
}

func TestSchemasGiveValidDocuments(t *testing.T) {
	for i, v := range vocabularies() {
		for _, source := range schemasTable {
			checkSchema(t, source, v, rand.New(rand.NewPCG(uint64(i), 5)), 12)
		}
	}
}

// randomSchema makes a schema that some value satisfies.
func randomSchema(r *rand.Rand, depth int) string {
	kinds := 12
	if depth == 0 {
		kinds = 7
	}
	lo := r.IntN(200) - 100
	switch r.IntN(kinds) {
	case 0:
		return `{"type":"boolean"}`
	case 1:
		return fmt.Sprintf(`{"type":"integer","minimum":%d,"maximum":%d}`, lo, lo+r.IntN(3000))
	case 2:
		return fmt.Sprintf(`{"type":"number","exclusiveMinimum":%d,"maximum":%d}`, lo, lo+1+r.IntN(50))
	case 3:
		n := r.IntN(4)
		return fmt.Sprintf(`{"type":"string","minLength":%d,"maxLength":%d}`, n, n+r.IntN(6))
	case 4:
		return `{"enum":["red","green",null,12,"gr\u00fcn",1.50]}`
	case 5:
		return []string{`{"type":["string","null"]}`, `{"type":"string","pattern":"^[A-Z]\\w*$"}`, `{"type":"string","format":"date-time"}`, `{}`}[r.IntN(4)]
	case 6:
		return `{"const":"x y"}`
	case 7:
		n := r.IntN(3)
		return fmt.Sprintf(`{"type":"array","items":%s,"minItems":%d,"maxItems":%d}`, randomSchema(r, depth-1), n, n+r.IntN(3))
	case 8:
		return fmt.Sprintf(`{"anyOf":[%s,%s]}`, randomSchema(r, depth-1), randomSchema(r, depth-1))
	case 9:
		return fmt.Sprintf(`{"oneOf":[{"type":"object","properties":{"t":{"const":1},"v":%s},"required":["t","v"]},{"type":"object","properties":{"t":{"const":2},"v":%s},"required":["t"]}]}`,
			randomSchema(r, depth-1), randomSchema(r, depth-1))
	}
	names := []string{"a", "ab", "abc", "b c", "é", "name", "t"}[:1+r.IntN(7)]
	var props, required []string
	for _, n := range names {
		props = append(props, fmt.Sprintf(`%q:%s`, n, randomSchema(r, depth-1)))
		if r.IntN(2) == 0 {
			required = append(required, fmt.Sprintf("%q", n))
		}
	}
	extra := []string{"", `,"additionalProperties":false`, `,"additionalProperties":` + randomSchema(r, depth-1)}[r.IntN(3)]
	return fmt.Sprintf(`{"type":"object","properties":{%s},"required":[%s]%s}`, strings.Join(props, ","), strings.Join(required, ","), extra)
}

func TestRandomSchemasGiveValidDocuments(t *testing.T) {
	vs := append(vocabularies(), wordVocabulary(8, 700))
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 11))
		checkSchema(t, randomSchema(r, 3), vs[seed%3], r, 3)
	}
}

func TestSchemaMasksAreTheNaiveOnes(t *testing.T) {
	v := wordVocabulary(6, 500)
	for i, source := range schemasTable {
		if i%3 != 0 {
			continue
		}
		g, err := FromSchema([]byte(source))
		if err != nil {
			t.Fatal(err)
		}
		checkMasks(t, g, v, rand.New(rand.NewPCG(uint64(i), 1)), 3)
	}
}

func TestRefusalsNameThePlace(t *testing.T) {
	deep := strings.Repeat(`{"items":`, 200) + "{}" + strings.Repeat("}", 200)
	for _, c := range []struct {
		source, place string
		kind          error
	}{
		{`{"type":"object","properties":{"a/b":{"not":{}}}}`, "#/properties/a~1b/not", ErrUnsupported},
		{`{"uniqueItems":true}`, "#/uniqueItems", ErrUnsupported},
		{`{"type":"string","format":"regex"}`, "#/format", ErrUnsupported},
		{`{"type":"string","pattern":"(?=a)"}`, "#/pattern", ErrSyntax},
		{`{"type":"string","pattern":"a\\bb"}`, "#/pattern", ErrUnsupported},
		{`{"oneOf":[{"type":"string"},{"maxLength":3}]}`, "#/oneOf/1", ErrUnsupported},
		{`{"$ref":"http://x/y"}`, "#/$ref", ErrUnsupported},
		{`{"$ref":"#/$defs/none"}`, "#/$ref", ErrSyntax},
		{`{"$ref":"#"}`, "#", ErrUnsupported},
		{`{"anyOf":[{"$ref":"#"},{"$ref":"#"}]}`, "", nil},
		{`{"type":"integer","multipleOf":0.3}`, "#/multipleOf", ErrUnsupported},
		{`{"type":"strin"}`, "#/type", ErrSyntax},
		{`{"minLength":100000}`, "#/minLength", ErrUnsupported},
		{`{"maximum":1e999999999}`, "digits", ErrTooLarge},
		{`{"enum":[]}`, "no text satisfies", ErrSyntax},
		{`{"type":"object","properties":{"a":{"$ref":"#"}},"required":["a"]}`, "no text satisfies", ErrSyntax},
		{`{"if":{}}`, "#/if", ErrUnsupported},
		{`{"minProperties":1}`, "#/minProperties", ErrUnsupported},
		{`{"a":1,"a":2}`, "twice", ErrSyntax},
		{`{`, "not JSON", ErrSyntax},
		{deep, "deep", ErrTooLarge},
		{`{"type":"array","minItems":4000,"items":{"type":"array","minItems":4000}}`, "times, and 65536", ErrTooLarge},
	} {
		_, err := FromSchema([]byte(c.source))
		if err == nil || c.kind != nil && !errors.Is(err, c.kind) || !strings.Contains(fmt.Sprint(err), c.place) {
			t.Errorf("%.80s: got %v, want %v with %q", c.source, err, c.kind, c.place)
		}
	}
}

// OpenAPI 3.0's nullable is no keyword of JSON Schema, so the validator does not
// know it.
func TestNullable(t *testing.T) {
	g, err := FromSchema([]byte(`{"type":"boolean","nullable":true}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"true", "false", "null"} {
		s, err := g.Start(byteVocabulary())
		if err != nil {
			t.Fatal(err)
		}
		if err := s.write([]byte(text)); err != nil || !s.Done() {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// What is joined must hold in every part, in whatever order the parts come.
func TestJoinedSchemasKeepAllParts(t *testing.T) {
	one := `{"type":"object","required":["a"],"properties":{"a":{"type":"null"}}}`
	two := `{"type":"object","required":["b"],"properties":{"b":{"type":"null"}}}`
	for i, source := range []string{
		`{"allOf":[{"minProperties":2},{"minProperties":1}],"required":["a","b"]}`,
		`{"allOf":[{"oneOf":[` + one + `,` + two + `]},{"properties":{"a":{},"b":{}}}]}`,
		`{"allOf":[{"oneOf":[` + one + `,` + two + `]},{"additionalProperties":{"type":["integer","null"]}}]}`,
		`{"allOf":[{"oneOf":[{"properties":{"a":{"const":1}},"required":["a"],"additionalProperties":false,"type":"object"},` + two + `]},{"properties":{"a":{"type":"integer"}}}]}`,
	} {
		checkSchema(t, source, wordVocabulary(3, 700), rand.New(rand.NewPCG(uint64(i), 2)), 60)
	}
	for _, c := range []struct{ source, place string }{
		{`{"allOf":[{"minProperties":3},{"minProperties":1}],"required":["a"]}`, "#/allOf/0/minProperties"},
		{`{"oneOf":[{"properties":{"k":` + one + `},"required":["k"],"type":"object"},{"properties":{"k":` + two + `},"required":["k"],"type":"object"}]}`, "#/oneOf/1"},
		{`{"$defs":{"a":{"$id":"http://x/a","$ref":"#/$defs/b","$defs":{"b":true}},"b":{"type":"integer"}},"$ref":"#/$defs/a"}`, "#/$defs/a/$id"},
	} {
		if _, err := FromSchema([]byte(c.source)); !errors.Is(err, ErrUnsupported) || !strings.Contains(err.Error(), c.place) {
			t.Errorf("%s: got %v, want a refusal of %s", c.source, err, c.place)
		}
	}
}

// References that fork at each step, and a oneOf of many, take bounded time.
func TestJoiningIsBounded(t *testing.T) {
	for _, keyword := range []string{"allOf", "anyOf"} {
		var b strings.Builder
		b.WriteString(`{"$ref":"#/$defs/0","$defs":{"30":false`)
		for i := range 30 {
			fmt.Fprintf(&b, `,"%d":{"%s":[{"$ref":"#/$defs/%d"},{"$ref":"#/$defs/%d"}]}`, i, keyword, i+1, i+1)
		}
		b.WriteString("}}")
		if _, err := FromSchema([]byte(b.String())); keyword == "anyOf" && !errors.Is(err, ErrTooLarge) {
			t.Errorf("%s: got %v, want %v", keyword, err, ErrTooLarge)
		}
	}
	var kinds []string
	for i := range 200 {
		kinds = append(kinds, fmt.Sprintf(`{"type":"object","properties":{"kind":{"const":%d}},"required":["kind"]}`, i))
	}
	if _, err := FromSchema([]byte(`{"oneOf":[` + strings.Join(kinds, ",") + `]}`)); err != nil {
		t.Errorf("a union of 200 kinds: %v", err)
	}
}
