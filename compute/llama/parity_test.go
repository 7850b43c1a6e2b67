//go:build parity

package llama_test

import (
	"crypto/sha256"
	"os"
	"path/filepath"
	"testing"

	"phios/compute"
	"phios/compute/llama"
	"phios/compute/unittest"
)

// library is the folder of llama.cpp's shared libraries. Only 'make parity'
// fetches them, so other runs of the tests have none.
func library(tb testing.TB) map[string]string {
	tb.Helper()
	folder := os.Getenv("PHI_LLAMA_LIB")
	if folder == "" {
		tb.Skip("LLAMA.CPP IS NOT TESTED: PHI_LLAMA_LIB names no folder of its libraries; 'make parity' fetches them")
	}
	return map[string]string{"lib": folder}
}

// stories is a tiny real model, which lies beside the repository on machines
// that develop it.
func stories(tb testing.TB) compute.Weights {
	tb.Helper()
	f, err := os.Open(filepath.Join("..", "..", "..", "shared", "models", "stories260K.gguf"))
	if err != nil {
		tb.Skip("NO MODEL TO TEST WITH: ", err)
	}
	tb.Cleanup(func() { _ = f.Close() })
	b, err := os.ReadFile(f.Name())
	if err != nil {
		tb.Fatal(err)
	}
	return compute.Weights{Name: "stories260K", Digest: sha256.Sum256(b), Bytes: b, File: f}
}

func TestConformance(t *testing.T) {
	settings := library(t)
	unittest.Run(t, func() (compute.Unit, error) { return llama.Open(settings) }, stories(t),
		unittest.Capabilities{Export: true, Tolerance: 1e-2})
}
