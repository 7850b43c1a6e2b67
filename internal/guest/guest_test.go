package guest

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// TestBuild builds one program in each language and then finds all of them in
// the cache, asked for by several goroutines at once.
func TestBuild(t *testing.T) {
	builds := map[string]func() []byte{
		"go":             func() []byte { return Go(t, "apps/hello-go", Server) },
		"c":              func() []byte { return C(t, "apps/notes-c/notes.c", Server) },
		"bare c":         func() []byte { return C(t, "apps/shared-region/c/share.c", Bare) },
		"c command":      func() []byte { return C(t, "apps/crunch/crunch.c", Command) },
		"assemblyscript": func() []byte { return AssemblyScript(t, "apps/counter-as") },
	}
	for name, build := range builds {
		first := build()
		if !bytes.HasPrefix(first, []byte("\x00asm\x01\x00\x00\x00")) {
			t.Errorf("%s: %d bytes that are no module", name, len(first))
		}
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				if !bytes.Equal(build(), first) {
					t.Errorf("%s: the cache has another module", name)
				}
			})
		}
		all.Wait()
	}
}

// TestRecipe follows one module through changes of its source; the compiler
// copies, which makes the module what the source is.
func TestRecipe(t *testing.T) {
	root := t.TempDir()
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(root, "source"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r := recipe{
		root: root, name: "copy", sources: []string{"source"},
		tool: "sh", args: []string{"-c", `cp "$3" "$2" && echo x >>builds`, "copy"}, output: "--", from: "source",
	}
	for _, text := range []string{"one", "two", "two", "one"} {
		write(text)
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				if got, err := r.build(); err != nil || string(got) != text {
					t.Errorf("built %q, %v; want %q", got, err, text)
				}
			})
		}
		all.Wait()
	}
	if log, err := os.ReadFile(filepath.Join(root, "builds")); err != nil || len(log) != len("x\n")*3 {
		t.Errorf("built %d times, want 3: %v", len(log)/2, err)
	}
	left, err := filepath.Glob(filepath.Join(root, "bin", "guests", "*.wasm*"))
	if err != nil || len(left) != 1 {
		t.Errorf("left behind: %v, %v; want one module", left, err)
	}
}

// TestRefusals checks that each failure says what to do.
func TestRefusals(t *testing.T) {
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "source"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	cases := map[string]struct {
		recipe recipe
		want   string
	}{
		"no tool":   {recipe{root: root, tool: "no-such-compiler", remedy: "make setup-clang"}, "make setup-clang"},
		"no source": {recipe{root: root, tool: "sh", sources: []string{"gone"}}, "gone"},
		"bad source": {
			recipe{root: root, name: "bad", tool: "sh", sources: []string{"source"}, args: []string{"-c", "echo line 3 >&2; exit 1"}},
			"line 3",
		},
	}
	for name, c := range cases {
		if _, err := c.recipe.build(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want it to say %q", name, err, c.want)
		}
	}
	if _, err := BuildGo("apps/no-such-app", Server); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a folder that is not there: %v", err)
	}
	if _, err := BuildAssemblyScript("apps/counter-as", Command); err == nil {
		t.Error("a command in AssemblyScript is built")
	}
}
