package template

// testsTable are the tests that are known.
var testsTable = []string{
	"!=", "==", "boolean", "callable", "defined", "divisibleby", "eq", "equalto", "even", "false", "float", "ge", "greaterthan",
	"gt", "in", "integer", "iterable", "le", "lessthan", "lower", "lt", "mapping", "ne", "none", "number", "odd", "sameas",
	"sequence", "string", "true", "undefined", "upper",
}

type test struct {
	of        expression
	name      string
	arguments argumentList
	line      int
}

func (e *test) value(r *renderer, f *frame) (any, error) {
	v, err := e.of.value(r, f)
	if err != nil {
		return nil, err
	}
	a, err := e.arguments.eval(r, f, e.line)
	if err != nil {
		return nil, err
	}
	return check(r, e.name, v, a)
}

// check runs a test.
func check(r *renderer, name string, v any, a *arguments) (bool, error) { //nolint:revive // cyclomatic: a flat list of cases, which reads best in one place
	if err := r.weigh(a.line, v); err != nil {
		return false, err
	}
	if is, known := kindOf(name, v); known {
		return is, nil
	}
	if len(a.values) == 0 {
		is, ok := property(name, v)
		if !ok {
			return false, failed(a.line, "the test %s of %s", name, describe(v))
		}
		return is, nil
	}
	other := a.values[0]
	if err := r.weigh(a.line, other); err != nil {
		return false, err
	}
	switch name {
	case "==", "eq", "equalto":
		return r.equal(v, other, 0), nil
	case "!=", "ne":
		return !r.equal(v, other, 0), nil
	case "sameas":
		return describe(v) == describe(other) && r.equal(v, other, 0), nil
	case "in":
		in, ok := r.contains(other, v)
		if !ok {
			return false, failed(a.line, "%s in %s", describe(v), describe(other))
		}
		return in, nil
	case "divisibleby":
		n, okN := integer(v)
		by, okBy := integer(other)
		if !okN || !okBy || by == 0 {
			return false, failed(a.line, "the test divisibleby of %s", describe(v))
		}
		return n%by == 0, nil
	}
	order, ok := compare(v, other)
	if !ok {
		return false, failed(a.line, "the test %s of %s", name, describe(v))
	}
	switch name {
	case "lt", "lessthan":
		return order < 0, nil
	case "gt", "greaterthan":
		return order > 0, nil
	case "le":
		return order <= 0, nil
	case "ge":
		return order >= 0, nil
	default:
		return false, failed(a.line, "the test %s with an argument", name)
	}
}

// kindOf is the tests of what a value is.
func kindOf(name string, v any) (is, known bool) { //nolint:revive // cyclomatic: a flat list of cases, which reads best in one place
	switch name {
	case "defined":
		_, missing := v.(undefined)
		return !missing, true
	case "undefined":
		_, is = v.(undefined)
	case "none":
		is = v == nil
	case "boolean":
		_, is = v.(bool)
	case "true", "false":
		b, isBool := v.(bool)
		is = isBool && b == (name == "true")
	case "string":
		_, is = v.(string)
	case "mapping":
		_, is = v.(*dict)
	case "integer":
		_, is = v.(int64)
	case "float":
		_, is = v.(float64)
	case "number":
		_, is = number(v)
	case "iterable":
		_, is = iterate(v)
	case "sequence":
		_, is = length(v)
	case "callable":
		switch v.(type) {
		case *macro, function, method:
			is = true
		}
	default:
		return false, false
	}
	return is, true
}

// property is the tests without argument that only fit some values.
func property(name string, v any) (is, ok bool) {
	switch name {
	case "odd", "even":
		n, ok := integer(v)
		return (n%2 != 0) == (name == "odd"), ok
	case "upper", "lower":
		s, ok := v.(string)
		b, _ := method{s, "is" + name}.ask(s, &arguments{})
		is, _ = b.(bool)
		return is, ok
	default:
		return false, false
	}
}
