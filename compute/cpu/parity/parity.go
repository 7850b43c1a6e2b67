// Package parity is how the cpu unit is checked against another engine: small
// models with random weights, one for each architecture and format and one for
// each way to scale the rotation, and the logits that llama.cpp computed for
// them.
//
// The models are made from nothing but constants, to the same bytes on every
// machine; the logits are recorded in golden.json, so that the plain tests need
// no llama.cpp. Who has it derives them again: for each of [Cases], write the
// file, give the tokens to a context of that many tokens or a few more, and
// [Record] the logits: the test of this package does it where PHI_GOLDEN names a
// program that answers, as 'make parity' arranges.
package parity

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"

	"phios/compute/gguf"
	"phios/compute/tensor"
)

// The shape of the models. Rows are whole blocks of all formats, heads of
// queries share those of keys, and heads are not as wide as the width divided by
// their number, where the architecture lets them.
const (
	width, inner   = 256, 512
	heads, keys    = 4, 2
	vocabulary     = 320
	tokens         = 40
	windowTokens   = 16
	originalTokens = 64
	contextTokens  = 256
)

// Case is a model and a text for it.
type Case struct {
	Name         string
	Architecture string
	Format       tensor.Format
	// Context is how many tokens the model is loaded for.
	Context int
	// Tokens is the text.
	Tokens []int32

	layers    int
	headWidth int
	extra     func(w *gguf.Writer)
	factors   []string
	untied    bool
}

// Cases returns all cases, in a fixed order.
func Cases() []Case {
	var all []Case
	for _, f := range []tensor.Format{tensor.F32, tensor.F16, tensor.BF16, tensor.Q8_0, tensor.Q4_0, tensor.Q4_K, tensor.Q5_K, tensor.Q6_K} {
		for _, a := range []string{"llama", "qwen2", "qwen3", "gemma2", "gemma3", "phi3"} {
			all = append(all, newCase(a, f))
		}
	}
	add := func(name, arch string, change func(c *Case)) {
		c := newCase(arch, tensor.F32)
		c.Name = name
		change(&c)
		all = append(all, c)
	}
	add("gemma3-global", "gemma3", func(c *Case) {
		c.layers = 7
		c.extra = scaled("gemma3", "linear", 8)
	})
	add("llama-factors", "llama", func(c *Case) { c.factors = []string{"rope_freqs.weight"} })
	add("llama-linear", "llama", func(c *Case) { c.extra = scaled("llama", "linear", 4) })
	add("llama-yarn", "llama", func(c *Case) { c.extra = scaled("llama", "yarn", 4) })
	add("llama-tied", "llama", func(c *Case) { c.untied = false })
	longrope := []string{"rope_factors_long.weight", "rope_factors_short.weight"}
	add("phi3-long", "phi3", func(c *Case) { c.factors, c.extra = longrope, scaled("phi3", "longrope", 0) })
	add("phi3-short", "phi3", func(c *Case) {
		c.factors = longrope
		c.extra = func(w *gguf.Writer) { w.Uint32("phi3.rope.scaling.original_context_length", 16*contextTokens) }
	})
	add("phi3-partial", "phi3", func(c *Case) {
		c.extra = func(w *gguf.Writer) { w.Uint32("phi3.rope.dimension_count", 48) }
	})
	return all
}

func newCase(arch string, f tensor.Format) Case {
	c := Case{Name: arch + "-" + f.String(), Architecture: arch, Format: f, Context: contextTokens, layers: 2, headWidth: width / heads}
	for i := range int32(tokens) {
		c.Tokens = append(c.Tokens, 3+(i*37+11)%(vocabulary-3))
	}
	switch arch {
	case "qwen3", "gemma2", "gemma3":
		c.headWidth = 2 * width / heads
	}
	c.untied = arch == "llama" || arch == "phi3" || arch == "qwen3"
	return c
}

func scaled(arch, kind string, factor float32) func(w *gguf.Writer) {
	return func(w *gguf.Writer) {
		w.Text(arch+".rope.scaling.type", kind)
		w.Uint32(arch+".rope.scaling.original_context_length", originalTokens)
		if factor > 0 {
			w.Float32(arch+".rope.scaling.factor", factor)
		} else {
			w.Float32(arch+".rope.scaling.attn_factor", 1.19)
		}
	}
}

// Write writes the model's file.
func (c *Case) Write(out io.Writer) error {
	w := &gguf.Writer{}
	c.metadata(w)
	c.tensors(w)
	r := random(1)
	return w.Write(out, func(t *gguf.Tensor, out io.Writer) error {
		x := make([]float32, t.Elements())
		c.fill(t, x, &r)
		rowBytes, _ := t.Format.RowBytes(len(x))
		b := make([]byte, rowBytes)
		tensor.Quantize(t.Format, x, b)
		_, err := out.Write(b)
		return err
	})
}

func (c *Case) metadata(w *gguf.Writer) {
	a := c.Architecture
	w.Text("general.architecture", a)
	for _, n := range []struct {
		key   string
		value int
	}{
		{"block_count", c.layers},
		{"embedding_length", width},
		{"feed_forward_length", inner},
		{"context_length", contextTokens},
		{"attention.head_count", heads},
		{"attention.head_count_kv", keys},
		{"vocab_size", vocabulary},
	} {
		w.Uint32(a+"."+n.key, uint32(n.value))
	}
	if c.headWidth != width/heads {
		w.Uint32(a+".attention.key_length", uint32(c.headWidth))
		w.Uint32(a+".attention.value_length", uint32(c.headWidth))
	}
	w.Float32(a+".attention.layer_norm_rms_epsilon", 1e-5)
	w.Float32(a+".rope.freq_base", 500_000)
	switch a {
	case "gemma2":
		w.Uint32("gemma2.attention.sliding_window", windowTokens)
		w.Float32("gemma2.attn_logit_softcapping", 20)
		w.Float32("gemma2.final_logit_softcapping", 25)
	case "gemma3":
		w.Uint32("gemma3.attention.sliding_window", windowTokens)
	}
	if c.extra != nil {
		c.extra(w)
	}
	vocabularyOf(w)
}

// vocabularyOf writes a vocabulary that llama.cpp accepts.
func vocabularyOf(w *gguf.Writer) {
	pieces, kinds := []string{"<unk>", "<s>", "</s>"}, []int32{2, 3, 3}
	for len(pieces) < vocabulary {
		pieces, kinds = append(pieces, "t"+strconv.Itoa(len(pieces))), append(kinds, 1)
	}
	w.Text("tokenizer.ggml.model", "llama")
	w.Texts("tokenizer.ggml.tokens", pieces)
	w.Float32s("tokenizer.ggml.scores", make([]float32, vocabulary))
	w.Int32s("tokenizer.ggml.token_type", kinds)
}

// tensors declares the tensors. Vectors are F32, as everywhere.
func (c *Case) tensors(w *gguf.Writer) {
	w.Tensor("token_embd.weight", c.Format, width, vocabulary)
	w.Tensor("output_norm.weight", tensor.F32, width)
	if c.untied {
		w.Tensor("output.weight", c.Format, width, vocabulary)
	}
	for _, name := range c.factors {
		n := c.headWidth / 2
		w.Tensor(name, tensor.F32, n)
	}
	q, k := heads*c.headWidth, keys*c.headWidth
	for i := range c.layers {
		vector := func(name string, n int) { w.Tensor(fmt.Sprintf("blk.%d.%s", i, name), tensor.F32, n) }
		matrix := func(name string, columns, rows int) {
			w.Tensor(fmt.Sprintf("blk.%d.%s.weight", i, name), c.Format, columns, rows)
		}
		vector("attn_norm.weight", width)
		vector("ffn_norm.weight", width)
		if c.Architecture == "phi3" {
			matrix("attn_qkv", width, q+2*k)
			matrix("ffn_up", width, 2*inner)
		} else {
			matrix("attn_q", width, q)
			matrix("attn_k", width, k)
			matrix("attn_v", width, k)
			matrix("ffn_gate", width, inner)
			matrix("ffn_up", width, inner)
		}
		matrix("attn_output", q, width)
		matrix("ffn_down", inner, width)
		switch c.Architecture {
		case "qwen2":
			vector("attn_q.bias", q)
			vector("attn_k.bias", k)
			vector("attn_v.bias", k)
		case "gemma2", "gemma3":
			vector("post_attention_norm.weight", width)
			vector("post_ffw_norm.weight", width)
		}
		switch c.Architecture {
		case "qwen3", "gemma3":
			vector("attn_q_norm.weight", c.headWidth)
			vector("attn_k_norm.weight", c.headWidth)
		}
	}
}

// fill makes the weights: norms around one, factors that grow, and matrices that
// keep the size of what they multiply.
func (c *Case) fill(t *gguf.Tensor, x []float32, r *random) {
	switch {
	case slices.Contains(c.factors, t.Name):
		for i := range x {
			x[i] = float32(32+i*(1+len(t.Name)%2*7)) / 32
		}
	case len(t.Shape) == 1 && t.Name[len(t.Name)-4:] == "bias":
		r.fill(x, 0, 0.5)
	case len(t.Shape) == 1:
		r.fill(x, 1, 0.25)
	case t.Name == "token_embd.weight":
		r.fill(x, 0, 1)
	default:
		r.fill(x, 0, float32(1.5/math.Sqrt(float64(t.Shape[0]))))
	}
}

// random is a sequence of numbers that is the same on every machine: SplitMix64
// (Steele and others, 2014).
type random uint64

func (r *random) next() uint64 {
	*r += 0x9e3779b97f4a7c15
	z := uint64(*r)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// fill writes numbers of about a normal distribution: the sum of four uniform
// ones of 16 bits, which is exact. Each operation is rounded by itself, for some
// processors would join two of them.
func (r *random) fill(x []float32, mean, deviation float32) {
	for i := range x {
		z := r.next()
		sum := int32(z&0xffff) + int32(z>>16&0xffff) + int32(z>>32&0xffff) + int32(z>>48) - 2*0xffff
		normal := float32(float32(sum) * (1.7320508 / 65536))
		scaled := float32(normal * deviation)
		x[i] = mean + scaled
	}
}

// Logits is what is recorded of the logits of one token: the largest ones, and
// every tenth.
type Logits struct {
	Position int       `json:"position"`
	Top      []int     `json:"top"`
	Values   []float32 `json:"values"` // of the top
	Tenth    []float32 `json:"tenth"`
}

// Distance is how far the logits are off those of want, over their length. It is
// infinite when another token leads than one that leads by far.
func (l *Logits) Distance(want *Logits) float64 {
	const far = 0.05 // of the largest
	var square, length float64
	for i, w := range want.Tenth {
		square += math.Pow(float64(l.Tenth[i]-w), 2)
		length += math.Pow(float64(w), 2)
	}
	if lead := want.Values[0] - want.Values[1]; l.Top[0] != want.Top[0] && lead > far*want.Values[0] {
		return math.Inf(1)
	}
	return math.Sqrt(square / length)
}

// Golden is what is recorded of a case.
type Golden struct {
	Name   string   `json:"name"`
	Logits []Logits `json:"logits"`
}

// Record makes the record of a case of the logits of all its tokens, row after
// row.
func Record(c *Case, logits []float32) Golden {
	const top = 16
	g := Golden{Name: c.Name}
	for _, p := range []int{0, tokens / 2, tokens - 1} {
		row := logits[p*vocabulary : (p+1)*vocabulary]
		order := make([]int, vocabulary)
		for i := range order {
			order[i] = i
		}
		slices.SortStableFunc(order, func(a, b int) int {
			if row[a] > row[b] {
				return -1
			}
			return 1
		})
		l := Logits{Position: p, Top: order[:top]}
		for _, i := range l.Top {
			l.Values = append(l.Values, short(row[i]))
		}
		for i := 0; i < vocabulary; i += 10 {
			l.Tenth = append(l.Tenth, short(row[i]))
		}
		g.Logits = append(g.Logits, l)
	}
	return g
}

// short is x to the fifth digit behind the point: logits here are about 1.
func short(x float32) float32 {
	const digits = 1e5
	return float32(math.Round(float64(x)*digits) / digits)
}

//go:embed golden.json
var goldenTable []byte

// Goldens returns the records by the names of the cases.
func Goldens() (map[string]Golden, error) {
	var all []Golden
	if err := json.Unmarshal(goldenTable, &all); err != nil {
		return nil, fmt.Errorf("read golden.json: %w; derive it again", err)
	}
	by := map[string]Golden{}
	for _, g := range all {
		by[g.Name] = g
	}
	return by, nil
}
