// Package gateway is the HTTP door of inference: the interfaces of OpenAI (chat,
// completions, embeddings, responses, models) and of Anthropic (messages), so
// that the clients people have need only an address and a key.
//
//	json, form       read a stranger's body and refuse what is not understood
//	chat, completions, embeddings, responses, messages, models
//	                 translate one interface each
//	stream           server-sent events
//	keys             who asks, and what becomes of wrong keys
//
// It calls an inference.Service and knows nothing of models. It keeps nothing
// between requests but counters.
//
// # What is refused
//
// A field that is not known is refused, with its name: to ignore it would give
// an answer to another question. Taken and ignored are only fields that change
// nothing of an answer (user, metadata, safety_identifier, prompt_cache_key,
// prediction, service_tier, cache_control, …). Fields that name a default, such
// as modalities ["text"], are taken with that value alone. Content is text;
// pictures and sound are refused. Nothing is kept, so store, background and
// previous_response_id of responses are refused, and dimensions of embeddings,
// best_of and suffix of completions, and a message of Anthropic's that goes on
// with the assistant's are not offered.
//
// # What is added
//
// To OpenAI's interfaces: top_k, min_p, repetition_penalty, deterministic,
// guided_regex (a regular expression of RE2) and grammar (GBNF); and in choices
// stop_reason, the stop string or "budget" or "deadline" where finish_reason has
// no word for it. No model means the default one, and for embeddings the
// resident encoder. A schema is kept whether it is called strict or not.
//
// Lock order: Gateway.mu, stream.mu and wrongs.mu are leaves.
package gateway

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"phios/api/inference"
	"phios/internal/invariant"
)

// Config is what a gateway is made of. Zero values stand for the usual.
type Config struct {
	// Service answers, and Keys say who asks: both are required.
	Service inference.Service
	Keys    Keys
	// Log receives a line for each request, without its content; nil is none.
	Log *slog.Logger
	// Metrics is served at /metrics to who has a key; nil serves nothing.
	Metrics http.Handler
	// Hosts are names by which the gateway may be called when it listens on a
	// loopback address, beside localhost and addresses. Any other name comes
	// from a page in a browser whose name was pointed here (DNS rebinding).
	Hosts []string
	// Origins are web pages that may ask, such as https://chat.example; "*" is
	// any. None is usual: browsers then refuse.
	Origins []string
	// RequestsMax bounds the requests under way: 256; KeyRequestsMax those of
	// accounts of one name: half of them.
	RequestsMax, KeyRequestsMax int
	// BodiesBytesMax bounds the bodies of all requests under way: 256 MiB.
	BodiesBytesMax int64
	// BodyTime is how long a body may take to come: one minute.
	BodyTime time.Duration
	// WriteTime is how long a client may take to accept a piece: 30 s.
	WriteTime time.Duration
	// Heartbeat is after which silence a stream carries a comment: 10 s. Until
	// then an error has a status of its own.
	Heartbeat time.Duration
	// AnswerTime bounds an answer; what there is by then is the answer: 1 h.
	AnswerTime time.Duration
}

// Gateway is the door. It is an http.Handler.
type Gateway struct {
	c      Config
	open   chan struct{} // a place for each request under way
	bodies atomic.Int64  // bytes of bodies under way
	wrongs wrongs

	mu    sync.Mutex
	names map[string]int // requests under way by the names of accounts, guarded by mu

	// Chance and time, for tests that compare bytes.
	id  func(prefix string) string
	now func() time.Time
}

// New makes a gateway. The service and the keys stay the caller's.
func New(c Config) (*Gateway, error) {
	if c.Service == nil || c.Keys == nil {
		return nil, errors.New("a gateway needs a service and keys; give both")
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.RequestsMax <= 0 {
		c.RequestsMax = 256
	}
	if c.KeyRequestsMax <= 0 {
		c.KeyRequestsMax = max(c.RequestsMax/2, 1)
	}
	if c.BodiesBytesMax <= 0 {
		c.BodiesBytesMax = 256 << 20
	}
	for _, t := range []struct {
		set   *time.Duration
		usual time.Duration
	}{
		{&c.BodyTime, time.Minute},
		{&c.WriteTime, 30 * time.Second},
		{&c.Heartbeat, 10 * time.Second},
		{&c.AnswerTime, time.Hour},
	} {
		if *t.set <= 0 {
			*t.set = t.usual
		}
	}
	return &Gateway{
		c: c, open: make(chan struct{}, c.RequestsMax), wrongs: wrongs{table: map[string]*remote{}}, names: map[string]int{},
		id: randomID, now: time.Now,
	}, nil
}

const (
	headerTime     = 10 * time.Second
	idleTime       = 2 * time.Minute
	headerBytesMax = 32 << 10
)

// Server makes the server that a gateway needs: one that waits for slow headers
// and idle connections only so long. The caller runs it and shuts it down.
func (g *Gateway) Server() *http.Server {
	return &http.Server{
		Handler: g, ReadHeaderTimeout: headerTime, IdleTimeout: idleTime, MaxHeaderBytes: headerBytesMax,
		ErrorLog: slog.NewLogLogger(g.c.Log.Handler(), slog.LevelDebug),
	}
}

func randomID(prefix string) string {
	var b [12]byte
	_, _ = rand.Read(b[:]) // It never fails: the program ends first.
	return prefix + hex.EncodeToString(b[:])
}

// exchange is one request and its answer.
type exchange struct {
	g       *Gateway
	w       *answer
	r       *http.Request
	id      string
	who     Account
	dialect dialect
}

// answer is a ResponseWriter that remembers its status.
type answer struct {
	http.ResponseWriter
	status int
}

// WriteHeader sends the status.
func (a *answer) WriteHeader(status int) {
	if a.status == 0 {
		a.status = status
	}
	a.ResponseWriter.WriteHeader(status)
}

// Write sends a piece of the body.
func (a *answer) Write(b []byte) (int, error) {
	if a.status == 0 {
		a.status = http.StatusOK
	}
	return a.ResponseWriter.Write(b)
}

// Unwrap is how http.ResponseController finds the connection.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// ServeHTTP answers a request.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)
	x := &exchange{g: g, w: &answer{ResponseWriter: w}, r: r.WithContext(ctx), id: g.id("req_"), dialect: openAI}
	if strings.HasPrefix(r.URL.Path, "/v1/messages") || r.Header.Get("Anthropic-Version") != "" {
		x.dialect = anthropic
	}
	began := g.now()
	// A connection keeps the deadline of the request before.
	_ = http.NewResponseController(x.w).SetWriteDeadline(began.Add(g.c.WriteTime)) // Not supported without a connection.
	h := x.w.Header()
	h.Set("X-Request-Id", x.id)
	h.Set("Request-Id", x.id)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	err := guard(func() error { return x.serve(cancel) })
	if err != nil {
		x.refuse(refused(ctx, err))
	}
	name := ""
	if x.who != nil {
		name = x.who.Name()
		x.who.Close()
	}
	g.c.Log.LogAttrs(ctx, level(err), "request", slog.String("id", x.id), slog.String("key", name), slog.String("remote", remoteOf(r)),
		slog.String("method", r.Method), slog.String("path", r.URL.Path), slog.Int("status", x.w.status),
		slog.Duration("took", g.now().Sub(began)), slog.Any("error", err))
}

// level tells a person's mistakes from the node's.
func level(err error) slog.Level {
	var own *refusal
	var service *inference.Error
	var fell *panicked
	switch {
	case err == nil || errors.As(err, &own) || errors.As(err, &service) || errors.Is(err, context.Canceled):
		return slog.LevelInfo
	case errors.As(err, &fell):
		return slog.LevelError
	}
	return slog.LevelWarn
}

// panicked is a panic that was contained.
type panicked struct {
	value any
	stack []byte
}

func (p *panicked) Error() string { return "panic in a request: " + string(p.stack) }

// guard contains a panic of one request. A broken invariant goes on: the state
// it is about is not the request's.
func guard(do func() error) (err error) {
	defer func() {
		v := recover()
		if v == nil {
			return
		}
		if broken, ok := v.(invariant.Failure); ok {
			invariant.Always(false, string(broken))
		}
		err = &panicked{v, debug.Stack()}
	}()
	return do()
}

// refuse writes a refusal, if nothing was written yet. A stream has said it in
// its own way.
func (x *exchange) refuse(r *refusal) {
	if x.w.status != 0 {
		return
	}
	if r.status == statusClosed {
		x.w.status = statusClosed
		return
	}
	r.headers(x.w.Header())
	// Who is refused is gone, or reads it.
	_ = x.write(r.status, x.dialect(r, x.id))
}

// serve does what each request needs, and then the request.
func (x *exchange) serve(cancel context.CancelCauseFunc) error {
	select {
	case x.g.open <- struct{}{}:
		defer func() { <-x.g.open }()
	default:
		return &refusal{status: http.StatusServiceUnavailable, code: "overloaded", message: "too many requests are under way", remedy: "ask again a little later", retry: retryBusy}
	}
	if err := x.host(); err != nil {
		return err
	}
	if done, err := x.crossOrigin(); done || err != nil {
		return err
	}
	if x.r.URL.Path == "/healthz" {
		return x.health()
	}
	if err := x.authenticate(); err != nil {
		return err
	}
	name := x.who.Name()
	if !x.g.enter(name) {
		return &refusal{status: http.StatusTooManyRequests, code: "rate_limit_exceeded", message: "too many requests of this key are under way", remedy: "wait for one to end", retry: retryBusy}
	}
	defer x.g.leave(name)
	if v, ok := x.who.(revocable); ok {
		// It ends with the request.
		go func() {
			select {
			case <-v.Revoked():
				cancel(errRevoked)
			case <-x.r.Context().Done():
			}
		}()
	}
	return x.route()
}

// enter takes a place for a request of an account, if one is left.
func (g *Gateway) enter(name string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.names[name] >= g.c.KeyRequestsMax {
		return false
	}
	g.names[name]++
	return true
}

func (g *Gateway) leave(name string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.names[name]--; g.names[name] == 0 {
		delete(g.names, name)
	}
}

// host refuses names that a loopback address does not have.
func (x *exchange) host() error {
	local, ok := x.r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !ok {
		return nil
	}
	if at, err := netip.ParseAddrPort(local.String()); err != nil || !at.Addr().Unmap().IsLoopback() {
		return nil //nolint:nilerr // An address that is none, as of a Unix socket, has no name to check.
	}
	name := x.r.Host
	if host, _, err := net.SplitHostPort(name); err == nil {
		name = host
	}
	name = strings.ToLower(strings.TrimSuffix(strings.Trim(name, "[]"), "."))
	if _, err := netip.ParseAddr(name); err == nil || name == "localhost" || slices.Contains(x.g.c.Hosts, name) {
		return nil
	}
	return &refusal{
		status: http.StatusForbidden, code: "host_not_allowed", message: "this gateway is not known by the name of the Host header",
		remedy: "call it localhost or by its address, or add the name to its hosts", final: true,
	}
}

// crossOrigin tells a browser whether a page may ask, and reports whether that
// was all.
func (x *exchange) crossOrigin() (bool, error) {
	origin := x.r.Header.Get("Origin")
	known := origin != "" && (slices.Contains(x.g.c.Origins, origin) || slices.Contains(x.g.c.Origins, "*"))
	if known {
		h := x.w.Header()
		h.Set("Access-Control-Allow-Origin", origin)
		h.Add("Vary", "Origin")
		h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, X-Api-Key, Anthropic-Version, Anthropic-Beta")
		h.Set("Access-Control-Allow-Methods", "GET, POST")
		h.Set("Access-Control-Expose-Headers", "X-Request-Id, Retry-After")
	}
	if x.r.Method != http.MethodOptions {
		return false, nil
	}
	if !known {
		return true, &refusal{status: http.StatusForbidden, code: "origin_not_allowed", message: "pages of this origin may not ask", remedy: "add the origin to those of the gateway", final: true}
	}
	x.w.WriteHeader(http.StatusNoContent)
	return true, nil
}

func (x *exchange) health() error {
	if x.r.Method != http.MethodGet && x.r.Method != http.MethodHead {
		return method(http.MethodGet)
	}
	x.w.Header().Set("Content-Type", "text/plain")
	_, err := x.w.Write([]byte("ok\n"))
	return err
}

func (x *exchange) authenticate() error {
	from := remoteOf(x.r)
	if !x.g.wrongs.allowed(from) {
		return &refusal{status: http.StatusTooManyRequests, code: "too_many_wrong_keys", message: "too many wrong keys came from this address", remedy: "ask again later", retry: delayMax}
	}
	s := secret(x.r)
	err := ErrKey
	if s != "" {
		x.who, err = x.g.c.Keys.Open(x.r.Context(), s)
	}
	if err == nil {
		return nil
	}
	x.who = nil
	if !errors.Is(err, ErrKey) {
		return err
	}
	x.g.wrongs.wait(x.r.Context(), from)
	r := &refusal{status: http.StatusUnauthorized, code: "invalid_api_key", message: ErrKey.Error(), remedy: "make one with 'phi key new'", final: true}
	if s == "" {
		r.message, r.remedy = "no key was given", "send it as 'Authorization: Bearer KEY' or 'x-api-key: KEY'; make one with 'phi key new'"
	}
	return r
}

// route finds what is asked for.
func (x *exchange) route() error {
	path := x.r.URL.Path
	posts := map[string]func(body []byte) error{
		"/v1/chat/completions":      x.chat,
		"/v1/completions":           x.completions,
		"/v1/embeddings":            x.embeddings,
		"/v1/responses":             x.responses,
		"/v1/messages":              x.messages,
		"/v1/messages/count_tokens": x.countTokens,
	}
	if do, ok := posts[path]; ok {
		if x.r.Method != http.MethodPost {
			return method(http.MethodPost)
		}
		return x.withBody(do)
	}
	one, listed := strings.CutPrefix(path, "/v1/models")
	metrics := path == "/metrics" && x.g.c.Metrics != nil
	if !metrics && (!listed || one != "" && one[0] != '/') {
		return &refusal{status: http.StatusNotFound, code: "not_found", message: "there is nothing at this address", remedy: "ask at /v1/chat/completions, /v1/completions, /v1/embeddings, /v1/responses, /v1/models or /v1/messages", final: true}
	}
	if x.r.Method != http.MethodGet {
		return method(http.MethodGet)
	}
	if metrics {
		x.g.c.Metrics.ServeHTTP(x.w, x.r)
		return nil
	}
	return x.models(strings.Trim(one, "/"))
}

func method(want string) error {
	return &refusal{status: http.StatusMethodNotAllowed, code: "method_not_allowed", message: "this address does not take this method", remedy: "use " + want, final: true}
}
