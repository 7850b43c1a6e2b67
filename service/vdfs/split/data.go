package split

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
)

// Bounds of data.
const (
	columnsMax = 256
)

// readCSV reads each row as a line "key value", keys from the first row.
func readCSV(d *document, name string) {
	d.enter(Data, nil)
	comma := byte(',')
	first, _, _ := strings.Cut(d.text, "\n")
	for _, c := range []byte{'\t', ';', '|'} {
		if strings.Count(first, string(c)) > strings.Count(first, string(comma)) || c == '\t' && path.Ext(name) == ".tsv" {
			comma = c
		}
	}
	var keys []string
	for at, row := 0, 0; at < len(d.text); row++ {
		column := 0
		for more := true; more; column++ {
			begin, end, next := field(d.text, at, comma)
			more = next < len(d.text) && d.text[next] == comma
			at = min(next+1, len(d.text))
			if row == 0 && column < columnsMax {
				keys = append(keys, strings.Join(strings.Fields(cutAt(d.text[begin:end], pathBytesMax)), " "))
			}
			if row > 0 && column < len(keys) && end > begin && keys[column] != "" {
				d.apart(breakSentence)
				d.add(keys[column]+":", begin, begin, true)
			}
			d.apart(breakSpace)
			d.words(begin, end, breakSpace)
			d.apart(breakSpace)
		}
		d.apart(breakParagraph)
	}
}

// field gives one field of CSV, without its quotes, and where it ends: at a
// comma, a line's end or the text's.
func field(text string, at int, comma byte) (begin, end, next int) {
	if at < len(text) && text[at] == '"' {
		for i := at + 1; i < len(text); i++ {
			if text[i] != '"' {
				continue
			}
			if i+1 < len(text) && text[i+1] == '"' {
				i++
				continue
			}
			next = i + 1
			for next < len(text) && text[next] != comma && text[next] != '\n' {
				next++
			}
			return at + 1, i, next
		}
	}
	next = at
	for next < len(text) && text[next] != comma && text[next] != '\n' {
		next++
	}
	return at, next, next
}

// jsonReader walks the tokens of JSON, or of JSON lines, without recursion.
type jsonReader struct {
	*document
	decoder *json.Decoder
	keys    []string // of the objects that are open
	objects []bool   // whether what is open is an object
	key     bool     // a key is next
}

// readJSON reads values as "key value" in their order; objects are set apart.
func readJSON(d *document) error {
	r := jsonReader{document: d, decoder: json.NewDecoder(strings.NewReader(d.text))}
	r.decoder.UseNumber()
	d.enter(Data, nil)
	for {
		before := int(r.decoder.InputOffset())
		t, err := r.decoder.Token()
		if errors.Is(err, io.EOF) && len(r.objects) == 0 {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%w: %w", ErrFormat, err)
		}
		r.take(t, before, int(r.decoder.InputOffset()))
	}
}

// take handles one token, whose end is known, and its begin nearly.
func (r *jsonReader) take(t json.Token, begin, end int) {
	for begin < end && strings.IndexByte(" \t\r\n,:", r.text[begin]) >= 0 {
		begin++
	}
	switch t := t.(type) {
	case json.Delim:
		r.delimiter(t)
		return
	case string:
		inner := min(begin+1, end)
		if r.key {
			r.apart(breakLine)
			r.key = false
			r.keys[len(r.keys)-1] = cutAt(t, pathBytesMax)
			r.quoted(inner, max(inner, end-1))
			r.colon(&r.atoms[len(r.atoms)-1], end)
			r.apart(breakSpace)
			return
		}
		r.quoted(inner, max(inner, end-1))
	default:
		r.add(r.text[begin:end], begin, end, false)
	}
	r.apart(breakSpace)
	r.after()
}

// colon puts the mark that follows a key to it.
func (r *jsonReader) colon(a *atom, at int) {
	for at < len(r.text) && strings.IndexByte(" \t\r\n", r.text[at]) >= 0 {
		at++
	}
	if at < len(r.text) && r.text[at] == ':' {
		a.text, a.end = a.text+":", at+1
	}
}

// after says what follows a value.
func (r *jsonReader) after() {
	if n := len(r.objects); n > 0 {
		r.key = r.objects[n-1]
	} else {
		r.apart(breakParagraph)
	}
}

func (r *jsonReader) delimiter(t json.Delim) {
	switch t {
	case '{', '[':
		r.objects = append(r.objects, t == '{')
		r.keys = append(r.keys, "")
		r.key = t == '{'
		r.apart(breakLine)
	default:
		r.objects, r.keys = r.objects[:len(r.objects)-1], r.keys[:len(r.keys)-1]
		r.apart(breakParagraph)
		r.after()
	}
}

// quoted adds what stands in a string of JSON; an empty one is a pair of quotes.
func (r *jsonReader) quoted(begin, end int) {
	first := len(r.atoms)
	r.words(begin, end, breakSpace)
	if len(r.atoms) == first {
		r.add(`""`, begin-1, min(end+1, len(r.text)), true)
		return
	}
	if strings.IndexByte(r.text[begin:end], '\\') < 0 {
		return
	}
	for i := first; i < len(r.atoms); i++ {
		a := &r.atoms[i]
		var plain string
		if strings.Contains(a.text, `\`) && json.Unmarshal([]byte(`"`+a.text+`"`), &plain) == nil {
			a.text, a.changed = strings.Join(strings.Fields(plain), " "), true
		}
	}
}
