package gateway

import (
	"bytes"
	"encoding/json"
	"fmt"
	"iter"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Bounds of a body. JSON that is deeper, longer or wider says nothing to a
// language model.
const (
	depthMax       = 64
	valuesMax      = 1 << 20
	membersMax     = 4096 // of one object
	numberBytesMax = 64
)

// value is one JSON value without space around it, of a body that parse has
// checked. It is read where it lies: a tree of a stranger's body would take many
// times its size.
type value []byte

// parse checks a body: one JSON value, valid UTF-8 in every string (also where
// it is escaped), no key twice in an object, within the bounds. The standard
// library's decoder takes the last of two equal keys and replaces what is not
// UTF-8, so that two readers of one body may see different requests.
func parse(body []byte) (value, error) {
	if at := invalidUTF8(body); at >= 0 {
		return nil, malformed(at, "this is not UTF-8")
	}
	c := checker{b: body}
	c.space()
	begin := c.at
	if err := c.value(0); err != nil {
		return nil, err
	}
	end := c.at
	c.space()
	if c.at != len(body) {
		return nil, malformed(c.at, "something follows the value")
	}
	return value(body[begin:end]), nil
}

func invalidUTF8(b []byte) int {
	if utf8.Valid(b) {
		return -1
	}
	for at := 0; ; {
		r, n := utf8.DecodeRune(b[at:])
		if r == utf8.RuneError && n <= 1 {
			return at
		}
		at += n
	}
}

func malformed(at int, why string) error {
	return &refusal{
		status: 400, code: "invalid_json", message: fmt.Sprintf("the body is not JSON that can be read: %s, at byte %d", why, at),
		remedy: "send one JSON object encoded as UTF-8",
	}
}

// checker walks a body once.
type checker struct {
	b      []byte
	at     int
	values int
}

func (c *checker) space() {
	for c.at < len(c.b) && (c.b[c.at] == ' ' || c.b[c.at] == '\t' || c.b[c.at] == '\n' || c.b[c.at] == '\r') {
		c.at++
	}
}

// peek is the next byte, zero at the end; no value begins with zero.
func (c *checker) peek() byte {
	if c.at < len(c.b) {
		return c.b[c.at]
	}
	return 0
}

func (c *checker) value(depth int) error {
	if c.values++; c.values > valuesMax {
		return malformed(c.at, fmt.Sprintf("there are more than %d values", valuesMax))
	}
	switch b := c.peek(); {
	case b == '{' || b == '[':
		if depth == depthMax {
			return malformed(c.at, fmt.Sprintf("it is nested deeper than %d", depthMax))
		}
		if b == '[' {
			return c.array(depth + 1)
		}
		return c.object(depth + 1)
	case b == '"':
		return c.text()
	case b == '-' || '0' <= b && b <= '9':
		return c.number()
	}
	for _, word := range [...]string{"true", "false", "null"} {
		if bytes.HasPrefix(c.b[c.at:], []byte(word)) {
			c.at += len(word)
			return nil
		}
	}
	return malformed(c.at, "a value is missing")
}

// follows reads what is between two elements, and reports whether another comes.
func (c *checker) follows(end byte) (bool, error) {
	c.space()
	switch b := c.peek(); b {
	case ',':
		c.at++
		c.space()
		return true, nil
	case end:
		c.at++
		return false, nil
	default:
		return false, malformed(c.at, fmt.Sprintf("a comma or %c is missing", end))
	}
}

func (c *checker) array(depth int) error {
	c.at++
	c.space()
	if c.peek() == ']' {
		c.at++
		return nil
	}
	for more := true; more; {
		err := c.value(depth)
		if err == nil {
			more, err = c.follows(']')
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *checker) object(depth int) error {
	c.at++
	c.space()
	if c.peek() == '}' {
		c.at++
		return nil
	}
	seen := make(map[string]struct{})
	for more := true; more; {
		begin := c.at
		if err := c.text(); err != nil {
			return err
		}
		key := value(c.b[begin:c.at]).text()
		if _, twice := seen[key]; twice {
			return malformed(begin, fmt.Sprintf("the key %.40q is there twice", key))
		}
		if seen[key] = struct{}{}; len(seen) > membersMax {
			return malformed(begin, fmt.Sprintf("an object has more than %d members", membersMax))
		}
		c.space()
		if c.peek() != ':' {
			return malformed(c.at, "a colon is missing")
		}
		c.at++
		c.space()
		err := c.value(depth)
		if err == nil {
			more, err = c.follows('}')
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *checker) text() error {
	if c.peek() != '"' {
		return malformed(c.at, "a string is missing")
	}
	for c.at++; c.at < len(c.b); c.at++ {
		switch b := c.b[c.at]; {
		case b == '"':
			c.at++
			return nil
		case b < ' ':
			return malformed(c.at, "a control character stands in a string")
		case b == '\\':
			if err := c.escape(); err != nil {
				return err
			}
		}
	}
	return malformed(c.at, "a string does not end")
}

// escape reads an escape up to its last byte.
func (c *checker) escape() error {
	c.at++
	switch c.peek() {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return nil
	case 'u':
		r, ok := c.hex()
		if !ok {
			return malformed(c.at, "an escape is not four hexadecimal digits")
		}
		if r < 0xD800 || r >= 0xE000 {
			return nil
		}
		// Half a character must be followed by its other half.
		if r < 0xDC00 && bytes.HasPrefix(c.b[c.at+1:], []byte(`\u`)) {
			c.at += 2
			if low, ok := c.hex(); ok && low >= 0xDC00 && low < 0xE000 {
				return nil
			}
		}
		return malformed(c.at, "an escape is half of a character")
	}
	return malformed(c.at, "an escape is not known")
}

// hex reads the four digits after the byte at hand, up to the last of them.
func (c *checker) hex() (uint64, bool) {
	if len(c.b)-c.at < 5 {
		return 0, false
	}
	digits := c.b[c.at+1 : c.at+5]
	for _, d := range digits {
		if strings.IndexByte("0123456789abcdefABCDEF", d) < 0 {
			return 0, false
		}
	}
	r, err := strconv.ParseUint(string(digits), 16, 32)
	c.at += 4
	return r, err == nil
}

func (c *checker) digits() bool {
	begin := c.at
	for '0' <= c.peek() && c.peek() <= '9' {
		c.at++
	}
	return c.at > begin
}

func (c *checker) number() error {
	begin := c.at
	if c.peek() == '-' {
		c.at++
	}
	zero := c.peek() == '0'
	first := c.at
	ok := c.digits() && (!zero || c.at == first+1)
	if ok && c.peek() == '.' {
		c.at++
		ok = c.digits()
	}
	if ok && (c.peek() == 'e' || c.peek() == 'E') {
		c.at++
		if c.peek() == '+' || c.peek() == '-' {
			c.at++
		}
		ok = c.digits()
	}
	if !ok || c.at-begin > numberBytesMax {
		return malformed(begin, fmt.Sprintf("a number is not one of at most %d bytes", numberBytesMax))
	}
	return nil
}

// kind says what a value is.
func (v value) kind() string {
	switch v[0] {
	case '{':
		return "an object"
	case '[':
		return "a list"
	case '"':
		return "a string"
	case 't', 'f':
		return "true or false"
	case 'n':
		return "null"
	}
	return "a number"
}

func (v value) null() bool { return v[0] == 'n' }

// text is the string that v is; empty when it is none.
func (v value) text() string {
	if v[0] != '"' {
		return ""
	}
	if bytes.IndexByte(v, '\\') < 0 {
		return string(v[1 : len(v)-1])
	}
	var s string
	if json.Unmarshal(v, &s) != nil {
		return "" // It was checked.
	}
	return s
}

// number is the number that v is, and whether it is a finite one.
func (v value) number() (float64, bool) {
	f, err := strconv.ParseFloat(string(v), 64)
	return f, err == nil
}

// integer is the whole number that v is. It may be written 1e3 or 1.0, up to
// what a double holds exactly.
func (v value) integer() (int64, bool) {
	if n, err := strconv.ParseInt(string(v), 10, 64); err == nil {
		return n, true
	}
	f, ok := v.number()
	return int64(f), ok && f == math.Trunc(f) && math.Abs(f) <= 1<<53
}

// elements are the values of a list.
func (v value) elements() iter.Seq[value] {
	return func(yield func(value) bool) {
		for at := v.next(1); v[at] != ']'; at = v.next(at) {
			end := v.skip(at)
			if !yield(v[at:end:end]) {
				return
			}
			at = end
		}
	}
}

// members are the keys and values of an object, in their order.
func (v value) members() iter.Seq2[string, value] {
	return func(yield func(string, value) bool) {
		for at := v.next(1); v[at] != '}'; at = v.next(at) {
			end := v.skip(at)
			key := v[at:end].text()
			at = v.next(end)
			end = v.skip(at)
			if !yield(key, v[at:end:end]) {
				return
			}
			at = end
		}
	}
}

// next is the place of the next value from at on, or of the end of its list.
func (v value) next(at int) int {
	for v[at] == ' ' || v[at] == '\t' || v[at] == '\n' || v[at] == '\r' || v[at] == ',' || v[at] == ':' {
		at++
	}
	return at
}

// skip is the end of the value that begins at at.
func (v value) skip(at int) int {
	depth := 0
	for ; at < len(v); at++ {
		switch v[at] {
		case '"':
			for at++; v[at] != '"'; at++ {
				if v[at] == '\\' {
					at++
				}
			}
		case '{', '[':
			depth++
			continue
		case '}', ']':
			depth--
		default:
			if depth > 0 {
				continue
			}
			for at < len(v) && bytes.IndexByte([]byte(" \t\n\r,:]}"), v[at]) < 0 {
				at++
			}
			return at
		}
		if depth == 0 {
			return at + 1
		}
	}
	return at
}
