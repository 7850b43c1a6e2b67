package house

import (
	"fmt"
	"iter"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
)

// vagueNames are the names of packages that could hold anything, and so will.
var vagueNames = regexp.MustCompile(`^(base|common|core|helpers?|lib|manager|misc|shared|stuff|tools?|types|utils?)$`)

// checkNames refuses package names that say nothing.
func checkNames(t *tree) []string {
	var found []string
	for dir, files := range t.sorted() {
		if name := files[0].file.Name.Name; vagueNames.MatchString(name) {
			found = append(found, fmt.Sprintf("%s: package %s says nothing", dir, name))
		}
	}
	return found
}

// checkPackageDocs asks every package to say once what it is, in the form
// that go doc prints well.
func checkPackageDocs(t *tree) []string {
	var found []string
	for dir, files := range t.sorted() {
		docs := docsOf(files)
		if len(docs) != 1 {
			found = append(found, fmt.Sprintf("%s: %d package docs, want 1", dir, len(docs)))
			continue
		}
		want := "Package " + strings.TrimSuffix(files[0].file.Name.Name, "_test") + " "
		if want == "Package main " {
			want = "Command " + path.Base(dir) + " "
		}
		if !strings.HasPrefix(docs[0], want) {
			found = append(found, fmt.Sprintf("%s: the package doc must start %q", dir, want))
		}
	}
	return found
}

// sorted yields the packages in the order of their folders.
func (t *tree) sorted() iter.Seq2[string, []source] {
	pkgs := t.packages()
	return func(yield func(string, []source) bool) {
		for _, dir := range slices.Sorted(maps.Keys(pkgs)) {
			if !yield(dir, pkgs[dir]) {
				return
			}
		}
	}
}

// docsOf returns the package docs among the files of one package.
func docsOf(files []source) []string {
	var docs []string
	for _, s := range files {
		if text := s.file.Doc.Text(); text != "" {
			docs = append(docs, text)
		}
	}
	return docs
}
