package inference

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"phios/api/control"
	api "phios/api/inference"
	"phios/service/gateway"
)

// shutMax is how long requests have to end when the gateway is closed.
const shutMax = 2 * time.Second

// Address is where the gateway listens.
type Address struct {
	// Address is HOST:PORT; port 0 takes a free one.
	Address string
	// Public allows an address that others than this machine can reach.
	Public bool
	// Certificate and Key are PEM files; both or neither.
	Certificate, Key string
}

// door is the gateway while it listens.
type door struct {
	mu     sync.Mutex
	server *http.Server // guarded by mu; nil while it is closed
	url    string       // guarded by mu
}

// listen opens the gateway, in the place of the one that is open.
func (n *Inference) listen(a Address) (string, error) {
	if err := a.check(); err != nil {
		return "", err
	}
	g, err := gateway.New(gateway.Config{Service: n, Keys: opener{n.keys}, Metrics: http.HandlerFunc(n.serveMetrics)})
	if err != nil {
		return "", err
	}
	if err := n.door.close(); err != nil {
		return "", err
	}
	var config net.ListenConfig
	l, err := config.Listen(context.Background(), "tcp", a.Address)
	if err != nil {
		return "", &control.Error{Code: control.CodeMachine, Message: "open the gateway: " + err.Error(), Remedy: "choose another address with --http"}
	}
	server, scheme := g.Server(), "http"
	serve := func() error { return server.Serve(l) }
	if a.Certificate != "" {
		scheme = "https"
		serve = func() error { return server.ServeTLS(l, a.Certificate, a.Key) }
	}
	n.door.mu.Lock()
	defer n.door.mu.Unlock()
	n.door.server, n.door.url = server, scheme+"://"+l.Addr().String()
	go func() { _ = serve() }() // it ends when the gateway is closed
	return n.door.url, nil
}

// check refuses an address that others can reach, unless that is meant.
func (a Address) check() error {
	host, _, err := net.SplitHostPort(a.Address)
	if err != nil {
		return bad(fmt.Sprintf("%q is no address: %v", a.Address, err), "write HOST:PORT, such as 127.0.0.1:8080")
	}
	ip := net.ParseIP(host)
	if !a.Public && host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return bad("others than this machine can reach "+a.Address, "listen at 127.0.0.1, or say with --http-public that this is meant")
	}
	if (a.Certificate == "") != (a.Key == "") {
		return bad("TLS needs a certificate and its key", "give --tls-cert and --tls-key")
	}
	if a.Certificate != "" {
		if err := checkPair(a.Certificate, a.Key); err != nil {
			return bad("the certificate cannot be used: "+err.Error(), "give the PEM files of a certificate and of its key")
		}
	}
	return nil
}

// close ends the gateway. Requests have a moment to end.
func (d *door) close() error {
	d.mu.Lock()
	server := d.server
	d.server, d.url = nil, ""
	d.mu.Unlock()
	if server == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), shutMax)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return server.Close()
}

func (d *door) address() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.url
}

// opener is the keys as the gateway knows them.
type opener struct{ keys *keys }

// Open returns the account of a secret.
func (o opener) Open(ctx context.Context, secret string) (gateway.Account, error) {
	a, err := o.keys.open(ctx, secret)
	if errors.Is(err, errKey) {
		return nil, gateway.ErrKey
	}
	if err != nil {
		return nil, err
	}
	return a, nil
}

var _ api.Account = gateway.Account(nil)

// serveMetrics writes the counters for Prometheus.
func (n *Inference) serveMetrics(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; version=0.0.4")
	m := n.metrics()
	_ = m.WritePrometheus(w) // an asker that left is no trouble
}
