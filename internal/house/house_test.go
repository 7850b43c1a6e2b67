package house

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
)

var rewrite = flag.Bool("rewrite", false, "write what the rules find into the stories")

// TestHouse holds the repository to its rules.
func TestHouse(t *testing.T) {
	repository, err := load(os.DirFS(filepath.Join("..", "..")))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rules() {
		t.Run(r.name, func(t *testing.T) {
			for _, finding := range r.check(repository) {
				t.Error(finding)
			}
		})
	}
}

// TestStories holds the rules to their stories. A story is a text: prose, the
// files of a small tree, each under a line "-- NAME --", and as the last of
// them "want", the findings. A line "@N TEXT" stands for N lines of TEXT.
//
// With -rewrite the findings are written instead. Read the difference, and
// keep it only when you understand it and want it.
func TestStories(t *testing.T) {
	for _, r := range rules() {
		t.Run(r.name, func(t *testing.T) {
			name := filepath.Join("testdata", r.name+".txt")
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			story, want, ok := strings.Cut(string(text), "\n-- want --\n")
			if !ok {
				t.Fatalf("%s does not end with a section want", name)
			}
			small, err := load(filesOf(story))
			if err != nil {
				t.Fatal(err)
			}
			got := strings.Join(append(r.check(small), ""), "\n")
			if *rewrite {
				if err := os.WriteFile(name, []byte(story+"\n-- want --\n"+got), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if got != want {
				t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
			}
			if got == "" {
				t.Errorf("%s: the rule found nothing, so it may be one that cannot fail", name)
			}
		})
	}
}

// filesOf returns the files of a story.
func filesOf(story string) fstest.MapFS {
	files := fstest.MapFS{}
	var file *fstest.MapFile // Nil in the prose.
	for line := range strings.Lines(story + "\n") {
		if name, ok := strings.CutPrefix(line, "-- "); ok {
			file = new(fstest.MapFile)
			files[strings.TrimSuffix(name, " --\n")] = file
			continue
		}
		if file == nil {
			continue
		}
		times := 1
		if count, text, ok := strings.Cut(line, " "); ok && strings.HasPrefix(count, "@") {
			if n, err := strconv.Atoi(count[1:]); err == nil {
				times, line = n, text
			}
		}
		file.Data = append(file.Data, strings.Repeat(line, times)...)
	}
	return files
}

// TestPolicyLines checks that imports.txt and ledger.txt refuse lines that
// they do not understand, so that a slip of the pen does not pass for a rule.
func TestPolicyLines(t *testing.T) {
	for _, line := range []string{"abi", "abi | -", "abi | - | - | - | -", "nevr a | b"} {
		files := fstest.MapFS{policyFile: {Data: []byte(line)}}
		if _, err := readPolicy(files); err == nil {
			t.Errorf("imports.txt: %q was accepted", line)
		}
	}
	for _, line := range []string{"S1 | Name | built", "S1 | Name | done | abi", "S1 | Name | built | -", "S1 | Name | owed | abi"} {
		files := fstest.MapFS{ledgerFile: {Data: []byte(line)}}
		if _, err := readLedger(files); err == nil {
			t.Errorf("ledger.txt: %q was accepted", line)
		}
	}
}

// TestLedgerIsSound checks that no id and no name stands in the ledger twice.
func TestLedgerIsSound(t *testing.T) {
	ledger, err := readLedger(os.DirFS(filepath.Join("..", "..")))
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range ledger {
		if slices.ContainsFunc(ledger[:i], func(g feature) bool { return g.id == f.id || g.name == f.name }) {
			t.Errorf("%s %s stands there twice", f.id, f.name)
		}
		if featureID.FindString(f.id) != f.id {
			t.Errorf("%q is not an id", f.id)
		}
	}
}
