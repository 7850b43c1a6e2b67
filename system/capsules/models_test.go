package capsules

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"phios/abi"
	"phios/api/control"
	"phios/compute"
	"phios/compute/cpu"
	"phios/compute/gguf/generate"
	"phios/compute/tensor"
	"phios/service/inference"
	"phios/service/inference/registry"
	"phios/system"
	"phios/system/models"
)

// withModels starts the world's node again, with a tiny model called "tiny".
func (w *world) withModels() *inference.Service {
	w.t.Helper()
	w.down()
	r, err := registry.Open(w.t.TempDir(), registry.Options{Now: time.Now})
	if err != nil {
		w.t.Fatal(err)
	}
	var b bytes.Buffer
	if err := generate.Model(&b, generate.Tiny("llama", tensor.Q8_0, 1)); err != nil {
		w.t.Fatal(err)
	}
	file := filepath.Join(w.t.TempDir(), "tiny")
	if err := os.WriteFile(file, b.Bytes(), 0o600); err != nil {
		w.t.Fatal(err)
	}
	if _, err := r.Add(w.t.Context(), file, registry.Adding{Name: "tiny"}); err != nil {
		w.t.Fatal(err)
	}
	unit := cpu.Open(cpu.Options{})
	s, err := inference.New(inference.Options{Models: r, Units: []compute.Unit{unit}, Now: time.Now})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		w.down()
		if err := errors.Join(s.Close(), unit.Close(), r.Close()); err != nil {
			w.t.Error(err)
		}
	})
	w.m, err = Start(Config{DataDir: w.folder, Version: "test", Node: system.Config{Seed: 1}, Models: &models.Config{Service: s}})
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

// TestModelGrant: a capsule runs a model that it was granted, by its budget,
// and no longer than it is granted.
func TestModelGrant(t *testing.T) {
	w := newWorld(t)
	w.withModels()
	const asks = `requests:
  - {name: llm, kind: model, of: tiny, reason: to write}
budget: {tokens: 60}
`
	w.install(manifestFor("actor", asks), build(t))
	w.run("actor")
	w.refused("actor", "infer llm", abi.StatusDenied) // asked for, and not granted
	grant := control.Grant{Capsule: "actor", Name: "llm", Spec: "model:tiny"}
	if err := w.Grant(t.Context(), grant); err != nil {
		t.Fatal(err)
	}
	if a := w.call("actor", "infer llm"); a.Text == "" || a.Words[2] != abi.AIReasonLength {
		t.Errorf("answered %+v", a)
	}
	var err error
	for range 60 { // each costs at least a token
		if _, err = w.Call(t.Context(), control.CallRequest{Capsule: "actor", Text: "infer llm"}); err != nil {
			break
		}
	}
	wantCode(t, err, abi.StatusBudget.Name())
	if err := w.Revoke(t.Context(), "actor", "llm"); err != nil {
		t.Fatal(err)
	}
	w.refused("actor", "infer llm", abi.StatusBadHandle)
	grant.Spec = "model:none"
	if err := w.Grant(t.Context(), grant); err == nil {
		t.Error("a model was granted that is not there")
	}
}
