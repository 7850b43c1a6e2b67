package gateway

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"phios/abi"
	"phios/api/inference"
)

var rewriteFlag = flag.Bool("rewrite", false, "write what is answered into the stories; read the difference then")

// scripted is a service that answers by the name of the model and tells what it
// was asked. The real one answers in TestRealService and with the clients.
type scripted struct {
	mu   sync.Mutex
	told []string // guarded by mu
}

func (s *scripted) tell(format string, args ...any) {
	s.mu.Lock()
	s.told = append(s.told, fmt.Sprintf(format, args...))
	s.mu.Unlock()
}

// describe writes what of a request is set, in lines.
func describe(r *inference.Request) string {
	var b strings.Builder
	line := func(set bool, format string, args ...any) {
		if set {
			fmt.Fprintf(&b, "  "+format+"\n", args...)
		}
	}
	for _, m := range r.Messages {
		line(true, "%s%s%s: %q", m.Role, prefixed(" name=", m.Name), prefixed(" answers=", m.ToolCallID), m.Content)
		for _, c := range m.ToolCalls {
			line(true, "  calls %s %s(%s)", c.ID, c.Name, c.Arguments)
		}
	}
	line(r.Prompt != "", "prompt %q", r.Prompt)
	line(len(r.Tokens) > 0, "tokens %v", r.Tokens)
	line(r.TokensMax > 0, "at most %d tokens", r.TokensMax)
	p := r.Sampling
	line(true, "temperature %v top_k %v top_p %v min_p %v penalties %v %v %v", p.Temperature, p.TopK, p.TopP, p.MinP, p.RepetitionPenalty, p.PresencePenalty, p.FrequencyPenalty)
	line(p.Seeded, "seed %d", p.Seed)
	for _, id := range slices.Sorted(maps.Keys(p.Bias)) {
		line(true, "bias of %d: %v", id, p.Bias[id])
	}
	line(len(r.Stop) > 0, "stop %q", r.Stop)
	if c := r.Constraint; c != nil {
		line(true, "must be %s %s", c.Kind, c.Text)
	}
	for _, t := range r.Tools {
		line(true, "tool %s (%s) strict=%v %s", t.Name, t.Description, t.Strict, t.Parameters)
	}
	line(r.ToolChoice != "", "choice of tools: %s", r.ToolChoice)
	line(r.Logprobs, "log-probabilities, %d beside", r.TopLogprobs)
	line(r.Echo, "echo")
	line(r.Deterministic, "deterministic")
	line(r.Deadline.IsZero(), "without a deadline")
	return b.String()
}

func prefixed(before, s string) string {
	if s == "" {
		return ""
	}
	return before + s
}

// failures are the models that fail, by their names.
func failure(name string) error {
	for _, code := range []string{
		inference.CodeRequest, inference.CodeNoModel, inference.CodeDenied, inference.CodeBudget, inference.CodeBusy, inference.CodeMemory,
		inference.CodeContext, inference.CodeUnsupported, inference.CodeDeadline, inference.CodeUnit, inference.CodeInternal,
	} {
		if name == code || name == "late-"+code {
			return &inference.Error{Code: code, Message: "this is " + code, Remedy: "do something else"}
		}
	}
	if name == "secretive" {
		return errors.New("open /etc/shadow: permission denied")
	}
	return nil
}

func (s *scripted) Generate(ctx context.Context, _ inference.Account, r *inference.Request, emit func(inference.Delta) error) (inference.Result, error) {
	s.tell("generate with %q\n%s", r.Model, describe(r))
	out := inference.Result{Model: r.Model, Reason: inference.ReasonStop, Usage: inference.Usage{PromptTokens: 7, CachedTokens: 4, CompletionTokens: 2}}
	if r.Model == "falls" {
		panic("a bug")
	}
	late := strings.HasPrefix(r.Model, "late-")
	if err := failure(r.Model); err != nil && !late {
		return out, err
	}
	deltas := []inference.Delta{{Text: "Hello"}, {Text: " wörld"}}
	switch r.Model {
	case "tools":
		deltas = []inference.Delta{
			{Text: "Let me see."},
			{ToolCall: &inference.ToolCall{ID: "call_1", Name: "weather", Arguments: `{"city":"Bern"}`}},
			{ToolCall: &inference.ToolCall{ID: "call_2", Name: "weather", Arguments: `{"city":"Rom"}`}},
		}
		out.Reason = inference.ReasonTools
	case "silent":
		deltas = nil
	case "cut":
		out.Reason = inference.ReasonLength
	case "poor":
		out.Reason = inference.ReasonBudget
	case "stopped":
		out.StopText = "\n\n"
	case "likely":
		for i := range deltas {
			l := inference.Logprob{Token: int32(i), Text: deltas[i].Text, Logprob: -0.5, Top: []inference.Logprob{{Text: deltas[i].Text, Logprob: -0.5}, {Text: "\xff", Logprob: -2}}}
			deltas[i].Logprobs = []inference.Logprob{l}
			out.Logprobs = append(out.Logprobs, l)
		}
	}
	for _, d := range deltas {
		out.Text += d.Text
		if d.ToolCall != nil {
			out.ToolCalls = append(out.ToolCalls, *d.ToolCall)
		}
		if emit == nil {
			continue
		}
		if err := errors.Join(emit(d), ctx.Err()); err != nil {
			out.Reason = inference.ReasonCancelled
			return out, err
		}
	}
	if late {
		return out, failure(r.Model)
	}
	return out, nil
}

func (s *scripted) Embed(_ context.Context, _ inference.Account, r *inference.EmbedRequest) (inference.Embeddings, error) {
	s.tell("embed with %q %q\n", r.Model, r.Texts)
	if err := failure(r.Model); err != nil {
		return inference.Embeddings{}, err
	}
	out := inference.Embeddings{Model: "use-lite", Usage: inference.Usage{PromptTokens: 3}}
	for range r.Texts {
		out.Vectors = append(out.Vectors, []float32{0.6, -0.8})
	}
	return out, nil
}

func (s *scripted) Models(context.Context, inference.Account) ([]inference.Model, error) {
	return []inference.Model{
		{Name: "words", Digest: "abc1", Context: 128, Added: time.Unix(1000, 0)},
		{Name: "hub/tools", Digest: "abd2"},
	}, nil
}

// counting is a scripted service that counts.
type counting struct{ *scripted }

func (c counting) Count(_ context.Context, _ inference.Account, r *inference.Request) (int, error) {
	c.tell("count with %q\n%s", r.Model, describe(r))
	return 42, nil
}

// ring is keys that are held in a map.
type ring struct {
	open map[[32]byte]Account
	err  error
}

func (k ring) Open(_ context.Context, secret string) (Account, error) {
	if k.err != nil {
		return nil, k.err
	}
	if a, ok := k.open[Digest(secret)]; ok {
		return a, nil
	}
	return nil, ErrKey
}

// purse is an account that never ends.
type purse struct{}

func (purse) Name() string                { return "purse" }
func (purse) Label() abi.Label            { return abi.Label{} }
func (purse) May(string, abi.Rights) bool { return true }
func (purse) Charge(inference.Cost) bool  { return true }
func (purse) Close()                      {}

const key = "phi-key-1"

func keys() ring { return ring{open: map[[32]byte]Account{Digest(key): purse{}}} }

// fixed is a gateway without chance and time.
func fixed(tb testing.TB, s inference.Service) *Gateway {
	tb.Helper()
	g, err := New(Config{Service: s, Keys: keys(), Heartbeat: time.Hour})
	if err != nil {
		tb.Fatal(err)
	}
	var mu sync.Mutex
	n := 0
	g.id = func(prefix string) string {
		mu.Lock()
		defer mu.Unlock()
		n++
		return fmt.Sprintf("%s%d", prefix, n)
	}
	g.now = func() time.Time { return time.Unix(1_800_000_000, 0) }
	return g
}

// TestStories asks what the stories in testdata ask, and compares the bytes of
// the answers. A story is a request (a line with method and path, headers, an
// empty line, a body), ---- , and the answer, up to a line of =====.
func TestStories(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no stories", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var out []string
			for story := range strings.SplitSeq(string(b), "\n=====\n") {
				head, _, _ := strings.Cut(story, "\n----\n")
				out = append(out, strings.TrimRight(head, "\n")+"\n----\n"+strings.TrimRight(tell(t, head), "\n")+"\n")
			}
			got := strings.Join(out, "\n=====\n")
			if *rewriteFlag {
				if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != string(b) {
				t.Errorf("%s differs; run with -rewrite and read the difference. First: %s", file, difference(got, string(b)))
			}
		})
	}
}

func difference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			return fmt.Sprintf("line %d\n got %s\nwant %s", i+1, g[i], w[i])
		}
	}
	return "the length"
}

// tell asks what a story asks. Lines that begin with # are for its readers.
func tell(t *testing.T, head string) string {
	t.Helper()
	lines := strings.Split(head, "\n")
	lines = slices.DeleteFunc(lines, func(l string) bool { return strings.HasPrefix(l, "#") })
	for len(lines) > 0 && lines[0] == "" {
		lines = lines[1:]
	}
	head, body, _ := strings.Cut(strings.Join(lines, "\n"), "\n\n")
	first, headers, _ := strings.Cut(head, "\n")
	method, path, _ := strings.Cut(first, " ")
	r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(strings.TrimRight(body, "\n")))
	r.Header.Set("Authorization", "Bearer "+key)
	r.Header.Set("Content-Type", "application/json")
	for l := range strings.SplitSeq(headers, "\n") {
		if name, value, ok := strings.Cut(l, ": "); ok {
			r.Header.Set(name, value)
		}
	}
	service := &scripted{}
	var s inference.Service = service
	if r.Header.Get("Counting") != "" {
		s = counting{service}
	}
	w := httptest.NewRecorder()
	fixed(t, s).ServeHTTP(w, r)
	var out bytes.Buffer
	slices.Sort(service.told) // Several at once come in any order.
	for _, l := range service.told {
		out.WriteString(l)
	}
	fmt.Fprintln(&out, w.Code, http.StatusText(w.Code))
	for _, name := range []string{"Content-Type", "Retry-After", "X-Should-Retry", "Www-Authenticate", "Access-Control-Allow-Origin"} {
		if v := w.Header().Get(name); v != "" {
			fmt.Fprintf(&out, "%s: %s\n", name, v)
		}
	}
	fmt.Fprintf(&out, "\n%s", w.Body)
	return out.String()
}
