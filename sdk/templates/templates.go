// Package templates holds the beginnings of programs on ΦOS that phi new
// writes: for each language a small server that builds as it is, with its
// manifest and the library it needs.
package templates

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"

	"phios/sdk"
)

// The templates, a folder for each language. The name of each file ends in
// .tmpl, so that no tool takes it for a part of this repository, and that of
// .gitignore has no dot, for embed would leave it out.
//
//go:embed go c assemblyscript python
var files embed.FS

// language is what belongs to one language.
type language struct {
	name string
	// library is the folder of sdk that goes along, and place where to.
	library, place string
}

var languageTable = []language{
	{"assemblyscript", "assemblyscript", "."},
	{"c", "c", "."},
	{"go", "go", "phi"},
	{"python", "python", "."},
}

// namePattern is what a manifest accepts as the name of a capsule.
var namePattern = regexp.MustCompile(`^[a-z][a-z0-9-]{0,31}$`)

// Languages returns the languages that there are templates for, in order.
func Languages() []string {
	var names []string
	for _, l := range languageTable {
		names = append(names, l.name)
	}
	return names
}

// Write makes the folder dir with a new program called name in the language.
// The folder must not exist or be empty; it is there whole or, when an error
// is returned, not at all.
func Write(lang, name, dir string) error {
	at := slices.IndexFunc(languageTable, func(l language) bool { return l.name == lang })
	if at < 0 {
		return fmt.Errorf("no template for the language %q: there are %s", lang, strings.Join(Languages(), ", "))
	}
	if !namePattern.MatchString(name) {
		return fmt.Errorf("%q is no name for a capsule: use 1 to 32 small letters, digits and hyphens, a letter first", name)
	}
	fresh, err := os.MkdirTemp(filepath.Dir(filepath.Clean(dir)), ".phi-new-")
	if err != nil {
		return fmt.Errorf("make the folder %s: %w", dir, err)
	}
	if err := write(languageTable[at], name, fresh, dir); err != nil {
		return errors.Join(err, os.RemoveAll(fresh))
	}
	return nil
}

// write fills the folder fresh and then makes it dir.
func write(l language, name, fresh, dir string) error {
	if err := copyTree(files, l.name, name, fresh); err != nil {
		return err
	}
	if err := copyTree(sdk.Sources, l.library, name, filepath.Join(fresh, l.place)); err != nil {
		return err
	}
	if err := os.Chmod(fresh, 0o755); err != nil { //nolint:gosec // G302: a folder of sources, like any other
		return fmt.Errorf("make the folder %s: %w", dir, err)
	}
	err := syscall.Rmdir(dir) // It takes an empty folder, and nothing else.
	if err != nil && !errors.Is(err, syscall.ENOENT) {
		return fmt.Errorf("%s is there already: choose another name, or remove it", dir)
	}
	return os.Rename(fresh, dir)
}

// copyTree writes what is in the folder from of a file system to the folder
// to, but for tests.
func copyTree(tree fs.FS, from, name, to string) error {
	return fs.WalkDir(tree, from, func(source string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		target := filepath.Join(to, filepath.FromSlash(strings.TrimPrefix(source, from)))
		if d.IsDir() {
			return os.MkdirAll(target, 0o755) //nolint:gosec // G301: a folder of sources, like any other
		}
		if strings.HasSuffix(source, "_test.go") {
			return nil
		}
		text, err := fs.ReadFile(tree, source)
		if err != nil {
			return err
		}
		target = strings.TrimSuffix(target, ".tmpl")
		if filepath.Base(target) == "gitignore" {
			target = filepath.Join(filepath.Dir(target), ".gitignore")
		}
		var mode fs.FileMode = 0o644
		if path.Ext(target) == ".sh" {
			mode = 0o755
		}
		return os.WriteFile(target, fill(text, name), mode)
	})
}

// fill puts the program's name into a file, and makes the imports of the
// library those of the copy.
func fill(text []byte, name string) []byte {
	text = bytes.ReplaceAll(text, []byte("{{name}}"), []byte(name))
	return bytes.ReplaceAll(text, []byte(`"phios/sdk/go`), []byte(`"capsule/`+name+"/phi"))
}
