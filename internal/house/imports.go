package house

import (
	"fmt"
	"slices"
	"strconv"
)

// module is the name that go.mod gives to this repository.
const module = "phios"

// checkImports holds every import of every file against imports.txt.
func checkImports(t *tree) []string {
	p, err := readPolicy(t.files)
	if err != nil {
		return []string{err.Error()}
	}
	var found []string
	for _, s := range t.sources {
		lines, whose := p.built, s.dir()
		if s.test() {
			lines, whose = p.tests, "the tests of "+s.dir()
		}
		line := find(lines, s.dir())
		if line == nil {
			found = append(found, whose+": no line in imports.txt")
			continue
		}
		for _, spec := range s.file.Imports {
			path, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return append(found, err.Error())
			}
			if !line.allows(path) {
				found = append(found, fmt.Sprintf("%s: %s may not import %s", s.path, whose, path))
			} else if why := p.refusal(s.dir(), path); why != "" && !s.test() {
				found = append(found, fmt.Sprintf("%s: %s may not import %s: %s", s.path, whose, path, why))
			}
		}
	}
	return slices.Compact(found) // A package without a line is told once.
}
