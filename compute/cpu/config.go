package cpu

import (
	"fmt"
	"math"
	"strings"

	"phios/compute"
	"phios/compute/gguf"
)

// The bounds of a model. They are far above what runs on processors, and low
// enough that no product of two of them, nor of one with a context, overflows.
const (
	layersMax          = 1 << 10
	widthMax           = 1 << 17 // also of all heads together
	headsMax           = 1 << 12
	headWidthMax       = 1 << 10
	innerMax           = 1 << 20
	vocabularyTokenMax = 1 << 21
	contextTokensMax   = 1 << 24
)

// config is the metadata of a model, checked.
type config struct {
	arch                 *architecture
	layers, width        int
	heads, keyHeads      int // a key head serves heads/keyHeads heads of queries
	keyWidth, valueWidth int // of a head
	inner, vocabulary    int
	trained              int // tokens of context that it was made for
	epsilon              float32
	scale                float32 // of scores
	embeddingScale       float32 // 1 is none
	capped, cappedLogits float32 // 0 is unbounded
	window               int     // tokens that a layer with a window sees; 0 is all
	rotated              int     // elements of a head that are rotated
	base, localBase      float64
	scaling              scaling
}

// metadata reads a file's keys of one architecture. The first thing that is
// wrong is kept; what follows reads zeros.
type metadata struct {
	file *gguf.File
	arch string
	err  error
}

func (m *metadata) fail(format string, args ...any) {
	if m.err == nil {
		m.err = fmt.Errorf(format, args...)
	}
}

// count reads a number of 1 to most; a missing one is other, or with other 0 an
// error.
func (m *metadata) count(name string, most, other int) int {
	key := m.arch + "." + name
	n, ok := m.file.Uint(key)
	switch {
	case !ok && other > 0:
		return other
	case !ok:
		m.fail("%w: its metadata has no single number %s; %s", compute.ErrUnsupported, key, elsewhere)
	case n == 0 || n > uint64(most):
		m.fail("%s is %d, and must be 1 to %d: the file is damaged; fetch it again", key, n, most)
	default:
		return int(n)
	}
	return 1
}

// real reads a finite number that is not negative.
func (m *metadata) real(name string, other float64) float64 {
	key := m.arch + "." + name
	f, ok := m.file.Float(key)
	if !ok {
		return other
	}
	if math.IsNaN(f) || f < 0 || f > math.MaxFloat32 {
		m.fail("%s is %g, and must be a number that is not negative: the file is damaged; fetch it again", key, f)
		return other
	}
	return f
}

// elsewhere is the remedy of all that this unit does not run.
const elsewhere = "the llama unit may run it: phi unit add llama --lib DIR"

// findArchitecture is what the file says that it is.
func findArchitecture(f *gguf.File) (*architecture, error) {
	name, ok := f.Text("general.architecture")
	if !ok {
		return nil, fmt.Errorf("%w: the file does not say its general.architecture; convert the model again", compute.ErrUnsupported)
	}
	var known []string
	for _, a := range architectures() {
		if a.name == name {
			return a, nil
		}
		known = append(known, a.name)
	}
	return nil, fmt.Errorf("%w: the architecture is %.64q, and this unit runs %s; %s",
		compute.ErrUnsupported, name, strings.Join(known, ", "), elsewhere)
}

// readConfig reads and checks the metadata.
func readConfig(f *gguf.File) (config, error) {
	a, err := findArchitecture(f)
	if err != nil {
		return config{}, err
	}
	m := &metadata{file: f, arch: a.name}
	c := config{
		arch:    a,
		layers:  m.count("block_count", layersMax, 0),
		width:   m.count("embedding_length", widthMax, 0),
		heads:   m.count("attention.head_count", headsMax, 0),
		inner:   m.count("feed_forward_length", innerMax, 0),
		trained: m.count("context_length", contextTokensMax, 0),
		epsilon: float32(m.real("attention.layer_norm_rms_epsilon", 1e-5)),
	}
	c.keyHeads = m.count("attention.head_count_kv", headsMax, c.heads)
	c.keyWidth = m.count("attention.key_length", headWidthMax, max(c.width/c.heads, 1))
	c.valueWidth = m.count("attention.value_length", headWidthMax, max(c.width/c.heads, 1))
	c.rotated = m.count("rope.dimension_count", headWidthMax, c.keyWidth)
	c.readAttention(m)
	c.readRotation(m)
	c.readVocabulary(m)
	if n, ok := f.Uint(a.name + ".expert_count"); ok && n > 0 {
		m.fail("%w: it has %d experts, and this unit runs models without; %s", compute.ErrUnsupported, n, elsewhere)
	}
	if m.err != nil {
		return config{}, m.err
	}
	return c, c.check()
}

func (c *config) readAttention(m *metadata) {
	a := c.arch
	if a.window > 0 {
		if _, ok := m.file.Uint(a.name + ".attention.sliding_window"); ok {
			c.window = m.count("attention.sliding_window", contextTokensMax, 0)
		}
	}
	c.capped = float32(m.real("attn_logit_softcapping", a.capped))
	c.cappedLogits = float32(m.real("final_logit_softcapping", a.cappedLogits))
	c.embeddingScale = 1
	if a.embeddingScaled {
		c.embeddingScale = float32(math.Sqrt(float64(c.width)))
	}
	c.scale = float32(1 / math.Sqrt(float64(c.keyWidth)))
	if a.wideLayers == c.layers {
		c.scale = float32(1 / math.Sqrt(float64(c.width)/float64(c.heads)))
	}
	if s := m.real("attention.scale", 0); s > 0 {
		c.scale = float32(s)
	}
}

func (c *config) readVocabulary(m *metadata) {
	embedding, ok := m.file.Tensor("token_embd.weight")
	if !ok || len(embedding.Shape) != 2 {
		m.fail("%w: it has no matrix token_embd.weight; %s", compute.ErrUnsupported, elsewhere)
		return
	}
	c.vocabulary = embedding.Shape[1]
	if c.vocabulary < 1 || c.vocabulary > vocabularyTokenMax {
		m.fail("token_embd.weight has %d rows, and a vocabulary has 1 to %d: the file is damaged; fetch it again",
			c.vocabulary, vocabularyTokenMax)
	}
	if tokens, ok := m.file.Texts("tokenizer.ggml.tokens"); ok && len(tokens) != c.vocabulary {
		m.fail("token_embd.weight has %d rows for the %d tokens of the tokenizer: the file is damaged; convert the model again",
			c.vocabulary, len(tokens))
	}
}

// check is what must hold between the numbers.
func (c *config) check() error {
	switch {
	case c.heads%c.keyHeads != 0:
		return fmt.Errorf("%d heads of queries are not a multiple of %d heads of keys: the file is damaged; fetch it again", c.heads, c.keyHeads)
	case c.heads*c.keyWidth > widthMax || c.heads*c.valueWidth > widthMax:
		return fmt.Errorf("%d heads of %d and %d are over %d elements: the file is damaged; fetch it again",
			c.heads, c.keyWidth, c.valueWidth, widthMax)
	case c.rotated%2 != 0 || c.rotated > c.keyWidth:
		return fmt.Errorf("%d of %d elements of a head are rotated, and it must be an even number up to all: the file is damaged; fetch it again",
			c.rotated, c.keyWidth)
	}
	return nil
}

// extent is a length in elements.
func (c *config) extent(e extent) int {
	//exhaustive:ignore
	switch e {
	case extentWidth:
		return c.width
	case extentQueries:
		return c.heads * c.keyWidth
	case extentKeys:
		return c.keyHeads * c.keyWidth
	case extentValues:
		return c.keyHeads * c.valueWidth
	case extentQKV:
		return (c.heads+c.keyHeads)*c.keyWidth + c.keyHeads*c.valueWidth
	case extentMixed:
		return c.heads * c.valueWidth
	case extentInner:
		return c.inner
	case extentTwoInner:
		return 2 * c.inner
	case extentHead:
		return c.keyWidth
	case extentVocabulary:
		return c.vocabulary
	default:
		return 1
	}
}

// windowOf is how many tokens a layer sees; 0 is all.
func (c *config) windowOf(layer int) int {
	if c.arch.window > 1 && layer%c.arch.window == c.arch.window-1 {
		return 0
	}
	return c.window
}
