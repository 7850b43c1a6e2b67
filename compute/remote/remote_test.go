package remote_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"phios/compute"
	"phios/compute/remote"
)

const key = "sk-very-secret-0123456789"

// open opens a unit at a server, with the key, and loads a model.
func open(tb testing.TB, handler http.Handler) compute.Model {
	tb.Helper()
	server := httptest.NewServer(handler)
	tb.Cleanup(server.Close)
	return openAt(tb, server.URL+"/v1")
}

func openAt(tb testing.TB, url string) compute.Model {
	tb.Helper()
	u, err := remote.Open(map[string]string{"url": url, "key": key, "timeout": "20s"})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = u.Close() })
	m, err := u.Load(tb.Context(), compute.Weights{Name: "tiny"}, compute.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

// complete asks for a stream and returns the chunks.
func complete(tb testing.TB, m compute.Model) (chunks []string, err error) {
	tb.Helper()
	err = m.(compute.Completer).Complete(tb.Context(), []byte(`{"stream":true,"messages":[]}`), func(b []byte) error {
		chunks = append(chunks, string(b))
		return nil
	})
	if err != nil && strings.Contains(err.Error(), key) {
		tb.Errorf("the key is in an error: %v", err)
	}
	return chunks, err
}

// stream answers with a stream of these bytes.
func stream(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
		_, _ = io.WriteString(w, text)
	}
}

func TestCompletionsAreStreamed(t *testing.T) {
	m := open(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body struct {
			Model  string
			Stream bool
			Seed   json.Number
		}
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil || body.Model != "tiny" {
			t.Errorf("the server got %+v %v", body, err)
		}
		if r.URL.Path != "/v1/chat/completions" || r.Header.Get("Authorization") != "Bearer "+key {
			t.Errorf("the server got %s with %q", r.URL.Path, r.Header.Get("Authorization"))
		}
		stream(": hello\r\n\r\nevent: x\ndata: {\"a\":1}\n\ndata:{\"b\":\ndata: 2}\nid: 7\n\ndata: [DONE]\n\n")(w, r)
	}))
	chunks, err := complete(t, m)
	if err != nil || len(chunks) != 2 || chunks[0] != `{"a":1}` || chunks[1] != "{\"b\":\n2}" {
		t.Errorf("got %q, %v", chunks, err)
	}
	if got := fmt.Sprintf("%v %+v %#v %s %+v", m, m, m, m, m.Describe()); strings.Contains(got, key) {
		t.Errorf("the key is in %s", got)
	}
}

func TestTheKeyIsNeverPrinted(t *testing.T) {
	u, err := remote.Open(map[string]string{"url": "https://models.example/v1", "key": key})
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		for _, v := range []any{u, u.Describe(), u.Report()} {
			if got := fmt.Sprintf(verb, v); strings.Contains(got, key) || strings.Contains(got, fmt.Sprintf("%x", key)) {
				t.Errorf("%s of %T is %s", verb, v, got)
			}
		}
	}
	for _, settings := range []map[string]string{
		{"url": "https://" + key + "@models.example"},
		{"url": "https://models.example?key=" + key},
		{"url": "ftp://" + key},
		{"url": "https://models.example", "key": key + "\n"},
		{"url": "http://models.example", "key": key},
	} {
		if _, err := remote.Open(settings); err == nil || strings.Contains(err.Error(), key) {
			t.Errorf("open says %v", err)
		}
	}
	m := open(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = io.WriteString(w, strings.Repeat("x", remote.ErrorBytesMax-10)+r.Header.Get("Authorization"))
	}))
	_, err = complete(t, m)
	if err == nil || strings.Contains(err.Error(), key[:6]) || !strings.Contains(err.Error(), "setting key") {
		t.Errorf("a refused key says %v", err)
	}
	m = open(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "\x1b[2Jno such key: "+r.Header.Get("Authorization"), http.StatusForbidden)
	}))
	if _, err = complete(t, m); err == nil || strings.ContainsRune(err.Error(), 0x1b) || !strings.Contains(err.Error(), "***") {
		t.Errorf("a refused key says %v", err)
	}
}

func TestRedirectsDoNotLeakTheKey(t *testing.T) {
	var seen atomic.Int32
	thief := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { seen.Add(1) }))
	defer thief.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		m := open(t, http.RedirectHandler(thief.URL+"/v1/chat/completions?k="+key, status))
		if _, err := complete(t, m); err == nil || !strings.Contains(err.Error(), "redirects") {
			t.Errorf("a redirect with %d says %v", status, err)
		}
	}
	if seen.Load() != 0 {
		t.Errorf("the other place was asked %d times", seen.Load())
	}
	loop := open(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/v1/chat/completions", http.StatusTemporaryRedirect)
	}))
	if _, err := complete(t, loop); err == nil {
		t.Error("a circle of redirects has an answer")
	}
}

func TestHostileServers(t *testing.T) {
	endless := func(piece, kind string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", kind)
			b := []byte(strings.Repeat(piece, 1+(1<<16)/len(piece)))
			for r.Context().Err() == nil {
				if _, err := w.Write(b); err != nil {
					return
				}
			}
		}
	}
	for name, h := range map[string]http.HandlerFunc{
		"an endless line":    endless("data: x", "text/event-stream"),
		"endless comments":   endless(": nothing\n\n", "text/event-stream"),
		"an endless event":   endless("data: 1,\n", "text/event-stream"),
		"a huge chunk":       stream("data: \"" + strings.Repeat("x", remote.LineBytesMax) + "\"\n\ndata: [DONE]\n\n"),
		"bad JSON":           stream("data: {\"a\":\n\n"),
		"no end":             stream("data: {}\n\n"),
		"nothing":            stream(""),
		"the wrong type":     func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>hello") },
		"no type":            func(w http.ResponseWriter, _ *http.Request) { w.Header()["Content-Type"] = nil },
		"an endless refusal": func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(400); endless("x", "")(w, r) },
		"huge headers": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X", strings.Repeat("x", 2*remote.HeaderBytesMax))
		},
		"a broken connection": func(w http.ResponseWriter, r *http.Request) {
			stream("data: {}\n\n")(w, r)
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		},
	} {
		if chunks, err := complete(t, open(t, h)); err == nil {
			t.Errorf("%s: taken as %d chunks", name, len(chunks))
		} else if len(err.Error()) > 2*remote.ErrorBytesMax {
			t.Errorf("%s: an error of %d bytes", name, len(err.Error()))
		}
	}
}

func TestWholeAnswersAndBadBodies(t *testing.T) {
	answer := `{"choices":[]}`
	m := open(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, answer)
	})).(compute.Completer)
	var got string
	take := func(b []byte) error { got += string(b); return nil }
	if err := m.Complete(t.Context(), []byte(`{}`), take); err != nil || got != answer {
		t.Errorf("got %q, %v", got, err)
	}
	answer = `{"choices":[`
	if err := m.Complete(t.Context(), []byte(`{}`), take); err == nil {
		t.Error("half an answer was taken")
	}
	for _, body := range []string{``, `null`, `[]`, `{"stream":1}`, `{"a":`} {
		if err := m.Complete(t.Context(), []byte(body), take); err == nil {
			t.Errorf("the body %q was sent", body)
		}
	}
}

func TestCancelStopsTheRequest(t *testing.T) {
	gone := make(chan struct{})
	m := open(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, "data: {}\n\n")
		_ = http.NewResponseController(w).Flush()
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
		close(gone)
	}))
	ctx, cancel := context.WithCancel(t.Context())
	err := m.(compute.Completer).Complete(ctx, []byte(`{"stream":true}`), func([]byte) error { cancel(); return nil })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("a request that was cancelled says %v", err)
	}
	select {
	case <-gone:
	case <-time.After(10 * time.Second):
		t.Error("the server was not told")
	}
}

func TestErrorsOfTheCallerComeBack(t *testing.T) {
	m := open(t, stream("data: {}\n\ndata: {}\n\ndata: [DONE]\n\n"))
	own := errors.New("own")
	n := 0
	err := m.(compute.Completer).Complete(t.Context(), []byte(`{"stream":true}`), func([]byte) error { n++; return own })
	if !errors.Is(err, own) || n != 1 {
		t.Errorf("%v after %d chunks", err, n)
	}
}

func TestClosingEndsRequests(t *testing.T) {
	started := make(chan struct{})
	m := open(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		close(started)
		<-r.Context().Done()
	}))
	go func() { <-started; _ = m.Close() }()
	if _, err := complete(t, m); err == nil || !strings.Contains(err.Error(), "closed") {
		t.Errorf("a request of a model that is closed says %v", err)
	}
	if _, err := complete(t, m); err == nil {
		t.Error("a model that was closed has an answer")
	}
}

func TestBusyServersAreAskedAgain(t *testing.T) {
	var asked atomic.Int32
	m := open(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch asked.Add(1) {
		case 1:
			w.Header().Set("Retry-After", "1")
			http.Error(w, "later", http.StatusTooManyRequests)
		case 2:
			w.Header().Set("Retry-After", "-5 minutes")
			http.Error(w, "later", http.StatusServiceUnavailable)
		default:
			stream("data: {}\n\ndata: [DONE]\n\n")(w, r)
		}
	}))
	begin := time.Now()
	if chunks, err := complete(t, m); err != nil || len(chunks) != 1 || asked.Load() != 3 {
		t.Errorf("%d chunks after %d requests: %v", len(chunks), asked.Load(), err)
	}
	if waited := time.Since(begin); waited < time.Second {
		t.Errorf("waited %v, the server asked for a second", waited)
	}
	m = open(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "99999999999999")
		http.Error(w, "later", http.StatusTooManyRequests)
	}))
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	err := m.(compute.Completer).Complete(ctx, []byte(`{}`), func([]byte) error { return nil })
	var refusal *remote.StatusError
	if !errors.Is(err, context.DeadlineExceeded) || !errors.As(err, &refusal) || refusal.Status != http.StatusTooManyRequests {
		t.Errorf("a wait that was cancelled says %v", err)
	}
	asked.Store(0)
	m = open(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		http.Error(w, "broken", http.StatusInternalServerError)
	}))
	if _, err := complete(t, m); err == nil || asked.Load() != 1 {
		t.Errorf("a broken server was asked %d times: %v", asked.Load(), err)
	}
}

func TestEmbeddings(t *testing.T) {
	answer := `{"data":[{"index":1,"embedding":[0,3,4]},{"index":0,"embedding":[1,0,0]}]}`
	m := open(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v1/embeddings" {
			t.Errorf("asked for %s", r.URL.Path)
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, answer)
	}))
	embed := func() ([][]float32, error) {
		rows := [][]float32{make([]float32, 3), make([]float32, 3)}
		return rows, m.(compute.Embedder).Embed(t.Context(), []string{"a", "b"}, rows, make([]bool, 2))
	}
	rows, err := embed()
	if err != nil || rows[0][0] != 1 || math.Abs(float64(rows[1][1])-0.6) > 1e-6 || m.Describe().Width != 3 {
		t.Errorf("got %v, %v, width %d", rows, err, m.Describe().Width)
	}
	for _, answer = range []string{
		``, `{}`, `{"data":[]}`, `{"data":[{"index":0,"embedding":[1,0,0]},{"index":0,"embedding":[1,0,0]}]}`,
		`{"data":[{"index":0,"embedding":[1,0]},{"index":1,"embedding":[1,0]}]}`,
		`{"data":[{"index":0,"embedding":[1,0,0]},{"index":-1,"embedding":[1,0,0]}]}`,
		`{"data":[{"index":0,"embedding":[1,0,0]},{"index":1,"embedding":[0,0,0]}]}`,
		`{"data":[{"index":0,"embedding":[1,0,0]},{"index":1,"embedding":[1e99,0,0]}]}`,
		`{"data":[{"index":0,"embedding":[1,0,0]},{"index":1,"embedding":["x"]}]}`,
	} {
		if rows, err := embed(); err == nil {
			t.Errorf("%s was taken as %v", answer, rows)
		}
	}
}

func TestWhatCannotBeLoadedOrOpened(t *testing.T) {
	u, err := remote.Open(map[string]string{"url": "http://127.0.0.1:1/v1"})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		w compute.Weights
		o compute.Options
	}{{}, {w: compute.Weights{Name: "a", Bytes: []byte("GGUF")}}, {w: compute.Weights{Name: "a"}, o: compute.Options{Deterministic: true}}} {
		if _, err := u.Load(t.Context(), c.w, c.o); err == nil {
			t.Errorf("%+v was loaded", c)
		}
	}
	m, err := u.Load(t.Context(), compute.Weights{Name: "a"}, compute.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := complete(t, m); !errors.Is(err, compute.ErrLost) {
		t.Errorf("a server that is not there says %v", err)
	}
	if err := u.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := u.Load(t.Context(), compute.Weights{Name: "a"}, compute.Options{}); err == nil {
		t.Error("a unit that was closed has loaded")
	}
	for _, bad := range []map[string]string{
		{},
		{"url": "models.example"},
		{"url": "https://a", "timeout": "0s"},
		{"url": "https://a", "insecure": "perhaps"},
		{"url": "https://a", "colour": "red"},
		{"url": "http://10.0.0.1"},
		{"url": "http://localhost.evil.example"},
	} {
		if _, err := remote.Open(bad); err == nil {
			t.Errorf("%v was opened", bad)
		}
	}
	if _, err := remote.Open(map[string]string{"url": "http://10.0.0.1", "insecure": "true"}); err != nil {
		t.Error(err)
	}
}

// FuzzStream: no stream makes the unit panic or hand over what is not JSON.
func FuzzStream(f *testing.F) {
	var text atomic.Pointer[string]
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { stream(*text.Load())(w, r) }))
	f.Cleanup(server.Close)
	m := openAt(f, server.URL).(compute.Completer)
	f.Add("data: {}\n\ndata: [DONE]\n\n")
	f.Add("data: [1,\r\ndata: 2]\r\n\r\ndata:[DONE]")
	f.Fuzz(func(t *testing.T, s string) {
		text.Store(&s)
		err := m.Complete(t.Context(), []byte(`{"stream":true}`), func(b []byte) error {
			if !json.Valid(b) {
				t.Errorf("%q was handed over", b)
			}
			return nil
		})
		if err == nil && !strings.Contains(s, "[DONE]") {
			t.Errorf("%q was taken as whole", s)
		}
	})
}

func TestModelsAreListed(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet || r.URL.Path != "/v1/models" || r.Header.Get("Authorization") != "Bearer "+key {
			t.Errorf("the server got %s %s with %q", r.Method, r.URL.Path, r.Header.Get("Authorization"))
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"data":[{"id":"two"},{"id":"one/more:q4"},{"id":"\u001b[2J"},{"id":""},{"id":"two"}]}`)
	}))
	defer server.Close()
	u, err := remote.Open(map[string]string{"url": server.URL + "/v1", "key": key, "name": "work"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = u.Close() }()
	if names, err := u.(compute.Lister).Models(t.Context()); err != nil || fmt.Sprint(names) != "[one/more:q4 two]" || u.Describe().Name != "work" {
		t.Errorf("%q of %s %v", names, u.Describe().Name, err)
	}
	fixed, err := remote.Open(map[string]string{"url": "http://localhost:1/v1", "model": "m"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = fixed.Close() }()
	if names, err := fixed.(compute.Lister).Models(t.Context()); err != nil || fmt.Sprint(names) != "[m]" {
		t.Errorf("%q %v", names, err)
	}
	for _, bad := range []string{"", "a/b", "a b", strings.Repeat("x", 65)} {
		if _, err := remote.Open(map[string]string{"url": "http://localhost:1/v1", "name": bad}); err == nil {
			t.Errorf("the name %q was taken", bad)
		}
	}
}

// TestRowsAreMade: who does not know the width yet gives no rows.
func TestRowsAreMade(t *testing.T) {
	m := open(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"data":[{"index":0,"embedding":[3,4]}]}`)
	}))
	rows := make([][]float32, 1)
	if err := m.(compute.Embedder).Embed(t.Context(), []string{"a"}, rows, make([]bool, 1)); err != nil || len(rows[0]) != 2 || rows[0][0] != 0.6 {
		t.Errorf("%v %v", rows, err)
	}
}
