package fuel_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"phios/capsule/fuel"
)

// TestOfficialSuite passes each module of WebAssembly's own test suite, which
// the engine carries with it: what the engine takes and the rewriter too must
// be taken rewritten, and what the engine refuses must be refused rewritten.
func TestOfficialSuite(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/tetratelabs/wazero").Output()
	if err != nil {
		t.Fatalf("where is the engine's source? %v", err)
	}
	root := filepath.Join(strings.TrimSpace(string(out)), "internal", "integration_test", "spectest")
	h := newHost(t)
	var taken, refused, narrowed, opened int
	for _, dir := range []string{"v1", "v2", "tail-call", "threads"} {
		files, err := filepath.Glob(filepath.Join(root, dir, "testdata", "*.wasm"))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %d modules, %v", dir, len(files), err)
		}
		for _, name := range files {
			module, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			_, engine := h.runtime.CompileModule(t.Context(), module)
			r, ours := fuel.Rewrite(module, fuel.Options{})
			short := filepath.Join(dir, filepath.Base(name))
			switch {
			case ours != nil && engine != nil:
				refused++
			case ours != nil:
				narrowed++
				t.Logf("%s: %v", short, ours)
			default:
				_, rewritten := h.runtime.CompileModule(t.Context(), r.Module)
				switch {
				case engine == nil && rewritten != nil:
					t.Errorf("%s: valid, rewritten not: %v", short, rewritten)
				case engine != nil && rewritten == nil:
					opened++
					t.Logf("OPENED %s: was %v", short, engine)
				default:
					taken++
				}
			}
		}
	}
	t.Logf("%d taken, %d refused, %d narrowed, %d opened", taken, refused, narrowed, opened)
}
