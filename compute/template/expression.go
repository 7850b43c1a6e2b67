package template

import (
	"slices"
	"strconv"
	"strings"
)

// The expressions, from the loosest to the tightest, as jinja2's parser has
// them: if-else, or, and, not, comparisons, sums, ~, products, signs, and what
// follows a value: fields, calls, filters and tests.

// tuple reads an expression, or several with commas between: a list.
func (p *parser) tuple() (expression, error) {
	e, err := p.expression()
	if err != nil {
		return nil, err
	}
	if t := p.peek(); t.kind != kindSign || t.text != "," {
		return e, nil
	}
	items := []expression{e}
	for p.sign(",") {
		if t := p.peek(); t.kind == kindEnd || t.kind == kindSign && t.text == ")" {
			break
		}
		if e, err = p.expression(); err != nil {
			return nil, err
		}
		items = append(items, e)
	}
	return &listExpression{items, true}, nil
}

func (p *parser) expression() (expression, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	e, err := p.orExpression()
	if err != nil {
		return nil, err
	}
	for p.word("if") {
		condition, err := p.orExpression()
		if err != nil {
			return nil, err
		}
		c := &conditional{then: e, condition: condition}
		if p.word("else") {
			if c.otherwise, err = p.expression(); err != nil {
				return nil, err
			}
		}
		e = c
	}
	return e, nil
}

func (p *parser) orExpression() (expression, error) {
	return p.chain(func() (expression, error) {
		return p.chain(p.notExpression, func() string { return p.oneWord("and") })
	}, func() string { return p.oneWord("or") })
}

func (p *parser) oneWord(text string) string {
	if p.word(text) {
		return text
	}
	return ""
}

func (p *parser) oneSign(signs ...string) string {
	if t := p.peek(); t.kind == kindSign && slices.Contains(signs, t.text) {
		p.at++
		return t.text
	}
	return ""
}

// chain reads operands with operators between, joined from the left. Its length
// is bounded like nesting, as it becomes a tree as deep.
func (p *parser) chain(operand func() (expression, error), operator func() string) (expression, error) {
	left, err := operand()
	if err != nil {
		return nil, err
	}
	for n := 0; ; n++ {
		line := p.peek().line
		sign := operator()
		if sign == "" {
			return left, nil
		}
		if n > chainMax {
			return nil, limit(line, "more than %d operators in a row", chainMax)
		}
		right, err := operand()
		if err != nil {
			return nil, err
		}
		left = &binary{sign, left, right, line}
	}
}

const chainMax = 512

func (p *parser) notExpression() (expression, error) {
	n := 0
	for p.word("not") {
		n++
	}
	e, err := p.comparison()
	if err != nil {
		return nil, err
	}
	for range min(n, 2-n%2) {
		e = &negation{e}
	}
	return e, nil
}

// comparison reads a < b < c too, which means a < b and b < c.
func (p *parser) comparison() (expression, error) {
	e, err := p.sum()
	if err != nil {
		return nil, err
	}
	first := e
	var all expression
	for n := 0; ; n++ {
		line := p.peek().line
		sign := p.oneSign("==", "!=", "<", ">", "<=", ">=")
		switch {
		case sign != "":
		case p.word("in"):
			sign = "in"
		case p.peek().kind == kindName && p.peek().text == "not" && p.tokens[p.at+1].text == "in":
			p.at += 2
			sign = "not in"
		case all == nil:
			return e, nil
		default:
			return all, nil
		}
		if n > chainMax {
			return nil, limit(line, "more than %d comparisons in a row", chainMax)
		}
		right, err := p.sum()
		if err != nil {
			return nil, err
		}
		var c expression = &binary{sign, first, right, line}
		if all != nil {
			c = &binary{"and", all, c, line}
		}
		all, first = c, right
	}
}

func (p *parser) sum() (expression, error) {
	product := func() (expression, error) {
		return p.chain(func() (expression, error) { return p.unary(true) },
			func() string { return p.oneSign("*", "/", "//", "%") })
	}
	joined := func() (expression, error) {
		return p.chain(product, func() string { return p.oneSign("~") })
	}
	return p.chain(joined, func() string { return p.oneSign("+", "-") })
}

// unary reads a value with its sign before and what follows it; in -x|abs the
// filter has the sign in it.
func (p *parser) unary(filters bool) (expression, error) { //nolint:revive // flag-parameter: the grammar's own rule
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	line := p.peek().line
	var e expression
	var err error
	switch sign := p.oneSign("-", "+"); sign {
	case "":
		e, err = p.primary()
		if err == nil {
			e, err = p.postfix(e)
		}
	default:
		if e, err = p.unary(false); err == nil {
			e = &signed{sign == "-", e, line}
		}
	}
	if err != nil {
		return nil, err
	}
	if t := p.peek(); t.kind == kindSign && t.text == "**" {
		return nil, unsupported(t.line, "the operator **")
	}
	if filters {
		return p.filters(e)
	}
	return e, nil
}

func (p *parser) primary() (expression, error) {
	t := p.take()
	//exhaustive:ignore
	switch t.kind {
	case kindName:
		return p.name(t)
	case kindString:
		var s strings.Builder
		s.WriteString(t.text)
		for p.peek().kind == kindString {
			s.WriteString(p.take().text)
		}
		return constant{s.String()}, nil
	case kindInteger, kindFloat:
		return literal(t)
	case kindSign:
		return p.bracketed(t)
	default:
		return nil, syntax(t.line, "%s where a value should be", found(t))
	}
}

// name reads a variable, or a constant that looks like one.
func (p *parser) name(t *token) (expression, error) {
	switch t.text {
	case "true", "True":
		return constant{true}, nil
	case "false", "False":
		return constant{false}, nil
	case "none", "None":
		return constant{nil}, nil
	case "and", "or", "not", "in", "is", "if", "else":
		return nil, syntax(t.line, "%s where a value should be", t.text)
	}
	if n := p.peek(); n.kind == kindSign && n.text == "(" {
		p.calls = append(p.calls, *t)
	}
	return &variable{t.text}, nil
}

func literal(t *token) (expression, error) {
	if t.kind == kindInteger {
		if n, err := strconv.ParseInt(t.text, 10, 64); err == nil {
			return constant{n}, nil
		}
	} else if f, err := strconv.ParseFloat(t.text, 64); err == nil {
		return constant{f}, nil
	}
	return nil, unsupported(t.line, "the number %s", found(t))
}

// bracketed reads (a), (a, b), [a, b] and {"k": v}.
func (p *parser) bracketed(t *token) (expression, error) {
	switch t.text {
	case "(":
		if p.sign(")") {
			return &listExpression{tuple: true}, nil
		}
		e, err := p.tuple()
		if err != nil {
			return nil, err
		}
		_, err = p.expect(kindSign, ")")
		return e, err
	case "[":
		items, err := p.items("]")
		return &listExpression{items, false}, err
	case "{":
		d := &dictExpression{line: t.line}
		for !p.sign("}") {
			k, err := p.expression()
			if err != nil {
				return nil, err
			}
			if _, err := p.expect(kindSign, ":"); err != nil {
				return nil, err
			}
			v, err := p.expression()
			if err != nil {
				return nil, err
			}
			d.keys, d.values = append(d.keys, k), append(d.values, v)
			if !p.sign(",") {
				_, err := p.expect(kindSign, "}")
				return d, err
			}
		}
		return d, nil
	default:
		return nil, syntax(t.line, "%s where a value should be", t.text)
	}
}

// items reads expressions with commas between, up to a closing bracket.
func (p *parser) items(end string) (items []expression, err error) {
	for !p.sign(end) {
		e, err := p.expression()
		if err != nil {
			return nil, err
		}
		items = append(items, e)
		if !p.sign(",") {
			_, err := p.expect(kindSign, end)
			return items, err
		}
	}
	return items, nil
}

// postfix reads fields, indexes and calls.
func (p *parser) postfix(e expression) (expression, error) {
	for n := 0; ; n++ {
		t := p.peek()
		if n > chainMax {
			return nil, limit(t.line, "more than %d fields in a row", chainMax)
		}
		switch {
		case p.sign("."):
			name := p.take()
			if name.kind != kindName && name.kind != kindInteger {
				return nil, syntax(name.line, "%s where a field should be", found(name))
			}
			if next := p.peek(); next.kind == kindSign && next.text == "(" && !slices.Contains(methodsTable, name.text) {
				return nil, unsupported(name.line, "the method %s", found(name))
			}
			if name.kind == kindInteger {
				i, _ := strconv.ParseInt(name.text, 10, 64)
				e = &index{e, constant{i}, t.line}
				continue
			}
			e = &attribute{e, name.text, t.line}
		case p.sign("["):
			i, err := p.subscript(e, t.line)
			if err != nil {
				return nil, err
			}
			e = i
		case p.sign("("):
			a, err := p.arguments()
			if err != nil {
				return nil, err
			}
			e = &call{e, a, t.line}
		default:
			return e, nil
		}
	}
}

// subscript reads [i], [a:b] and [a:b:c].
func (p *parser) subscript(e expression, line int) (expression, error) {
	s := &slice{of: e, line: line}
	parts := [3]*expression{&s.from, &s.to, &s.step}
	colons := 0
	for !p.sign("]") {
		if p.sign(":") {
			colons++
			if colons > 2 {
				return nil, syntax(line, "a slice with more than two colons")
			}
			continue
		}
		if *parts[colons] != nil {
			return nil, syntax(line, "%s where ] should be", found(p.peek()))
		}
		v, err := p.expression()
		if err != nil {
			return nil, err
		}
		*parts[colons] = v
	}
	if colons > 0 {
		return s, nil
	}
	if s.from == nil {
		return nil, syntax(line, "an index that is empty")
	}
	return &index{e, s.from, line}, nil
}

// arguments reads what stands between the brackets of a call.
func (p *parser) arguments() (a argumentList, err error) {
	for !p.sign(")") {
		if t := p.peek(); t.kind == kindSign && (t.text == "*" || t.text == "**") {
			return a, unsupported(t.line, "arguments of a list with %s", t.text)
		}
		name := ""
		if t := p.peek(); t.kind == kindName && p.tokens[p.at+1].kind == kindSign && p.tokens[p.at+1].text == "=" {
			name = t.text
			p.at += 2
		}
		e, err := p.expression()
		if err != nil {
			return a, err
		}
		if name == "" {
			if len(a.names) > 0 {
				return a, syntax(p.peek().line, "an argument without a name behind one with a name")
			}
			a.values = append(a.values, e)
		} else {
			a.names, a.named = append(a.names, name), append(a.named, e)
		}
		if !p.sign(",") {
			_, err := p.expect(kindSign, ")")
			return a, err
		}
	}
	return a, nil
}

// filters reads |filter(...) and is test(...).
func (p *parser) filters(e expression) (expression, error) {
	for n := 0; ; n++ {
		t := p.peek()
		if n > chainMax {
			return nil, limit(t.line, "more than %d filters in a row", chainMax)
		}
		var err error
		switch {
		case p.sign("|"):
			e, err = p.filter(e)
		case p.word("is"):
			e, err = p.test(e)
		case n > 0 && t.kind == kindSign && (t.text == "." || t.text == "[" || t.text == "("):
			// jinja2 takes a call here, and no field; nobody writes either.
			return nil, syntax(t.line, "%s behind a filter; put brackets around it", t.text)
		default:
			return e, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

func (p *parser) filter(e expression) (expression, error) {
	name, err := p.expect(kindName, "")
	if err != nil {
		return nil, err
	}
	if !slices.Contains(filtersTable, name.text) {
		return nil, unsupported(name.line, "the filter %s", found(name))
	}
	f := &filter{of: e, name: name.text, line: name.line}
	if p.sign("(") {
		f.arguments, err = p.arguments()
	}
	if err == nil {
		err = p.checkNames(f)
	}
	return f, err
}

// checkNames refuses filters and tests that are named by a constant, as in
// map("upper"), and are not known.
func (p *parser) checkNames(f *filter) error {
	at, known := -1, testsTable
	switch f.name {
	case "map":
		at, known = 0, filtersTable
	case "select", "reject":
		at = 0
	case "selectattr", "rejectattr":
		at = 1
	}
	if at < 0 || at >= len(f.arguments.values) {
		return nil
	}
	if c, ok := f.arguments.values[at].(constant); ok {
		if s, ok := c.v.(string); ok && !slices.Contains(known, s) {
			return unsupported(f.line, "%.40s in the filter %s", s, f.name)
		}
	}
	return nil
}

// begins reports whether a token begins the argument of a test that has no
// brackets: x is divisibleby 3.
func (t *token) begins() bool {
	//exhaustive:ignore
	switch t.kind {
	case kindString, kindInteger, kindFloat:
		return true
	case kindSign:
		return t.text == "[" || t.text == "{"
	case kindName:
		return !slices.Contains([]string{"and", "or", "else", "if", "is", "not", "in"}, t.text)
	default:
		return false
	}
}

func (p *parser) test(e expression) (expression, error) {
	not := p.word("not")
	t := p.take()
	name := t.text
	if t.kind != kindName && (t.kind != kindSign || name != "==" && name != "!=") {
		return nil, syntax(t.line, "%s where a test should be", found(t))
	}
	if !slices.Contains(testsTable, name) {
		return nil, unsupported(t.line, "the test %s", found(t))
	}
	s := &test{of: e, name: name, line: t.line}
	var err error
	switch {
	case p.sign("("):
		s.arguments, err = p.arguments()
	case p.peek().begins():
		var v expression
		if v, err = p.primary(); err == nil {
			v, err = p.postfix(v)
		}
		s.arguments.values = []expression{v}
	}
	if err != nil {
		return nil, err
	}
	if not {
		return &negation{s}, nil
	}
	return s, nil
}
