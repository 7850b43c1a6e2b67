package cpu

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"sync/atomic"

	"phios/compute"
	"phios/compute/gguf"
)

// The bounds of a loaded model, and what it takes when nobody says.
const (
	rowsMax          = 512 // tokens that go through the layers together; more go in turns
	logitRowsMax     = 32  // rows of logits that are computed together
	sequencesDefault = 64
	sequencesMax     = 1 << 16
	contextsDefault  = 4       // of cache
	cacheTokensMax   = 1 << 30 // also fits a page's number
)

// model is a model that was loaded: a [compute.Stepper].
type model struct {
	unit        *Unit
	name        string
	config      config
	weights     *weights
	description compute.ModelDescription
	mapped      []byte
	pinned      bool

	context      int
	sequencesMax int
	sequences    int // that are open
	steps        uint64
	cache        *pages
	pool         *pool
	buffers      *buffers
	promised     uint64 // bytes, of the unit's
	resident     atomic.Uint64
	closed       bool
}

// Load makes a model ready to run. The weights are read where they are mapped.
func (u *Unit) Load(ctx context.Context, w compute.Weights, o compute.Options) (compute.Model, error) {
	m, err := u.load(w, o)
	if err != nil {
		return nil, fmt.Errorf("load %s: %w", w.Name, err)
	}
	if err := ctx.Err(); err != nil {
		return nil, errors2(fmt.Errorf("load %s: %w", w.Name, err), m.Close())
	}
	return m, nil
}

func (u *Unit) load(w compute.Weights, o compute.Options) (*model, error) {
	if w.Bytes == nil {
		return nil, fmt.Errorf("%w: there are no bytes; map the file", compute.ErrUnsupported)
	}
	f, err := gguf.Parse(w.Bytes)
	if err != nil {
		return nil, err
	}
	c, err := readConfig(f)
	if err != nil {
		return nil, err
	}
	m := &model{unit: u, name: w.Name, config: c, mapped: w.Bytes}
	if m.context, m.sequencesMax, err = limits(&c, o); err != nil {
		return nil, err
	}
	if m.weights, err = bind(f, &c, u.kernels, m.context); err != nil {
		return nil, err
	}
	s := newShape(c.layers, c.keyHeads, c.keyWidth, c.valueWidth)
	threads := u.threads(o.Threads)
	count, err := m.admit(s, o.CacheTokens, threads)
	if err != nil {
		return nil, err
	}
	m.cache = newPages(s, count, func(n int) { m.resident.Add(uint64(n)) })
	m.buffers = newBuffers(&c, m.rows(count), threads)
	m.resident.Add(uint64(bufferBytes(&c, m.rows(count), threads)))
	m.describe(w.Digest, count)
	m.pool = newPool(threads, &u.busy)
	u.add(m)
	if o.Pinned {
		if err := m.Pin(true); err != nil {
			return nil, errors2(err, m.Close())
		}
	}
	return m, nil
}

// limits are the context and the number of sequences.
func limits(c *config, o compute.Options) (tokens, sequences int, err error) {
	tokens, sequences = o.ContextTokens, o.SequencesMax
	if tokens == 0 {
		tokens = c.trained
	}
	if sequences == 0 {
		sequences = sequencesDefault
	}
	switch {
	case tokens < 1 || tokens > contextTokensMax:
		err = fmt.Errorf("a context of %d tokens: ask for 1 to %d", tokens, contextTokensMax)
	case sequences < 1 || sequences > sequencesMax:
		err = fmt.Errorf("%d sequences: ask for 1 to %d", sequences, sequencesMax)
	case o.CacheTokens < 0 || o.CacheTokens > cacheTokensMax:
		err = fmt.Errorf("a cache of %d tokens: ask for 1 to %d", o.CacheTokens, cacheTokensMax)
	}
	return tokens, sequences, err
}

// rows is how many tokens go through the layers together.
func (m *model) rows(pages int) int { return min(rowsMax, pages*pageTokens) }

// admit settles that the model fits and returns the number of its pages.
func (m *model) admit(s shape, cacheTokens, threads int) (int, error) {
	fixed := uint64(bufferBytes(&m.config, rowsMax, threads))
	page := uint64(s.bytes())
	count := uint64((cacheTokens + pageTokens - 1) / pageTokens)
	if cacheTokens == 0 {
		free := m.unit.free()
		free -= min(free, fixed)
		count = min(uint64(contextsDefault*((m.context+pageTokens-1)/pageTokens)), free/2/page)
		count = max(min(count, cacheTokensMax/pageTokens), 1)
	}
	if err := m.unit.promise(fixed + count*page); err != nil {
		return 0, fmt.Errorf("%w: %d pages of %d bytes and %d bytes of buffers; load with fewer CacheTokens, or close another model",
			err, count, page, fixed)
	}
	m.promised = fixed + count*page
	return int(count), nil
}

func (m *model) describe(digest [32]byte, pages int) {
	c := &m.config
	m.description = compute.ModelDescription{
		Architecture:  c.arch.name,
		Parameters:    m.weights.parameters,
		Format:        m.weights.format,
		Vocabulary:    c.vocabulary,
		ContextTokens: m.context,
		Width:         c.width,
		PageTokens:    pageTokens,
		Pages:         pages,
		PageBytes:     uint64(m.cache.shape.bytes()),
	}
	// What a page holds depends on the weights, on the rotation, which the
	// context may choose, and in its last bits on the kernels.
	h := sha256.New()
	h.Write(digest[:])
	h.Write([]byte(pageMark + m.unit.kernels.Name()))
	s := &m.cache.shape
	for _, n := range []int{pageTokens, s.layers, s.heads, s.keyWidth, s.valWidth, c.rotated} {
		h.Write(binary.LittleEndian.AppendUint64(nil, uint64(n)))
	}
	for _, f := range m.weights.rotations[0].frequencies {
		h.Write(fmt.Appendf(nil, "%x ", f))
	}
	h.Sum(m.description.CacheDigest[:0])
}

// Describe says what was loaded.
func (m *model) Describe() compute.ModelDescription { return m.description }

// Pin keeps the weights in physical memory, or lets them go.
func (m *model) Pin(pinned bool) error { //nolint:revive // the contract's own flag
	if m.closed {
		return fmt.Errorf("pin %s: %w", m.name, errClosed)
	}
	if pinned == m.pinned {
		return nil
	}
	change := unpin
	if pinned {
		change = pin
	}
	if err := change(m.mapped); err != nil {
		return fmt.Errorf("pin %d bytes of %s: %w; raise the limit of locked memory, or load it without", len(m.mapped), m.name, err)
	}
	m.pinned = pinned
	return nil
}

// Close unloads the model. Its sequences and pages are gone.
func (m *model) Close() error {
	if m.closed {
		return nil
	}
	var err error
	if m.pinned {
		err = m.Pin(false)
	}
	m.closed = true
	m.pool.close()
	m.unit.remove(m)
	m.buffers, m.weights, m.mapped = nil, nil, nil
	m.cache.data = nil
	return err
}
