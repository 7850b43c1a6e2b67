package house

import (
	"fmt"
	"go/ast"
)

// documentedPercentMin is the share of exported names that say what they are
// in the two trees nearest to this one.
const documentedPercentMin = 97

// checkExported holds the contract, the kernel and the platform to that share,
// folder by folder, and lists what is missing when it is not reached.
func checkExported(t *tree) []string {
	var found []string
	for _, folder := range []string{"abi", "kernel", "platform"} {
		total, missing := 0, []string{}
		for _, s := range t.sources {
			if s.test() || !under(s.path, folder) {
				continue
			}
			for _, e := range exportedNames(s.file) {
				total++
				if !e.documented {
					missing = append(missing, fmt.Sprintf("%s: %s is exported and has no comment", t.at(e.name), e.name.Name))
				}
			}
		}
		if 100*(total-len(missing)) < documentedPercentMin*total {
			found = append(found, missing...)
			found = append(found, fmt.Sprintf("%s: %d of %d exported names have a comment, want %d %%",
				folder, total-len(missing), total, documentedPercentMin))
		}
	}
	return found
}

// export is one exported name.
type export struct {
	name       *ast.Ident
	documented bool
}

// exportedNames returns what a file exports at its top level, and whether a
// comment stands there. In a group, the comment of the group counts for all.
func exportedNames(file *ast.File) []export {
	var exported []export
	for _, d := range file.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Name.IsExported() && exportedReceiver(d.Recv) {
				exported = append(exported, export{d.Name, d.Doc != nil})
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				names, documented := specNames(spec)
				for _, n := range names {
					if n.IsExported() {
						exported = append(exported, export{n, documented || d.Doc != nil})
					}
				}
			}
		}
	}
	return exported
}

// specNames returns the names that one spec declares, and whether it has a
// comment of its own.
func specNames(spec ast.Spec) (names []*ast.Ident, documented bool) {
	switch spec := spec.(type) {
	case *ast.TypeSpec:
		return []*ast.Ident{spec.Name}, spec.Doc != nil || spec.Comment != nil
	case *ast.ValueSpec:
		return spec.Names, spec.Doc != nil || spec.Comment != nil
	default:
		return nil, true
	}
}

// exportedReceiver reports whether a function is no method, or a method of an
// exported type.
func exportedReceiver(recv *ast.FieldList) bool {
	if recv == nil || len(recv.List) == 0 {
		return true
	}
	exported := false
	ast.Inspect(recv.List[0].Type, func(n ast.Node) bool {
		if id, ok := n.(*ast.Ident); ok {
			exported = id.IsExported()
			return false
		}
		return !exported
	})
	return exported
}
