package house

import (
	"fmt"
	"go/ast"
	"io/fs"
	"path"
	"regexp"
	"strconv"
	"strings"
)

var (
	fencedBlock = regexp.MustCompile("(?ms)^ *```.*?^ *```")
	codeSpan    = regexp.MustCompile("`[^`\n]+`")
	recipeLine  = regexp.MustCompile(`(?m)^\t.*$`)
	phiVerb     = regexp.MustCompile("(?:^|[\\s`/$])phi ([a-z][a-z-]*)")
)

// checkVerbs holds the program to what the documents and the Makefile say of
// it: each verb that they name is one that cmd/phi declares. Before there is a
// program there is nothing to hold.
func checkVerbs(t *tree) []string {
	if !exists(t.files, "cmd/phi") {
		return nil
	}
	declared := declaredVerbs(t)
	var found []string
	err := walk(t.files, func(name string) error {
		if name != "Makefile" && name != "README.md" && (path.Ext(name) != ".md" || !under(name, "docs")) {
			return nil
		}
		text, err := fs.ReadFile(t.files, name)
		if err != nil {
			return err
		}
		said := map[string]bool{}
		for _, code := range codeIn(name, string(text)) {
			for _, m := range phiVerb.FindAllStringSubmatch(code, -1) {
				if verb := m[1]; !declared[verb] && !said[verb] {
					said[verb] = true
					found = append(found, fmt.Sprintf("%s: \"phi %s\" is not a verb of cmd/phi", name, verb))
				}
			}
		}
		return nil
	})
	if err != nil {
		found = append(found, err.Error())
	}
	return found
}

// codeIn returns the parts of a file that are typed or run: the recipes of a
// Makefile, and of a document its blocks and spans of code.
func codeIn(name, text string) []string {
	if path.Ext(name) != ".md" {
		return recipeLine.FindAllString(text, -1)
	}
	code := fencedBlock.FindAllString(text, -1)
	return append(code, codeSpan.FindAllString(fencedBlock.ReplaceAllString(text, ""), -1)...)
}

// declaredVerbs returns the first word of each "Use:" in cmd/phi.
func declaredVerbs(t *tree) map[string]bool {
	verbs := map[string]bool{}
	for _, s := range t.sources {
		if s.dir() != "cmd/phi" || s.test() {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			kv, ok := n.(*ast.KeyValueExpr)
			if !ok {
				return true
			}
			key, isName := kv.Key.(*ast.Ident)
			value, isText := kv.Value.(*ast.BasicLit)
			if !isName || !isText || key.Name != "Use" {
				return true
			}
			if use, err := strconv.Unquote(value.Value); err == nil {
				verb, _, _ := strings.Cut(use, " ")
				verbs[verb] = true
			}
			return true
		})
	}
	return verbs
}
