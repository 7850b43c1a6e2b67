// Package template renders the chat templates of models: the part of Jinja that
// they use. What a template needs beyond it is refused when it is parsed, with
// the line and the construct, so that a model never gets a prompt it was not
// made for.
//
// Behaviour is that of Python's jinja2 as Hugging Face's transformers set it up
// (trim_blocks, lstrip_blocks, loop controls, JSON without HTML escapes), which
// is what the authors of templates test with. The differences that remain: dicts
// have text as keys, integers have 64 bits, and nothing can be changed but the
// fields of a namespace.
//
// A template comes in a model's file and is hostile: its nesting, the steps it
// takes, the text it makes and the depth of its calls are bounded.
package template

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Limits of templates. The longest known is 25 KB (tools and reasoning).
const (
	SourceBytesMax = 1 << 20
	NestingMax     = 128
	CallDepthMax   = 64
	StepsMax       = 8 << 20
	MadeBytesMax   = 128 << 20 // all text that is made on the way
	OutputBytesMax = 32 << 20
	RangeMax       = 1 << 16
	ItemsMax       = 1 << 20 // of all lists that are made on the way, together
)

// Errors, wrapped with the line and what was found.
var (
	// ErrSyntax: it is no template.
	ErrSyntax = errors.New("template: syntax error")
	// ErrUnsupported: it is a template, and uses what is not known here.
	ErrUnsupported = errors.New("template: not supported")
	// ErrRender: it cannot be rendered with this input, such as when it adds a
	// number to a text.
	ErrRender = errors.New("template: cannot be rendered")
	// ErrRaised: the template itself refuses the input, such as roles that do not
	// alternate; the text is its own.
	ErrRaised = errors.New("refused by the model's template")
	// ErrLimit: a limit was reached.
	ErrLimit = errors.New("template: over a limit")
)

// ChatML is the template for models that bring none.
const ChatML = "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}" +
	"{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"

// Template is a template that was parsed. It does not change, and any number of
// goroutines may render it.
type Template struct {
	body []statement
}

// Message is a turn of a conversation.
type Message struct {
	Role, Content, Name string
	// Reasoning is what the assistant thought before, for templates that keep it.
	Reasoning  string
	ToolCalls  []ToolCall
	ToolCallID string
}

// ToolCall is a call that the assistant asked for. Arguments is JSON; what is
// none is handed to the template as text.
type ToolCall struct {
	ID, Name, Arguments string
}

// Tool is a function that the model may ask for. Parameters is a JSON Schema.
type Tool struct {
	Name, Description string
	Parameters        []byte
}

// Input is what a template is rendered with.
type Input struct {
	Messages []Message
	Tools    []Tool
	// AddGenerationPrompt begins the assistant's turn at the end.
	AddGenerationPrompt bool
	// BOS and EOS are the texts of these tokens.
	BOS, EOS string
	// Variables are others that templates ask for, such as enable_thinking: nil,
	// bool, int, float64, string, []any, map[string]any.
	Variables map[string]any
	// Now is what strftime_now tells; the zero time makes it an error, so that a
	// deterministic caller notices.
	Now time.Time
}

// Parse reads a template. Errors are [ErrSyntax], [ErrUnsupported] and
// [ErrLimit].
func Parse(source string) (*Template, error) {
	if len(source) > SourceBytesMax {
		return nil, fmt.Errorf("%w: it has %d bytes, at most %d are read; pass a shorter one", ErrLimit, len(source), SourceBytesMax)
	}
	source = strings.ReplaceAll(strings.ReplaceAll(source, "\r\n", "\n"), "\r", "\n")
	source = strings.TrimSuffix(source, "\n")
	tokens, err := lex(source)
	if err != nil {
		return nil, err
	}
	p := parser{tokens: tokens, names: callableNames()}
	body, err := p.file()
	if err != nil {
		return nil, err
	}
	return &Template{body: body}, nil
}

// Render makes the prompt. Errors are [ErrRaised], [ErrRender] and [ErrLimit].
func (t *Template) Render(in Input) (string, error) {
	root, err := variables(&in)
	if err != nil {
		return "", err
	}
	r := renderer{now: in.Now}
	if err := r.run(t.body, &frame{values: root}); err != nil {
		return "", err
	}
	if err := r.step(0); err != nil {
		return "", err
	}
	return string(r.out), nil
}

func syntax(line int, format string, args ...any) error {
	return fmt.Errorf("%w in line %d: %s; correct it, or choose another template", ErrSyntax, line, fmt.Sprintf(format, args...))
}

func unsupported(line int, format string, args ...any) error {
	return fmt.Errorf("%w in line %d: %s; choose another template", ErrUnsupported, line, fmt.Sprintf(format, args...))
}

func failed(line int, format string, args ...any) error {
	return fmt.Errorf("%w, line %d: %s; change the messages, or choose another template", ErrRender, line, fmt.Sprintf(format, args...))
}

func limit(line int, format string, args ...any) error {
	return fmt.Errorf("%w, line %d: %s; send less, or choose another template", ErrLimit, line, fmt.Sprintf(format, args...))
}
