package fuel_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// goGuest builds the program in testdata/guest for wasm.
func goGuest(t testing.TB, flags ...string) []byte {
	t.Helper()
	out := filepath.Join(t.TempDir(), "guest.wasm")
	args := append([]string{"build", "-o", out}, flags...)
	cmd := exec.CommandContext(t.Context(), "go", append(args, "./testdata/guest")...)
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "GOFLAGS=-buildvcs=false")
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, text)
	}
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
