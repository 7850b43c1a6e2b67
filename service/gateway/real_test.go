package gateway_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
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

// account spends tokens until they are gone.
type account struct {
	mu   sync.Mutex
	left uint64
	only string
}

func (a *account) Name() string                    { return "test" }
func (a *account) Label() abi.Label                { return abi.Label{} }
func (a *account) May(m string, _ abi.Rights) bool { return a.only == "" || a.only == m }
func (a *account) Close()                          {}
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

// begin serves with the real scheduler and the cpu engine, on a tiny model
// of random weights, and the resident encoder.
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
	g, err := gateway.New(gateway.Config{Service: s, Keys: keyring{
		gateway.Digest("rich"):  &account{left: 1 << 40},
		gateway.Digest("poor"):  &account{left: 24},
		gateway.Digest("other"): &account{left: 1 << 40, only: "another"},
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

// ask posts a body and returns the answer.
func ask(tb testing.TB, url, key, body string) (int, []byte) {
	tb.Helper()
	method := http.MethodPost
	if body == "" {
		method = http.MethodGet
	}
	r, err := http.NewRequestWithContext(tb.Context(), method, url, strings.NewReader(body))
	if err != nil {
		tb.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+key)
	r.Header.Set("Content-Type", "application/json")
	a, err := http.DefaultClient.Do(r)
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = a.Body.Close() }()
	b, err := io.ReadAll(a.Body)
	if err != nil {
		tb.Fatal(err)
	}
	return a.StatusCode, b
}

type chatAnswer struct {
	Choices []struct {
		Message struct {
			Content   string
			ToolCalls []struct {
				ID       string
				Function struct{ Name, Arguments string }
			} `json:"tool_calls"`
		}
		Delta    struct{ Content string }
		Logprobs *struct {
			Content []struct {
				Logprob float64
				Top     []struct{ Logprob float64 } `json:"top_logprobs"`
			}
		}
		Finish string `json:"finish_reason"`
		Stop   string `json:"stop_reason"`
	}
	Usage struct {
		Completion int `json:"completion_tokens"`
	}
}

func chat(tb testing.TB, url, key, rest string) chatAnswer {
	tb.Helper()
	code, b := ask(tb, url+"/v1/chat/completions", key, `{"model":"tiny","messages":[{"role":"user","content":"Hi"}],`+rest+`}`)
	var a chatAnswer
	if err := json.Unmarshal(b, &a); err != nil || code != http.StatusOK || len(a.Choices) == 0 {
		tb.Fatalf("%s: %d %s %v", rest, code, b, err)
	}
	return a
}

// TestRealService asks the real service through the door.
func TestRealService(t *testing.T) {
	url := begin(t)

	t.Run("stream", func(t *testing.T) {
		const rest = `"max_tokens":20,"seed":3`
		whole := chat(t, url, "rich", rest)
		_, b := ask(t, url+"/v1/chat/completions", "rich", `{"model":"tiny","messages":[{"role":"user","content":"Hi"}],`+rest+`,"stream":true}`)
		var text strings.Builder
		done := false
		for line := range strings.SplitSeq(string(b), "\n") {
			data, ok := strings.CutPrefix(line, "data: ")
			if done = done || data == "[DONE]"; !ok || data == "[DONE]" {
				continue
			}
			var a chatAnswer
			if err := json.Unmarshal([]byte(data), &a); err != nil {
				t.Fatal(data, err)
			}
			text.WriteString(a.Choices[0].Delta.Content)
		}
		if text.String() != whole.Choices[0].Message.Content || !done || text.Len() == 0 {
			t.Errorf("streamed %q, whole %q", text.String(), whole.Choices[0].Message.Content)
		}
	})
	t.Run("several", func(t *testing.T) {
		a := chat(t, url, "rich", `"max_tokens":12,"n":16,"logprobs":true,"top_logprobs":3`)
		different := map[string]bool{}
		for _, c := range a.Choices {
			different[c.Message.Content] = true
			if c.Message.Content == "" {
				continue // Its first token was the end.
			}
			if c.Logprobs == nil || len(c.Logprobs.Content) == 0 || len(c.Logprobs.Content[0].Top) != 3 || c.Logprobs.Content[0].Logprob > 0 {
				t.Errorf("log-probabilities %+v of %q", c.Logprobs, c.Message.Content)
			}
		}
		if len(a.Choices) != 16 || len(different) < 2 || a.Usage.Completion < 12 {
			t.Errorf("%d choices, %d different, %+v", len(a.Choices), len(different), a.Usage)
		}
	})
	t.Run("schema", func(t *testing.T) {
		a := chat(t, url, "rich", `"max_tokens":200,"response_format":{"type":"json_schema","json_schema":{"name":"x","strict":true,"schema":
			{"type":"object","properties":{"city":{"enum":["Bern","Rom"]},"days":{"type":"integer"}},"required":["city","days"],"additionalProperties":false}}}`)
		var x struct {
			City string
			Days *json.Number
		}
		if err := json.Unmarshal([]byte(a.Choices[0].Message.Content), &x); err != nil || x.City != "Bern" && x.City != "Rom" || x.Days == nil {
			t.Errorf("%q %v", a.Choices[0].Message.Content, err)
		}
		a = chat(t, url, "rich", `"max_tokens":60,"guided_regex":"[a-f]{3,8}-[0-9]{2}"`)
		if s := a.Choices[0].Message.Content; !regexp.MustCompile(`^[a-f]{3,8}-[0-9]{2}$`).MatchString(s) {
			t.Errorf("%q is not of the expression", s)
		}
		a = chat(t, url, "rich", `"max_tokens":60,"grammar":"root ::= \"yes\" | \"no\""`)
		if s := a.Choices[0].Message.Content; s != "yes" && s != "no" {
			t.Errorf("%q is not of the grammar", s)
		}
	})
	t.Run("tools", func(t *testing.T) {
		a := chat(t, url, "rich", `"max_tokens":400,"tool_choice":"required","tools":[{"type":"function","function":{"name":"weather","parameters":
			{"type":"object","properties":{"city":{"enum":["Bern","Rom"]}},"required":["city"],"additionalProperties":false}}}]`)
		calls := a.Choices[0].Message.ToolCalls
		if len(calls) != 1 || calls[0].Function.Name != "weather" || !json.Valid([]byte(calls[0].Function.Arguments)) || calls[0].ID == "" || a.Choices[0].Finish != "tool_calls" {
			t.Errorf("%+v", a)
		}
	})
	t.Run("budget", func(t *testing.T) {
		a := chat(t, url, "poor", `"max_tokens":1000`)
		if c := a.Choices[0]; c.Finish != "length" && c.Finish != "stop" || c.Finish == "length" && c.Stop != "budget" {
			t.Errorf("%+v", c)
		}
		for range 3 { // What is left is soon not enough for a prompt.
			if code, b := ask(t, url+"/v1/completions", "poor", `{"model":"tiny","prompt":"`+strings.Repeat("many words ", 30)+`"}`); code == http.StatusTooManyRequests {
				if !strings.Contains(string(b), "insufficient_quota") {
					t.Errorf("%s", b)
				}
				return
			}
		}
		t.Error("the budget did not end")
	})
	t.Run("embeddings", func(t *testing.T) {
		_, b := ask(t, url+"/v1/embeddings", "rich", `{"input":["A dog barks.","A hound is barking."],"encoding_format":"base64"}`)
		var a struct{ Data []struct{ Embedding string } }
		if err := json.Unmarshal(b, &a); err != nil || len(a.Data) != 2 {
			t.Fatalf("%.200s %v", b, err)
		}
		if cos := dot(unpack(t, a.Data[0].Embedding), unpack(t, a.Data[1].Embedding)); cos < 0.5 {
			t.Errorf("alike sentences have the cosine %v", cos)
		}
	})
	t.Run("refused", func(t *testing.T) {
		for _, c := range []struct {
			key, body string
			want      int
		}{
			{"rich", `{"model":"none","prompt":"x"}`, 404},
			{"other", `{"model":"tiny","prompt":"x"}`, 403},
			{"rich", `{"model":"use-lite","prompt":"x"}`, 404},
			{"rich", `{"model":"tiny","prompt":"` + strings.Repeat("x ", 50000) + `"}`, 400},
			{"rich", `{"model":"tiny","prompt":"x","guided_regex":"("}`, 400},
			{"rich", `{"model":"tiny","prompt":[99999999]}`, 400},
		} {
			if code, b := ask(t, url+"/v1/completions", c.key, c.body); code != c.want {
				t.Errorf("%.80s: %d %.300s", c.body, code, b)
			}
		}
	})
	t.Run("models", func(t *testing.T) {
		if code, b := ask(t, url+"/v1/models", "rich", ""); code != 200 || !strings.Contains(string(b), `"tiny"`) || !strings.Contains(string(b), `"use-lite"`) {
			t.Errorf("%s", b)
		}
		if _, b := ask(t, url+"/v1/models", "other", ""); strings.Contains(string(b), `"tiny"`) {
			t.Errorf("a key sees a model that it does not hold for: %s", b)
		}
	})
}

func unpack(t *testing.T, s string) []float32 {
	t.Helper()
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	v := make([]float32, len(b)/4)
	for i := range v {
		v[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return v
}

func dot(a, b []float32) (sum float64) {
	for i := range a {
		sum += float64(a[i]) * float64(b[i])
	}
	return sum
}
