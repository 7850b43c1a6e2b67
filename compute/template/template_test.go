package template

import (
	"errors"
	"strings"
	"testing"
)

func TestRefusesWithLineAndConstruct(t *testing.T) {
	for _, c := range []struct {
		source string
		want   error
		says   string
	}{
		{"a\n{% include 'x' %}", ErrUnsupported, "line 2: the statement include"},
		{"{% call m() %}{% endcall %}", ErrUnsupported, "the statement call"},
		{"{{ x|escape }}", ErrUnsupported, "the filter escape"},
		{"{{ x is prime }}", ErrUnsupported, "the test prime"},
		{"{{ x.format(1) }}", ErrUnsupported, "the method format"},
		{"{{ cycler(1) }}", ErrUnsupported, "the function cycler"},
		{"{{ [1]|map('escape') }}", ErrUnsupported, "escape in the filter map"},
		{"{{ 2 ** 3 }}", ErrUnsupported, "the operator **"},
		{"{{ m(*x) }}", ErrUnsupported, "with *"},
		{"{% for x in y recursive %}{% endfor %}", ErrUnsupported, "recursive"},
		{"{{ 'a' }", ErrSyntax, "without its end"},
		{"\n\n{% if x %}", ErrSyntax, "line 3: if without endif"},
		{"{% endif %}", ErrSyntax, "endif without its beginning"},
		{"{{ }}", ErrSyntax, "}} where a value should be"},
		{"{{ a b }}", ErrSyntax, "b where }} should be"},
		{"{{ 'a }}", ErrSyntax, "a string without end"},
		{"{# a", ErrSyntax, "a comment without end"},
		{"{% break %}", ErrSyntax, "break outside of a loop"},
		{"{{ " + strings.Repeat("(", 200) + "1" + strings.Repeat(")", 200) + " }}", ErrLimit, "nested deeper"},
		{strings.Repeat("{% if x %}", 200), ErrLimit, "nested deeper"},
		{"{{ 1" + strings.Repeat("+1", 1000) + " }}", ErrLimit, "operators in a row"},
		{strings.Repeat("a", SourceBytesMax+1), ErrLimit, "bytes"},
	} {
		_, err := Parse(c.source)
		if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%.60q: got %v, want %v with %q", c.source, err, c.want, c.says)
		}
	}
}

func TestBounds(t *testing.T) {
	for _, source := range []string{
		"{% for a in range(60000) %}{% for b in range(60000) %}{% endfor %}{% endfor %}",
		"{% for a in range(9999999) %}{% endfor %}",
		"{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
		"{% macro m() %}{{ m() }}{{ m() }}{% endmacro %}{{ m() }}",
		"{{ 'abcdefgh' * 99999999 }}",
		"{% set ns = namespace(s='ab') %}{% for i in range(64) %}{% set ns.s = ns.s + ns.s %}{% endfor %}",
		"{% set ns = namespace(s='ab') %}{% for i in range(64) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}",
		"{% set ns = namespace(s=[1]) %}{% for i in range(64) %}{% set ns.s = ns.s + ns.s %}{% endfor %}",
		"{% set s = 'ab' * 1000000 %}{% for i in range(60000) %}{{ s }}{% endfor %}",
		"{% set s = 'ab' * 1000000 %}{% for i in range(60000) %}{% if s|length %}{% endif %}{% endfor %}",
		"{% set s = 'ab' * 1000000 %}{% for i in range(60000) %}{% if 'c' in s %}{% endif %}{% endfor %}",
		"{% set s = 'ab' * 1000000 %}{% for i in range(60000) %}{% if s[5] %}{% endif %}{% endfor %}",
		"{% set s = 'ab' * 1000000 %}{% for i in range(60000) %}{% set x = s.split('a') %}{% endfor %}",
		"{% set s = 'ab' * 1000000 %}{{ s.replace('a', s) }}",
		"{% set l = range(60000)|list %}{{ l|unique|list|length }}",
		"{% set ns = namespace(s=[1]) %}{% for i in range(60000) %}{% set ns.s = [ns.s, ns.s] %}{% endfor %}{{ ns.s }}",
		"{% set ns = namespace(s=[1]) %}{% for i in range(100) %}{% set ns.s = [ns.s, ns.s] %}{% endfor %}{{ ns.s == ns.s }}{{ ns.s }}",
	} {
		p, err := Parse(source)
		if err != nil {
			t.Fatalf("%s: %v", source, err)
		}
		if _, err := p.Render(Input{}); !errors.Is(err, ErrLimit) && !errors.Is(err, ErrRender) {
			t.Errorf("%s: got %v, want a limit", source, err)
		}
	}
}

func TestGenerationIsKept(t *testing.T) {
	if got := render("{% generation %}\nkept{% endgeneration %}", Input{}); got != (result{"ok", "kept"}) {
		t.Errorf("got %q", got)
	}
}

func TestChatML(t *testing.T) {
	got := render(ChatML, Input{Messages: []Message{{Role: "user", Content: "hi"}}, AddGenerationPrompt: true})
	if want := "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n"; got[1] != want {
		t.Errorf("got %q, want %q", got[1], want)
	}
}

func FuzzTemplate(f *testing.F) {
	var c cases
	var snippets []string
	load(f, "templates.json", &c)
	load(f, "snippets.json", &snippets)
	for _, lines := range c.Templates {
		f.Add(strings.Join(lines, "\n"), "content")
	}
	for _, s := range snippets {
		f.Add(s, "content")
	}
	f.Fuzz(func(t *testing.T, source, content string) {
		p, err := Parse(source)
		if err != nil {
			if !errors.Is(err, ErrSyntax) && !errors.Is(err, ErrUnsupported) && !errors.Is(err, ErrLimit) {
				t.Fatalf("an error of no kind: %v", err)
			}
			return
		}
		in := Input{
			Messages: []Message{
				{Role: "user", Content: content},
				{Role: "assistant", ToolCalls: []ToolCall{{"123456789", "f", content}}},
				{Role: "tool", Content: content, ToolCallID: "123456789"},
			},
			Tools:               []Tool{{"f", content, []byte(`{"type":"object","properties":{"a":{"type":"string"}}}`)}},
			AddGenerationPrompt: true,
		}
		out, err := p.Render(in)
		if err != nil && !errors.Is(err, ErrRender) && !errors.Is(err, ErrRaised) && !errors.Is(err, ErrLimit) {
			t.Fatalf("an error of no kind: %v", err)
		}
		if again, _ := p.Render(in); again != out {
			t.Fatal("two renders differ")
		}
	})
}

// BenchmarkRender renders 40 turns with the longest of the templates.
func BenchmarkRender(b *testing.B) {
	var c cases
	load(b, "templates.json", &c)
	p, err := Parse(strings.Join(c.Templates["qwen3"], "\n"))
	if err != nil {
		b.Fatal(err)
	}
	var in Input
	for range 20 {
		in.Messages = append(in.Messages, Message{Role: "user", Content: "What is it?"}, Message{Role: "assistant", Content: "It is that."})
	}
	for b.Loop() {
		if _, err := p.Render(in); err != nil {
			b.Fatal(err)
		}
	}
}
