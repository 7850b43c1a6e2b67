package fuel_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"phios/capsule/fuel"
)

// goGuest builds the program in testdata/guest for wasm.
func goGuest(tb testing.TB, flags ...string) []byte {
	tb.Helper()
	out := filepath.Join(tb.TempDir(), "guest.wasm")
	args := append([]string{"build", "-o", out}, flags...)
	cmd := exec.CommandContext(tb.Context(), "go", append(args, "./testdata/guest")...)
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "GOFLAGS=-buildvcs=false")
	if text, err := cmd.CombinedOutput(); err != nil {
		tb.Fatalf("go build: %v\n%s", err, text)
	}
	b, err := os.ReadFile(out)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// command runs a program's main and returns what it writes.
func command(t *testing.T, h *host, module wazero.CompiledModule, first []string, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	m, err := h.runtime.InstantiateModule(t.Context(), module, wazero.NewModuleConfig().WithName("").
		WithStartFunctions(first...).WithStdout(&out).WithStderr(&out).WithArgs(args...))
	if err == nil {
		err = m.Close(t.Context())
	}
	return out.String(), err
}

func wasiHost(t *testing.T) *host {
	t.Helper()
	h := newHost(t)
	if _, err := wasi_snapshot_preview1.Instantiate(t.Context(), h.runtime); err != nil {
		t.Fatal(err)
	}
	return h
}

// TestGoCommand runs a Go program both ways, and then one of its loops
// forever, until it is stopped.
func TestGoCommand(t *testing.T) {
	t.Parallel()
	h := wasiHost(t)
	h.quantum = 1_000_000
	module := goGuest(t)
	start := time.Now()
	r, err := fuel.Rewrite(module, fuel.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d bytes become %d in %v; it uses %v", len(module), len(r.Module), time.Since(start), r.Uses)
	metered, err := h.runtime.CompileModule(t.Context(), r.Module)
	if err != nil {
		t.Fatal(err)
	}
	want := native(t)
	got, _ := command(t, h, metered, []string{fuel.Data, "_start"}, "guest")
	t.Logf("%d refills", h.spent)
	if want == "" || want != got || h.spent < 10 {
		t.Errorf("it writes %q, metered %q with %d refills", want, got, h.spent)
	}
	h.spent, h.limit = 0, 5000
	if _, err := command(t, h, metered, []string{fuel.Data, "_start"}, "guest", "spin"); !errors.Is(err, errSpent) {
		t.Errorf("the spinning program ended with %v", err)
	}
}

// TestGoReactor calls a function that a Go program exports.
func TestGoReactor(t *testing.T) {
	t.Parallel()
	h := wasiHost(t)
	m, _, err := h.metered(t, goGuest(t, "-buildmode=c-shared"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.ExportedFunction("_initialize").Call(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i, want := range strings.Fields(native(t)) {
		got, err := m.ExportedFunction("work").Call(t.Context(), uint64(i)*1000)
		if err != nil || strconv.FormatUint(got[0], 10) != want {
			t.Errorf("work(%d) is %v, %v; natively %s", i*1000, got, err, want)
		}
	}
}

// native returns what the guest writes as a program of this machine.
func native(t *testing.T) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "run", "./testdata/guest").Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}
