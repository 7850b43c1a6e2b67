package house

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// tree is what the rules look at: the repository, or a small one of testdata.
type tree struct {
	files   fs.FS
	fset    *token.FileSet
	sources []source // In the order of their paths.
}

// source is one parsed Go file.
type source struct {
	path string // Slash-separated, from the root of the tree.
	file *ast.File
}

// dir returns the folder of the file, which is also its package path without
// the name of the module.
func (s source) dir() string { return path.Dir(s.path) }

// test reports whether only tests compile the file.
func (s source) test() bool { return strings.HasSuffix(s.path, "_test.go") }

// load parses every Go file of the tree, but for generated ones.
func load(files fs.FS) (*tree, error) {
	t := &tree{files: files, fset: token.NewFileSet()}
	err := walk(files, func(name string) error {
		if path.Ext(name) != ".go" || within(name, "testdata") {
			return nil
		}
		text, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		file, err := parser.ParseFile(t.fset, name, text, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return fmt.Errorf("parse: %w", err)
		}
		if !ast.IsGenerated(file) {
			t.sources = append(t.sources, source{path: name, file: file})
		}
		return nil
	})
	return t, err
}

// walk calls visit for each file that belongs to the tree. Build outputs, the
// repository's own records and modules inside the module do not.
func walk(files fs.FS, visit func(name string) error) error {
	return fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if !d.IsDir() {
			if !d.Type().IsRegular() {
				return nil
			}
			return visit(name)
		}
		if name == ".git" || name == "bin" {
			return fs.SkipDir
		}
		if name != "." && exists(files, path.Join(name, "go.mod")) {
			return fs.SkipDir
		}
		return nil
	})
}

// packages groups the sources by folder. A folder whose code is all tests
// keeps its test files; any other keeps only what is built without tests.
func (t *tree) packages() map[string][]source {
	built, tests := map[string][]source{}, map[string][]source{}
	for _, s := range t.sources {
		if s.test() {
			tests[s.dir()] = append(tests[s.dir()], s)
		} else {
			built[s.dir()] = append(built[s.dir()], s)
		}
	}
	for dir, files := range tests {
		if len(built[dir]) == 0 {
			built[dir] = files
		}
	}
	return built
}

// at names the place of a node, as an editor can open it.
func (t *tree) at(n ast.Node) string {
	p := t.fset.PositionFor(n.Pos(), false)
	return fmt.Sprintf("%s:%d", p.Filename, p.Line)
}

// line returns the line on which a position stands in its file, whatever a
// "//line" comment may claim.
func (t *tree) line(p token.Pos) int { return t.fset.PositionFor(p, false).Line }

// within reports whether one of the folders above a file has this name.
func within(name, folder string) bool {
	return slices.Contains(strings.Split(path.Dir(name), "/"), folder)
}

// under reports whether a file lies in one of the folders, at any depth.
func under(name string, folders ...string) bool {
	return slices.ContainsFunc(folders, func(f string) bool {
		return strings.HasPrefix(name, f+"/")
	})
}

func exists(files fs.FS, name string) bool {
	_, err := fs.Stat(files, name)
	return err == nil
}
