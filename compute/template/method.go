package template

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The methods of values, as Python names them. What changes a value is not
// there: Hugging Face's environment refuses that too.
var (
	stringMethodsTable = []string{
		"capitalize", "count", "endswith", "find", "index", "isalnum", "isalpha", "isdigit", "islower", "isspace", "isupper",
		"join", "lower", "lstrip", "removeprefix", "removesuffix", "replace", "rfind", "rsplit", "rstrip", "split", "splitlines",
		"startswith", "strip", "title", "upper",
	}
	listMethodsTable = []string{"count", "index"}
	dictMethodsTable = []string{"get", "items", "keys", "values"}
	methodsTable     = slices.Concat(stringMethodsTable, listMethodsTable, dictMethodsTable, []string{"cycle"})
)

func isMethod(table []string, name string) bool { return slices.Contains(table, name) }

// call runs a method; ok is false when the arguments do not fit.
func (m method) call(r *renderer, a *arguments) (v any, ok bool, err error) {
	if err := r.weigh(a.line, m.of); err != nil {
		return nil, true, err
	}
	switch of := m.of.(type) {
	case string:
		if v, ok = m.transform(of, a); ok {
			s, _ := v.(string)
			return v, true, r.text(a.line, len(s))
		}
		if v, ok = m.parts(of, a); ok {
			l, _ := v.(*list)
			if err := r.list(a.line, len(l.items)); err != nil {
				return nil, true, err
			}
			return v, true, r.text(a.line, len(of))
		}
		if m.name == "join" && len(a.values) == 1 {
			return m.join(r, of, a)
		}
		v, ok = m.ask(of, a)
		return v, ok, nil
	case *list:
		v, ok = m.ofList(r, of, a)
		return v, ok, nil
	case *dict:
		v, ok = m.ofDict(of, a)
		return v, ok, r.list(a.line, len(of.keys))
	case *loop:
		if len(a.values) == 0 {
			return nil, false, nil
		}
		return a.values[of.at%len(a.values)], true, nil
	default:
		return nil, false, nil
	}
}

func (m method) join(r *renderer, of string, a *arguments) (any, bool, error) {
	items, ok := iterate(a.values[0])
	if !ok {
		return nil, false, nil
	}
	texts, size := make([]string, 0, len(items)), 0
	for _, item := range items {
		s, ok := item.(string)
		if !ok {
			return nil, false, nil
		}
		size += len(s) + len(of)
		texts = append(texts, s)
	}
	if err := r.text(a.line, size); err != nil {
		return nil, true, err
	}
	return strings.Join(texts, of), true, nil
}

// transform is the methods that make another text.
func (m method) transform(s string, a *arguments) (any, bool) {
	switch m.name {
	case "upper":
		return upper(s), true
	case "lower":
		return strings.ToLower(s), true
	case "title":
		return title(s), true
	case "capitalize":
		return capitalize(s), true
	case "strip", "lstrip", "rstrip":
		set, ok := a.str(0, "chars", "")
		if !ok {
			return nil, false
		}
		return strip(m.name, s, set), true
	case "removeprefix", "removesuffix":
		part, ok := a.str(0, "", "")
		if m.name == "removeprefix" {
			return strings.TrimPrefix(s, part), ok
		}
		return strings.TrimSuffix(s, part), ok
	case "replace":
		from, okFrom := a.str(0, "old", "")
		to, okTo := a.str(1, "new", "")
		n, okN := a.num(2, "count", -1)
		if !okFrom || !okTo || !okN || len(a.values) < 2 {
			return nil, false
		}
		return replace(s, from, to, n)
	default:
		return nil, false
	}
}

// replace refuses to make text that is too long before making it.
func replace(s, from, to string, n int64) (any, bool) {
	count := int64(strings.Count(s, from))
	if n < 0 || n > count {
		n = count
	}
	if n*int64(len(to)) > OutputBytesMax {
		return nil, false
	}
	return strings.Replace(s, from, to, int(n)), true
}

// strip takes white space, or characters of a set, off the ends.
func strip(name, s, set string) string {
	in := pythonSpace
	if set != "" {
		in = func(r rune) bool { return strings.ContainsRune(set, r) }
	}
	if name != "rstrip" {
		s = strings.TrimLeftFunc(s, in)
	}
	if name != "lstrip" {
		s = strings.TrimRightFunc(s, in)
	}
	return s
}

// pythonSpace is white space for Python, which counts four separators of ASCII.
func pythonSpace(r rune) bool { return unicode.IsSpace(r) || r >= 0x1c && r <= 0x1f }

// upper is Python's, which writes ß as two letters; other characters that
// become longer are no part of templates.
func upper(s string) string { return strings.ReplaceAll(strings.ToUpper(s), "ß", "SS") }

// title begins each word with a capital.
func title(s string) string {
	inside := false
	return strings.Map(func(r rune) rune {
		was := inside
		inside = unicode.IsLetter(r)
		switch {
		case !inside:
			return r
		case was:
			return unicode.ToLower(r)
		default:
			return unicode.ToTitle(r)
		}
	}, s)
}

func capitalize(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	if n == 0 {
		return s
	}
	return string(unicode.ToTitle(r)) + strings.ToLower(s[n:])
}

// parts is the methods that make a list.
func (m method) parts(s string, a *arguments) (any, bool) {
	var parts []string
	switch m.name {
	case "splitlines":
		parts = strings.Split(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(s), "\n")
		if parts[len(parts)-1] == "" {
			parts = parts[:len(parts)-1]
		}
	case "split", "rsplit":
		by, okBy := a.str(0, "sep", "")
		most, okMost := a.num(1, "maxsplit", -1)
		if v, given := a.get(0, "sep"); !okBy || !okMost || given && v != nil && by == "" {
			return nil, false
		}
		parts = split(s, by, most, m.name == "rsplit")
	default:
		return nil, false
	}
	l := &list{items: make([]any, len(parts))}
	for i, p := range parts {
		l.items[i] = p
	}
	return l, true
}

// split cuts at a text, or at white space when there is none, at most so often.
func split(s, by string, most int64, right bool) (parts []string) { //nolint:revive // flag-parameter: split and rsplit are one but for the end they begin at
	cutOne := func(s string) (rest, part string, ok bool) {
		if by == "" {
			return cutSpace(s, right)
		}
		if right {
			at := strings.LastIndex(s, by)
			if at < 0 {
				return "", s, false
			}
			return s[:at], s[at+len(by):], true
		}
		part, rest, ok = strings.Cut(s, by)
		return rest, part, ok
	}
	if by == "" {
		s = strings.TrimFunc(s, pythonSpace)
		if s == "" {
			return nil
		}
	}
	for most < 0 || int64(len(parts)) < most {
		rest, part, ok := cutOne(s)
		if !ok {
			break
		}
		parts = append(parts, part)
		s = rest
	}
	parts = append(parts, s)
	if right {
		slices.Reverse(parts)
	}
	return parts
}

func cutSpace(s string, right bool) (rest, part string, ok bool) { //nolint:revive // flag-parameter: as in split
	if right {
		at := strings.LastIndexFunc(s, pythonSpace)
		if at < 0 {
			return "", s, false
		}
		_, n := utf8.DecodeRuneInString(s[at:])
		return strings.TrimRightFunc(s[:at], pythonSpace), s[at+n:], true
	}
	at := strings.IndexFunc(s, pythonSpace)
	if at < 0 {
		return "", s, false
	}
	return strings.TrimLeftFunc(s[at:], pythonSpace), s[:at], true
}

// ask is the methods that tell something of a text.
func (m method) ask(s string, a *arguments) (any, bool) { //nolint:revive // cyclomatic: a flat list of cases, which reads best in one place
	switch m.name {
	case "startswith", "endswith":
		return m.affix(s, a)
	case "find", "rfind", "index", "count":
		part, ok := a.str(0, "sub", "")
		if !ok || len(a.values) != 1 {
			return nil, false
		}
		if m.name == "count" {
			return int64(strings.Count(s, part)), true
		}
		at := strings.Index(s, part)
		if m.name == "rfind" {
			at = strings.LastIndex(s, part)
		}
		if at < 0 {
			return int64(-1), m.name != "index"
		}
		return int64(utf8.RuneCountInString(s[:at])), true
	case "isspace":
		return every(s, pythonSpace), true
	case "isdigit":
		return every(s, unicode.IsDigit), true
	case "isalpha":
		return every(s, unicode.IsLetter), true
	case "isalnum":
		return every(s, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsNumber(r) }), true
	case "isupper":
		return strings.ToUpper(s) == s && strings.ToLower(s) != s, true
	case "islower":
		return strings.ToLower(s) == s && strings.ToUpper(s) != s, true
	default:
		return nil, false
	}
}

func every(s string, is func(rune) bool) bool {
	return s != "" && strings.IndexFunc(s, func(r rune) bool { return !is(r) }) < 0
}

// affix is startswith and endswith of one text or any of a list.
func (m method) affix(s string, a *arguments) (any, bool) {
	if len(a.values) != 1 {
		return nil, false
	}
	parts := a.values
	if l, ok := a.values[0].(*list); ok {
		parts = l.items
	}
	for _, p := range parts {
		part, ok := p.(string)
		if !ok {
			return nil, false
		}
		if m.name == "startswith" && strings.HasPrefix(s, part) || m.name == "endswith" && strings.HasSuffix(s, part) {
			return true, true
		}
	}
	return false, true
}

func (m method) ofList(r *renderer, l *list, a *arguments) (any, bool) {
	if len(a.values) != 1 {
		return nil, false
	}
	n := int64(0)
	for i, item := range l.items {
		if !r.equal(item, a.values[0], 0) {
			continue
		}
		if m.name == "index" {
			return int64(i), true
		}
		n++
	}
	return n, m.name == "count"
}

func (m method) ofDict(d *dict, a *arguments) (any, bool) {
	if m.name == "get" {
		k, ok := a.get(0, "key")
		if !ok {
			return nil, false
		}
		if key, ok := k.(string); ok {
			if v, ok := d.values[key]; ok {
				return v, true
			}
		}
		v, _ := a.get(1, "default")
		return v, true
	}
	l := &list{items: make([]any, 0, len(d.keys))}
	for _, k := range d.keys {
		switch m.name {
		case "keys":
			l.items = append(l.items, k)
		case "values":
			l.items = append(l.items, d.values[k])
		default:
			l.items = append(l.items, &list{[]any{k, d.values[k]}, true})
		}
	}
	return l, true
}
