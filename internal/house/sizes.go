package house

import (
	"fmt"
	"go/ast"
	"strings"
)

// The limits come from the good half of the systems code that was measured:
// one function in twenty passes 60 lines there, and nobody defends the giant
// files.
const (
	functionLinesMax = 70
	fileLinesMax     = 800
)

// checkSizes holds functions and files to lengths that a reader can take in.
// Tests may have long functions, for tables are long; not long files.
func checkSizes(t *tree) []string {
	var found []string
	for _, s := range t.sources {
		if n := t.line(s.file.FileEnd); n > fileLinesMax {
			found = append(found, fmt.Sprintf("%s: %d lines, at most %d", s.path, n, fileLinesMax))
		}
		for _, d := range s.file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || s.test() || argued(f.Doc) {
				continue
			}
			if n := t.line(f.End()) - t.line(f.Pos()) + 1; n > functionLinesMax {
				found = append(found, fmt.Sprintf("%s: %s has %d lines, at most %d", t.at(f), f.Name.Name, n, functionLinesMax))
			}
		}
	}
	return found
}

// argued reports whether a function's comment gives a reason for its length,
// as a line "house:long REASON".
func argued(doc *ast.CommentGroup) bool {
	_, reason, ok := strings.Cut(doc.Text(), "house:long ")
	return ok && strings.TrimSpace(reason) != ""
}
