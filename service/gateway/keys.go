package gateway

import (
	"context"
	"crypto/sha256"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"phios/api/inference"
)

// ErrKey is what [Keys] return for a secret that opens nothing: it is not
// known, has expired or was revoked.
var ErrKey = errors.New("the key is not known, has expired or was revoked")

// Keys open accounts by secrets. It may be called by many goroutines at once.
type Keys interface {
	// Open returns the account of a key; the gateway closes it when the request
	// is over. The time it takes must not tell how much of a secret was right:
	// look it up by its [Digest]. ErrKey is answered with 401, any other error
	// with 500.
	Open(ctx context.Context, secret string) (Account, error)
}

// Account is who asks by a key, for one request. When it also has the method
// Revoked() <-chan struct{}, its request ends when that channel is closed.
type Account interface {
	inference.Account
	Close()
}

// revocable is an account that may be revoked while it is in use.
type revocable interface{ Revoked() <-chan struct{} }

// Digest is by what a key should be kept and looked up. Whoever times a lookup
// learns about the digest of a guess, and nothing about keys.
func Digest(secret string) [32]byte { return sha256.Sum256([]byte(secret)) }

const secretBytesMax = 512

// secret is the key of a request; empty when there is none.
func secret(r *http.Request) string {
	s := r.Header.Get("X-Api-Key")
	if s == "" {
		scheme, rest, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		if strings.EqualFold(scheme, "Bearer") {
			s = strings.TrimSpace(rest)
		}
	}
	if len(s) > secretBytesMax {
		return ""
	}
	return s
}

// Bounds of what is remembered of wrong keys.
const (
	remotesMax   = 4096
	heldMax      = 16 // answers held back at once for one address
	heldTotalMax = 64 // and for all of them: each takes a place of a request
	freeWrong    = 3  // wrong keys that cost nothing
	delayFirst   = 100 * time.Millisecond
	delayMax     = 5 * time.Second
	forgetAfter  = 5 * time.Minute
)

// wrongs slows down whoever tries keys: the answer to a wrong one is held back,
// twice as long each time. A right key is answered at once, even from the same
// address, so that one program with an old key does not shut out its
// neighbours; only who has [heldMax] wrong ones under way is not looked at. When
// many addresses try, the places of requests matter more, and answers to the
// rest are not held back.
type wrongs struct {
	mu    sync.Mutex
	held  int                // guarded by mu
	table map[string]*remote // guarded by mu, at most remotesMax
}

type remote struct {
	wrong, held int
	last        time.Time
}

// remoteOf is the address that is counted: of IPv6, what one customer has.
func remoteOf(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return host
	}
	if ip = ip.Unmap(); ip.Is6() {
		if p, err := ip.Prefix(64); err == nil {
			return p.Masked().String()
		}
	}
	return ip.WithZone("").String()
}

// allowed reports whether a key from there is looked at.
func (w *wrongs) allowed(from string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	one := w.table[from]
	return one == nil || one.held < heldMax
}

// wait counts a wrong key and holds its answer back.
func (w *wrongs) wait(ctx context.Context, from string) {
	delay, release := w.count(from, time.Now())
	defer release()
	if delay == 0 {
		return
	}
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

func (w *wrongs) count(from string, now time.Time) (time.Duration, func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	one := w.entry(from, now)
	one.wrong++
	one.last = now
	over := one.wrong - freeWrong
	if over <= 0 || w.held >= heldTotalMax {
		return 0, func() {}
	}
	one.held++
	w.held++
	return min(delayFirst<<min(over-1, 10), delayMax), func() {
		w.mu.Lock()
		one.held--
		w.held--
		w.mu.Unlock()
	}
}

// entry finds or makes the entry of an address. A full table is swept; when
// nothing of it is old, all newcomers share one entry.
func (w *wrongs) entry(from string, now time.Time) *remote {
	if one := w.table[from]; one != nil {
		if now.Sub(one.last) > forgetAfter {
			one.wrong = 0
		}
		return one
	}
	if len(w.table) >= remotesMax-1 {
		for name, one := range w.table {
			if one.held == 0 && now.Sub(one.last) > forgetAfter {
				delete(w.table, name)
			}
		}
	}
	if len(w.table) >= remotesMax-1 {
		from = "others"
		if one := w.table[from]; one != nil {
			return one
		}
	}
	one := &remote{}
	w.table[from] = one
	return one
}
