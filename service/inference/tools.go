package inference

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"phios/api/inference"
)

// The marks by which models ask for tools.
const (
	markHermes    = "<tool_call>"
	markHermesEnd = "</tool_call>"
	markMistral   = "[TOOL_CALLS]"
	markArguments = "[ARGS]"
	markLlama     = "<|python_tag|>"
)

// marksTable are marks that a tokenizer may have as control tokens, of which it
// gives no text.
var marksTable = []string{markHermes, markHermesEnd, markMistral, markArguments, markLlama}

// toolStyle is how a family of models asks for a tool.
type toolStyle int

const (
	// toolsHermes: <tool_call>{"name": …, "arguments": …}</tool_call>, of Hermes
	// and Qwen.
	toolsHermes toolStyle = iota
	// toolsMistral: [TOOL_CALLS][{"name": …, "arguments": …}, …], or
	// [TOOL_CALLS]name[ARGS]{…}.
	toolsMistral
	// toolsLlama: {"name": …, "parameters": …} as the whole answer, of Llama 3.
	toolsLlama
)

const callsMax = 64

// parameters is the schema of a tool's arguments.
func parameters(t *inference.Tool) []byte {
	if len(t.Parameters) == 0 {
		return []byte(`{"type":"object","properties":{}}`)
	}
	return t.Parameters
}

// calls finds the calls of tools in one answer.
type calls struct {
	style toolStyle
	names []string
	// opener is put at the end of the prompt, and schema is what the text must
	// be, when a call is required.
	opener string
	schema []byte

	all   string // the text so far
	shown int    // how much of it was shown
}

// calls prepares for an answer of which tools may be asked.
func (s *style) calls(r *inference.Request) *calls {
	c := &calls{style: s.tools}
	key := "arguments"
	if c.style == toolsLlama {
		key = "parameters"
	}
	for i := range r.Tools {
		c.names = append(c.names, r.Tools[i].Name)
	}
	if !required(r) {
		return c
	}
	c.schema = []byte(`{"anyOf":[` + options(r, func(t *inference.Tool) bool {
		return r.ToolChoice == "required" || r.ToolChoice == t.Name
	}, key) + `]}`)
	switch c.style {
	case toolsHermes:
		c.opener = markHermes + "\n"
	case toolsMistral:
		c.opener = markMistral + "["
	case toolsLlama:
	}
	return c
}

// options are the schemas of calls of the tools that are chosen, with the
// arguments under a key.
func options(r *inference.Request, chosen func(*inference.Tool) bool, key string) string {
	var list []string
	for i := range r.Tools {
		t := &r.Tools[i]
		name, err := json.Marshal(t.Name)
		if err != nil || !chosen(t) {
			continue
		}
		list = append(list, fmt.Sprintf(
			`{"type":"object","properties":{"name":{"const":%s},"%s":%s},"required":["name","%s"],"additionalProperties":false}`,
			name, key, parameters(t), key))
	}
	return strings.Join(list, ",")
}

// mark is what begins a call in an answer of that style.
func (c *calls) mark() string {
	switch c.style {
	case toolsMistral:
		return markMistral
	case toolsLlama:
		return markLlama
	case toolsHermes:
	}
	return markHermes
}

// show takes the next piece of text and returns what of it may be shown: nothing
// of what may be a call, or the beginning of one.
func (c *calls) show(text string) string {
	c.all += text
	if c.schema != nil {
		return ""
	}
	if c.style == toolsLlama && strings.HasPrefix(strings.TrimLeft(c.all, " \n\t"), "{") {
		return ""
	}
	end := strings.Index(c.all, c.mark())
	if end < 0 {
		end = len(c.all) - held(c.all, c.mark())
	}
	if c.style == toolsLlama && strings.TrimLeft(c.all[:end], " \n\t") == "" {
		return "" // It may still begin with a brace.
	}
	out := c.all[min(c.shown, end):end]
	c.shown = max(c.shown, end)
	return out
}

// held is how long an end of the text is that begins the mark.
func held(text, mark string) int {
	for n := min(len(mark)-1, len(text)); n > 0; n-- {
		if strings.HasSuffix(text, mark[:n]) {
			return n
		}
	}
	return 0
}

// parse takes the calls out of a whole answer. What looks like a call and is not
// one of a tool that was offered stays text.
func (c *calls) parse(text string) (rest string, found []inference.ToolCall) {
	switch {
	case c.schema != nil:
		if found = c.objects(text); len(found) > 0 {
			return "", found
		}
		return text, nil
	case c.style == toolsLlama:
		body := strings.TrimPrefix(strings.TrimSpace(text), markLlama)
		if !strings.HasPrefix(strings.TrimSpace(body), "{") {
			return text, nil
		}
		if found = c.objects(body); len(found) > 0 {
			return "", found
		}
		return text, nil
	case c.style == toolsMistral:
		return c.mistral(text)
	}
	before, after, ok := strings.Cut(text, markHermes)
	for ok && len(found) < callsMax {
		var body string
		body, after, _ = strings.Cut(after, markHermesEnd)
		these := c.objects(body)
		if len(these) == 0 {
			return text, nil
		}
		found = append(found, these...)
		_, after, ok = strings.Cut(after, markHermes)
	}
	if len(found) == 0 {
		return text, nil
	}
	return strings.TrimRight(before, "\n"), number(found)
}

func (c *calls) mistral(text string) (string, []inference.ToolCall) {
	before, after, ok := strings.Cut(text, markMistral)
	if !ok {
		return text, nil
	}
	var found []inference.ToolCall
	body := strings.TrimSpace(after)
	if name, arguments, ok := strings.Cut(body, markArguments); ok && slices.Contains(c.names, strings.TrimSpace(name)) {
		if arguments = strings.TrimSpace(arguments); json.Valid([]byte(arguments)) {
			found = []inference.ToolCall{{Name: strings.TrimSpace(name), Arguments: arguments}}
		}
	} else {
		found = c.objects(strings.TrimPrefix(body, "["))
	}
	if len(found) == 0 {
		return text, nil
	}
	return strings.TrimRight(before, "\n"), number(found)
}

// objects reads calls as JSON objects, one after the other, with commas between
// or not, until something else comes.
func (c *calls) objects(text string) []inference.ToolCall {
	var found []inference.ToolCall
	for len(found) < callsMax {
		text = strings.TrimLeft(text, ",; \n\t\r")
		d := json.NewDecoder(strings.NewReader(text))
		var one struct {
			Name       string          `json:"name"`
			Arguments  json.RawMessage `json:"arguments"`
			Parameters json.RawMessage `json:"parameters"`
		}
		if !strings.HasPrefix(text, "{") || d.Decode(&one) != nil || !slices.Contains(c.names, one.Name) {
			break
		}
		arguments := one.Arguments
		if arguments == nil {
			arguments = one.Parameters
		}
		var quoted string
		switch {
		case arguments == nil || string(arguments) == "null":
			arguments = json.RawMessage("{}")
		case json.Unmarshal(arguments, &quoted) == nil && json.Valid([]byte(quoted)):
			arguments = json.RawMessage(quoted) // Some write the object as a text.
		}
		found = append(found, inference.ToolCall{Name: one.Name, Arguments: string(arguments)})
		text = text[d.InputOffset():]
	}
	return number(found)
}

// number gives calls the names by which answers refer to them.
func number(found []inference.ToolCall) []inference.ToolCall {
	for i := range found {
		found[i].ID = fmt.Sprintf("call_%d", i+1)
	}
	return found
}
