package inference

import (
	"slices"
	"strings"
	"testing"

	"phios/api/inference"
	"phios/compute/grammar"
)

func TestToolCalls(t *testing.T) {
	call := func(name, arguments string) inference.ToolCall {
		return inference.ToolCall{Name: name, Arguments: arguments}
	}
	for _, c := range []struct {
		style toolStyle
		text  string
		rest  string
		calls []inference.ToolCall
	}{
		{toolsHermes, "plain text, 1 < 2", "plain text, 1 < 2", nil},
		{toolsHermes, "Let me see.\n<tool_call>\n{\"name\": \"a\", \"arguments\": {\"x\": 1}}\n</tool_call>", "Let me see.", []inference.ToolCall{call("a", `{"x": 1}`)}},
		{toolsHermes, `<tool_call>{"name":"a","arguments":{}}</tool_call><tool_call>{"name":"b"}</tool_call>`, "", []inference.ToolCall{call("a", "{}"), call("b", "{}")}},
		{toolsHermes, `<tool_call>{"name":"a","arguments":"{\"x\":1}"}`, "", []inference.ToolCall{call("a", `{"x":1}`)}},
		{toolsHermes, `<tool_call>{"name":"rm","arguments":{}}</tool_call>`, `<tool_call>{"name":"rm","arguments":{}}</tool_call>`, nil},
		{toolsHermes, `<tool_call>nonsense</tool_call>`, `<tool_call>nonsense</tool_call>`, nil},
		{toolsMistral, `[TOOL_CALLS][{"name":"a","arguments":{"x":1}}, {"name":"b","arguments":{}}]`, "", []inference.ToolCall{call("a", `{"x":1}`), call("b", "{}")}},
		{toolsMistral, `[TOOL_CALLS] a[ARGS]{"x":1}`, "", []inference.ToolCall{call("a", `{"x":1}`)}},
		{toolsMistral, `[TOOL_CALLS]a[ARGS]{"x":`, `[TOOL_CALLS]a[ARGS]{"x":`, nil},
		{toolsLlama, `{"name":"a","parameters":{"x":"};"}}; {"name":"b","parameters":{}}`, "", []inference.ToolCall{call("a", `{"x":"};"}`), call("b", "{}")}},
		{toolsLlama, `<|python_tag|>{"name":"a","parameters":{}}`, "", []inference.ToolCall{call("a", "{}")}},
		{toolsLlama, `{"no":"call"}`, `{"no":"call"}`, nil},
		{toolsLlama, "An answer.", "An answer.", nil},
	} {
		for size := 1; size <= len(c.text); size++ {
			at := &calls{style: c.style, names: []string{"a", "b"}}
			shown := ""
			for piece := range slices.Chunk([]byte(c.text), size) {
				shown += at.show(string(piece))
			}
			rest, found := at.parse(c.text)
			for i := range found {
				found[i].ID = ""
			}
			if rest != c.rest || !slices.Equal(found, c.calls) {
				t.Fatalf("%q: %q %+v, want %q %+v", c.text, rest, found, c.rest, c.calls)
			}
			if shown != c.text[:at.shown] || len(found) > 0 && len(shown) > len(rest)+1 || at.shown > len(c.text) {
				t.Fatalf("%q in pieces of %d: %q was shown, the text is %q", c.text, size, shown, rest)
			}
		}
	}
}

func FuzzToolCalls(f *testing.F) {
	f.Add(uint8(0), `<tool_call>{"name":"a","arguments":{}}</tool_call>`)
	f.Add(uint8(1), `[TOOL_CALLS][{"name":"a","arguments":{"x":1}}]`)
	f.Add(uint8(2), `{"name":"a","parameters":{}}`)
	f.Fuzz(func(t *testing.T, style uint8, text string) {
		c := &calls{style: toolStyle(style % 3), names: []string{"a"}}
		c.show(text)
		rest, found := c.parse(text)
		if len(found) == 0 && rest != text || len(found) > callsMax {
			t.Errorf("%q: %q %v", text, rest, found)
		}
		for _, call := range found {
			if call.Name != "a" || call.Arguments == "" {
				t.Errorf("%q: %+v", text, call)
			}
		}
	})
}

func TestStrictFollowsTheMark(t *testing.T) {
	b := make([][]byte, 256)
	for i := range b {
		b[i] = []byte{byte(i)}
	}
	must, err := grammar.FromSchema([]byte(`{"anyOf":[` + options(&inference.Request{Tools: []inference.Tool{{Name: "a"}}},
		func(*inference.Tool) bool { return true }, "arguments") + `]}`))
	if err != nil {
		t.Fatal(err)
	}
	v := grammar.NewVocabulary(b, nil)
	s := &strict{piece: func(id int32) []byte { return b[id] }, size: len(b), mark: markHermes, begin: func() (*grammar.State, error) { return must.Start(v) }}
	write := func(text string) {
		t.Helper()
		for _, c := range []byte(text) {
			mask := make([]uint64, 4)
			s.Mask(mask)
			if mask[c/64]>>(c%64)&1 == 0 {
				t.Fatalf("%q is not allowed in %q", c, text)
			}
			if err := s.Accept(int32(c)); err != nil {
				t.Fatal(err)
			}
		}
	}
	write("anything < <tool <tool_call>")
	mask := make([]uint64, 4)
	s.Mask(mask)
	if mask['x'/64]>>('x'%64)&1 != 0 || mask['{'/64]>>('{'%64)&1 == 0 {
		t.Error("after the mark a call must begin")
	}
	write(`{"name":"a","argum`)
	if got := string(s.Finish()); !strings.HasPrefix(got, `ents":`) || !strings.HasSuffix(got, "}") {
		t.Errorf("finished with %q", got)
	}
	write(`ents":{}}</tool_call> and more <tool_call>{`)
}
