package llama

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"sync/atomic"
	"syscall"

	"phios/compute"
	"phios/compute/llama/wire"
	"phios/compute/tensor"
)

// Bounds of models, beyond which a helper is not believed.
const (
	// pageTokens is how many tokens a page holds, as in the cpu unit.
	pageTokens = 32
	// tokensMax bounds contexts and caches.
	tokensMax = 1 << 24
	// vocabularyMax, widthMax and cellBytesMax bound what a model is.
	vocabularyMax = 1 << 22
	widthMax      = 1 << 20
	cellBytesMax  = 1 << 25
	// sequencesMax is how many sequences can be open: the numbers behind them
	// hold shared pages, and the last is the helper's own.
	sequencesMax = 192
	keepersMax   = wire.SequencesMax - 1 - sequencesMax
	// textBytesMax is the longest text that can be tokenized.
	textBytesMax = 16 << 20
)

// errClosed means that the unit or the model was closed.
var errClosed = errors.New("closed; load the model again")

// Model is a model in a helper. Beyond [compute.Stepper] it has llama.cpp's
// tokenizer, by which ours is checked.
type Model struct {
	unit        *unit
	helper      *helper
	description compute.ModelDescription
	divisible   bool
	bytes       []byte // the weights as the caller has mapped them
	pinned      bool
	closed      atomic.Bool

	pages   table
	numbers []uint32 // of sequences that are free
}

var _ compute.Stepper = (*Model)(nil)

// load greets a helper and has it load a model.
func (u *unit) load(ctx context.Context, h *helper, w compute.Weights, o compute.Options) (*Model, error) {
	var g wire.Greeting
	if err := h.greet(ctx, &g); err != nil {
		return nil, err
	}
	var l wire.Loaded
	h.mu.Lock()
	err := h.ask(ctx, wire.Load, limits{time: loadTime}, &wire.Loading{
		ContextTokens: uint32(o.ContextTokens), CacheTokens: uint32(o.CacheTokens), Threads: uint32(o.Threads),
		LayersOnDevice: int32(u.layers), Locked: o.Pinned,
	}, &l)
	h.mu.Unlock()
	if err != nil {
		if errors.Is(err, errRefused) {
			err = fmt.Errorf("%w: %w; no unit can load it unless the cpu unit does", compute.ErrUnsupported, err)
		}
		return nil, err
	}
	if !believable(&l) {
		h.kill()
		return nil, h.gone(wire.ErrMalformed)
	}
	cells := int(l.CacheTokens)
	if o.CacheTokens != 0 {
		cells = min(cells, o.CacheTokens) // llama.cpp rounds up.
	}
	if cells < pageTokens {
		return nil, fmt.Errorf("%w: a cache of %d tokens; a page has %d", compute.ErrMemory, cells, pageTokens)
	}
	m := &Model{unit: u, helper: h, divisible: l.Divisible, bytes: w.Bytes}
	m.description = compute.ModelDescription{
		Architecture: l.Architecture, Parameters: int64(l.Parameters), Format: format(l.FileType),
		Vocabulary: int(l.Vocabulary), ContextTokens: int(l.ContextTokens), Width: int(l.Width),
		PageTokens: pageTokens, Pages: cells / pageTokens, PageBytes: uint64(l.CellBytes) * pageTokens,
		CacheDigest: layout(w, &g, &l),
	}
	m.pages = newTable(m.description.Pages, (m.description.ContextTokens+pageTokens-1)/pageTokens)
	for i := range o.SequencesMax {
		m.numbers = append(m.numbers, uint32(o.SequencesMax-1-i))
	}
	return m, nil
}

// believable says whether a model can be what a helper says.
func believable(l *wire.Loaded) bool {
	within := func(v, most uint32) bool { return v > 0 && v <= most }
	return within(l.Vocabulary, vocabularyMax) && within(l.ContextTokens, tokensMax) && within(l.CacheTokens, tokensMax) &&
		within(l.Width, widthMax) && l.CellBytes <= cellBytesMax && l.Parameters <= math.MaxInt64
}

// layout names how pages of a model look: exports are llama.cpp's own, so its
// version is a part of it.
func layout(w compute.Weights, g *wire.Greeting, l *wire.Loaded) [32]byte {
	h := sha256.New()
	for _, part := range [][]byte{[]byte("phi-llama 1"), w.Digest[:], g.Append(nil), l.Append(nil)} {
		_, _ = h.Write(binary.LittleEndian.AppendUint32(nil, uint32(len(part))))
		_, _ = h.Write(part)
	}
	return [32]byte(h.Sum(nil))
}

// otherFormat is what is said for a mixture that tensor has no name for.
const otherFormat = tensor.Format(math.MaxUint32)

// format is the format of most weights, by llama.cpp's number for the mixture
// (llama.h, enum llama_ftype); 1024 is added when it was guessed.
func format(fileType uint32) tensor.Format {
	switch fileType &^ 1024 {
	case 0:
		return tensor.F32
	case 1:
		return tensor.F16
	case 2:
		return tensor.Q4_0
	case 7:
		return tensor.Q8_0
	case 14, 15:
		return tensor.Q4_K
	case 16, 17:
		return tensor.Q5_K
	case 18:
		return tensor.Q6_K
	case 32:
		return tensor.BF16
	default:
		return otherFormat
	}
}

// Describe says what was loaded.
func (m *Model) Describe() compute.ModelDescription { return m.description }

// Process is the number of the helper's process, for those who measure it.
func (m *Model) Process() int { return m.helper.pid }

// Pin locks the caller's mapping of the weights. It is of the same file as the
// helper's, so the pages are the same.
func (m *Model) Pin(pinned bool) error { //nolint:revive // The contract has it.
	if m.closed.Load() {
		return errClosed
	}
	if len(m.bytes) == 0 {
		return fmt.Errorf("%w: the weights are not mapped here; load the model with Pinned", compute.ErrUnsupported)
	}
	if pinned == m.pinned {
		return nil
	}
	if !pinned {
		m.pinned = false
		return syscall.Munlock(m.bytes)
	}
	if err := syscall.Mlock(m.bytes); err != nil {
		return fmt.Errorf("%w: lock %d bytes: %w; raise the limit of locked memory (ulimit -l)", compute.ErrMemory, len(m.bytes), err)
	}
	m.pinned = true
	return nil
}

// Close ends the helper.
func (m *Model) Close() error {
	if m.closed.Swap(true) {
		return nil
	}
	if m.pinned {
		_ = syscall.Munlock(m.bytes)
	}
	m.unit.mu.Lock()
	delete(m.unit.models, m)
	m.unit.mu.Unlock()
	m.unit.bury(m.helper)
	return nil
}

// ask asks the helper for what has no bulk.
func (m *Model) ask(o wire.Operation, r wire.Range) error {
	h := m.helper
	h.mu.Lock()
	defer h.mu.Unlock()
	if m.closed.Load() {
		return errClosed
	}
	return h.ask(context.Background(), o, limits{time: otherTime}, &r, nil)
}

// withBulk runs f, which may use the shared memory: it holds the helper, and
// the memory is there, for as long as f runs.
func (m *Model) withBulk(f func(h *helper) error) error {
	h := m.helper
	h.mu.Lock()
	defer h.mu.Unlock()
	if m.closed.Load() {
		return errClosed
	}
	if h.lost.Load() {
		return h.gone(nil)
	}
	m.unit.running.Add(1)
	defer m.unit.running.Add(-1)
	return f(h)
}

// Tokenize turns a text into tokens as llama.cpp does, without any before or
// behind them. Special tokens in the text are recognised when special is set.
func (m *Model) Tokenize(text string, special bool) ([]int32, error) {
	if len(text) > textBytesMax {
		return nil, fmt.Errorf("a text of %d bytes; %d can be tokenized at once", len(text), textBytesMax)
	}
	for i := range len(text) {
		if text[i] == 0 {
			return nil, errors.New("a text with a zero byte, where C's texts end; remove it")
		}
	}
	var tokens []int32
	err := m.withBulk(func(h *helper) error {
		copy(h.bulk.data(), text)
		var n wire.Size
		err := h.ask(context.Background(), wire.Tokenize, limits{time: otherTime}, &wire.Text{Count: uint32(len(text)), Special: special}, &n)
		if err != nil {
			return err
		}
		if int(n) > len(h.bulk.data())/4 {
			return wire.ErrMalformed
		}
		tokens = append(tokens, h.bulk.tokens(0, int(n))...)
		return nil
	})
	return tokens, err
}

// Detokenize turns tokens into text as llama.cpp does. Special tokens are
// written as such when special is set, and are nothing otherwise.
func (m *Model) Detokenize(tokens []int32, special bool) (string, error) {
	if len(tokens) > textBytesMax {
		return "", fmt.Errorf("%d tokens; %d can be turned into text at once", len(tokens), textBytesMax)
	}
	var text string
	err := m.withBulk(func(h *helper) error {
		copy(h.bulk.tokens(0, len(tokens)), tokens)
		var n wire.Size
		err := h.ask(context.Background(), wire.Detokenize, limits{time: otherTime}, &wire.Text{Count: uint32(len(tokens)), Special: special}, &n)
		if err != nil {
			return err
		}
		text = string(h.bulk.data()[:n]) // Decode has bounded n.
		return nil
	})
	return text, err
}
