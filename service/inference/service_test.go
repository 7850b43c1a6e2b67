package inference_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"phios/abi"
	api "phios/api/inference"
	"phios/compute"
	"phios/compute/cpu"
	"phios/compute/gguf/generate"
	"phios/compute/tensor"
	"phios/service/inference"
	"phios/service/inference/registry"
	"phios/service/inference/schedule"
)

// purse is an account with a balance.
type purse struct {
	name  string
	label abi.Label
	only  string // the model it may run; empty is any

	mu    sync.Mutex
	left  api.Cost
	spent api.Cost
}

func rich() *purse {
	return &purse{name: "rich", left: api.Cost{Tokens: 1 << 50, Nanoseconds: 1 << 60, Microjoules: 1 << 60}}
}

func (p *purse) Name() string                    { return p.name }
func (p *purse) Label() abi.Label                { return p.label }
func (p *purse) May(m string, _ abi.Rights) bool { return p.only == "" || p.only == m }
func (p *purse) Charge(c api.Cost) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c.Tokens > p.left.Tokens || c.Nanoseconds > p.left.Nanoseconds || c.Microjoules > p.left.Microjoules {
		return false
	}
	p.left.Tokens -= c.Tokens
	p.left.Nanoseconds -= c.Nanoseconds
	p.left.Microjoules -= c.Microjoules
	p.spent.Tokens += c.Tokens
	return true
}

// models makes a registry with tiny models of random weights: one, two, …
func models(tb testing.TB, names ...string) *registry.Registry {
	tb.Helper()
	r, err := registry.Open(tb.TempDir(), registry.Options{Now: time.Now})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = r.Close() })
	for i, name := range names {
		var b bytes.Buffer
		if err := generate.Model(&b, generate.Tiny("llama", tensor.Q8_0, uint64(i+1))); err != nil {
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

func begin(tb testing.TB, r *registry.Registry, o inference.Options) *inference.Service {
	tb.Helper()
	unit := cpu.Open(cpu.Options{})
	o.Models, o.Units, o.Now = r, []compute.Unit{unit}, time.Now
	s, err := inference.New(o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := errors.Join(s.Close(), unit.Close()); err != nil {
			tb.Error(err)
		}
	})
	return s
}

func TestGenerate(t *testing.T) {
	r := models(t, "one")
	s := begin(t, r, inference.Options{})
	who := rich()
	ask := &api.Request{Prompt: strings.Repeat("Once upon a time there was a fox. ", 5), TokensMax: 12}
	var streamed strings.Builder
	first, err := s.Generate(t.Context(), who, ask, func(d api.Delta) error { streamed.WriteString(d.Text); return nil })
	if err != nil || first.Text != streamed.String() || first.Model != "one" || first.Unit == "" || first.Usage.CompletionTokens == 0 {
		t.Fatalf("%+v %v; streamed %q", first, err, streamed.String())
	}
	again, err := s.Generate(t.Context(), who, ask, nil)
	if err != nil || again.Text != first.Text || again.Usage.CachedTokens == 0 {
		t.Errorf("again: %+v %v", again, err)
	}
	apart := rich()
	apart.label = abi.Label{Sources: 1}
	other, err := s.Generate(t.Context(), apart, ask, nil)
	if err != nil || other.Text != first.Text || other.Usage.CachedTokens != 0 {
		t.Errorf("under another label: %+v %v", other, err)
	}
	if m := s.Metrics().Models["one"]; m.CachedTokens == 0 || m.Steps == 0 || m.FirstToken.Count() < 3 {
		t.Errorf("metrics %+v", m)
	}
	if err := s.Health(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestBesideOthers: what comes out is the same alone and beside fifteen others.
func TestBesideOthers(t *testing.T) {
	s := begin(t, models(t, "one"), inference.Options{Schedule: schedule.Options{StepTokens: 48}})
	ask := func(i int) *api.Request {
		return &api.Request{
			Prompt: strings.Repeat(fmt.Sprintf("Number %d is a number. ", i%5), 1+i%4), TokensMax: 10 + i,
			Sampling: api.Sampling{Temperature: float64(i%2) * 0.9, Seed: uint64(i), Seeded: true}, Deterministic: i%3 == 0,
		}
	}
	var alone [16]string
	for i := range alone {
		who := rich()
		who.label = abi.Label{Sources: 1 << i} // shares nothing
		got, err := s.Generate(t.Context(), who, ask(i), nil)
		if err != nil {
			t.Fatal(err)
		}
		alone[i] = got.Text
	}
	var wait sync.WaitGroup
	for i := range alone {
		wait.Go(func() {
			got, err := s.Generate(t.Context(), rich(), ask(i), nil)
			if err != nil || got.Text != alone[i] {
				t.Errorf("request %d: %q %v, alone %q", i, got.Text, err, alone[i])
			}
		})
	}
	wait.Wait()
	m := s.Metrics().Models["one"]
	t.Logf("%.1f texts a step", float64(m.Works)/float64(m.Steps))
}

func TestConstraints(t *testing.T) {
	s := begin(t, models(t, "one"), inference.Options{})
	schema := `{"type":"object","properties":{"name":{"type":"string","maxLength":8},"age":{"type":"integer"}},"required":["name","age"]}`
	poor := rich()
	poor.left.Tokens = 30
	for _, c := range []struct {
		who    *purse
		most   int
		reason api.Reason
	}{{rich(), 200, ""}, {rich(), 5, api.ReasonLength}, {rich(), 1, api.ReasonLength}, {poor, 100, api.ReasonBudget}} {
		got, err := s.Generate(t.Context(), c.who, &api.Request{
			Prompt: "A person:", TokensMax: c.most, Sampling: api.Sampling{Temperature: 1, Seed: 3, Seeded: true},
			Constraint: &api.Constraint{Kind: api.ConstraintSchema, Text: schema},
		}, nil)
		var person struct {
			Name string
			Age  json.Number
		}
		if err != nil || json.Unmarshal([]byte(got.Text), &person) != nil || person.Age == "" || c.reason != "" && got.Reason != c.reason {
			t.Errorf("%d tokens: %q %s %v", c.most, got.Text, got.Reason, err)
		}
	}
}

func TestTools(t *testing.T) {
	s := begin(t, models(t, "one"), inference.Options{})
	ask := &api.Request{
		Messages: []api.Message{{Role: "user", Content: "What is the weather in Bern?"}},
		Tools: []api.Tool{
			{Name: "weather", Parameters: []byte(`{"type":"object","properties":{"city":{"enum":["Bern","Basel"]}},"required":["city"]}`)},
			{Name: "time"},
		},
		ToolChoice: "weather", TokensMax: 300,
	}
	var calls []api.ToolCall
	got, err := s.Generate(t.Context(), rich(), ask, func(d api.Delta) error {
		if d.ToolCall != nil {
			calls = append(calls, *d.ToolCall)
		}
		return nil
	})
	if err != nil || len(got.ToolCalls) != 1 || !slices.Equal(calls, got.ToolCalls) || got.ToolCalls[0].Name != "weather" ||
		!strings.Contains(got.ToolCalls[0].Arguments, `"city"`) || got.Reason != api.ReasonTools && got.Reason != api.ReasonLength {
		t.Errorf("%+v %v", got, err)
	}
}

// TestStrictToolsLeaveTheRestFree: a model of random weights calls nothing, and
// what it writes beside is not constrained.
func TestStrictToolsLeaveTheRestFree(t *testing.T) {
	s := begin(t, models(t, "one"), inference.Options{})
	for seed := range uint64(10) {
		got, err := s.Generate(t.Context(), rich(), &api.Request{
			Messages: []api.Message{{Role: "user", Content: "What is the weather in Bern?"}},
			Tools: []api.Tool{{
				Name: "weather", Strict: true,
				Parameters: []byte(`{"type":"object","properties":{"city":{"enum":["Bern","Basel"]}},"required":["city"]}`),
			}},
			TokensMax: 60, Sampling: api.Sampling{Temperature: 1, Seed: seed, Seeded: true},
		}, nil)
		if err != nil || len(got.ToolCalls) != 0 || got.Reason == api.ReasonTools {
			t.Errorf("%+v %v", got, err)
		}
	}
}

func TestRefusals(t *testing.T) {
	s := begin(t, models(t, "one", "two"), inference.Options{})
	only := rich()
	only.only = "one"
	for _, c := range []struct {
		who  *purse
		ask  api.Request
		code string
	}{
		{rich(), api.Request{Model: "three", Prompt: "x"}, api.CodeNoModel},
		{only, api.Request{Model: "two", Prompt: "x"}, api.CodeDenied},
		{rich(), api.Request{Model: "one"}, api.CodeRequest},
		{rich(), api.Request{Model: "one", Prompt: "x", ToolChoice: "weather"}, api.CodeRequest},
		{rich(), api.Request{Model: "one", Prompt: "x", Tokens: []int32{1}}, api.CodeRequest},
		{rich(), api.Request{Model: "one", Prompt: "\xff"}, api.CodeRequest},
		{rich(), api.Request{Model: "one", Tokens: []int32{1 << 30}}, api.CodeRequest},
		{rich(), api.Request{Model: "one", Prompt: strings.Repeat("word ", 100000)}, api.CodeContext},
		{rich(), api.Request{Model: "one", Prompt: "x", Stop: []string{""}}, api.CodeRequest},
		{rich(), api.Request{Model: "one", Prompt: "x", Sampling: api.Sampling{TopP: 7}}, api.CodeRequest},
		{rich(), api.Request{Model: "one", Prompt: "x", Constraint: &api.Constraint{Kind: "poem"}}, api.CodeRequest},
		{rich(), api.Request{Model: "one", Prompt: "x", Constraint: &api.Constraint{Kind: "regex", Text: "("}}, api.CodeRequest},
		{rich(), api.Request{Model: "one", Prompt: "x", Device: api.Constraints{Kind: "qpu"}}, api.CodeUnsupported},
		{rich(), api.Request{Model: "one", Prompt: "x", Deadline: time.Now().Add(-time.Second)}, api.CodeDeadline},
		{&purse{name: "poor"}, api.Request{Model: "one", Prompt: "x"}, api.CodeBudget},
	} {
		_, err := s.Generate(t.Context(), c.who, &c.ask, nil)
		var e *api.Error
		if !errors.As(err, &e) || e.Code != c.code {
			t.Errorf("%.60q %s: %v", c.ask.Prompt, c.code, err)
		}
	}
	list, err := s.Models(t.Context(), only)
	if err != nil || len(list) != 1 || list[0].Name != "one" {
		t.Errorf("%+v %v", list, err)
	}
}

// TestTwoModelsInTheMemoryOfOne: requests for two models, of which one fits,
// come mixed; each gets what it would get alone, also when its model is taken
// away under it.
func TestTwoModelsInTheMemoryOfOne(t *testing.T) {
	r := models(t, "one", "two")
	size := uint64(r.List()[0].Bytes)
	s := begin(t, r, inference.Options{Bytes: size * 3 / 2, Patience: 30 * time.Millisecond, Load: compute.Options{CacheTokens: 4096}})
	want := map[string]string{}
	ask := func(model string) *api.Request {
		return &api.Request{Model: model, Prompt: "The story of " + strings.Repeat("a long day ", 20), TokensMax: 100}
	}
	for _, name := range []string{"one", "two"} {
		got, err := s.Generate(t.Context(), rich(), ask(name), nil)
		if err != nil {
			t.Fatal(err)
		}
		want[name] = got.Text
	}
	var wait sync.WaitGroup
	for i := range 24 {
		wait.Go(func() {
			name := []string{"one", "two"}[i%2]
			got, err := s.Generate(t.Context(), rich(), ask(name), nil)
			if err != nil || got.Text != want[name] {
				t.Errorf("request %d: %v, %d bytes of text, want %d", i, err, len(got.Text), len(want[name]))
			}
		})
	}
	wait.Wait()
	m := s.Metrics()
	t.Logf("%d loads, %d swaps, %d forced", m.Residency.Loads, m.Residency.Swaps, m.Residency.Forced)
}

// TestParking: what was computed is not computed again after the model was
// unloaded, nor after the program was started again.
func TestParking(t *testing.T) {
	r := models(t, "one")
	folder := t.TempDir()
	ask := &api.Request{Prompt: strings.Repeat("Once upon a time there was a fox. ", 10), TokensMax: 8}
	var first string
	for run := range 3 {
		s := begin(t, r, inference.Options{Parking: folder})
		got, err := s.Generate(t.Context(), rich(), ask, nil)
		if err != nil {
			t.Fatal(err)
		}
		if run == 0 {
			first = got.Text
		} else if got.Text != first || got.Usage.CachedTokens == 0 {
			t.Errorf("run %d: %q %+v, first %q", run, got.Text, got.Usage, first)
		}
		if err := s.Unload("one"); err != nil {
			t.Fatal(err)
		}
		other := rich()
		other.label = abi.Label{Sources: 4}
		got, err = s.Generate(t.Context(), other, ask, nil)
		if err != nil || got.Text != first || run == 0 && got.Usage.CachedTokens != 0 {
			t.Errorf("another label: %+v %v", got, err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		m := s.Metrics().Parking
		t.Logf("run %d: %+v", run, m)
		if m.Files == 0 {
			t.Error("nothing was parked")
		}
	}
	files, err := os.ReadDir(folder)
	if err != nil || len(files) == 0 {
		t.Fatal(err)
	}
	for _, f := range files {
		info, err := f.Info()
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s has the mode %v", f.Name(), info.Mode())
		}
	}
}

func TestClientThatVanishes(t *testing.T) {
	s := begin(t, models(t, "one"), inference.Options{})
	ctx, stop := context.WithCancel(t.Context())
	n := 0
	got, err := s.Generate(ctx, rich(), &api.Request{Prompt: "A", TokensMax: 200}, func(api.Delta) error {
		if n++; n == 2 {
			stop()
		}
		return nil
	})
	if err != nil || got.Reason != api.ReasonCancelled && got.Reason != api.ReasonStop || got.Usage.CompletionTokens >= 200 {
		t.Errorf("%+v %v", got, err)
	}
}

// TestStory runs a real model, tiny as it is.
func TestStory(t *testing.T) {
	at := "../../../shared/models/stories260K.gguf"
	if _, err := os.Stat(at); errors.Is(err, fs.ErrNotExist) {
		t.Skip("stories260K.gguf is not at ../shared/models: the real model was not run")
	}
	r := models(t)
	if _, err := r.Add(t.Context(), at, registry.Adding{}); err != nil {
		t.Fatal(err)
	}
	s := begin(t, r, inference.Options{})
	got, err := s.Generate(t.Context(), rich(), &api.Request{Prompt: "Once upon a time", TokensMax: 40}, nil)
	if err != nil || !strings.Contains(got.Text, "there was a") {
		t.Errorf("%q %v", got.Text, err)
	}
	t.Logf("%q, first token %v, total %v", got.Text, got.Usage.FirstToken, got.Usage.Total)
}
