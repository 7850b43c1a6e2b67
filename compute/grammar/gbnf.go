package grammar

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// FromGBNF compiles a grammar in the notation of llama.cpp. Its first rule in
// sense, whatever its place, is named root. It knows literals and classes of
// characters with their escapes, '.', groups, alternatives, the repetitions * +
// ? {m} {m,} {m,n} {,n}, and comments. Rules may call themselves, but not
// before reading anything. Token references (<name>) are refused: they depend on
// a vocabulary.
func FromGBNF(source string) (*Grammar, error) {
	if len(source) > SourceBytesMax {
		return nil, fmt.Errorf("%w: the grammar has %d bytes, and %d are allowed; shorten it", ErrTooLarge, len(source), SourceBytesMax)
	}
	if !utf8.ValidString(source) {
		return nil, fmt.Errorf("%w: the grammar is not UTF-8; encode it so", ErrSyntax)
	}
	p := &gbnf{source: source, index: map[string]int{"root": 0}, rules: []*node{nil}, names: []string{"root"}}
	for p.space(true); p.at < len(p.source); p.space(true) {
		if err := p.rule(); err != nil {
			return nil, err
		}
	}
	for i, r := range p.rules {
		if r == nil {
			return nil, fmt.Errorf("%w: the rule %q is not defined; add %s ::= …", ErrSyntax, p.names[i], p.names[i])
		}
	}
	return compile(p.rules, p.names)
}

// gbnf reads a grammar.
type gbnf struct {
	source string
	at     int
	depth  int
	index  map[string]int
	rules  []*node
	names  []string
}

func (p *gbnf) fail(want string) error {
	line := 1 + strings.Count(p.source[:p.at], "\n")
	found := "the end"
	if p.at < len(p.source) {
		found = strconv.Quote(p.source[p.at:min(p.at+12, len(p.source))])
	}
	return fmt.Errorf("%w: line %d: want %s, found %s", ErrSyntax, line, want, found)
}

// space skips white space and comments; line ends only where a rule may go on.
func (p *gbnf) space(lines bool) {
	for p.at < len(p.source) {
		switch c := p.source[p.at]; {
		case c == ' ' || c == '\t':
			p.at++
		case lines && (c == '\n' || c == '\r'):
			p.at++
		case c == '#':
			for p.at < len(p.source) && p.source[p.at] != '\n' {
				p.at++
			}
		default:
			return
		}
	}
}

func (p *gbnf) take(s string) bool {
	if strings.HasPrefix(p.source[p.at:], s) {
		p.at += len(s)
		return true
	}
	return false
}

func (p *gbnf) peek() byte {
	if p.at < len(p.source) {
		return p.source[p.at]
	}
	return 0
}

func wordByte(c byte) bool {
	return c == '-' || c == '_' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

func (p *gbnf) name() string {
	from := p.at
	for p.at < len(p.source) && wordByte(p.source[p.at]) {
		p.at++
	}
	return p.source[from:p.at]
}

func (p *gbnf) ruleOf(name string) (int, error) {
	if i, ok := p.index[name]; ok {
		return i, nil
	}
	if len(p.rules) >= RulesMax {
		return 0, fmt.Errorf("%w: over %d rules; join some", ErrTooLarge, RulesMax)
	}
	i := len(p.rules)
	p.index[name] = i
	p.rules, p.names = append(p.rules, nil), append(p.names, name)
	return i, nil
}

func (p *gbnf) rule() error {
	name := p.name()
	if name == "" {
		return p.fail("the name of a rule")
	}
	i, err := p.ruleOf(name)
	if err != nil {
		return err
	}
	p.space(false)
	if !p.take("::=") {
		return p.fail("::=")
	}
	p.space(true)
	n, err := p.alternatives(false)
	if err != nil {
		return err
	}
	if p.at < len(p.source) && p.peek() != '\n' && p.peek() != '\r' {
		return p.fail("the end of the rule")
	}
	if p.rules[i] != nil {
		return p.fail("a rule only once; " + name + " was defined above")
	}
	p.rules[i] = n
	return nil
}

// alternatives reads sequences between bars. Inside a group, and after a bar,
// lines may end.
func (p *gbnf) alternatives(nested bool) (*node, error) {
	if p.depth++; p.depth > NestingMax {
		return nil, fmt.Errorf("%w: groups nest over %d deep; use rules", ErrTooLarge, NestingMax)
	}
	defer func() { p.depth-- }()
	var subs []*node
	for {
		n, err := p.sequence(nested)
		if err != nil {
			return nil, err
		}
		subs = append(subs, n)
		if !p.take("|") {
			return alt(subs...), nil
		}
		p.space(true)
	}
}

func (p *gbnf) sequence(nested bool) (*node, error) {
	var subs []*node
	for {
		n, err := p.item()
		if err != nil {
			return nil, err
		}
		if n == nil {
			return seq(subs...), nil
		}
		p.space(nested)
		if n, err = p.repeated(n, nested); err != nil {
			return nil, err
		}
		subs = append(subs, n)
	}
}

// item reads what may be repeated, or nothing.
func (p *gbnf) item() (*node, error) {
	switch c := p.peek(); {
	case c == '"':
		p.at++
		var text []byte
		for !p.take(`"`) {
			r, err := p.character()
			if err != nil {
				return nil, err
			}
			text = utf8.AppendRune(text, r)
		}
		return literal(string(text)), nil
	case c == '[':
		p.at++
		return p.class()
	case c == '(':
		p.at++
		p.space(true)
		n, err := p.alternatives(true)
		if err != nil {
			return nil, err
		}
		if !p.take(")") {
			return nil, p.fail(")")
		}
		return n, nil
	case c == '.':
		p.at++
		return anyRune(), nil
	case c == '<' || c == '!':
		return nil, fmt.Errorf("%w: tokens by name or number; write their text", ErrUnsupported)
	case wordByte(c):
		i, err := p.ruleOf(p.name())
		if err != nil {
			return nil, err
		}
		return call(i), nil
	}
	return nil, nil //nolint:nilnil // the end of a sequence is neither an item nor an error
}

// character reads a character: by itself, or by an escape.
func (p *gbnf) character() (rune, error) {
	if p.at >= len(p.source) || p.peek() == '\n' {
		return 0, p.fail("the end of the literal or class on the same line")
	}
	if !p.take(`\`) {
		r, n := utf8.DecodeRuneInString(p.source[p.at:])
		p.at += n
		return r, nil
	}
	c := p.peek()
	p.at++
	digits := map[byte]int{'x': 2, 'u': 4, 'U': 8}[c]
	if digits > 0 {
		v, err := strconv.ParseUint(p.source[p.at:min(p.at+digits, len(p.source))], 16, 32)
		if err != nil || p.at+digits > len(p.source) || !utf8.ValidRune(rune(v&0x7FFFFFFF)) || v > utf8.MaxRune {
			return 0, p.fail(fmt.Sprintf("%d hexadecimal digits of a character", digits))
		}
		p.at += digits
		return rune(v), nil
	}
	switch c {
	case 't':
		return '\t', nil
	case 'n':
		return '\n', nil
	case 'r':
		return '\r', nil
	case '\\', '"', '[', ']', '-', '^', '/', '.', '\'':
		return rune(c), nil
	}
	p.at = min(p.at-1, len(p.source))
	return 0, p.fail(`an escape: \n \r \t \\ \" \[ \] \- \^ \xHH \uHHHH \UHHHHHHHH`)
}

func (p *gbnf) class() (*node, error) {
	not := p.take("^")
	var pairs []rune
	for !p.take("]") {
		low, err := p.character()
		if err != nil {
			return nil, err
		}
		high := low
		if p.peek() == '-' && !strings.HasPrefix(p.source[p.at:], "-]") {
			p.at++
			if high, err = p.character(); err != nil {
				return nil, err
			}
		}
		if low > high {
			return nil, p.fail("a range from low to high")
		}
		pairs = append(pairs, low, high)
	}
	if not {
		pairs = others(pairs)
	}
	return class(pairs), nil
}

// repeated reads the repetitions behind an item.
func (p *gbnf) repeated(n *node, nested bool) (*node, error) {
	for {
		switch {
		case p.take("*"):
			n = star(n)
		case p.take("+"):
			n = repeat(n, 1, unlimited)
		case p.take("?"):
			n = optional(n)
		case p.take("{"):
			least, most, err := p.counts()
			if err != nil {
				return nil, err
			}
			n = repeat(n, least, most)
		default:
			return n, nil
		}
		p.space(nested)
	}
}

func (p *gbnf) counts() (least, most int, err error) {
	p.space(false)
	least, some, err := p.number()
	if err != nil {
		return 0, 0, err
	}
	most = least
	p.space(false)
	if p.take(",") {
		p.space(false)
		n, has, err := p.number()
		if err != nil {
			return 0, 0, err
		}
		if most = n; !has {
			most = unlimited
		}
		some = true
		p.space(false)
	}
	if !some || !p.take("}") {
		return 0, 0, p.fail("counts such as {2}, {2,} or {2,5}")
	}
	if most != unlimited && most < least {
		return 0, 0, p.fail("a greatest count that is not below the least")
	}
	return least, most, nil
}

func (p *gbnf) number() (n int, ok bool, err error) {
	from := p.at
	for c := p.peek(); '0' <= c && c <= '9'; c = p.peek() {
		if n = n*10 + int(c-'0'); n > RepeatMax {
			return 0, false, fmt.Errorf("%w: a count over %d; lower it", ErrTooLarge, RepeatMax)
		}
		p.at++
	}
	return n, p.at > from, nil
}
