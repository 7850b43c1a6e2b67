package apps_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"phios/abi"
	api "phios/api/inference"
	"phios/capsule"
	"phios/compute"
	"phios/compute/cpu"
	"phios/compute/encoder"
	"phios/compute/gguf/generate"
	"phios/compute/tensor"
	"phios/internal/guest"
	"phios/service/inference"
	"phios/service/inference/registry"
	"phios/system/models"
)

// withModel serves a tiny model of random weights and returns who grants it.
func (w *world) withModel() func(to *task, name string, rights abi.Rights) {
	w.t.Helper()
	grant := w.withModels()
	return func(to *task, name string, rights abi.Rights) {
		w.t.Helper()
		grant("tiny", to, name, rights)
	}
}

// withModels serves that model and the resident encoder.
func (w *world) withModels() func(model string, to *task, name string, rights abi.Rights) {
	w.t.Helper()
	resident, err := encoder.Open(1)
	if err != nil {
		w.t.Fatal(err)
	}
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
	service, err := inference.New(inference.Options{
		Models: r, Units: []compute.Unit{unit}, Now: time.Now,
		Embedders: []inference.Embedder{{Name: encoder.Name, Model: resident}},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	s := models.New(models.Config{
		Service: service, Machine: w.machine, Now: time.Now,
		Select: func(who api.Account, model string, c api.Constraints) (models.Device, error) {
			choice, err := service.Select(who, model, c)
			return models.Device{Unit: choice.Unit.Name, Loaded: choice.Loaded, First: choice.First}, err
		},
		Open: func(model string) (*os.File, func(), error) {
			m, err := r.Find(model)
			if err != nil {
				return nil, nil, err
			}
			weights, release, err := r.Open(m)
			return weights.File, release, err
		},
	})
	w.t.Cleanup(func() {
		s.Close()
		if err := errors.Join(service.Close(), unit.Close(), r.Close()); err != nil {
			w.t.Error(err)
		}
	})
	return func(model string, to *task, name string, rights abi.Rights) {
		w.t.Helper()
		g, err := s.Grant(w.t.Context(), w.root.Port, w.root.budget, models.Holder{
			Model: model, Name: name, Rights: rights, Ceiling: abi.LabelTop(), Refused: func(err error) { w.t.Log(err) },
		})
		if err != nil {
			w.t.Fatal(err)
		}
		w.grant(g.Handle, to, name, g.Mint())
	}
}

// whole is a budget's mint, as capsules have it.
func whole() abi.Mint { return abi.Whole(abi.RightsAll &^ (abi.RightEndorse | abi.RightDeclassify)) }

// TestAskGo asks a real model by all that sdk/go has.
func TestAskGo(t *testing.T) {
	w := newWorld(t)
	grant := w.withModel()
	d := w.task()
	grant(d, "llm", abi.RightRun|abi.RightLoad|abi.RightMap)
	w.grant(w.root.budget, d, "budget", whole())
	p := w.server(guest.Go(t, "apps/ask-go", guest.Server), d)
	status, _, said := p.say(0, "Once upon a time")
	if !status.OK() || len(said) < 20 {
		t.Errorf("%v %q", status, said)
	}
	p.expect("Once upon a time", abi.StatusOK, said)
	if _, _, long := p.say(0, "long:Once upon a time. "); !strings.HasSuffix(long, "20 written") {
		t.Errorf("a long prompt: %q", long)
	}
	if status, _, made := p.say(0, `json:{"prompt":"x","constraint":{"kind":"regex","text":"[ab]{4}"}}`); !strings.Contains(made, `"text":"`) {
		t.Errorf("JSON: %v %q", status, made)
	}
	_, _, alone := p.say(0, "batch:Once")
	_, _, second := p.say(0, "batch:There was")
	p.expect("batch:Once,There was,Once", abi.StatusOK, alone+"|"+second+"|"+alone)
	if status, _, unit := p.say(0, "device:"); !status.OK() || unit == "" {
		t.Errorf("device: %v %q", status, unit)
	}
	if _, _, file := p.say(0, "map:"); !strings.HasPrefix(file, "GGUF of ") {
		t.Errorf("map: %q", file)
	}
	p.expect("embed:one,two", abi.StatusUnsupported, "") // it is no encoder
	w.server(guest.Go(t, "apps/ask-go", guest.Server), w.task()).expect("Once", abi.StatusBadHandle, "")
}

// TestAskByLibraries asks the model and the encoder by all that the libraries for
// C and AssemblyScript have.
func TestAskByLibraries(t *testing.T) {
	for name, build := range map[string]func() []byte{
		"c":              func() []byte { return guest.C(t, "apps/testdata/ask.c", guest.Server) },
		"assemblyscript": func() []byte { return guest.AssemblyScript(t, "apps/testdata/ask-as") },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			grant := w.withModels()
			d := w.task()
			grant("tiny", d, "llm", abi.RightRun|abi.RightLoad|abi.RightMap)
			grant(encoder.Name, d, "encoder", abi.RightRun|abi.RightLoad)
			w.grant(w.root.budget, d, "budget", whole())
			p := w.server(build(), d)
			if status, _, said := p.say(0, "ask"); !status.OK() || len(said) < 4 {
				t.Errorf("ask: %v %q", status, said)
			}
			p.expect("embed", abi.StatusOK, "512")
			p.expect("batch", abi.StatusOK, "1")
			p.expect("device", abi.StatusOK, "cpu")
			if status, _, bytes := p.say(0, "map"); !status.OK() || len(bytes) < 6 {
				t.Errorf("map: %v %q bytes", status, bytes)
			}
		})
	}
}

// TestAskNN runs a program that knows only WASI-NN, with a short prompt and with
// one that needs a region.
func TestAskNN(t *testing.T) {
	w := newWorld(t)
	grant := w.withModel()
	module := guest.C(t, "apps/ask-nn/ask.c", guest.Command)
	for _, prompt := range []string{"Once upon a time", strings.Repeat("Once upon a time. ", 40)} {
		d := w.task()
		grant(d, "default", abi.RightRun|abi.RightLoad)
		w.grant(w.root.budget, d, "budget", whole())
		var out strings.Builder
		spec := capsule.Spec{
			Name: "ask", Args: []string{"ask", prompt},
			Output: func(_ int, text []byte) { out.Write(text) },
		}
		if _, exit := w.start(module, d, spec); !exit.OK() {
			t.Errorf("%+v: %s", exit, out.String())
		}
		if !strings.Contains(out.String(), `"output_tokens":40}`) || strings.Index(out.String(), "\n{") < 40 {
			t.Errorf("it printed %q", out.String())
		}
	}
	var out strings.Builder
	spec := capsule.Spec{
		Name: "ask", Args: []string{"ask", "x"},
		Output: func(_ int, text []byte) { out.Write(text) },
	}
	if _, exit := w.start(module, w.task(), spec); exit.Code != 1 || out.String() != "load: 8\n" {
		t.Errorf("without a grant: %+v %q", exit, out.String())
	}
}
