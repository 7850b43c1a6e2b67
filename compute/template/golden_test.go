package template

import (
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
	"time"
)

// cases are the templates and inputs of testdata, with what jinja2 makes of
// them.
type cases struct {
	Templates map[string][]string
	Inputs    []struct {
		Messages []struct {
			Role, Content, Name, Reasoning string
			ToolCallID                     string     `json:"tool_call_id"`
			ToolCalls                      []ToolCall `json:"tool_calls"`
		}
		Tools []struct {
			Name, Description string
			Parameters        json.RawMessage
		}
		Prompt    bool
		Variables map[string]any
	}
}

// result is how it ended (ok, raised, error), and the text.
type result [2]string

func load(tb testing.TB, name string, into any) {
	tb.Helper()
	b, err := os.ReadFile("testdata/" + name)
	if err != nil {
		tb.Fatal(err)
	}
	if err := json.Unmarshal(b, into); err != nil {
		tb.Fatal(err)
	}
}

func (c *cases) inputs() (inputs []Input) {
	for _, i := range c.Inputs {
		in := Input{
			AddGenerationPrompt: i.Prompt, BOS: "<s>", EOS: "</s>", Variables: i.Variables,
			Now: time.Date(2026, 3, 7, 9, 5, 3, 0, time.UTC),
		}
		for _, m := range i.Messages {
			in.Messages = append(in.Messages, Message{m.Role, m.Content, m.Name, m.Reasoning, m.ToolCalls, m.ToolCallID})
		}
		for _, t := range i.Tools {
			in.Tools = append(in.Tools, Tool{t.Name, t.Description, t.Parameters})
		}
		inputs = append(inputs, in)
	}
	return inputs
}

func render(source string, in Input) result {
	t, err := Parse(source)
	if err != nil {
		return result{"error", err.Error()}
	}
	out, err := t.Render(in)
	switch {
	case err == nil:
		return result{"ok", out}
	case errors.Is(err, ErrRaised):
		_, message, _ := strings.Cut(err.Error(), ": ")
		return result{"raised", message}
	default:
		return result{"error", err.Error()}
	}
}

func TestRendersAsJinja2(t *testing.T) {
	var c cases
	var g struct {
		Templates map[string][]result
		Snippets  []result
	}
	var snippets []string
	load(t, "templates.json", &c)
	load(t, "golden.json", &g)
	load(t, "snippets.json", &snippets)
	inputs := c.inputs()
	check := func(name string, got, want result) {
		t.Helper()
		if got[0] != want[0] || want[0] != "error" && got[1] != want[1] {
			t.Errorf("%s:\n got %q\nwant %q", name, got, want)
		}
	}
	for name, lines := range c.Templates {
		for i, in := range inputs {
			check(name, render(strings.Join(lines, "\n"), in), g.Templates[name][i])
		}
	}
	for i, s := range snippets {
		if strings.Contains(s, "generation") && strings.Contains(s, "{% generation") {
			continue // an extension of transformers, which plain jinja2 lacks
		}
		check(s, render(s, inputs[0]), g.Snippets[i])
	}
}
