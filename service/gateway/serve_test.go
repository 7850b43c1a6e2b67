package gateway

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"phios/api/inference"
)

// endless is a service that writes until it is stopped, and says when.
type endless struct {
	scripted
	wait  time.Duration // before each word
	ended chan error
	word  string
}

func (e *endless) Generate(ctx context.Context, _ inference.Account, _ *inference.Request, emit func(inference.Delta) error) (inference.Result, error) {
	var err error
	for err == nil {
		select {
		case <-time.After(e.wait):
			if emit != nil {
				err = emit(inference.Delta{Text: e.word})
			}
		case <-ctx.Done():
			err = context.Cause(ctx)
		}
	}
	e.ended <- err
	return inference.Result{Reason: inference.ReasonCancelled}, nil
}

// serve serves a gateway on a loopback address.
func serve(tb testing.TB, c Config) string {
	tb.Helper()
	if c.Keys == nil {
		c.Keys = keys()
	}
	g, err := New(c)
	if err != nil {
		tb.Fatal(err)
	}
	s := g.Server()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Serve(l) }()
	tb.Cleanup(func() { _ = s.Close(); <-done })
	return "http://" + l.Addr().String()
}

func post(ctx context.Context, tb testing.TB, url, body string) *http.Response {
	tb.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		tb.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+key)
	r.Header.Set("Content-Type", "application/json")
	a, err := http.DefaultClient.Do(r)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = a.Body.Close() })
	return a
}

const streamed = `{"messages":[{"role":"user","content":"Hi"}],"stream":true}`

func ends(t *testing.T, e *endless) error {
	t.Helper()
	select {
	case err := <-e.ended:
		return err
	case <-time.After(10 * time.Second):
		t.Fatal("the request goes on without its client")
		return nil
	}
}

// TestVanish: a client that leaves ends its request, streamed or not.
func TestVanish(t *testing.T) {
	for _, body := range []string{streamed, strings.Replace(streamed, "true", "false", 1)} {
		e := &endless{wait: time.Millisecond, ended: make(chan error, 1), word: "x"}
		url := serve(t, Config{Service: e})
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(100*time.Millisecond, cancel)
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/v1/chat/completions", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Api-Key", key)
		r.Header.Set("Content-Type", "application/json")
		if a, err := http.DefaultClient.Do(r); err == nil {
			_, _ = io.Copy(io.Discard, a.Body)
			_ = a.Body.Close()
		}
		if err := ends(t, e); err == nil {
			t.Error("it ended without a reason")
		}
	}
}

// TestSlowReader: a client that does not read is given up after WriteTime.
func TestSlowReader(t *testing.T) {
	e := &endless{ended: make(chan error, 1), word: strings.Repeat("x", 1<<16)}
	url := serve(t, Config{Service: e, WriteTime: 200 * time.Millisecond})
	post(t.Context(), t, url+"/v1/chat/completions", streamed)
	if err := ends(t, e); !errors.Is(err, errVanished) {
		t.Errorf("it ended with %v", err)
	}
}

// TestSlowBody: a body that does not come is given up after BodyTime.
func TestSlowBody(t *testing.T) {
	url := serve(t, Config{Service: &scripted{}, BodyTime: 100 * time.Millisecond})
	c, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	_, _ = fmt.Fprintf(c, "POST /v1/messages HTTP/1.1\r\nHost: localhost\r\nX-Api-Key: %s\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{", key)
	a, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	if a.StatusCode != http.StatusRequestTimeout {
		t.Error(a.Status)
	}
}

// TestLimits: bodies and requests are bounded, and what was taken is given back.
func TestLimits(t *testing.T) {
	e := &endless{wait: time.Millisecond, ended: make(chan error, 4), word: "x"}
	url := serve(t, Config{Service: e, RequestsMax: 2, KeyRequestsMax: 2, BodiesBytesMax: 1 << 10})
	status := func(body io.Reader) int {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/v1/chat/completions", body)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Api-Key", key)
		r.Header.Set("Content-Type", "application/json")
		a, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, a.Body)
		_ = a.Body.Close()
		return a.StatusCode
	}
	large := bytes.Repeat([]byte(" "), inference.RequestBytesMax+1)
	if got := status(bytes.NewReader(large)); got != http.StatusRequestEntityTooLarge {
		t.Error("too large:", got)
	}
	if got := status(bytes.NewReader(large[:2<<10])); got != http.StatusServiceUnavailable {
		t.Error("more than the memory of bodies:", got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	for range 2 {
		a := post(ctx, t, url+"/v1/chat/completions", streamed)
		if _, err := a.Body.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
	}
	if got := status(strings.NewReader(streamed)); got != http.StatusServiceUnavailable {
		t.Error("a third request:", got)
	}
	cancel()
	_, _ = ends(t, e), ends(t, e)
	for range 100 { // The places are free a moment after the service returns.
		if got := status(strings.NewReader("{}")); got == http.StatusBadRequest {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Error("the places were not given back")
}

// TestKeyLimit: one key does not take every place.
func TestKeyLimit(t *testing.T) {
	e := &endless{wait: time.Millisecond, ended: make(chan error, 2), word: "x"}
	both := ring{open: map[[32]byte]Account{Digest(key): purse{}, Digest("other"): named{name: "other"}}}
	url := serve(t, Config{Service: e, Keys: both, RequestsMax: 4})
	ctx, cancel := context.WithCancel(t.Context())
	for range 2 {
		if a := post(ctx, t, url+"/v1/chat/completions", streamed); a.StatusCode != http.StatusOK {
			t.Fatal(a.Status)
		}
	}
	if a := post(ctx, t, url+"/v1/chat/completions", streamed); a.StatusCode != http.StatusTooManyRequests || a.Header.Get("Retry-After") == "" {
		t.Error("a third request of one key:", a.Status)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/v1/models", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Api-Key", "other")
	a, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = a.Body.Close()
	if a.StatusCode != http.StatusOK {
		t.Error("another key:", a.Status)
	}
	cancel()
	_, _ = ends(t, e), ends(t, e)
}

type named struct {
	purse
	name string
}

func (n named) Name() string { return n.name }

// TestLargeUnknown: a body of unknown length is cut at the bound.
func TestLargeUnknown(t *testing.T) {
	url := serve(t, Config{Service: &scripted{}})
	a := post(t.Context(), t, url+"/v1/chat/completions", "")
	if a.StatusCode != http.StatusBadRequest {
		t.Error(a.Status)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/v1/chat/completions", io.LimitReader(forever{}, inference.RequestBytesMax+1))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Api-Key", key)
	r.Header.Set("Content-Type", "application/json")
	if a, err = http.DefaultClient.Do(r); err != nil {
		t.Fatal(err)
	}
	_ = a.Body.Close()
	if a.StatusCode != http.StatusRequestEntityTooLarge {
		t.Error(a.Status)
	}
}

type forever struct{}

func (forever) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = ' '
	}
	return len(b), nil
}

// doomed is an account whose key can be revoked.
type doomed struct {
	purse
	gone chan struct{}
}

func (d doomed) Revoked() <-chan struct{} { return d.gone }

// TestRevoke: a key that is revoked ends its stream with an error.
func TestRevoke(t *testing.T) {
	e := &endless{wait: time.Millisecond, ended: make(chan error, 1), word: "x"}
	account := doomed{gone: make(chan struct{})}
	url := serve(t, Config{Service: e, Keys: ring{open: map[[32]byte]Account{Digest(key): account}}})
	a := post(t.Context(), t, url+"/v1/chat/completions", streamed)
	time.AfterFunc(50*time.Millisecond, func() { close(account.gone) })
	b, err := io.ReadAll(a.Body)
	if err != nil || !strings.Contains(string(b), `"code":"invalid_api_key"`) || strings.Contains(string(b), "[DONE]") {
		t.Errorf("%v; it ends with %s", err, b[max(0, len(b)-300):])
	}
	if err := ends(t, e); !errors.Is(err, errRevoked) {
		t.Error(err)
	}
}

// TestHeartbeat: a stream that waits carries comments, and an answer after them.
func TestHeartbeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &endless{wait: 35 * time.Second, ended: make(chan error, 1), word: "x"}
		g, err := New(Config{Service: e, Keys: keys()})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 36*time.Second)
		defer cancel()
		r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/v1/chat/completions", strings.NewReader(streamed))
		r.Header.Set("X-Api-Key", key)
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		g.ServeHTTP(w, r)
		if n := strings.Count(w.Body.String(), ": waiting\n\n"); n != 3 || !strings.Contains(w.Body.String(), `"content":"x"`) {
			t.Errorf("%d heartbeats in %s", n, w.Body)
		}
	})
}

// TestWrongKeys: answers to wrong keys are held back ever longer, and right ones
// are not.
func TestWrongKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, err := New(Config{Service: &scripted{}, Keys: keys()})
		if err != nil {
			t.Fatal(err)
		}
		ask := func(from, secret string) (int, time.Duration) {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/v1/models", http.NoBody)
			r.RemoteAddr = from
			r.Header.Set("X-Api-Key", secret)
			w := httptest.NewRecorder()
			began := time.Now()
			g.ServeHTTP(w, r)
			return w.Code, time.Since(began)
		}
		var took []time.Duration
		for range 12 {
			code, d := ask("192.0.2.1:1", "wrong")
			if code != http.StatusUnauthorized {
				t.Fatal(code)
			}
			took = append(took, d)
		}
		if took[2] != 0 || took[3] != delayFirst || took[4] != 2*delayFirst || took[11] != delayMax {
			t.Errorf("held back for %v", took)
		}
		if code, d := ask("192.0.2.1:2", key); code != http.StatusOK || d != 0 {
			t.Error("the right key from there:", code, d)
		}
		if _, d := ask("192.0.2.2:1", "wrong"); d != 0 {
			t.Error("another address:", d)
		}
		ask("[2001:db8:0:1::1]:1", "wrong")
		if len(g.wrongs.table) != 3 || g.wrongs.table["2001:db8:0:1::/64"] == nil {
			t.Errorf("%d addresses", len(g.wrongs.table))
		}
		var all sync.WaitGroup
		var mu sync.Mutex
		codes := map[int]int{}
		for range heldMax + 5 {
			all.Go(func() {
				code, _ := ask("192.0.2.1:3", "wrong")
				mu.Lock()
				codes[code]++
				mu.Unlock()
			})
		}
		all.Wait()
		if codes[http.StatusUnauthorized] < heldMax || codes[http.StatusTooManyRequests] == 0 {
			t.Errorf("at once: %v", codes)
		}
		for i := range 2 * remotesMax {
			ask(fmt.Sprintf("10.%d.%d.1:1", i>>8, i&255), "wrong")
		}
		if n := len(g.wrongs.table); n > remotesMax {
			t.Errorf("%d addresses are remembered", n)
		}
	})
}

// TestKeysFail: that keys cannot be looked up is not the caller's mistake.
func TestKeysFail(t *testing.T) {
	url := serve(t, Config{Service: &scripted{}, Keys: ring{err: errors.New("disk full at /secret")}})
	a := post(t.Context(), t, url+"/v1/chat/completions", streamed)
	b, _ := io.ReadAll(a.Body)
	if a.StatusCode != http.StatusInternalServerError || strings.Contains(string(b), "secret") {
		t.Errorf("%s %s", a.Status, b)
	}
}

// TestHost: a name that was pointed here is refused.
func TestHost(t *testing.T) {
	url := serve(t, Config{Service: &scripted{}, Hosts: []string{"phi.lan"}})
	for host, want := range map[string]int{
		"localhost": 200, "127.0.0.1:1": 200, "[::1]": 200, "LOCALHOST.:80": 200, "phi.lan:80": 200, "evil.example": 403, "localhost.evil.example": 403, "": 403,
	} {
		c, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		_, _ = fmt.Fprintf(c, "GET /healthz HTTP/1.1\r\nHost: %s\r\n\r\n", host)
		a, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(host, err)
		}
		if a.StatusCode != want {
			t.Errorf("%q: %s", host, a.Status)
		}
		_ = c.Close()
	}
}

// TestOrigin: only pages that were named may ask.
func TestOrigin(t *testing.T) {
	g, err := New(Config{Service: &scripted{}, Keys: keys(), Origins: []string{"https://chat.example"}})
	if err != nil {
		t.Fatal(err)
	}
	for origin, want := range map[string]int{"https://chat.example": 204, "https://evil.example": 403, "": 403} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodOptions, "/v1/chat/completions", http.NoBody)
		r.Header.Set("Origin", origin)
		w := httptest.NewRecorder()
		g.ServeHTTP(w, r)
		allowed := w.Header().Get("Access-Control-Allow-Origin")
		if w.Code != want || (allowed == origin) != (want == 204) && origin != "" {
			t.Errorf("%q: %d %q", origin, w.Code, allowed)
		}
	}
}

// TestLog: a line for each request, without keys and content.
func TestLog(t *testing.T) {
	var b bytes.Buffer
	metrics := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "phi 1\n") })
	g, err := New(Config{Service: &scripted{}, Keys: keys(), Log: slog.New(slog.NewTextHandler(&b, nil)), Metrics: metrics})
	if err != nil {
		t.Fatal(err)
	}
	for _, body := range []string{`{"model":"words","prompt":"a private matter"}`, `{"model":"falls","prompt":"a private matter"}`} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v1/completions", strings.NewReader(body))
		r.Header.Set("Authorization", "bearer  "+key)
		r.Header.Set("Content-Type", "application/json; charset=utf-8")
		g.ServeHTTP(httptest.NewRecorder(), r)
	}
	text := b.String()
	if strings.Contains(text, key) || strings.Contains(text, "private") || !strings.Contains(text, "key=purse") ||
		!strings.Contains(text, "status=200") || !strings.Contains(text, "level=ERROR") || !strings.Contains(text, "panic in a request") {
		t.Error(text)
	}
	for secret, want := range map[string]int{key: 200, "": 401} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", http.NoBody)
		r.Header.Set("X-Api-Key", secret)
		w := httptest.NewRecorder()
		if g.ServeHTTP(w, r); w.Code != want {
			t.Errorf("metrics with %q: %d", secret, w.Code)
		}
	}
}
