package llama

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"phios/compute"
	"phios/compute/llama/wire"
)

// page is what is known of a page of the cache. llama.cpp keeps single cells,
// each with the set of sequences that have it, and frees those that none has.
// Pages are our account of them: a page counts whole from its first token on,
// so that what fits by pages fits by cells.
type page struct {
	// index is which page of a text it is: it begins at index times pageTokens.
	index int
	// holds are those of callers, users those of sequences.
	holds, users int
	// keeper is the number of the hidden sequence that has the page's cells
	// while callers hold it.
	keeper uint32
}

// table is all pages of a model.
type table struct {
	pages []page
	free  []compute.Page
	// kept says of each keeper which indices it keeps. A keeper can keep many
	// pages, of different positions: llama.cpp names cells by sequence and
	// position.
	kept [keepersMax][]bool
}

func newTable(pages, perContext int) table {
	t := table{pages: make([]page, pages), free: make([]compute.Page, pages)}
	for i := range t.free {
		t.free[i] = compute.Page(pages - 1 - i)
	}
	for i := range t.kept {
		t.kept[i] = make([]bool, perContext)
	}
	return t
}

// take takes a free page; there must be one.
func (t *table) take(index int) compute.Page {
	p := t.free[len(t.free)-1]
	t.free = t.free[:len(t.free)-1]
	t.pages[p] = page{index: index}
	return p
}

// drop takes away a sequence's use.
func (t *table) drop(p compute.Page) {
	t.pages[p].users--
	t.settle(p)
}

func (t *table) settle(p compute.Page) {
	if g := &t.pages[p]; g.holds == 0 && g.users == 0 {
		t.free = append(t.free, p)
	}
}

// held finds a page that callers hold.
func (t *table) held(p compute.Page) (*page, bool) {
	if p < 0 || int(p) >= len(t.pages) || t.pages[p].holds == 0 {
		return nil, false
	}
	return &t.pages[p], true
}

// keeper finds a hidden sequence that has nothing at an index.
func (t *table) keeper(index int) (uint32, error) {
	for i := range t.kept {
		if !t.kept[i][index] {
			return uint32(sequencesMax + i), nil
		}
	}
	return 0, fmt.Errorf("%w: %d different texts share their page %d, the most that llama.cpp can name; release some", compute.ErrFull, keepersMax, index)
}

// keep notes that a keeper keeps a page, or no longer does.
func (t *table) keep(g *page, yes bool) {
	t.kept[g.keeper-sequencesMax][g.index] = yes
}

// span is the positions of a page.
func span(index int) (low, high uint32) {
	return uint32(index * pageTokens), uint32((index + 1) * pageTokens)
}

// errNotHeld means that a page is not one that Share or Import returned.
var errNotHeld = errors.New("a page that is not held; share or import it first")

// FreePages is how many pages nobody has.
func (m *Model) FreePages() int { return len(m.pages.free) }

// Release gives up one hold of a page.
func (m *Model) Release(p compute.Page) {
	g, ok := m.pages.held(p)
	if !ok {
		return
	}
	g.holds--
	if g.holds > 0 {
		return
	}
	low, high := span(g.index)
	// A helper that is lost has no pages; any other cannot refuse.
	_ = m.ask(wire.Remove, wire.Range{Sequence: g.keeper, Low: low, High: high})
	m.pages.keep(g, false)
	m.pages.settle(p)
}

// An exported page: a mark, the digest of the layout, which page of its text it
// is, the number of bytes, and llama.cpp's state of a sequence.
const (
	pageMark        = "phillmkv"
	pageHeaderBytes = len(pageMark) + 32 + 4 + 4
	// stateExtraBytes is how much longer than its cells a state may be.
	stateExtraBytes = 64 << 10
)

// stateMax is the longest state of a page.
func (m *Model) stateMax() int {
	return min(int(m.description.PageBytes)*2+stateExtraBytes, wire.BulkBytes-wire.BulkStart)
}

// Export writes what a page holds.
func (m *Model) Export(p compute.Page, w io.Writer) error {
	g, ok := m.pages.held(p)
	if !ok {
		return errNotHeld
	}
	header := append(make([]byte, 0, pageHeaderBytes), pageMark...)
	header = append(header, m.description.CacheDigest[:]...)
	header = binary.LittleEndian.AppendUint32(header, uint32(g.index))
	var state []byte
	err := m.withBulk(func(h *helper) error {
		low, high := span(g.index)
		var n wire.Size
		err := h.ask(context.Background(), wire.Export, limits{time: otherTime}, &wire.Range{Sequence: g.keeper, Low: low, High: high}, &n)
		if err != nil {
			return err
		}
		if n == 0 || int(n) > m.stateMax() {
			return fmt.Errorf("%w: a page of %d bytes", wire.ErrMalformed, n)
		}
		state = append(state, h.bulk.data()[:n]...)
		return nil
	})
	if err != nil {
		return fmt.Errorf("export a page: %w", err)
	}
	if _, err := w.Write(binary.LittleEndian.AppendUint32(header, uint32(len(state)))); err != nil {
		return fmt.Errorf("export a page: %w", err)
	}
	if _, err := w.Write(state); err != nil {
		return fmt.Errorf("export a page: %w", err)
	}
	return nil
}

// errNotPage means that bytes are not a page of this model.
var errNotPage = errors.New("not an exported page of this model; compute it again")

// Import makes a page of what was exported. The state inside is checked by
// llama.cpp, in the helper: the worst that a hostile one can do is to lose it.
func (m *Model) Import(r io.Reader) (compute.Page, error) {
	header := make([]byte, pageHeaderBytes)
	if _, err := io.ReadFull(r, header); err != nil {
		return 0, fmt.Errorf("import a page: %w: %w", errNotPage, err)
	}
	mark, rest := header[:len(pageMark)], header[len(pageMark):]
	index, n := binary.LittleEndian.Uint32(rest[32:]), binary.LittleEndian.Uint32(rest[36:])
	if string(mark) != pageMark || [32]byte(rest[:32]) != m.description.CacheDigest ||
		int(index) >= len(m.pages.kept[0]) || n == 0 || int(n) > m.stateMax() {
		return 0, fmt.Errorf("import a page: %w", errNotPage)
	}
	state := make([]byte, n)
	if _, err := io.ReadFull(r, state); err != nil {
		return 0, fmt.Errorf("import a page: %w: %w", errNotPage, err)
	}
	if len(m.pages.free) == 0 {
		return 0, fmt.Errorf("import a page: %w", m.full(1))
	}
	keeper, err := m.pages.keeper(int(index))
	if err != nil {
		return 0, fmt.Errorf("import a page: %w", err)
	}
	err = m.withBulk(func(h *helper) error {
		low, high := span(int(index))
		copy(h.bulk.data(), state)
		return h.ask(context.Background(), wire.Import, limits{time: otherTime}, &wire.Range{Sequence: keeper, Low: low, High: high, Bytes: n}, nil)
	})
	if err != nil {
		return 0, fmt.Errorf("import a page: %w", err)
	}
	p := m.pages.take(int(index))
	g := &m.pages.pages[p]
	g.holds, g.keeper = 1, keeper
	m.pages.keep(g, true)
	return p, nil
}

// full says that pages are wanting.
func (m *Model) full(wanted int) error {
	return fmt.Errorf("%w: %d pages wanted, %d of %d free; end sequences or release pages",
		compute.ErrFull, wanted, len(m.pages.free), m.description.Pages)
}
