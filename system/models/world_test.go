package models_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"phios/abi"
	api "phios/api/inference"
	"phios/compute"
	"phios/compute/cpu"
	"phios/compute/gguf/generate"
	"phios/compute/tensor"
	"phios/kernel/gate"
	"phios/service/inference"
	"phios/service/inference/registry"
	"phios/system"
	"phios/system/manifest"
	"phios/system/models"
)

// world is a node, the inference service with a tiny model of random weights
// called "tiny" on the cpu engine, and a task that serves models.
type world struct {
	tb       testing.TB
	node     *system.Node
	service  *inference.Service
	registry *registry.Registry
	models   *models.Models
	server   *gate.Port
	budget   abi.Handle

	mu      sync.Mutex
	refused []error
}

// bootTable is a node with enough for everyone.
const bootTable = `version: 1
sources: [web]
audiences: [owner]
endowment: {memory: 1TiB, slots: 2e7, cpu: 1000h, tokens: 1e12, network: 1TiB, energy: 1e9J}
timers: 64
tasks:
  - {name: idle, purpose: is there, slots: 8, budget: {slots: 64, memory: 1MiB}}
`

func newWorld(tb testing.TB) *world {
	tb.Helper()
	w := &world{tb: tb}
	boot, err := manifest.Parse("boot.yaml", []byte(bootTable))
	if err != nil {
		tb.Fatal(err)
	}
	if w.node, err = system.Start(system.Config{Manifest: boot}); err != nil {
		tb.Fatal(err)
	}
	w.registry = newRegistry(tb, "tiny")
	unit := cpu.Open(cpu.Options{})
	w.service, err = inference.New(inference.Options{Models: w.registry, Units: []compute.Unit{unit}, Now: time.Now})
	if err != nil {
		tb.Fatal(err)
	}
	w.models = models.New(models.Config{
		Service: w.service, Machine: w.node.Machine(), Now: time.Now,
		Open: func(model string) (*os.File, func(), error) {
			m, err := w.registry.Find(model)
			if err != nil {
				return nil, nil, err
			}
			weights, release, err := w.registry.Open(m)
			return weights.File, release, err
		},
		Select: func(who api.Account, model string, c api.Constraints) (models.Device, error) {
			choice, err := w.service.Select(who, model, c)
			return models.Device{Unit: choice.Unit.Name, Loaded: choice.Loaded, First: choice.First}, err
		},
	})
	tb.Cleanup(func() {
		w.models.Close()
		if err := errors.Join(w.service.Close(), unit.Close(), w.node.Stop()); err != nil {
			tb.Error(err)
		}
	})
	w.server, w.budget = w.task(abi.Amounts{1 << 20, 2048, 1 << 40, 1 << 20, 0, 1 << 40})
	return w
}

func newRegistry(tb testing.TB, names ...string) *registry.Registry {
	tb.Helper()
	r, err := registry.Open(tb.TempDir(), registry.Options{Now: time.Now})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = r.Close() })
	for i, name := range names {
		var b bytes.Buffer
		spec := generate.Tiny("llama", tensor.Q8_0, uint64(i+1))
		spec.ContextTokens = 16384
		if err := generate.Model(&b, spec); err != nil {
			tb.Fatal(err)
		}
		at := filepath.Join(tb.TempDir(), name)
		if err := os.WriteFile(at, b.Bytes(), 0o600); err != nil {
			tb.Fatal(err)
		}
		if _, err := r.Add(tb.Context(), at, registry.Adding{Name: name}); err != nil {
			tb.Fatal(err)
		}
	}
	return r
}

// task makes a task with a budget.
func (w *world) task(amounts abi.Amounts) (*gate.Port, abi.Handle) {
	w.tb.Helper()
	p, budget, status := w.node.Kernel().BootTask(512, amounts)
	if !status.OK() {
		w.tb.Fatal(status)
	}
	return p, budget
}

// client is a task that was granted a model.
type client struct {
	w      *world
	port   *gate.Port
	budget abi.Handle
	model  abi.Handle
	grant  models.Grant
}

// purse is a budget with so many tokens.
func purse(tokens uint64) abi.Amounts { return abi.Amounts{4 << 20, 1024, 1 << 36, tokens, 0, 1 << 30} }

const usual = abi.RightRun | abi.RightLoad

func (w *world) client(rights abi.Rights, amounts abi.Amounts) *client {
	w.tb.Helper()
	c := &client{w: w}
	c.port, c.budget = w.task(amounts)
	var err error
	c.grant, err = w.models.Grant(w.tb.Context(), w.server, w.budget, models.Holder{
		Model: "tiny", Name: "client", Rights: rights, Ceiling: abi.LabelTop(), Refused: func(err error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.refused = append(w.refused, err)
		},
	})
	if err != nil {
		w.tb.Fatal(err)
	}
	c.model = w.give(c.grant.Handle, c.port, c.grant.Mint())
	return c
}

// give gives a task a capability of the server's.
func (w *world) give(h abi.Handle, to *gate.Port, mint abi.Mint) abi.Handle {
	w.tb.Helper()
	given, status := w.node.Kernel().BootGrant(w.server, h, to, &mint)
	if !status.OK() {
		w.tb.Fatalf("grant: %v", status)
	}
	return given
}

// ask calls the model.
func (c *client) ask(m abi.Message, want abi.Status) abi.Message {
	c.w.tb.Helper()
	a := abi.Args{Message: &m}
	if got := c.port.Invoke(c.model, abi.EndpointCall, &a); got != want {
		c.w.mu.Lock()
		defer c.w.mu.Unlock()
		c.w.tb.Fatalf("operation %d: %v, want %v; refused %v", m.Words[2], got, want, c.w.refused)
	}
	return m
}

// say is a message of an operation with a body and what word 3 says.
func say(operation uint64, body string, word3 uint64) abi.Message {
	m := abi.Message{Words: [abi.MessageWords]uint64{0, 0, operation, word3}}
	m.SetPayload([]byte(body))
	return m
}

// region makes a region of the client's, with a text in it.
func (c *client) region(bytes, offset uint64, text string) abi.Handle {
	c.w.tb.Helper()
	a := abi.Args{W: [abi.ArgWords]uint64{bytes}}
	if status := c.port.Invoke(c.budget, abi.RegionCreate, &a); !status.OK() {
		c.w.tb.Fatal(status)
	}
	h := abi.Handle(a.W[0])
	write := abi.Args{W: [abi.ArgWords]uint64{offset}, Bytes: []byte(text)}
	if status := c.port.Invoke(h, abi.RegionWrite, &write); !status.OK() {
		c.w.tb.Fatal(status)
	}
	return h
}

// at reads from a region.
func (c *client) at(h abi.Handle, offset, n uint64) []byte {
	c.w.tb.Helper()
	a := abi.Args{W: [abi.ArgWords]uint64{offset}, Bytes: make([]byte, n)}
	if status := c.port.Invoke(h, abi.RegionRead, &a); !status.OK() {
		c.w.tb.Fatal(status)
	}
	return a.Bytes
}

// left is what is left of a resource.
func (c *client) left(r abi.Resource) uint64 {
	c.w.tb.Helper()
	var a abi.Args
	if status := c.port.Invoke(c.budget, abi.BudgetInspect, &a); !status.OK() {
		c.w.tb.Fatal(status)
	}
	return a.W[r]
}

// generate is what the service says by itself, to compare with.
func (w *world) generate(prompt string, tokens int) string {
	w.tb.Helper()
	r, err := w.service.Generate(w.tb.Context(), all{}, &api.Request{Model: "tiny", Prompt: prompt, TokensMax: tokens}, nil)
	if err != nil {
		w.tb.Fatal(err)
	}
	return r.Text
}

// all is an account that may and has everything.
type all struct{}

func (all) Name() string                { return "all" }
func (all) Label() abi.Label            { return abi.LabelBottom() }
func (all) May(string, abi.Rights) bool { return true }
func (all) Charge(api.Cost) bool        { return true }
