// Command ask-go is a server that asks the model that it was granted as "llm":
// what it is sent is the prompt. Words before a colon do other things that a
// model can: see answer.
package main

import (
	"fmt"
	"strings"

	phi "phios/sdk/go"
	"phios/sdk/go/server"
)

// tokensMax is how much it lets the model say.
const tokensMax = 200

func init() { server.Handle(answer) } //nolint:gochecknoinits // a server has no main that runs

func main() {}

func answer(m *phi.Message) error {
	text := m.Text()
	m.Clear()
	c, err := phi.Named("llm")
	if err != nil {
		return err
	}
	what, rest, found := strings.Cut(text, ":")
	if !found {
		what, rest = "ask", text
	}
	said, err := do(c.Model(), what, rest)
	if err != nil {
		return err
	}
	return m.SetText(said[:min(len(said), phi.MessageBytesMax)])
}

// do is one of what a model can.
func do(model phi.Model, what, text string) (string, error) {
	switch what {
	case "ask":
		a, err := model.Ask(text, tokensMax)
		return a.Text, err
	case "long": // a prompt that does not fit into a message
		a, err := model.Ask(strings.Repeat(text, 1+2*phi.MessageBytesMax/max(len(text), 1)), 20)
		return fmt.Sprintf("%d read, %d written", a.Read, a.Written), err
	case "json":
		return model.AskJSON(text, 1<<16)
	case "embed":
		v, err := model.Embed(strings.Split(text, ",")...)
		return fmt.Sprintf("%d of %d", len(v), width(v)), err
	case "device":
		d, err := model.SelectDevice(text)
		return d.Unit, err
	case "batch":
		return batch(model, strings.Split(text, ","))
	case "map":
		return weights(model)
	default:
		return "", phi.StatusBadArgument
	}
}

func width(v [][]float32) int {
	if len(v) == 0 {
		return 0
	}
	return len(v[0])
}

// batch asks for a few words on each of the prompts at once.
func batch(model phi.Model, prompts []string) (string, error) {
	b, err := model.Batch()
	if err != nil {
		return "", err
	}
	for _, p := range prompts {
		if _, err := b.Add(p, 8); err != nil {
			return "", err
		}
	}
	answers, err := b.End(1 << 16)
	list := make([]string, len(answers))
	for i, a := range answers {
		list[i] = a.Text
	}
	return strings.Join(list, "|"), err
}

// weights looks at the beginning of the model's file, in its own memory.
func weights(model phi.Model) (string, error) {
	r, bytes, err := model.MapModel()
	if err != nil {
		return "", err
	}
	w, err := r.Map(0, phi.PageBytes, phi.Private)
	if err != nil {
		return "", err
	}
	text := fmt.Sprintf("%s of %d", w.Bytes[:4], bytes)
	if err := w.Unmap(); err != nil {
		return "", err
	}
	return text, r.Delete()
}
