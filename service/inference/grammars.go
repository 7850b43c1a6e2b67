package inference

import (
	"container/list"
	"context"
	"crypto/sha256"
	"errors"
	"sync"
	"time"

	"phios/api/inference"
	"phios/compute/grammar"
)

// Bounds of what compiling constraints may take.
const (
	// grammarsMax bounds the grammars that are kept, and maskBytesMax what they
	// remember of the tokens of vocabularies: usually some hundred KiB, but up to
	// 64 MiB for each vocabulary.
	grammarsMax  = 64
	maskBytesMax = 256 << 20
	// grammarBytesMax bounds the sources of the grammars that are kept.
	grammarBytesMax = 1 << 20
	// compilesMax is how many are compiled at once: one hostile schema after the
	// other leaves a processor to those who decode.
	compilesMax = 1
	compileMax  = 10 * time.Second
)

// grammars compiles constraints, on goroutines of their own, and keeps those
// that were used last: equal texts share one grammar, and with it what it has
// learnt of a model's tokens.
type grammars struct {
	turn chan struct{} // places to compile

	mu    sync.Mutex
	at    map[[sha256.Size]byte]*list.Element // of *compiled, guarded by mu
	order *list.List                          // most recently used first, guarded by mu
	bytes int                                 // of sources, guarded by mu
}

// compiled is a grammar, or one on its way.
type compiled struct {
	name  [sha256.Size]byte
	bytes int
	ready chan struct{} // closed when must or err is set
	must  *grammar.Grammar
	err   error
}

func newGrammars() *grammars {
	return &grammars{turn: make(chan struct{}, compilesMax), at: make(map[[sha256.Size]byte]*list.Element), order: list.New()}
}

// get compiles a constraint, or finds it. It waits no longer than ctx and
// compileMax; a compilation that was begun ends by its own bounds and is kept
// for who asks again.
func (g *grammars) get(ctx context.Context, kind, text string) (*grammar.Grammar, error) {
	c := g.find(kind, text)
	limit, stop := context.WithTimeout(ctx, compileMax)
	defer stop()
	select {
	case <-c.ready:
	case <-limit.Done():
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, &inference.Error{
			Code: inference.CodeBusy, Message: "the constraint was not compiled in time",
			Remedy: "simplify it, or ask again later",
		}
	}
	if c.err != nil {
		return nil, bad("the constraint cannot be kept: "+c.err.Error(), "")
	}
	return c.must, nil
}

// find returns the grammar of a constraint, which may be on its way.
func (g *grammars) find(kind, text string) *compiled {
	name := sha256.Sum256([]byte(kind + "\x00" + text))
	g.mu.Lock()
	defer g.mu.Unlock()
	if e := g.at[name]; e != nil {
		g.order.MoveToFront(e)
		return e.Value.(*compiled)
	}
	c := &compiled{name: name, bytes: len(text), ready: make(chan struct{})}
	g.at[name] = g.order.PushFront(c)
	g.bytes += c.bytes
	masks := g.masks()
	for g.order.Len() > grammarsMax || (g.bytes > grammarBytesMax || masks > maskBytesMax) && g.order.Len() > 1 {
		old := g.order.Remove(g.order.Back()).(*compiled)
		delete(g.at, old.name)
		g.bytes -= old.bytes
		masks -= old.masks()
	}
	go func() {
		g.turn <- struct{}{}
		defer func() { <-g.turn }()
		defer close(c.ready)
		if !g.wanted(name, c) {
			c.err = errors.New("too many others were asked for meanwhile; ask again")
			return
		}
		c.must, c.err = compileConstraint(kind, text)
	}()
	return c
}

// masks is what the grammars remember. The caller holds mu.
func (g *grammars) masks() (bytes int64) {
	for e := g.order.Front(); e != nil; e = e.Next() {
		bytes += e.Value.(*compiled).masks()
	}
	return bytes
}

func (c *compiled) masks() int64 {
	select {
	case <-c.ready:
		if c.must != nil {
			return c.must.Bytes()
		}
	default:
	}
	return 0
}

// wanted reports whether a grammar is still among those that are kept: the
// others need not be compiled any more.
func (g *grammars) wanted(name [sha256.Size]byte, c *compiled) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	e := g.at[name]
	return e != nil && e.Value.(*compiled) == c
}
