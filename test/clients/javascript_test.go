//go:build javascript

package clients_test

import (
	"os"
	"os/exec"
	"testing"
)

// TestJavaScript runs the libraries for JavaScript, where 'make clients' has put
// them.
func TestJavaScript(t *testing.T) {
	libraries := os.Getenv("PHI_CLIENTS")
	if libraries == "" {
		t.Fatal("PHI_CLIENTS does not say where the libraries are; run 'make clients'")
	}
	run := exec.CommandContext(t.Context(), "node", "clients.mjs", begin(t), key, libraries)
	out, err := run.CombinedOutput()
	if t.Logf("%s", out); err != nil {
		t.Error(err)
	}
}
