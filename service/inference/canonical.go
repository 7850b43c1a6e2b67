package inference

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"

	"phios/compute/grammar"
)

// Bounds of what is done to keep a stranger's text.
const (
	keptNestingMax = 128
	keptClonesMax  = 1 << 14
)

// keeper holds a text that somebody else wrote to a constraint. A text of the
// grammar stays as it is. JSON that says the same as one is written anew: with
// the properties in the order of the schema and no white space, because the
// grammar of a schema knows one order, and a server may choose another. So what
// is kept is always a text of the grammar, exactly as with a model of this node.
//
// A validator of schemas was rejected: its time has no bound for hostile
// schemas, and a grammar's has.
type keeper struct {
	must   *grammar.Grammar
	bytes  *grammar.Vocabulary // of single bytes
	source string              // of the schema, for the order of properties
	clones int
}

// byteVocabulary is the vocabulary of single bytes: a text is followed byte by
// byte.
func byteVocabulary() *grammar.Vocabulary {
	pieces := make([][]byte, 257)
	for i := range 256 {
		pieces[i] = []byte{byte(i)}
	}
	return grammar.NewVocabulary(pieces, []int32{256})
}

// keep returns the text as the constraint has it, and whether there is one. A
// text that was cut is completed.
func (k *keeper) keep(text string, cut bool) (string, bool) {
	text = strings.TrimSpace(text)
	at, err := k.must.Start(k.bytes)
	if err != nil {
		return "", false
	}
	if follow(at, text) {
		switch {
		case at.CanEnd():
			return text, true
		case cut:
			return text + string(at.Finish()), true
		}
	}
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	v, err := readMembers(d, 0)
	if err != nil {
		return "", false
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return "", false
	}
	if at, err = k.must.Start(k.bytes); err != nil {
		return "", false
	}
	var out bytes.Buffer
	k.clones = keptClonesMax
	if at = k.write(at, v, &out); at == nil || !at.CanEnd() {
		return "", false
	}
	return out.String(), true
}

// follow adds a text to a state.
func follow(at *grammar.State, text string) bool {
	for i := range len(text) {
		if at.Accept(int32(text[i])) != nil {
			return false
		}
	}
	return true
}

// members is a JSON value whose objects keep their order: of names and values,
// of a list without names, or of what has no parts.
type members struct {
	open  byte // { or [, or 0
	plain string
	names []string
	parts []*members
}

func readMembers(d *json.Decoder, depth int) (*members, error) {
	t, err := d.Token()
	if err != nil {
		return nil, err
	}
	delim, ok := t.(json.Delim)
	if !ok {
		return readPlain(t)
	}
	if depth == keptNestingMax {
		return nil, errors.New("the text nests too deep")
	}
	v := &members{open: byte(delim)}
	for d.More() {
		if v.open == '{' {
			name, err := d.Token()
			if err != nil {
				return nil, err
			}
			v.names = append(v.names, name.(string))
		}
		part, err := readMembers(d, depth+1)
		if err != nil {
			return nil, err
		}
		v.parts = append(v.parts, part)
	}
	_, err = d.Token()
	return v, err
}

func readPlain(t json.Token) (*members, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(t)
	return &members{plain: strings.TrimSpace(b.String())}, err
}

// write adds a value to a state and to out, and returns the state; nil when the
// value leaves the grammar.
func (k *keeper) write(at *grammar.State, v *members, out *bytes.Buffer) *grammar.State {
	switch v.open {
	case '{':
		return k.object(at, v, out)
	case '[':
		out.WriteByte('[')
		if !follow(at, "[") {
			return nil
		}
		for i, p := range v.parts {
			if i > 0 {
				out.WriteByte(',')
				if !follow(at, ",") {
					return nil
				}
			}
			if at = k.write(at, p, out); at == nil {
				return nil
			}
		}
		out.WriteByte(']')
		if !follow(at, "]") {
			return nil
		}
		return at
	}
	out.WriteString(v.plain)
	if !follow(at, v.plain) {
		return nil
	}
	return at
}

// object writes members in the order in which the schema first names them, and
// where that one is not possible in the first that is.
func (k *keeper) object(at *grammar.State, v *members, out *bytes.Buffer) *grammar.State {
	order := make([]int, len(v.names))
	place := make([]int, len(v.names))
	for i, name := range v.names {
		quoted, err := readPlain(name)
		if err != nil {
			return nil
		}
		order[i], place[i] = i, strings.Index(k.source, quoted.plain)
		if place[i] < 0 {
			place[i] = len(k.source)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return place[a] - place[b] })
	out.WriteByte('{')
	if !follow(at, "{") {
		return nil
	}
	for first := true; len(order) > 0; first = false {
		n, next := k.member(at, v, order, out, first)
		if next == nil {
			return nil
		}
		order, at = slices.Delete(order, n, n+1), next
	}
	out.WriteByte('}')
	if !follow(at, "}") {
		return nil
	}
	return at
}

// member writes the first of some members that may come here.
func (k *keeper) member(at *grammar.State, v *members, order []int, out *bytes.Buffer, first bool) (int, *grammar.State) { //nolint:revive // flag-parameter: it is a property of the place
	was := out.Len()
	for n, i := range order {
		if k.clones--; k.clones < 0 {
			return 0, nil
		}
		name, err := readPlain(v.names[i])
		if err != nil {
			return 0, nil
		}
		text := name.plain + ":"
		if !first {
			text = "," + text
		}
		try := at.Clone()
		if follow(try, text) {
			out.WriteString(text)
			if try = k.write(try, v.parts[i], out); try != nil {
				return n, try
			}
			out.Truncate(was)
		}
	}
	return 0, nil
}
