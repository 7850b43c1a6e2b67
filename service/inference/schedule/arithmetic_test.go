package schedule_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"phios/abi"
	"phios/api/inference"
	"phios/compute"
	"phios/service/inference/schedule"
)

const (
	vocabulary = 64
	pageTokens = 4
	end        = int32(0)
)

// arithmetic is a model whose next token is a function of all tokens before, as
// they lie in its pages: a page that was shared wrongly, lost or not computed
// gives other text. A step takes time as that of a real one does.
type arithmetic struct {
	context, sequences int
	base, each         time.Duration
	pages              [][]int32
	holds              []int
	free               []compute.Page
	open               int
	before             func(batch []compute.Work) error
	steps              atomic.Int64
	stepping           atomic.Bool
}

func newArithmetic(pages int) *arithmetic {
	m := &arithmetic{context: 256, sequences: 64, pages: make([][]int32, pages), holds: make([]int, pages)}
	for i := range pages {
		m.free = append(m.free, compute.Page(i))
	}
	return m
}

func (m *arithmetic) Describe() compute.ModelDescription {
	return compute.ModelDescription{
		Vocabulary: vocabulary, ContextTokens: m.context, PageTokens: pageTokens, Pages: len(m.pages), PageBytes: 4 * pageTokens,
	}
}
func (m *arithmetic) Pin(bool) error { return nil }
func (m *arithmetic) Close() error   { return nil }
func (m *arithmetic) FreePages() int { return len(m.free) }

func (m *arithmetic) take() (compute.Page, error) {
	if len(m.free) == 0 {
		return 0, compute.ErrFull
	}
	p := m.free[len(m.free)-1]
	m.free = m.free[:len(m.free)-1]
	m.holds[p], m.pages[p] = 1, m.pages[p][:0]
	return p, nil
}

func (m *arithmetic) Release(p compute.Page) {
	m.holds[p]--
	if m.holds[p] == 0 {
		m.free = append(m.free, p)
	}
	if m.holds[p] < 0 {
		panic("a page was released too often")
	}
}

func (m *arithmetic) Export(p compute.Page, w io.Writer) error {
	b := make([]byte, 0, pageTokens)
	for _, t := range m.pages[p] {
		b = append(b, byte(t))
	}
	_, err := w.Write(b)
	return err
}

func (m *arithmetic) Import(r io.Reader) (compute.Page, error) {
	b, err := io.ReadAll(r)
	if err != nil || len(b) != pageTokens {
		return 0, fmt.Errorf("a page of %d bytes: %w", len(b), errors.Join(err, errors.New("wrong length")))
	}
	p, err := m.take()
	for _, t := range b {
		m.pages[p] = append(m.pages[p], int32(t))
	}
	return p, err
}

func (m *arithmetic) Open() (compute.Sequence, error) {
	if m.open >= m.sequences {
		return nil, compute.ErrFull
	}
	m.open++
	return &text{m: m}, nil
}

func (m *arithmetic) Step(ctx context.Context, batch []compute.Work) error {
	if m.stepping.Swap(true) {
		panic("two steps at once")
	}
	defer m.stepping.Store(false)
	m.steps.Add(1)
	if m.before != nil {
		if err := m.before(batch); err != nil {
			return err
		}
	}
	tokens, pages := 0, 0
	for _, w := range batch {
		s := w.Sequence.(*text)
		tokens += len(w.Tokens)
		pages += (s.length+len(w.Tokens)+pageTokens-1)/pageTokens - len(s.pages)
		if s.length+len(w.Tokens) > m.context {
			return compute.ErrContext
		}
	}
	if pages > len(m.free) {
		return compute.ErrFull
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(m.base + time.Duration(tokens)*m.each):
	}
	for _, w := range batch {
		s := w.Sequence.(*text)
		for _, t := range w.Tokens {
			if s.length%pageTokens == 0 {
				p, _ := m.take()
				s.pages = append(s.pages, p)
			}
			last := s.pages[len(s.pages)-1]
			m.pages[last] = append(m.pages[last], t)
			s.length++
		}
		if w.Logits != nil {
			var all []int32
			for _, p := range s.pages {
				all = append(all, m.pages[p]...)
			}
			logits(all, w.Logits)
		}
	}
	return nil
}

type text struct {
	m      *arithmetic
	pages  []compute.Page
	length int
	closed bool
}

func (s *text) Len() int { return s.length }
func (s *text) Adopt(pages []compute.Page) error {
	for _, p := range pages {
		if s.m.holds[p] < 1 {
			return errors.New("a page that nobody holds")
		}
		s.m.holds[p]++
	}
	s.pages, s.length = slices.Clone(pages), len(pages)*pageTokens
	return nil
}

func (s *text) Share(i int) (compute.Page, error) {
	if (i+1)*pageTokens > s.length {
		return 0, errors.New("not full")
	}
	s.m.holds[s.pages[i]]++
	return s.pages[i], nil
}
func (s *text) Trim(int) error { return nil }
func (s *text) Close() {
	if s.closed {
		panic("closed twice")
	}
	s.closed = true
	for _, p := range s.pages {
		s.m.Release(p)
	}
	s.m.open--
}

// logits is the arithmetic: a hash of the tokens, then one for each token. The
// end is one of about thirty.
func logits(all []int32, out []float32) {
	h := uint64(14695981039346656037)
	for _, t := range all {
		h = (h ^ uint64(t+1)) * 1099511628211
	}
	for i := range out {
		x := (h ^ uint64(i)*0x9E3779B97F4A7C15) * 0xBF58476D1CE4E5B9
		x = (x ^ x>>31) * 0x94D049BB133111EB
		out[i] = float32(x>>40) / (1 << 20)
	}
	out[end] -= 0.2
}

// alone is what a prompt yields when nothing else is there.
func alone(prompt []int32, most int) []int32 {
	all := slices.Clone(prompt)
	out := make([]float32, vocabulary)
	for len(all)-len(prompt) < most {
		logits(all, out)
		best := int32(0)
		for i, x := range out {
			if x > out[best] {
				best = int32(i)
			}
		}
		if best == end {
			break
		}
		all = append(all, best)
	}
	return all[len(prompt):]
}

// letters writes each token as one letter.
type letters struct{}

func (letters) Piece(t int32) []byte  { return []byte{byte('0' + t)} }
func (letters) End(t int32) bool      { return t == end }
func (letters) Stream() schedule.Text { return &stream{} }
func spell(tokens []int32) string {
	var b strings.Builder
	for _, t := range tokens {
		b.Write(letters{}.Piece(t))
	}
	return b.String()
}

type stream struct{}

func (*stream) Add(t int32) string { return string(letters{}.Piece(t)) }
func (*stream) Flush() string      { return "" }

// purse is an account with a balance.
type purse struct {
	name  string
	label abi.Label
	mu    sync.Mutex
	left  inference.Cost
	spent inference.Cost
}

func rich(name string) *purse {
	return &purse{name: name, left: inference.Cost{Tokens: 1 << 50, Nanoseconds: 1 << 60, Microjoules: 1 << 60}}
}

func (p *purse) Name() string                { return p.name }
func (p *purse) Label() abi.Label            { return p.label }
func (p *purse) May(string, abi.Rights) bool { return true }
func (p *purse) Charge(c inference.Cost) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c.Tokens > p.left.Tokens || c.Nanoseconds > p.left.Nanoseconds || c.Microjoules > p.left.Microjoules {
		return false
	}
	p.left.Tokens -= c.Tokens
	p.left.Nanoseconds -= c.Nanoseconds
	p.left.Microjoules -= c.Microjoules
	p.spent.Tokens += c.Tokens
	p.spent.Nanoseconds += c.Nanoseconds
	p.spent.Microjoules += c.Microjoules
	return true
}
