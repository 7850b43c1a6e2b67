// Package remote is a unit that runs nothing itself: it asks a server that
// speaks OpenAI's interface, of which there are many, local and far.
//
// A model of it answers whole requests ([compute.Completer]) and turns texts
// into vectors ([compute.Embedder]); it cannot step, for such servers hand out
// no logits. Load takes weights without bytes, whose name is the model's.
//
// The key is a secret that this package sends to one origin, the one it was
// set for, and shows to nobody: it is in no error, no description and no log,
// and a redirect to elsewhere is refused rather than followed. The server is a
// stranger: what it sends is bounded in size, in lines and in time.
package remote

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"phios/compute"
)

// Bounds of what a server may do.
const (
	// AnswerBytesMax is the longest whole answer, streams included.
	AnswerBytesMax = 64 << 20
	// LineBytesMax is the longest line of a stream.
	LineBytesMax = 1 << 20
	// ErrorBytesMax is how much of a refusal is read.
	ErrorBytesMax = 4 << 10
	// RequestBytesMax is the longest request.
	RequestBytesMax = 32 << 20
	// HeaderBytesMax is how long the headers of an answer may be.
	HeaderBytesMax = 64 << 10
	// ModelsMax is how many models may be loaded at once.
	ModelsMax = 256
	// TextsMax is how many texts are embedded with one request.
	TextsMax = 256
	// WidthMax is the longest vector.
	WidthMax = 1 << 16
	// ListMax is how many models of a server's list are read.
	ListMax = 4096

	nameBytesMax  = 64
	modelBytesMax = 256
)

const (
	timeoutDefault = 5 * time.Minute
	timeoutMax     = time.Hour
)

// Registration is how the system knows the unit.
func Registration() compute.Registration {
	return compute.Registration{
		Name: "remote",
		Open: Open,
		Settings: map[string]string{
			"name":     "name of the unit, which begins the names of its models: remote when not given",
			"url":      "address of the server, up to and with its version, such as https://models.example/v1",
			"key":      "key that is sent as the bearer; none when not given",
			"model":    "the server's name of the model, when it is not the one that is loaded",
			"timeout":  "how long a request may take, such as 5m, which it is when not given",
			"insecure": "true sends without TLS to other machines than this one: the key and all texts can be read on the way",
		},
	}
}

// secret is a key. It lives in a closure: no verb of fmt and no encoder looks
// into one, and they look into unexported fields without asking their methods.
type secret func() string

// newSecret hides a key.
func newSecret(key string) secret { return func() string { return key } }

// sign adds the key to a request, if there is one.
func (s secret) sign(h http.Header) {
	if key := s(); key != "" {
		h.Set("Authorization", "Bearer "+key)
	}
}

// cover takes the key out of a text: servers repeat keys that they refuse.
func (s secret) cover(text string) string {
	if key := s(); key != "" {
		return strings.ReplaceAll(text, key, "***")
	}
	return text
}

// unit is a server.
type unit struct {
	name    string
	base    *url.URL
	key     secret
	model   string
	timeout time.Duration
	client  *http.Client
	running atomic.Int64
	closing context.Context //nolint:containedctx // The life of the unit, which ends all its requests.
	end     context.CancelFunc

	mu     sync.Mutex
	models int  // guarded by mu
	closed bool // guarded by mu
}

// Open makes a unit of its settings. It asks nothing of the server.
func Open(settings map[string]string) (compute.Unit, error) {
	u := &unit{name: "remote", timeout: timeoutDefault, key: newSecret("")}
	insecure := false
	for name, value := range settings {
		if err := u.set(name, value, &insecure); err != nil {
			return nil, err
		}
	}
	if u.base == nil {
		return nil, errors.New("the remote unit needs the setting url, such as https://models.example/v1")
	}
	if u.base.Scheme == "http" && !insecure && !loopback(u.base.Hostname()) {
		return nil, fmt.Errorf("%s is another machine and not behind TLS: the key and all texts could be read on the way; use https, or set insecure=true", u.base.Host)
	}
	u.client = client(u.base)
	u.closing, u.end = context.WithCancel(context.Background())
	return u, nil
}

// set takes one setting.
func (u *unit) set(name, value string, insecure *bool) (err error) {
	switch name {
	case "name":
		u.name, err = value, checkName(value)
	case "url":
		u.base, err = address(value)
	case "key":
		u.key, err = newSecret(value), checkKey(value)
	case "model":
		u.model = value
	case "timeout":
		u.timeout, err = time.ParseDuration(value)
		if err != nil || u.timeout <= 0 || u.timeout > timeoutMax {
			return fmt.Errorf("timeout=%q: give a time up to %v, such as 5m", value, timeoutMax)
		}
	case "insecure":
		*insecure, err = strconv.ParseBool(value)
		if err != nil {
			return errors.New("insecure: give true or false")
		}
	default:
		return fmt.Errorf("the remote unit has no setting %q; it has name, url, key, model, timeout, insecure", name)
	}
	return err
}

// checkName refuses names that could not be told from other things.
func checkName(name string) error {
	if name == "" || len(name) > nameBytesMax || strings.ContainsFunc(name, func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' && c != '.'
	}) {
		return fmt.Errorf("name=%q: give up to %d letters, digits and . _ -", name, nameBytesMax)
	}
	return nil
}

// address reads an address. It names none of what it refuses: people put keys
// into addresses.
func address(s string) (*url.URL, error) {
	a, err := url.Parse(s)
	if err != nil || a.Host == "" || a.Scheme != "http" && a.Scheme != "https" {
		return nil, errors.New("the setting url is not an address such as https://models.example/v1")
	}
	if a.User != nil || a.RawQuery != "" || a.Fragment != "" {
		return nil, errors.New("the setting url has a user, a query or a fragment; give the key as the setting key")
	}
	a.Path = strings.TrimRight(a.Path, "/")
	return a, nil
}

// checkKey refuses what cannot be sent as a header, without showing it.
func checkKey(key string) error {
	for _, c := range []byte(key) {
		if c <= ' ' || c > '~' {
			return errors.New("the key has a blank or a character that cannot be sent; copy it again")
		}
	}
	return nil
}

// loopback says whether a host is this machine.
func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// errRedirect means that the server sends us elsewhere.
var errRedirect = errors.New("the server redirects to another place, which is not followed; set url to where it is")

// client makes the connections. A redirect within the origin is followed, for
// some servers add a slash; one to elsewhere would take the key along.
func client(base *url.URL) *http.Client {
	transport := &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		ForceAttemptHTTP2:      true,
		MaxIdleConnsPerHost:    16,
		MaxConnsPerHost:        256,
		IdleConnTimeout:        90 * time.Second,
		TLSHandshakeTimeout:    15 * time.Second,
		MaxResponseHeaderBytes: HeaderBytesMax,
	}
	return &http.Client{
		Transport: transport,
		CheckRedirect: func(r *http.Request, via []*http.Request) error {
			if r.URL.Scheme != base.Scheme || r.URL.Host != base.Host || len(via) > 3 {
				return errRedirect
			}
			return nil
		},
	}
}

// Describe says which server it is.
func (u *unit) Describe() compute.Description {
	return compute.Description{Name: u.name, Kind: compute.KindRemote, Device: u.base.Host}
}

// String is the address alone.
func (u *unit) String() string { return "remote " + u.base.Host }

// Report says how many requests run. What they cost is the server's to know.
func (u *unit) Report() compute.Report { return compute.Report{Running: int(u.running.Load())} }

// Load makes a model of a name. Nothing is asked of the server: it may load
// the model, or refuse it, with the first request.
func (u *unit) Load(ctx context.Context, w compute.Weights, o compute.Options) (compute.Model, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if len(w.Bytes) != 0 || w.File != nil {
		return nil, fmt.Errorf("load %s: %w: a server has its own weights; name one of its models", w.Name, compute.ErrUnsupported)
	}
	if o.Deterministic {
		return nil, fmt.Errorf("load %s: %w: a server promises nothing of its bits; use the cpu unit", w.Name, compute.ErrUnsupported)
	}
	name := w.Name
	if u.model != "" {
		name = u.model
	}
	if name == "" || len(name) > modelBytesMax {
		return nil, errors.New("load a remote model: give its name, of at most 256 bytes")
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.closed {
		return nil, errClosed
	}
	if u.models >= ModelsMax {
		return nil, fmt.Errorf("load %s: %w: %d remote models are loaded; unload some", name, compute.ErrMemory, u.models)
	}
	u.models++
	m := &model{unit: u, name: name, description: compute.ModelDescription{Architecture: "remote", ContextTokens: o.ContextTokens}}
	m.closing, m.end = context.WithCancel(u.closing)
	return m, nil
}

// errClosed means that the unit or the model was closed.
var errClosed = errors.New("the remote model was closed; load it again")

// Close ends all requests.
func (u *unit) Close() error {
	u.mu.Lock()
	u.closed = true
	u.mu.Unlock()
	u.end()
	u.client.CloseIdleConnections()
	return nil
}
