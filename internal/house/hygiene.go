package house

import (
	"bytes"
	"fmt"
	"io/fs"
	"path"
	"regexp"
)

// The patterns are written so that they do not match their own source.
var (
	unfinished = regexp.MustCompile(`\b(T[O]DO|F[I]XME|X[X]X)\b`)
	machine    = regexp.MustCompile(`(^|[^\w.])/(root|work)/`)
	registry   = regexp.MustCompile(`\b(proxy\.golang\.org|sum\.golang\.org|goproxy\.(io|cn)|registry\.npmjs\.org|` +
		`pypi\.org|files\.pythonhosted\.org|(static|index)\.crates\.io|deb\.debian\.org|archive\.ubuntu\.com)\b`)
)

// checkHygiene keeps the repository free of notes to self, of paths that exist
// on one machine only, and of the addresses of package registries: where to
// fetch from is the choice of whoever builds.
func checkHygiene(t *tree) []string {
	var found []string
	err := walk(t.files, func(name string) error {
		if under(name, "internal/house/testdata") {
			return nil // The stories break the rules on purpose.
		}
		text, err := fs.ReadFile(t.files, name)
		if err != nil {
			return err
		}
		if bytes.IndexByte(text, 0) >= 0 {
			return nil
		}
		for i, line := range bytes.Split(text, []byte("\n")) {
			if what := untidy(name, line); what != "" {
				found = append(found, fmt.Sprintf("%s:%d: %s", name, i+1, what))
			}
		}
		return nil
	})
	if err != nil {
		found = append(found, err.Error())
	}
	return found
}

// untidy says what is wrong with one line of a file, or nothing.
func untidy(name string, line []byte) string {
	switch base := path.Base(name); {
	case path.Ext(name) == ".go" && unfinished.Match(line):
		return "finish it, or open an issue"
	case machine.Match(line):
		return "a path of one machine"
	case base == "go.mod", base == "go.sum", base == "LICENSE", base == "NOTICE":
		return ""
	case registry.Match(line):
		return "a registry's address"
	}
	return ""
}
