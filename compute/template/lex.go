package template

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// kind is the kind of a token.
type kind uint8

const (
	kindText kind = iota // text between tags
	kindName
	kindInteger
	kindFloat
	kindString
	kindSign       // an operator or bracket
	kindBegin      // {{ or {%
	kindEnd        // }} or %}
	kindEndOfInput // after all others
)

type token struct {
	kind kind
	text string // of a string, its value
	line int
}

// lexer cuts a template into tokens, and takes away white space as
// trim_blocks, lstrip_blocks and the minus signs say.
type lexer struct {
	source string
	at     int
	line   int
	tokens []token
	// strip takes the spaces of the next text, and fresh says that it begins a
	// line.
	strip, fresh bool
}

func lex(source string) ([]token, error) {
	l := &lexer{source: source, line: 1, fresh: true}
	for l.at < len(l.source) {
		if err := l.step(); err != nil {
			return nil, err
		}
	}
	l.add(kindEndOfInput, "the end")
	return l.tokens, nil
}

func (l *lexer) add(k kind, text string) {
	l.tokens = append(l.tokens, token{k, text, l.line})
}

// step reads the text up to a tag, and the tag.
func (l *lexer) step() error {
	rest := l.source[l.at:]
	open := strings.IndexByte(rest, '{')
	for open >= 0 && (open+1 == len(rest) || !strings.ContainsRune("{%#", rune(rest[open+1]))) {
		next := strings.IndexByte(rest[open+1:], '{')
		if next < 0 {
			open = -1
			break
		}
		open += 1 + next
	}
	if open < 0 {
		l.text(rest, 0, 0)
		l.at = len(l.source)
		return nil
	}
	tag := rest[open+1]
	var sign byte
	if open+2 < len(rest) {
		sign = rest[open+2]
	}
	l.text(rest[:open], tag, sign)
	l.at += open + 2
	if sign == '-' || sign == '+' && tag != '{' {
		l.at++
	}
	switch tag {
	case '#':
		return l.comment()
	case '{':
		l.add(kindBegin, "{{")
		return l.tag("}}")
	default:
		l.add(kindBegin, "{%")
		return l.tag("%}")
	}
}

// text adds the text before a tag; tag is zero at the end of the input.
func (l *lexer) text(text string, tag, sign byte) {
	lines := strings.Count(text, "\n")
	kept := text
	if l.strip {
		kept = strings.TrimLeft(kept, " \t\n\v\f")
	}
	switch {
	case tag == 0:
	case sign == '-':
		kept = strings.TrimRight(kept, " \t\n\v\f")
	case sign != '+' && tag != '{':
		begin := strings.LastIndexByte(text, '\n') + 1
		if (begin > 0 || l.fresh) && strings.Trim(text[begin:], " \t\v\f") == "" {
			kept = kept[:max(0, len(kept)-(len(text)-begin))]
		}
	}
	if kept != "" {
		l.add(kindText, kept)
	}
	l.line += lines
	l.strip, l.fresh = false, false
}

// close goes on behind the end of a tag; block says that a newline behind it
// belongs to it.
func (l *lexer) close(n int, minus, block bool) { //nolint:revive // flag-parameter: two kinds of tags differ in this alone
	l.at += n
	l.strip = minus
	if block && !minus && l.at < len(l.source) && l.source[l.at] == '\n' {
		l.at++
		l.line++
		l.fresh = true
	}
}

func (l *lexer) comment() error {
	end := strings.Index(l.source[l.at:], "#}")
	if end < 0 {
		return syntax(l.line, "a comment without end")
	}
	l.line += strings.Count(l.source[l.at:l.at+end], "\n")
	l.close(end+2, end > 0 && l.source[l.at+end-1] == '-', true)
	return nil
}

// tag reads the tokens of a tag. Its end counts only outside brackets.
func (l *lexer) tag(end string) error { //nolint:revive // cyclomatic: a flat list of cases, which reads best in one place
	depth := 0
	for l.at < len(l.source) {
		rest := l.source[l.at:]
		switch c := rest[0]; {
		case depth == 0 && strings.HasPrefix(rest, end):
			l.add(kindEnd, end)
			l.close(2, false, end == "%}")
			return nil
		case depth == 0 && (c == '-' || c == '+') && strings.HasPrefix(rest[1:], end):
			l.add(kindEnd, end)
			l.close(3, c == '-', false)
			return nil
		case c == '\n':
			l.line++
			l.at++
		case c == ' ' || c == '\t' || c == '\v' || c == '\f':
			l.at++
		case c == '"' || c == '\'':
			if err := l.quoted(c); err != nil {
				return err
			}
		case c >= '0' && c <= '9':
			l.number()
		case letter(c):
			n := 1
			for n < len(rest) && (letter(rest[n]) || rest[n] >= '0' && rest[n] <= '9') {
				n++
			}
			l.add(kindName, rest[:n])
			l.at += n
		default:
			step, err := l.sign(rest)
			if err != nil {
				return err
			}
			depth = max(0, depth+step)
		}
	}
	return syntax(l.line, "a tag without its end %s", end)
}

func letter(c byte) bool {
	return c == '_' || c|0x20 >= 'a' && c|0x20 <= 'z'
}

// sign reads an operator, and tells how it changes the depth of brackets.
func (l *lexer) sign(rest string) (depth int, err error) {
	for _, s := range [...]string{"==", "!=", "<=", ">=", "//", "**"} {
		if strings.HasPrefix(rest, s) {
			l.add(kindSign, s)
			l.at += 2
			return 0, nil
		}
	}
	c := rest[0]
	if !strings.ContainsRune("+-*/%~<>=.,:|()[]{}", rune(c)) {
		r, _ := utf8.DecodeRuneInString(rest)
		return 0, syntax(l.line, "the character %q", r)
	}
	l.add(kindSign, rest[:1])
	l.at++
	switch c {
	case '(', '[', '{':
		return 1, nil
	case ')', ']', '}':
		return -1, nil
	default:
		return 0, nil
	}
}

func (l *lexer) number() {
	rest := l.source[l.at:]
	n, k := 0, kindInteger
	for n < len(rest) && (rest[n] >= '0' && rest[n] <= '9' || rest[n] == '_') {
		n++
	}
	if n+1 < len(rest) && rest[n] == '.' && rest[n+1] >= '0' && rest[n+1] <= '9' {
		k = kindFloat
		n++
		for n < len(rest) && rest[n] >= '0' && rest[n] <= '9' {
			n++
		}
	}
	if digits := exponent(rest[n:]); digits > 0 {
		k = kindFloat
		n += digits
	}
	l.add(k, strings.ReplaceAll(rest[:n], "_", ""))
	l.at += n
}

// exponent is how many characters of an exponent there are.
func exponent(rest string) int {
	if rest == "" || rest[0]|0x20 != 'e' {
		return 0
	}
	n := 1
	if len(rest) > 1 && (rest[1] == '+' || rest[1] == '-') {
		n = 2
	}
	begin := n
	for n < len(rest) && rest[n] >= '0' && rest[n] <= '9' {
		n++
	}
	if n == begin {
		return 0
	}
	return n
}

// quoted reads a string with Python's escapes.
func (l *lexer) quoted(quote byte) error {
	var b strings.Builder
	line := l.line
	for at := l.at + 1; at < len(l.source); at++ {
		switch c := l.source[at]; {
		case c == quote:
			l.tokens = append(l.tokens, token{kindString, b.String(), line})
			l.at = at + 1
			return nil
		case c == '\\' && at+1 < len(l.source):
			n, err := l.escape(&b, l.source[at+1:])
			if err != nil {
				return err
			}
			at += n
		default:
			if c == '\n' {
				l.line++
			}
			b.WriteByte(c)
		}
	}
	return syntax(line, "a string without end")
}

// escape reads what follows a backslash.
func (l *lexer) escape(b *strings.Builder, rest string) (n int, err error) {
	c := rest[0]
	if at := strings.IndexByte(`ntr\'"bfav`, c); at >= 0 {
		b.WriteByte("\n\t\r\\'\"\b\f\a\v"[at])
		return 1, nil
	}
	digits := map[byte]int{'x': 2, 'u': 4, 'U': 8}[c]
	switch {
	case digits > 0 && len(rest) > digits:
		code, err := strconv.ParseUint(rest[1:1+digits], 16, 32)
		if err != nil || code > utf8.MaxRune {
			return 0, syntax(l.line, "the escape \\%s", rest[:1+digits])
		}
		b.WriteRune(rune(code))
		return 1 + digits, nil
	case digits > 0 || c >= '0' && c <= '7' || c == 'N':
		return 0, unsupported(l.line, "the escape \\%c in a string", c)
	case c == '\n':
		l.line++
		return 1, nil
	default: // Python keeps what it does not know
		b.WriteByte('\\')
		return 0, nil
	}
}
