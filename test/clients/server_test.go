package clients_test

import (
	"bytes"
	"context"
	"errors"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"phios/abi"
	api "phios/api/inference"
	"phios/compute"
	"phios/compute/cpu"
	"phios/compute/encoder"
	"phios/compute/gguf/generate"
	"phios/compute/tensor"
	"phios/service/gateway"
	"phios/service/inference"
	"phios/service/inference/registry"
)

const key = "phi-key"

// account spends tokens until they are gone.
type account struct {
	mu   sync.Mutex
	left uint64
}

func (a *account) Name() string                { return "test" }
func (a *account) Label() abi.Label            { return abi.Label{} }
func (a *account) May(string, abi.Rights) bool { return true }
func (a *account) Close()                      {}
func (a *account) Charge(c api.Cost) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if c.Tokens > a.left {
		return false
	}
	a.left -= c.Tokens
	return true
}

type keyring map[[32]byte]gateway.Account

func (k keyring) Open(_ context.Context, secret string) (gateway.Account, error) {
	if a, ok := k[gateway.Digest(secret)]; ok {
		return a, nil
	}
	return nil, gateway.ErrKey
}

// begin serves a tiny model of random weights, which the cpu engine runs, and
// the resident encoder. Streams carry comments all the time: clients must not
// mind them.
func begin(tb testing.TB) string {
	tb.Helper()
	models, err := registry.Open(tb.TempDir(), registry.Options{Now: time.Now})
	if err != nil {
		tb.Fatal(err)
	}
	var b bytes.Buffer
	if err := generate.Model(&b, generate.Tiny("llama", tensor.Q8_0, 1)); err != nil {
		tb.Fatal(err)
	}
	at := filepath.Join(tb.TempDir(), "tiny.gguf")
	if err := os.WriteFile(at, b.Bytes(), 0o600); err != nil {
		tb.Fatal(err)
	}
	if _, err := models.Add(tb.Context(), at, registry.Adding{Name: "tiny"}); err != nil {
		tb.Fatal(err)
	}
	use, err := encoder.Open(1)
	if err != nil {
		tb.Fatal(err)
	}
	unit := cpu.Open(cpu.Options{})
	s, err := inference.New(inference.Options{
		Models: models, Units: []compute.Unit{unit}, Now: time.Now,
		Embedders: []inference.Embedder{{Name: encoder.Name, Model: use}},
	})
	if err != nil {
		tb.Fatal(err)
	}
	g, err := gateway.New(gateway.Config{Service: s, Heartbeat: time.Millisecond, Keys: keyring{
		gateway.Digest(key):    &account{left: 1 << 40},
		gateway.Digest("poor"): &account{},
	}})
	if err != nil {
		tb.Fatal(err)
	}
	server := httptest.NewUnstartedServer(g)
	server.Config = g.Server()
	server.Start()
	tb.Cleanup(func() {
		server.Close()
		if err := errors.Join(s.Close(), unit.Close(), models.Close()); err != nil {
			tb.Error(err)
		}
	})
	return server.URL
}
