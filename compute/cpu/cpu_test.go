package cpu

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"phios/compute"
	"phios/compute/cpu/parity"
	"phios/compute/tensor"
	"phios/compute/unittest"
)

// caseOf finds a case of parity.
func caseOf(tb testing.TB, name string) *parity.Case {
	tb.Helper()
	for _, c := range parity.Cases() {
		if c.Name == name {
			return &c
		}
	}
	tb.Fatalf("there is no case %s", name)
	return nil
}

func fileOf(tb testing.TB, c *parity.Case) []byte {
	tb.Helper()
	var b bytes.Buffer
	if err := c.Write(&b); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

func TestConformance(t *testing.T) {
	path := filepath.Join(t.TempDir(), "model.gguf")
	b := fileOf(t, caseOf(t, "llama-Q8_0"))
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // only read
	unittest.Run(t, func() (compute.Unit, error) { return Registration().Open(nil) },
		compute.Weights{Name: "tiny", Bytes: b, File: f}, unittest.Capabilities{Deterministic: true, Export: true})
}

// The logits of a text are the same to the last bit: alone and in one piece; in
// random pieces, among others that come and go, on one thread and on two.
func TestResultsDependOnTheTextAlone(t *testing.T) {
	for _, name := range []string{"llama-F32", "qwen2-Q8_0", "qwen3-Q4_0", "gemma2-Q6_K", "gemma3-global", "phi3-Q4_K"} {
		t.Run(name, func(t *testing.T) {
			c := caseOf(t, name)
			u := Open(Options{})
			defer u.Close() //nolint:errcheck // nothing is pinned
			alone := openCase(t, u, c, compute.Options{Threads: 1})
			text := append(slices.Clone(c.Tokens), c.Tokens...)
			want := appendTokens(t, alone, newSequence(t, alone), text)
			for seed := range uint64(3) {
				m := openCase(t, u, c, compute.Options{Threads: 1 + int(seed%2)})
				got := amongOthers(t, m, text, rand.New(rand.NewPCG(seed, 1)))
				if !slices.Equal(got, want) {
					t.Errorf("seed %d: the logits differ among others", seed)
				}
			}
		})
	}
}

// amongOthers appends a text in random pieces, with random neighbours in each
// step, and returns its logits.
func amongOthers(tb testing.TB, m *model, text []int32, r *rand.Rand) []float32 {
	tb.Helper()
	v := m.config.vocabulary
	logits := make([]float32, len(text)*v)
	s := newSequence(tb, m)
	var others []compute.Sequence
	for at := 0; at < len(text); {
		n := min(1+r.IntN(1+r.IntN(50)), len(text)-at)
		var batch []compute.Work
		for _, o := range others {
			work := compute.Work{Sequence: o, Tokens: text[:1+r.IntN(9)]}
			if r.IntN(2) == 0 {
				work.Logits = make([]float32, v)
			}
			if r.IntN(3) > 0 && o.Len() < 100 {
				batch = append(batch, work)
			}
		}
		batch = slices.Insert(batch, r.IntN(len(batch)+1), compute.Work{Sequence: s, Tokens: text[at : at+n], Logits: logits[at*v : (at+n)*v]})
		if err := m.Step(context.Background(), batch); err != nil {
			tb.Fatal(err)
		}
		at += n
		if r.IntN(2) == 0 {
			others = append(others, newSequence(tb, m))
		}
		if len(others) > 6 {
			others[0].Close()
			others = others[1:]
		}
	}
	return logits
}

// A prompt longer than what goes through the layers together is taken in turns.
func TestLongPromptsGoInTurns(t *testing.T) {
	c := caseOf(t, "llama-Q8_0")
	u := Open(Options{})
	defer u.Close() //nolint:errcheck // nothing is pinned
	m := openCase(t, u, c, compute.Options{ContextTokens: 2 * rowsMax})
	text := make([]int32, rowsMax+100)
	for i := range text {
		text[i] = int32(i % 300)
	}
	whole, parts := newSequence(t, m), newSequence(t, m)
	v := m.config.vocabulary
	got := make([]float32, 2*v)
	if err := m.Step(context.Background(), []compute.Work{{Sequence: whole, Tokens: text, Logits: got}}); err != nil {
		t.Fatal(err)
	}
	for part := range slices.Chunk(text[:len(text)-2], 77) {
		if err := m.Step(context.Background(), []compute.Work{{Sequence: parts, Tokens: part}}); err != nil {
			t.Fatal(err)
		}
	}
	if want := appendTokens(t, m, parts, text[len(text)-2:]); !slices.Equal(got, want) {
		t.Error("the logits differ from those of shorter pieces")
	}
}

// A page that is shared and trimmed into is copied before it is written.
func TestSharedPagesAreCopiedBeforeTheyChange(t *testing.T) {
	c := caseOf(t, "qwen3-Q8_0")
	u := Open(Options{})
	defer u.Close() //nolint:errcheck // nothing is pinned
	m := openCase(t, u, c, compute.Options{})
	a := newSequence(t, m)
	appendTokens(t, m, a, c.Tokens)
	page, err := a.Share(0)
	if err != nil {
		t.Fatal(err)
	}
	before := slices.Clone(m.cache.data[page])
	if err := a.Trim(5); err != nil {
		t.Fatal(err)
	}
	free := m.FreePages()
	appendTokens(t, m, a, c.Tokens[10:20])
	if !slices.Equal(before, m.cache.data[page]) {
		t.Fatal("the shared page has changed")
	}
	if m.FreePages() != free-1 {
		t.Errorf("%d pages are free, and one of %d was to be taken for the copy", m.FreePages(), free)
	}
	b := newSequence(t, m)
	if err := b.Adopt([]compute.Page{page}); err != nil {
		t.Fatal(err)
	}
	m.Release(page)
	fresh := newSequence(t, m)
	appendTokens(t, m, fresh, c.Tokens[:pageTokens])
	if !slices.Equal(appendTokens(t, m, b, c.Tokens[pageTokens:]), appendTokens(t, m, fresh, c.Tokens[pageTokens:])) {
		t.Error("the adopted page gives other logits than one that is computed")
	}
	for _, s := range []compute.Sequence{a, b, fresh} {
		s.Close()
	}
	if m.FreePages() != m.Describe().Pages {
		t.Errorf("%d of %d pages are free after all is closed", m.FreePages(), m.Describe().Pages)
	}
}

// stories is the greedy text of the story model by llama.cpp: tokens after the
// beginning of text.
var storiesTable = []int32{
	403, 407, 261, 378, 432, 383, 286, 261, 376, 298, 315, 421, 395, 317, 426, 338, 401, 396, 267, 337,
	410, 408, 419, 292, 411, 322, 265, 282, 295, 433, 426, 385, 328, 432, 358, 394, 261, 370, 432, 352,
}

func TestStories(t *testing.T) {
	b, err := os.ReadFile("../../../shared/models/stories260K.gguf")
	if err != nil {
		t.Skipf("SKIPPED: the story model is not here: %v", err)
	}
	u := Open(Options{})
	defer u.Close() //nolint:errcheck // nothing is pinned
	loaded, err := u.Load(context.Background(), compute.Weights{Name: "stories", Bytes: b}, compute.Options{})
	if err != nil {
		t.Fatal(err)
	}
	m := loaded.(*model)
	s := newSequence(t, m)
	token := int32(1)
	for i, want := range storiesTable {
		logits := appendTokens(t, m, s, []int32{token})
		token = int32(slices.Index(logits, slices.Max(logits)))
		if token != want {
			t.Fatalf("token %d is %d, and llama.cpp's is %d", i, token, want)
		}
	}
}

func TestMemoryIsRefusedWithBothFigures(t *testing.T) {
	u := Open(Options{MemoryBytes: 64 << 20})
	defer u.Close() //nolint:errcheck // nothing is pinned
	b := fileOf(t, caseOf(t, "llama-Q8_0"))
	w := compute.Weights{Name: "tiny", Bytes: b}
	_, err := u.Load(context.Background(), w, compute.Options{CacheTokens: 1 << 20})
	if err == nil || !strings.Contains(err.Error(), "67108864") || !strings.Contains(err.Error(), compute.ErrMemory.Error()) {
		t.Errorf("a cache that is too large gives %v", err)
	}
	m, err := u.Load(context.Background(), w, compute.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	if free := u.free(); free != 64<<20 {
		t.Errorf("%d bytes are free after the model is closed", free)
	}
}

// All formats that the unit says it runs have a model that runs.
func TestDescription(t *testing.T) {
	u, err := Registration().Open(map[string]string{"threads": "1", "memory": "1000000000"})
	if err != nil {
		t.Fatal(err)
	}
	defer u.Close() //nolint:errcheck // nothing is loaded
	d := u.Describe()
	if d.MemoryBytes != 1e9 || d.BytesPerSecond <= 0 || d.OperationsPerSecond <= 0 || d.Device == "" {
		t.Errorf("the unit says %+v", d)
	}
	for _, f := range []tensor.Format{tensor.Q8_0, tensor.Q6_K, tensor.BF16} {
		if !slices.Contains(d.Formats, f) {
			t.Errorf("%s is not among the formats", f)
		}
	}
	if _, err := Registration().Open(map[string]string{"lib": "x"}); err == nil {
		t.Error("a setting that does not exist is taken")
	}
}

// A step allocates next to nothing: what it does hundreds of times a second must
// not feed the collector.
func TestStepsAllocateLittle(t *testing.T) {
	u := Open(Options{})
	defer u.Close() //nolint:errcheck // nothing is pinned
	m := openCase(t, u, caseOf(t, "llama-Q8_0"), compute.Options{Threads: 1})
	s := newSequence(t, m)
	batch := []compute.Work{{Sequence: s, Tokens: []int32{3}, Logits: make([]float32, m.config.vocabulary)}}
	each := testing.AllocsPerRun(50, func() {
		if err := m.Step(context.Background(), batch); err != nil {
			t.Fatal(err)
		}
	})
	if most := float64(8 + 14*m.config.layers); each > most {
		t.Errorf("a step of %d layers allocates %g times, and may %g times", m.config.layers, each, most)
	}
}

// late is a context that is cancelled when it was looked at so many times.
type late struct {
	context.Context
	looks int
}

func (c *late) Err() error {
	if c.looks--; c.looks < 0 {
		return context.Canceled
	}
	return nil
}

// Two texts share a page, one of them longer than the other, and a step of both
// is cancelled after the shorter one has written into the page.
func TestCancelledStepsLeaveSharedPages(t *testing.T) {
	c := caseOf(t, "qwen3-Q8_0")
	u := Open(Options{})
	defer u.Close() //nolint:errcheck // nothing is pinned
	m := openCase(t, u, c, compute.Options{})
	fresh := newSequence(t, m)
	appendTokens(t, m, fresh, c.Tokens[:pageTokens])
	page, err := fresh.Share(0)
	if err != nil {
		t.Fatal(err)
	}
	if err := fresh.Trim(20); err != nil {
		t.Fatal(err)
	}
	want := appendTokens(t, m, fresh, c.Tokens[20:22])
	var works []compute.Work
	for _, n := range []int{20, 10} {
		s := newSequence(t, m)
		if err := s.Adopt([]compute.Page{page}); err != nil {
			t.Fatal(err)
		}
		if err := s.Trim(n); err != nil {
			t.Fatal(err)
		}
		works = append(works, compute.Work{Sequence: s, Tokens: c.Tokens[1:9]})
	}
	m.Release(page)
	// Step looks once, and each layer once before it computes.
	if err := m.Step(&late{context.Background(), 2}, works); !errors.Is(err, context.Canceled) {
		t.Fatalf("the step was to be cancelled: %v", err)
	}
	if got := appendTokens(t, m, works[0].Sequence, c.Tokens[20:22]); !slices.Equal(got, want) {
		t.Error("the longer text has what the shorter one wrote")
	}
	for _, s := range []compute.Sequence{fresh, works[0].Sequence, works[1].Sequence} {
		s.Close()
	}
	if m.FreePages() != m.Describe().Pages {
		t.Errorf("%d of %d pages are free after all is closed", m.FreePages(), m.Describe().Pages)
	}
}
