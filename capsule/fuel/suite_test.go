package fuel_test

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero/api"

	"phios/capsule/fuel"
)

// suite returns the folder of WebAssembly's own test suite, which the engine
// carries with it.
func suite(t *testing.T) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/tetratelabs/wazero").Output()
	if err != nil {
		t.Fatalf("where is the engine's source? %v", err)
	}
	return filepath.Join(strings.TrimSpace(string(out)), "internal", "integration_test", "spectest")
}

// TestSuiteModules passes each module of the suite: what the engine takes and
// the rewriter too must be taken rewritten, and what the engine refuses must
// be refused, by either.
func TestSuiteModules(t *testing.T) {
	root := suite(t)
	h := newHost(t)
	var taken, refused, narrowed int
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
			short := filepath.Join(dir, filepath.Base(name))
			_, engine := h.runtime.CompileModule(t.Context(), module)
			r, ours := fuel.Rewrite(module, fuel.Options{})
			if ours != nil {
				refused++
				if engine == nil {
					narrowed++
				}
				continue
			}
			switch _, rewritten := h.runtime.CompileModule(t.Context(), r.Module); {
			case engine == nil && rewritten != nil:
				t.Errorf("%s: valid, but not when rewritten: %v", short, rewritten)
			case engine != nil && rewritten == nil && short == "v2/ref_func.5.wasm":
				// The start function may not be named by ref.func unless it
				// is declared; its export declares it. That harms nobody.
			case engine != nil && rewritten == nil:
				t.Errorf("%s: rewriting made it valid: %v", short, engine)
			default:
				taken++
			}
		}
	}
	t.Logf("%d taken, %d refused, of which the engine would take %d", taken, refused, narrowed)
	if taken < 5000 || narrowed > 300 {
		t.Error("the rewriter refuses more than it should")
	}
}

// script is what the suite says about its modules.
type script struct {
	Commands []struct {
		Type, Filename string
		Line           int
		Action         struct {
			Type, Module, Field string
			Args                []value
		}
	}
}

type value struct {
	Type  string
	Lane  string `json:"lane_type"`
	Value json.RawMessage
}

// words returns the arguments as the engine takes them.
func words(args []value) (ws []uint64, ok bool) {
	for _, a := range args {
		var one string
		if json.Unmarshal(a.Value, &one) == nil {
			w, err := strconv.ParseUint(one, 10, 64)
			if err != nil { // A NaN or null: one of them does as well as another.
				w = 0
			}
			ws = append(ws, w)
			continue
		}
		var lanes []string
		if json.Unmarshal(a.Value, &lanes) != nil {
			return nil, false
		}
		var v [2]uint64
		width := 128 / len(lanes)
		for i, l := range lanes {
			w, _ := strconv.ParseUint(l, 10, 64)
			if width < 64 {
				w &= 1<<width - 1
			}
			v[i*width/64] |= w << (i * width % 64)
		}
		ws = append(ws, v[:]...)
	}
	return ws, true
}

// TestSuiteBehaviour runs the suite's calls, in their order, on the modules as
// they are and rewritten, and compares results and traps.
func TestSuiteBehaviour(t *testing.T) {
	root := suite(t)
	h := newHost(t)
	spectest(t, h)
	calls, traps := 0, 0
	for _, dir := range []string{"v1", "v2", "tail-call", "threads"} {
		files, err := filepath.Glob(filepath.Join(root, dir, "testdata", "*.json"))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %d scripts, %v", dir, len(files), err)
		}
		for _, name := range files {
			c, tr := compare(t, h, name)
			calls, traps = calls+c, traps+tr
		}
	}
	t.Logf("%d calls, of which %d trap", calls, traps)
	if calls < 20_000 || traps < 1000 {
		t.Error("too few calls were compared")
	}
}

// spectest is the module that the suite imports from.
func spectest(t *testing.T, h *host) {
	t.Helper()
	b := h.runtime.NewHostModuleBuilder("spectest")
	none := api.GoFunc(func(context.Context, []uint64) {})
	for name, params := range map[string][]api.ValueType{
		"print": nil, "print_i32": {i32}, "print_i64": {i64}, "print_f32": {0x7d}, "print_f64": {0x7c},
		"print_i32_f32": {i32, 0x7d}, "print_f64_f64": {0x7c, 0x7c},
	} {
		b.NewFunctionBuilder().WithGoFunction(none, params, nil).Export(name)
	}
	if _, err := b.Instantiate(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func compare(t *testing.T, h *host, name string) (calls, traps int) {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var s script
	if err := json.Unmarshal(text, &s); err != nil {
		t.Fatal(err)
	}
	var plain, metered api.Module
	for _, c := range s.Commands {
		switch c.Type {
		case "module":
			plain, metered = pair(t, h, filepath.Join(filepath.Dir(name), c.Filename))
		case "assert_return", "assert_trap", "action":
			if plain == nil || c.Action.Module != "" || c.Action.Type != "invoke" {
				continue
			}
			args, ok := words(c.Action.Args)
			if !ok {
				continue
			}
			want, wantErr := plain.ExportedFunction(c.Action.Field).Call(t.Context(), args...)
			got, gotErr := metered.ExportedFunction(c.Action.Field).Call(t.Context(), args...)
			calls++
			if wantErr != nil {
				traps++
			}
			// References are addresses, which differ from one to the other.
			results := plain.ExportedFunction(c.Action.Field).Definition().ResultTypes()
			if !slices.Equal(want, got) && !slices.Contains(results, 0x70) || trap(wantErr) != trap(gotErr) {
				t.Errorf("%s:%d: %s(%v) is %v, %q; rewritten %v, %q",
					name, c.Line, c.Action.Field, args, want, trap(wantErr), got, trap(gotErr))
			}
		}
	}
	return calls, traps
}

// pair instantiates a module both ways, or not at all when it needs what
// capsules do not have.
func pair(t *testing.T, h *host, name string) (plain, metered api.Module) {
	t.Helper()
	module, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fuel.Rewrite(module, fuel.Options{}); err != nil {
		return nil, nil
	}
	plain, err = h.plain(t, module)
	if err != nil {
		return nil, nil
	}
	metered, _, err = h.metered(t, module)
	if err != nil {
		t.Errorf("%s: not when rewritten: %v", name, err)
		return nil, nil
	}
	return plain, metered
}

// trap returns an error without the trace below it.
func trap(err error) string {
	if err == nil {
		return ""
	}
	first, _, _ := strings.Cut(err.Error(), "\n")
	return first
}
