package house

import (
	"fmt"
	"io/fs"
	"slices"
	"strings"
)

// policyFile is the table of who may import whom.
const policyFile = "internal/house/imports.txt"

// policy is imports.txt, parsed. The lines say what is allowed; the orders,
// nevers and onlys stand above them, so that a line widened in a hurry still
// meets a second reader.
type policy struct {
	built  []allowance // For the code of a package.
	tests  []allowance // For its tests.
	orders [][][]string
	nevers []ban
	onlys  []ban
}

// allowance is one line: what a package that matches may import.
type allowance struct {
	pattern          string
	ours, std, third []string
}

// ban is "never WHO | WHAT", or "only WHAT | WHO".
type ban struct {
	subject string
	objects []string
}

func readPolicy(files fs.FS) (*policy, error) {
	text, err := fs.ReadFile(files, policyFile)
	if err != nil {
		return nil, err
	}
	p := new(policy)
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if err := p.add(line); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// add parses one line of the table.
func (p *policy) add(line string) error {
	if order, ok := strings.CutPrefix(line, "order "); ok {
		var layers [][]string
		for layer := range strings.SplitSeq(order, "<") {
			layers = append(layers, strings.Fields(layer))
		}
		p.orders = append(p.orders, layers)
		return nil
	}
	columns := strings.Split(line, "|")
	subject := strings.TrimSpace(columns[0])
	verb, rest, _ := strings.Cut(subject, " ")
	switch {
	case len(columns) == 2 && verb == "never":
		p.nevers = append(p.nevers, ban{rest, strings.Fields(columns[1])})
	case len(columns) == 2 && verb == "only":
		p.onlys = append(p.onlys, ban{rest, strings.Fields(columns[1])})
	case len(columns) == 4:
		a := allowance{subject, strings.Fields(columns[1]), strings.Fields(columns[2]), strings.Fields(columns[3])}
		if pattern, ok := strings.CutSuffix(subject, "_test"); ok {
			a.pattern = pattern
			p.tests = append(p.tests, a)
		} else {
			p.built = append(p.built, a)
		}
	default:
		return fmt.Errorf("%s: not a line of policy: %q", policyFile, line)
	}
	return nil
}

// find returns the first line that matches a package, or nil.
func find(lines []allowance, name string) *allowance {
	i := slices.IndexFunc(lines, func(a allowance) bool { return match(a.pattern, name) })
	if i < 0 {
		return nil
	}
	return &lines[i]
}

// allows reports whether the line lets its package import path.
func (a *allowance) allows(path string) bool {
	first, below, _ := strings.Cut(path, "/")
	switch {
	case path == "C":
		return false // The system is built without cgo.
	case path == module:
		return matchAny(a.ours, ".")
	case first == module && strings.Contains(below, "/internal/"):
		return true // A folder's private packages: the compiler guards them.
	case first == module:
		return matchAny(a.ours, below)
	case strings.Contains(first, "."):
		return matchAny(a.third, path)
	default:
		return matchAny(a.std, path)
	}
}

// refusal says why the package called name may never import path, whatever
// its line allows. It is empty when nothing stands against it.
func (p *policy) refusal(name, path string) string {
	path = strings.TrimPrefix(path, module+"/")
	for _, layers := range p.orders {
		if from, to := rank(layers, name), rank(layers, path); from >= 0 && to > from {
			return "it lies above"
		}
	}
	for _, n := range p.nevers {
		if match(n.subject, name) && matchAny(n.objects, path) && !match(home(n.subject, name)+"/*", path) {
			return "never"
		}
	}
	for _, o := range p.onlys {
		if match(o.subject, path) && !matchAny(o.objects, name) {
			return "that is for " + strings.Join(o.objects, ", ")
		}
	}
	return ""
}

// home is the folder of name directly below the one that a pattern is about: of
// service/inference/schedule under "service/*" it is service/inference.
func home(pattern, name string) string {
	prefix, below := strings.CutSuffix(pattern, "/*")
	if !below || !strings.HasPrefix(name, prefix+"/") {
		return name
	}
	folder, _, _ := strings.Cut(name[len(prefix)+1:], "/")
	return prefix + "/" + folder
}

// rank returns the layer of a package's first folder, or -1.
func rank(layers [][]string, name string) int {
	folder, _, _ := strings.Cut(name, "/")
	return slices.IndexFunc(layers, func(layer []string) bool {
		return slices.Contains(layer, folder)
	})
}

func matchAny(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return match(p, name) })
}

// match reports whether name is pattern, or lies below it when the pattern
// ends in "/*". The pattern "*" matches everything.
func match(pattern, name string) bool {
	if pattern == "*" {
		return true
	}
	if prefix, below := strings.CutSuffix(pattern, "/*"); below {
		return name == prefix || strings.HasPrefix(name, prefix+"/")
	}
	return pattern == name
}
