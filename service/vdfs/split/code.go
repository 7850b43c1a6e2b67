package split

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"strings"
)

// goNestingMax is the deepest nesting of brackets that Go's parser is given.
const goNestingMax = 1000

// readGo reads each declaration of a Go file as a section, its comment with it.
func readGo(d *document) error {
	if nesting(d.text) > goNestingMax {
		return fmt.Errorf("%w: brackets nested beyond %d", ErrFormat, goNestingMax)
	}
	files := token.NewFileSet()
	f, err := parser.ParseFile(files, "", d.text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrFormat, err)
	}
	at := func(p token.Pos) int { return files.PositionFor(p, false).Offset }
	d.title = cutAt(f.Name.Name, pathBytesMax)
	d.enter(Code, []string{d.title})
	done := 0
	for _, declaration := range f.Decls {
		begin, end, name := at(declaration.Pos()), at(declaration.End()), ""
		switch n := declaration.(type) {
		case *ast.FuncDecl:
			name = receiver(n) + n.Name.Name
			if n.Doc != nil {
				begin = at(n.Doc.Pos())
			}
		case *ast.GenDecl:
			if n.Doc != nil {
				begin = at(n.Doc.Pos())
			}
			if t, ok := n.Specs, len(n.Specs) == 1; ok {
				if spec, ok := t[0].(*ast.TypeSpec); ok {
					name = spec.Name.Name
				}
			}
		}
		if begin < done {
			continue
		}
		d.words(done, begin, breakLine)
		if name != "" {
			d.enter(Code, []string{d.title, name})
		}
		d.words(begin, end, breakLine)
		if name != "" {
			d.enter(Code, []string{d.title})
		}
		done = end
	}
	d.words(done, len(d.text), breakLine)
	return nil
}

// receiver is "Type." of a method and "" of a function.
func receiver(f *ast.FuncDecl) string {
	if f.Recv == nil || len(f.Recv.List) != 1 {
		return ""
	}
	t := f.Recv.List[0].Type
	for range 4 {
		switch n := t.(type) {
		case *ast.StarExpr:
			t = n.X
		case *ast.IndexExpr:
			t = n.X
		case *ast.IndexListExpr:
			t = n.X
		case *ast.Ident:
			return n.Name + "."
		}
	}
	return ""
}

// nesting is the deepest nesting of brackets, strings and comments not minded.
func nesting(text string) int {
	depth, deepest := 0, 0
	for i := range len(text) {
		switch text[i] {
		case '(', '[', '{':
			depth++
			deepest = max(deepest, depth)
		case ')', ']', '}':
			depth = max(0, depth-1)
		case '*', '&', '-', '!', '<':
			// unary operators nest too, one by one
			if i > 0 && text[i] == text[i-1] {
				deepest = max(deepest, run(text, i))
			}
		}
	}
	return deepest
}

// run is how often the byte at a place is repeated from there, up to the bound.
func run(text string, at int) int {
	n := 1
	for n <= goNestingMax && at+n < len(text) && text[at+n] == text[at] {
		n++
	}
	return n
}

// readCode reads other languages by the shape that nearly all share: what begins
// at the margin, or one step in, after an empty line or with a word that
// declares, begins a unit.
func readCode(d *document, begin, end int) {
	d.enter(Code, nil)
	outer := ""
	for at := begin; at < end; {
		stop := at + strings.IndexByte(d.text[at:end], '\n') + 1
		if stop == at {
			stop = end
		}
		line := d.text[at:stop]
		indent := len(line) - len(strings.TrimLeft(line, " \t"))
		if name := declared(line); name != "" && indent <= 4 {
			if indent == 0 {
				outer = name
				d.enter(Code, []string{name})
			} else {
				d.enter(Code, []string{outer, name})
			}
		}
		d.words(at, stop, breakLine)
		if strings.TrimSpace(line) == "" {
			d.apart(breakParagraph)
		}
		at = stop
	}
}

// declared is the name that a line declares, or "".
func declared(line string) string {
	words := strings.Fields(cutAt(line, 160))
	for i, w := range words {
		if i > 4 {
			break
		}
		switch w {
		case "func", "def", "class", "fn", "function", "struct", "interface", "impl", "enum", "trait", "module", "namespace", "mod", "object", "proc", "sub":
			if i+1 < len(words) {
				return identifier(words[i+1])
			}
			return ""
		case "pub", "public", "private", "protected", "static", "export", "default", "async", "abstract", "final", "const", "unsafe", "inline", "extern":
		default:
			return functionOfC(line, words)
		}
	}
	return ""
}

// functionOfC recognises "type name(arguments) {" at the margin.
func functionOfC(line string, words []string) string {
	before, after, ok := strings.Cut(line, "(")
	if !ok || line[0] <= ' ' || line[0] == '#' || line[0] == '/' || strings.ContainsAny(before, "=;\"'") || strings.Contains(after, ";") || len(words) < 2 {
		return ""
	}
	fields := strings.Fields(before)
	if len(fields) < 2 {
		return ""
	}
	return identifier(strings.TrimLeft(fields[len(fields)-1], "*&"))
}

// identifier is the head of a word that can be a name.
func identifier(word string) string {
	for i := range len(word) {
		if c := word[i]; c != '_' && c != ':' && (c|0x20 < 'a' || c|0x20 > 'z') && (c < '0' || c > '9') && c < 0x80 {
			return strings.Trim(word[:i], ":")
		}
	}
	return strings.Trim(word, ":")
}
