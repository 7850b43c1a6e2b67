package inference_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"phios/abi"
	api "phios/api/inference"
	"phios/compute"
	"phios/compute/remote"
	"phios/service/gateway"
	"phios/service/inference"
)

// public is an account with money whose texts everybody may read.
func public() *purse {
	p := rich()
	p.label = abi.LabelBottom()
	return p
}

// far makes a service with one remote unit, work, at a server.
func far(tb testing.TB, handler http.Handler) *inference.Service {
	tb.Helper()
	server := httptest.NewServer(handler)
	tb.Cleanup(server.Close)
	unit, err := remote.Open(map[string]string{"name": "work", "url": server.URL + "/v1", "key": "sk-test-0123456789"})
	if err != nil {
		tb.Fatal(err)
	}
	s, err := inference.New(inference.Options{Units: []compute.Unit{unit}, Now: time.Now})
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

// keyring opens one account by any key.
type keyring struct{ p *purse }

func (k keyring) Open(context.Context, string) (gateway.Account, error) { return opened{k.p}, nil }

type opened struct{ *purse }

func (opened) Close() {}

// TestRemoteGateway asks a gateway of ours, with a real model behind it, as a
// remote server.
func TestRemoteGateway(t *testing.T) {
	there := begin(t, models(t, "one"), inference.Options{})
	owner := public()
	door, err := gateway.New(gateway.Config{Service: there, Keys: keyring{owner}})
	if err != nil {
		t.Fatal(err)
	}
	s := far(t, door)
	who := public()
	list, err := s.Models(t.Context(), who)
	if err != nil || len(list) != 1 || list[0].Name != "work/one" || list[0].Unit != "work" {
		t.Fatalf("%+v %v", list, err)
	}
	ask := &api.Request{Model: "work/one", Messages: []api.Message{{Role: "user", Content: "Tell me of a fox."}}, TokensMax: 12}
	near := *ask
	near.Model = "one"
	want, err := there.Generate(t.Context(), public(), &near, nil)
	if err != nil {
		t.Fatal(err)
	}
	var streamed strings.Builder
	got, err := s.Generate(t.Context(), who, ask, func(d api.Delta) error { streamed.WriteString(d.Text); return nil })
	if err != nil || got.Text != want.Text || streamed.String() != want.Text || got.Reason != want.Reason || got.Unit != "work" {
		t.Fatalf("%+v %v; want %+v", got, err, want)
	}
	if got.Usage.PromptTokens != want.Usage.PromptTokens || got.Usage.CompletionTokens != want.Usage.CompletionTokens ||
		who.spent.Tokens != uint64(got.Usage.PromptTokens+got.Usage.CompletionTokens) {
		t.Errorf("usage %+v, paid %d; there %+v", got.Usage, who.spent.Tokens, want.Usage)
	}
	if alone, err := s.Generate(t.Context(), who, &api.Request{Model: "work", Messages: ask.Messages, TokensMax: 12}, nil); err != nil || alone.Text != want.Text {
		t.Errorf("by the unit's name: %+v %v", alone, err)
	}
	// A constraint is kept there, and checked here.
	held := *ask
	held.TokensMax = 0
	held.Constraint = &api.Constraint{Kind: api.ConstraintSchema, Text: `{"type":"object","properties":{"b":{"type":"integer","minimum":0,"maximum":99},"a":{"enum":["x","y"]}},"required":["a","b"],"additionalProperties":false}`}
	kept, err := s.Generate(t.Context(), who, &held, nil)
	var value struct {
		A string
		B *int
	}
	if err != nil || json.Unmarshal([]byte(kept.Text), &value) != nil || value.B == nil || value.A == "" {
		t.Errorf("%+v %v", kept, err)
	}
	// No model of that name is there.
	if _, err := s.Generate(t.Context(), who, &api.Request{Model: "work/none", Messages: ask.Messages}, nil); code(err) != api.CodeNoModel {
		t.Errorf("an absent model: %v", err)
	}
	if m := s.Metrics().Remotes["work"]; m.Requests < 4 || m.Failed != 1 || m.CompletionTokens == 0 {
		t.Errorf("%+v", m)
	}
}

func code(err error) string {
	if e, ok := errors.AsType[*api.Error](err); ok {
		return e.Code
	}
	return fmt.Sprint(err)
}

// says answers each chat with these chunks, one event each.
func says(chunks ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for _, c := range chunks {
			_, _ = fmt.Fprintf(w, "data: %s\n\n", c)
		}
		_, _ = io.WriteString(w, "data: [DONE]\n\n")
	}
}

// text is a chunk with text, and end one with a reason and usage.
func text(s string) string {
	b, _ := json.Marshal(s)
	return `{"choices":[{"delta":{"content":` + string(b) + `}}]}`
}

func end(reason string) string {
	return `{"choices":[{"delta":{},"finish_reason":"` + reason + `"}],"usage":{"prompt_tokens":7,"completion_tokens":3}}`
}

func chat(change func(*api.Request)) *api.Request {
	r := &api.Request{Model: "work/m", Messages: []api.Message{{Role: "user", Content: "Hello."}}}
	if change != nil {
		change(r)
	}
	return r
}

func TestRemoteRefusals(t *testing.T) {
	var asked atomic.Int64
	s := far(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		says(text("x"), end("stop"))(w, r)
	}))
	private := rich()
	private.label = abi.Label{Readers: 1}
	poor := public()
	poor.left.Tokens = 3
	for name, c := range map[string]struct {
		who    *purse
		change func(*api.Request)
		want   string
	}{
		"label":         {private, nil, api.CodeDenied},
		"rights":        {&purse{only: "other", label: abi.LabelBottom()}, nil, api.CodeDenied},
		"poor":          {poor, nil, api.CodeBudget},
		"local":         {public(), func(r *api.Request) { r.Device.Local = true }, api.CodeUnsupported},
		"kind":          {public(), func(r *api.Request) { r.Device.Kind = "cpu" }, api.CodeUnsupported},
		"unit":          {public(), func(r *api.Request) { r.Device.Unit = "cpu" }, api.CodeUnsupported},
		"deterministic": {public(), func(r *api.Request) { r.Deterministic = true }, api.CodeUnsupported},
		"regex":         {public(), func(r *api.Request) { r.Constraint = &api.Constraint{Kind: "regex", Text: "a+"} }, api.CodeUnsupported},
		"gbnf":          {public(), func(r *api.Request) { r.Constraint = &api.Constraint{Kind: "gbnf", Text: "root ::= \"a\""} }, api.CodeUnsupported},
		"schema":        {public(), func(r *api.Request) { r.Constraint = &api.Constraint{Kind: "json_schema", Text: "{"} }, api.CodeRequest},
		"prompt":        {public(), func(r *api.Request) { r.Messages, r.Prompt = nil, "x" }, api.CodeUnsupported},
		"penalty":       {public(), func(r *api.Request) { r.Sampling.RepetitionPenalty = 1.2 }, api.CodeUnsupported},
		"elsewhere":     {public(), func(r *api.Request) { r.Model = "other/m" }, api.CodeNoModel},
	} {
		var e *api.Error
		if _, err := s.Generate(t.Context(), c.who, chat(c.change), nil); !errors.As(err, &e) || e.Code != c.want || e.Message == "" {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
	if asked.Load() != 0 {
		t.Errorf("the server was asked %d times", asked.Load())
	}
	// A server that the owner trusts with an audience may be asked by it.
	if _, err := s.Select(private, "work/m", api.Constraints{}); code(err) != api.CodeDenied {
		t.Errorf("select: %v", err)
	}
}

func TestRemoteAnswers(t *testing.T) {
	schema := &api.Constraint{Kind: api.ConstraintSchema, Text: `{"type":"object","properties":{"a":{"type":"string"},"n":{"type":"object","properties":{"x":{"type":"integer"},"y":{"type":"boolean"}},"required":["y"],"additionalProperties":false}},"required":["a"],"additionalProperties":false}`}
	must := func(r *api.Request) { r.Constraint = schema }
	tool := func(choice string) func(*api.Request) {
		return func(r *api.Request) {
			r.Tools = []api.Tool{{Name: "look", Parameters: []byte(`{"type":"object","properties":{"at":{"type":"string"}},"required":["at"],"additionalProperties":false}`), Strict: true}}
			r.ToolChoice = choice
		}
	}
	calls := func(name, arguments string) []string {
		b, _ := json.Marshal(arguments)
		return []string{
			`{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"c9","type":"function","function":{"name":"` + name + `","arguments":""}}]}}]}`,
			`{"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":` + string(b) + `}}]}}]}`, end("tool_calls"),
		}
	}
	for name, c := range map[string]struct {
		change func(*api.Request)
		chunks []string
		want   string // the text or the call
		reason api.Reason
		code   string
	}{
		"text":      {nil, []string{text("Hel"), text("lo"), end("stop")}, "Hello", api.ReasonStop, ""},
		"length":    {nil, []string{text("Hel"), end("length")}, "Hel", api.ReasonLength, ""},
		"filter":    {nil, []string{text("Hel"), end("content_filter")}, "Hel", "", api.CodeUnit},
		"error":     {nil, []string{text("Hel"), `{"error":{"message":"out of \u001b memory"}}`}, "Hel", api.ReasonStop, api.CodeUnit},
		"no chunk":  {nil, []string{`[1]`}, "", api.ReasonStop, api.CodeUnit},
		"valid":     {must, []string{text("{\"a\": "), text("\"b\"}"), end("stop")}, `{"a": "b"}`, api.ReasonStop, ""},
		"order":     {must, []string{text("{\n  \"n\" : {\"y\":true , \"x\":4},\n\n\t\"a\": \"\\u0062\"}"), end("stop")}, `{"a":"b","n":{"x":4,"y":true}}`, api.ReasonStop, ""},
		"fenced":    {must, []string{text("```json\n{\"a\":\"b\"}\n```"), end("stop")}, "", api.ReasonStop, api.CodeUnit},
		"missing":   {must, []string{text("{\"n\":{\"y\":true}}"), end("stop")}, "", api.ReasonStop, api.CodeUnit},
		"cut":       {must, []string{text("{\"a\":\"bc"), end("length")}, `{"a":"bc"}`, api.ReasonLength, ""},
		"cut wrong": {must, []string{text("{\"z\":\"bc"), end("length")}, "", api.ReasonLength, api.CodeUnit},
		"call":      {tool(""), calls("look", `{"at": "home"}`), `look {"at": "home"}`, api.ReasonTools, ""},
		"none":      {tool("none"), calls("look", `{"at": "home"}`), "", api.ReasonTools, api.CodeUnit},
		"other":     {tool(""), calls("rm", `{}`), "", api.ReasonTools, api.CodeUnit},
		"no JSON":   {tool(""), calls("look", `{"at`), "", api.ReasonTools, api.CodeUnit},
		"strict":    {tool(""), calls("look", `{"in":"home"}`), "", api.ReasonTools, api.CodeUnit},
		"required":  {tool("required"), []string{text("No."), end("stop")}, "", api.ReasonStop, api.CodeUnit},
		"gaps":      {tool(""), []string{`{"choices":[{"delta":{"tool_calls":[{"index":63,"id":"c"}]}}]}`}, "", api.ReasonStop, api.CodeUnit},
	} {
		s := far(t, says(c.chunks...))
		who := public()
		var streamed strings.Builder
		got, err := s.Generate(t.Context(), who, chat(c.change), func(d api.Delta) error {
			streamed.WriteString(d.Text)
			if d.ToolCall != nil {
				streamed.WriteString(d.ToolCall.Name + " " + d.ToolCall.Arguments)
			}
			return nil
		})
		if code := code(err); code != c.code && (err != nil || c.code != "") || got.Reason != c.reason {
			t.Errorf("%s: %+v %v, want %q %q", name, got, err, c.reason, c.code)
		}
		shown := got.Text
		for _, call := range got.ToolCalls {
			shown += call.Name + " " + call.Arguments
		}
		if shown != c.want || c.code != api.CodeUnit && streamed.String() != c.want {
			t.Errorf("%s: %q, streamed %q; want %q", name, shown, streamed.String(), c.want)
		}
		if who.spent.Tokens == 0 {
			t.Errorf("%s was free", name)
		}
	}
}

// TestRemoteBudget: what is charged is what the server says, or what bytes say,
// and an answer ends where the purse does.
func TestRemoteBudget(t *testing.T) {
	long := make([]string, 0, 1000)
	for range 1000 {
		long = append(long, text("sixteen bytes .. "))
	}
	told, untold := append(slices.Clip(long), end("stop")), append(slices.Clip(long), `{"choices":[{"delta":{},"finish_reason":"stop"}]}`)
	who := public()
	got, err := far(t, says(told...)).Generate(t.Context(), who, chat(nil), nil)
	if err != nil || got.Usage.PromptTokens != 7 || got.Usage.CompletionTokens != 3 {
		t.Errorf("told: %+v %v", got.Usage, err)
	}
	who = public()
	got, err = far(t, says(untold...)).Generate(t.Context(), who, chat(nil), nil)
	if n := uint64(len(got.Text) / 4); err != nil || who.spent.Tokens < n || who.spent.Tokens > 2*n {
		t.Errorf("untold: paid %d for %d bytes, %v", who.spent.Tokens, len(got.Text), err)
	}
	who = public()
	who.left.Tokens = 500
	got, err = far(t, says(untold...)).Generate(t.Context(), who, chat(nil), nil)
	if err != nil || got.Reason != api.ReasonBudget || len(got.Text) == 0 || len(got.Text) > 500*8 || who.left.Tokens != 0 {
		t.Errorf("spent: %d bytes %s, %d left, %v", len(got.Text), got.Reason, who.left.Tokens, err)
	}
}

// TestRemoteEnds: deadline, cancelling and a client that goes away end the
// request at the server as well.
func TestRemoteEnds(t *testing.T) {
	ended := make(chan struct{}, 8)
	s := far(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, "data: "+text("begun")+"\n\n")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
		ended <- struct{}{}
	}))
	over := func(what string) {
		select {
		case <-ended:
		case <-time.After(10 * time.Second):
			t.Errorf("%s: the request goes on at the server", what)
		}
	}
	got, err := s.Generate(t.Context(), public(), chat(func(r *api.Request) { r.Deadline = time.Now().Add(300 * time.Millisecond) }), nil)
	if err != nil || got.Reason != api.ReasonDeadline || got.Text != "begun" {
		t.Errorf("deadline: %+v %v", got, err)
	}
	over("deadline")
	ctx, stop := context.WithCancel(t.Context())
	got, err = s.Generate(ctx, public(), chat(nil), func(api.Delta) error { stop(); return nil })
	if err != nil || got.Reason != api.ReasonCancelled {
		t.Errorf("cancelled: %+v %v", got, err)
	}
	over("cancelled")
	gone := errors.New("the client went away")
	got, err = s.Generate(t.Context(), public(), chat(nil), func(api.Delta) error { return gone })
	if !errors.Is(err, gone) || got.Reason != api.ReasonCancelled {
		t.Errorf("gone: %+v %v", got, err)
	}
	over("gone")
}

func TestRemoteEmbeddings(t *testing.T) {
	s := far(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body struct{ Input []string }
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			t.Error(err)
		}
		w.Header().Set("Content-Type", "application/json")
		var list []string
		for i := range body.Input {
			list = append(list, fmt.Sprintf(`{"index":%d,"embedding":[3,4]}`, i))
		}
		_, _ = io.WriteString(w, `{"data":[`+strings.Join(list, ",")+`]}`)
	}))
	who := public()
	got, err := s.Embed(t.Context(), who, &api.EmbedRequest{Model: "work/e", Texts: []string{"a", "b"}})
	if err != nil || len(got.Vectors) != 2 || got.Vectors[1][1] != 0.8 || got.Model != "work/e" || who.spent.Tokens == 0 {
		t.Errorf("%+v %v", got, err)
	}
	if _, err := s.Embed(t.Context(), rich(), &api.EmbedRequest{Model: "work/e", Texts: []string{"a"}}); code(err) != api.CodeDenied {
		t.Errorf("a private text: %v", err)
	}
}
