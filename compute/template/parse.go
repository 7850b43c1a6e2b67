package template

import (
	"slices"
)

// parser reads statements by recursive descent. Nesting is bounded, so that no
// template overflows the stack here or when it runs.
type parser struct {
	tokens []token
	at     int
	depth  int
	loops  int
	names  map[string]bool // what may be called, or is set somewhere
	calls  []token         // names that are called
}

// callableNames are the functions of the language.
func callableNames() map[string]bool {
	return map[string]bool{"range": true, "namespace": true, "raise_exception": true, "strftime_now": true, "dict": true}
}

func (p *parser) peek() *token { return &p.tokens[p.at] }

func (p *parser) take() *token {
	t := &p.tokens[p.at]
	if t.kind != kindEndOfInput {
		p.at++
	}
	return t
}

// sign takes an operator if it is the next token.
func (p *parser) sign(text string) bool {
	if t := p.peek(); t.kind == kindSign && t.text == text {
		p.at++
		return true
	}
	return false
}

// word takes a name if it is the next token.
func (p *parser) word(text string) bool {
	if t := p.peek(); t.kind == kindName && t.text == text {
		p.at++
		return true
	}
	return false
}

func (p *parser) expect(k kind, text string) (*token, error) {
	t := p.peek()
	if t.kind != k || text != "" && t.text != text {
		if text == "" {
			text = "a name"
		}
		return nil, syntax(t.line, "%s where %s should be", found(t), text)
	}
	p.at++
	return t, nil
}

// found names a token for errors.
func found(t *token) string {
	//exhaustive:ignore
	switch t.kind {
	case kindText:
		return "text"
	case kindString:
		return "a string"
	default:
		if len(t.text) > 40 {
			return t.text[:40] + "…"
		}
		return t.text
	}
}

func (p *parser) enter() error {
	p.depth++
	if p.depth > NestingMax {
		return limit(p.peek().line, "nested deeper than %d", NestingMax)
	}
	return nil
}

func (p *parser) leave() { p.depth-- }

// file reads all, and checks that what is called exists.
func (p *parser) file() ([]statement, error) {
	body, end, err := p.body()
	if err != nil {
		return nil, err
	}
	if end != nil {
		return nil, syntax(end.line, "%s without its beginning", end.text)
	}
	for i := range p.calls {
		if c := &p.calls[i]; !p.names[c.text] {
			return nil, unsupported(c.line, "the function %s", found(c))
		}
	}
	return body, nil
}

// body reads statements up to one that ends or divides a block, which it
// returns with its name taken; nil is the end of the template.
func (p *parser) body() (list []statement, end *token, err error) {
	if err := p.enter(); err != nil {
		return nil, nil, err
	}
	defer p.leave()
	for {
		t := p.take()
		switch {
		case t.kind == kindEndOfInput:
			return list, nil, nil
		case t.kind == kindText:
			list = append(list, textStatement(t.text))
		case t.text == "{{":
			e, err := p.expression()
			if err != nil {
				return nil, nil, err
			}
			if _, err := p.expect(kindEnd, "}}"); err != nil {
				return nil, nil, err
			}
			list = append(list, &outputStatement{e, t.line})
		default:
			name, err := p.expect(kindName, "")
			if err != nil {
				return nil, nil, err
			}
			s, err := p.statement(name)
			if err != nil {
				return nil, nil, err
			}
			if s == nil {
				return list, name, nil
			}
			list = append(list, s)
		}
	}
}

// statement reads what follows a statement's name; nil is one that ends a block.
func (p *parser) statement(name *token) (statement, error) {
	switch name.text {
	case "if":
		return p.ifStatement(name)
	case "for":
		return p.forStatement(name)
	case "set":
		return p.setStatement(name)
	case "macro":
		return p.macroStatement(name)
	case "generation": // marks what the assistant wrote, for training
		if err := p.end(); err != nil {
			return nil, err
		}
		body, err := p.block(name, "endgeneration")
		return blockStatement(body), err
	case "break", "continue":
		if p.loops == 0 {
			return nil, syntax(name.line, "%s outside of a loop", name.text)
		}
		return jumpStatement(name.text == "break"), p.end()
	case "elif", "else", "endif", "endfor", "endset", "endmacro", "endgeneration":
		return nil, nil //nolint:nilnil // nil is a statement that ends a block, as documented
	default:
		return nil, unsupported(name.line, "the statement %s", found(name))
	}
}

func (p *parser) end() error {
	_, err := p.expect(kindEnd, "%}")
	return err
}

// block reads a body up to the statement that must end it.
func (p *parser) block(begin *token, end string) ([]statement, error) {
	body, t, err := p.body()
	if err != nil {
		return nil, err
	}
	if t == nil || t.text != end {
		return nil, syntax(begin.line, "%s without %s", begin.text, end)
	}
	return body, p.end()
}

func (p *parser) ifStatement(begin *token) (statement, error) {
	s := &ifStatement{}
	for {
		condition, err := p.expression()
		if err != nil {
			return nil, err
		}
		if err := p.end(); err != nil {
			return nil, err
		}
		body, t, err := p.body()
		if err != nil {
			return nil, err
		}
		s.arms = append(s.arms, arm{condition, body})
		switch {
		case t != nil && t.text == "elif":
			continue
		case t != nil && t.text == "endif":
			return s, p.end()
		case t != nil && t.text == "else":
			if err := p.end(); err != nil {
				return nil, err
			}
			s.otherwise, err = p.block(begin, "endif")
			return s, err
		default:
			return nil, syntax(begin.line, "if without endif")
		}
	}
}

func (p *parser) forStatement(begin *token) (statement, error) {
	s := &forStatement{line: begin.line}
	var err error
	if s.targets, err = p.targets(); err != nil {
		return nil, err
	}
	if !p.word("in") {
		return nil, syntax(begin.line, "for without in")
	}
	if s.over, err = p.orExpression(); err != nil {
		return nil, err
	}
	if p.word("if") {
		if s.filter, err = p.expression(); err != nil {
			return nil, err
		}
	}
	if p.word("recursive") {
		return nil, unsupported(begin.line, "a recursive loop")
	}
	if err := p.end(); err != nil {
		return nil, err
	}
	p.loops++
	body, t, err := p.body()
	p.loops--
	if err != nil {
		return nil, err
	}
	s.body = body
	switch {
	case t != nil && t.text == "endfor":
		return s, p.end()
	case t != nil && t.text == "else":
		if err := p.end(); err != nil {
			return nil, err
		}
		s.otherwise, err = p.block(begin, "endfor")
		return s, err
	default:
		return nil, syntax(begin.line, "for without endfor")
	}
}

// targets are the names that get a value, with or without brackets around.
func (p *parser) targets() ([]string, error) {
	bracket := p.sign("(")
	var names []string
	for {
		t, err := p.expect(kindName, "")
		if err != nil {
			return nil, err
		}
		if slices.Contains(reservedTable, t.text) {
			return nil, syntax(t.line, "%s is no name for a variable", t.text)
		}
		p.names[t.text] = true
		names = append(names, t.text)
		if !p.sign(",") {
			break
		}
	}
	if bracket && !p.sign(")") {
		return nil, syntax(p.peek().line, "%s where ) should be", found(p.peek()))
	}
	return names, nil
}

// reservedTable are names that mean something else.
var reservedTable = []string{
	"true", "false", "none", "True", "False", "None", "and", "or", "not", "in", "is", "if", "else", "loop",
}

func (p *parser) setStatement(begin *token) (statement, error) {
	targets, err := p.targets()
	if err != nil {
		return nil, err
	}
	s := &setStatement{targets: targets, line: begin.line}
	if len(targets) == 1 && p.sign(".") {
		t, err := p.expect(kindName, "")
		if err != nil {
			return nil, err
		}
		s.field = t.text
	}
	if p.sign("=") {
		if s.value, err = p.tuple(); err != nil {
			return nil, err
		}
		return s, p.end()
	}
	if len(targets) > 1 || s.field != "" {
		return nil, syntax(begin.line, "set without a value")
	}
	if t := p.peek(); t.kind == kindSign && t.text == "|" {
		return nil, unsupported(t.line, "a filter on a block that is set")
	}
	if err := p.end(); err != nil {
		return nil, err
	}
	if s.body, err = p.block(begin, "endset"); err != nil {
		return nil, err
	}
	s.captures = true
	return s, nil
}

func (p *parser) macroStatement(begin *token) (statement, error) {
	name, err := p.expect(kindName, "")
	if err != nil {
		return nil, err
	}
	p.names[name.text] = true
	m := &macroStatement{name: name.text, line: begin.line}
	if _, err := p.expect(kindSign, "("); err != nil {
		return nil, err
	}
	for !p.sign(")") {
		t, err := p.expect(kindName, "")
		if err != nil {
			return nil, err
		}
		p.names[t.text] = true
		parameter := parameter{name: t.text}
		if p.sign("=") {
			if parameter.otherwise, err = p.expression(); err != nil {
				return nil, err
			}
		}
		m.parameters = append(m.parameters, parameter)
		if !p.sign(",") {
			if _, err := p.expect(kindSign, ")"); err != nil {
				return nil, err
			}
			break
		}
	}
	if err := p.end(); err != nil {
		return nil, err
	}
	loops := p.loops
	p.loops = 0
	m.body, err = p.block(begin, "endmacro")
	p.loops = loops
	return m, err
}
