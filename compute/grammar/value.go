package grammar

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"slices"
	"strconv"
	"strings"
)

// value is a JSON value that keeps the order of names, because properties are
// written in the order in which a schema has them. Exactly one of the fields
// after what is set, as what says.
type value struct {
	what   rune // n null, b true or false, # number, s string, [ or {
	truth  bool
	text   string // of a string or a number
	list   []*value
	names  []string
	member map[string]*value
}

// numberBytesMax bounds the digits of a number in a schema, exponentMax its
// exponent: an exact fraction of 1e999999999 would take all memory.
const (
	numberBytesMax = 64
	exponentMax    = 400
)

func parseValue(source []byte) (*value, error) {
	if len(source) > SourceBytesMax {
		return nil, fmt.Errorf("%w: the schema has %d bytes, and %d are allowed; shorten it", ErrTooLarge, len(source), SourceBytesMax)
	}
	d := json.NewDecoder(bytes.NewReader(source))
	d.UseNumber()
	v, err := readValue(d, 0)
	if err == nil {
		if _, err = d.Token(); errors.Is(err, io.EOF) {
			return v, nil
		} else if err == nil {
			err = fmt.Errorf("%w: text behind the schema; give one JSON value", ErrSyntax)
		}
	}
	if errors.Is(err, ErrSyntax) || errors.Is(err, ErrTooLarge) {
		return nil, err
	}
	return nil, fmt.Errorf("%w: the schema is not JSON: %w; correct it", ErrSyntax, err)
}

func readValue(d *json.Decoder, depth int) (*value, error) {
	if depth > NestingMax {
		return nil, fmt.Errorf("%w: the schema nests over %d deep; use $ref", ErrTooLarge, NestingMax)
	}
	t, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch t := t.(type) {
	case nil:
		return &value{what: 'n'}, nil
	case bool:
		return &value{what: 'b', truth: t}, nil
	case json.Number:
		v := &value{what: '#', text: t.String()}
		if _, ok := v.number(); !ok {
			return nil, fmt.Errorf("%w: the number %.80s has too many digits; give a shorter one", ErrTooLarge, v.text)
		}
		return v, nil
	case string:
		return &value{what: 's', text: t}, nil
	case json.Delim:
		return readNested(d, rune(t), depth)
	}
	return nil, io.ErrUnexpectedEOF // not reached: these are all kinds of tokens
}

func readNested(d *json.Decoder, open rune, depth int) (*value, error) {
	v := &value{what: open}
	if open == '{' {
		v.member = map[string]*value{}
	}
	for d.More() {
		if open == '[' {
			e, err := readValue(d, depth+1)
			if err != nil {
				return nil, err
			}
			v.list = append(v.list, e)
			continue
		}
		t, err := d.Token()
		if err != nil {
			return nil, err
		}
		name, _ := t.(string)
		e, err := readValue(d, depth+1)
		if err != nil {
			return nil, err
		}
		if v.member[name] != nil {
			return nil, fmt.Errorf("%w: the schema has the name %q twice in one object; remove one", ErrSyntax, name)
		}
		v.names, v.member[name] = append(v.names, name), e
	}
	_, err := d.Token()
	return v, err
}

// number is the exact value of a number.
func (v *value) number() (*big.Rat, bool) {
	if v.what != '#' || len(v.text) > numberBytesMax {
		return nil, false
	}
	if i := strings.IndexAny(v.text, "eE"); i >= 0 {
		if e, err := strconv.Atoi(v.text[i+1:]); err != nil || e > exponentMax || e < -exponentMax {
			return nil, false
		}
	}
	return new(big.Rat).SetString(v.text)
}

// canonical is a text that is equal for equal values.
func (v *value) canonical() string {
	if r, ok := v.number(); ok {
		return r.RatString()
	}
	if v.what == '{' {
		names := slices.Sorted(slices.Values(v.names))
		var b strings.Builder
		for _, n := range names {
			b.WriteString(quote(n) + ":" + v.member[n].canonical() + ",")
		}
		return "{" + b.String() + "}"
	}
	if v.what == '[' {
		var b strings.Builder
		for _, e := range v.list {
			b.WriteString(e.canonical() + ",")
		}
		return "[" + b.String() + "]"
	}
	return v.encode()
}

// encode is the value as JSON, without white space.
func (v *value) encode() string {
	switch v.what {
	case 'n':
		return "null"
	case 'b':
		return strconv.FormatBool(v.truth)
	case '#':
		return v.text
	case 's':
		return quote(v.text)
	}
	var b strings.Builder
	b.WriteRune(v.what)
	for i, e := range v.list {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(e.encode())
	}
	for i, n := range v.names {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(quote(n) + ":" + v.member[n].encode())
	}
	b.WriteRune(v.what + 2) // the closing bracket
	return b.String()
}

func quote(s string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // a string cannot fail
	return strings.TrimSuffix(b.String(), "\n")
}

// countMax stands for every larger count.
const countMax = 1 << 30

// count is a whole number that is not negative, and -1 for anything else.
func (v *value) count() int {
	r, ok := v.number()
	if !ok || !r.IsInt() || r.Sign() < 0 {
		return -1
	}
	if !r.Num().IsInt64() {
		return countMax
	}
	return int(min(r.Num().Int64(), countMax))
}
