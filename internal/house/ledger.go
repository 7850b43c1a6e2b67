package house

import (
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strings"
)

// ledgerFile is the table of the features that the system owes.
const ledgerFile = "internal/house/ledger.txt"

// feature is one line of the ledger.
type feature struct {
	id, name string
	built    bool
	home     string // The package that bears the name, once built.
}

var (
	seedLine        = regexp.MustCompile(`(?m)^Seed name: (.+)\.$`)
	ledgerParagraph = regexp.MustCompile(`(?ms)^Ledger:.*?(?:\n\n|\z)`)
	featureID       = regexp.MustCompile(`\b[SG][0-9]+(?:\.[0-9]+)?[a-d]?\b`)
)

func readLedger(files fs.FS) ([]feature, error) {
	text, err := fs.ReadFile(files, ledgerFile)
	if err != nil {
		return nil, err
	}
	var all []feature
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		f := strings.Split(line, "|")
		for i := range f {
			f[i] = strings.TrimSpace(f[i])
		}
		if len(f) != 4 || f[2] != "built" && f[2] != "owed" || (f[2] == "built") == (f[3] == "-") {
			return nil, fmt.Errorf("%s: not a line of the ledger: %q", ledgerFile, line)
		}
		all = append(all, feature{id: f[0], name: f[1], built: f[2] == "built", home: f[3]})
	}
	return all, nil
}

// checkSeeds keeps the founding vocabulary findable: a name has at most one
// home, a name that is built has exactly the one that the ledger gives, and
// no name is invented on the way.
func checkSeeds(t *tree) []string {
	ledger, err := readLedger(t.files)
	if err != nil {
		return []string{err.Error()}
	}
	var found []string
	homes := map[string][]string{}
	for dir, files := range t.sorted() {
		for _, m := range seedLine.FindAllStringSubmatch(strings.Join(docsOf(files), "\n"), -1) {
			homes[m[1]] = append(homes[m[1]], dir)
			if !slices.ContainsFunc(ledger, func(f feature) bool { return f.name == m[1] }) {
				found = append(found, fmt.Sprintf("%s: %q is not a name of the ledger", dir, m[1]))
			}
		}
	}
	for _, f := range ledger {
		switch at := homes[f.name]; {
		case f.built && !slices.Equal(at, []string{f.home}):
			found = append(found, fmt.Sprintf("%s %s: home %v, want %s", f.id, f.name, at, f.home))
		case len(at) > 1:
			found = append(found, fmt.Sprintf("%s %s: homes %v, want at most one", f.id, f.name, at))
		}
	}
	return found
}

// checkKernelDocs asks each package of the kernel for its lock order, its
// invariants, and the ids of the features that it serves.
func checkKernelDocs(t *tree) []string {
	ledger, err := readLedger(t.files)
	if err != nil {
		return []string{err.Error()}
	}
	var found []string
	for dir, files := range t.sorted() {
		if !under(dir+"/", "kernel") || files[0].test() {
			continue
		}
		doc := strings.Join(docsOf(files), "\n")
		for _, heading := range []string{"Lock order:", "Invariants:"} {
			if !strings.Contains("\n"+doc, "\n"+heading) {
				found = append(found, fmt.Sprintf("%s: no %q in the package doc", dir, heading))
			}
		}
		ids := featureID.FindAllString(ledgerParagraph.FindString(doc), -1)
		if len(ids) == 0 {
			found = append(found, dir+`: no "Ledger:" with ids in the package doc`)
		}
		for _, id := range ids {
			if !slices.ContainsFunc(ledger, func(f feature) bool { return f.id == id }) {
				found = append(found, fmt.Sprintf("%s: %s is not an id of the ledger", dir, id))
			}
		}
	}
	return found
}
