package house

import (
	"fmt"
	"go/ast"
	"slices"
	"strings"
)

// checkUnsafe gives unsafe an address: it is imported only by files called
// *_unsafe.go, and there each function that uses it says why that is sound.
func checkUnsafe(t *tree) []string {
	var found []string
	for _, s := range t.sources {
		if !importsUnsafe(s.file) {
			continue
		}
		if !strings.HasSuffix(s.path, "_unsafe.go") && !strings.HasSuffix(s.path, "_unsafe_test.go") {
			found = append(found, s.path+": unsafe is for files named *_unsafe.go")
		}
		for _, d := range s.file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && usesUnsafe(f) && !saysSafety(s.file, f) {
				found = append(found, fmt.Sprintf("%s: %s uses unsafe and has no \"// Safety:\" comment", t.at(f), f.Name.Name))
			}
		}
	}
	return found
}

func importsUnsafe(file *ast.File) bool {
	return slices.ContainsFunc(file.Imports, func(i *ast.ImportSpec) bool {
		return i.Path.Value == `"unsafe"`
	})
}

// usesUnsafe reports whether a function does more with unsafe than ask for a
// size, which is a constant and harms nobody.
func usesUnsafe(f *ast.FuncDecl) bool {
	harmless := []string{"Sizeof", "Alignof", "Offsetof"}
	used := false
	ast.Inspect(f, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if x, ok := sel.X.(*ast.Ident); ok && x.Name == "unsafe" && !slices.Contains(harmless, sel.Sel.Name) {
			used = true
		}
		return true
	})
	return used
}

// saysSafety reports whether a comment on or in the function argues.
func saysSafety(file *ast.File, f *ast.FuncDecl) bool {
	start := f.Pos()
	if f.Doc != nil {
		start = f.Doc.Pos()
	}
	return slices.ContainsFunc(file.Comments, func(c *ast.CommentGroup) bool {
		return c.Pos() >= start && c.End() <= f.End() && strings.Contains(c.Text(), "Safety: ")
	})
}
