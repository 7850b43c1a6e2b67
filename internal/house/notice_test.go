package house

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestNotice checks that NOTICE names every module that is linked into phi:
// their licences ask for it.
func TestNotice(t *testing.T) {
	root := filepath.Join("..", "..")
	notice, err := os.ReadFile(filepath.Join(root, "NOTICE"))
	if err != nil {
		t.Fatal(err)
	}
	list := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", "{{with .Module}}{{.Path}}{{end}}", "./cmd/phi")
	list.Dir = root
	list.Env = append(os.Environ(), "GOOS=linux", "CGO_ENABLED=0")
	out, err := list.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	for _, path := range unnamed(strings.Fields(string(out)), string(notice)) {
		t.Errorf("NOTICE does not name %s", path)
	}
}

// TestUnnamed checks that the check above can fail.
func TestUnnamed(t *testing.T) {
	linked := []string{module, "example.org/named", "example.org/forgotten", "example.org/forgotten"}
	notice := "example.org/named (MIT)\n"
	if got, want := unnamed(linked, notice), []string{"example.org/forgotten"}; !slices.Equal(got, want) {
		t.Errorf("unnamed: got %v, want %v", got, want)
	}
}

// unnamed returns the modules that have no line in the notice. The line starts
// with the module's path.
func unnamed(linked []string, notice string) []string {
	slices.Sort(linked)
	return slices.DeleteFunc(slices.Compact(linked), func(path string) bool {
		return path == module || strings.Contains("\n"+notice, "\n"+path+" ")
	})
}
