package house

import (
	"fmt"
	"go/ast"
	"slices"
	"strconv"
	"strings"
)

// checkPurity keeps the core a function of its inputs: no goroutine, channel
// or work on import, and none of the packages that reach a clock, a source of
// chance or the world outside. Everything waits and measures through platform.
func checkPurity(t *tree) []string {
	var found []string
	for _, s := range t.sources {
		if s.test() || !under(s.path, "kernel", "mind") {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			if what := impurity(n); what != "" {
				found = append(found, fmt.Sprintf("%s: %s", t.at(n), what))
			}
			return true
		})
	}
	return found
}

// impurity says what a node does that a pure folder does not, or nothing.
func impurity(n ast.Node) string {
	switch n := n.(type) {
	case *ast.GoStmt:
		return "no goroutine here"
	case *ast.SelectStmt:
		return "no select here"
	case *ast.ChanType:
		return "no channel here"
	case *ast.FuncDecl:
		if n.Name.Name == "init" && n.Recv == nil {
			return "no init here"
		}
	case *ast.SelectorExpr:
		if x, ok := n.X.(*ast.Ident); ok && x.Name == "sync" && n.Sel.Name == "WaitGroup" {
			return "no goroutine to wait for here"
		}
	case *ast.ImportSpec:
		if path, err := strconv.Unquote(n.Path.Value); err != nil || worldly(path) {
			return "no " + path + " here"
		}
	}
	return ""
}

// worldly reports whether a package, or one below it, reaches outside.
func worldly(path string) bool {
	outside := []string{"context", "fmt", "io", "log", "math/rand", "net", "os", "time"}
	return slices.ContainsFunc(outside, func(p string) bool {
		return path == p || strings.HasPrefix(path, p+"/")
	})
}
