// Package generate makes model files with random weights: of every architecture
// and format that the engine runs, of any size, the same bytes for the same
// seed on every machine. They are for tests and for measuring speed; what such
// a model says has no meaning, but its activations stay finite, its logits
// differ, and its tokenizer encodes and decodes any text.
//
// The names, shapes and keys are those that llama.cpp wants to load a file of
// the architecture.
package generate

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"phios/compute/gguf"
	"phios/compute/tensor"
)

// ErrSpec is what every error about a [Spec] wraps.
var ErrSpec = errors.New("no model can be made of this")

// Limits of a model.
const (
	LayersMax     = 256
	WidthMax      = 1 << 16
	VocabularyMax = 1 << 19
	// VocabularyMin is what bytes, single characters and specials take.
	VocabularyMin = 384
)

// Spec says what model to make. Start from [Tiny] or [Preset].
type Spec struct {
	// Architecture is one of [Architectures].
	Architecture string
	// Format is what the matrices are in; see [gguf.Mixed].
	Format tensor.Format
	// Layers is the number of blocks.
	Layers int
	// Width is the length of the vector between blocks.
	Width int
	// Heads and KVHeads are the numbers of heads of queries, and of keys and
	// values; the first is a multiple of the second.
	Heads, KVHeads int
	// HeadWidth is the length of a head, even.
	HeadWidth int
	// Hidden is the length of the vector inside the feed-forward part.
	Hidden int
	// Vocabulary is the number of tokens.
	Vocabulary int
	// Tokenizer is "llama" (SentencePiece with byte pieces) or "gpt2"
	// (byte-level pairs).
	Tokenizer string
	// ContextTokens is the context the model says it was made for.
	ContextTokens int
	// WindowTokens is the sliding window of gemma2 and gemma3.
	WindowTokens int
	// Tied uses the embeddings for the logits too; gemma always does.
	Tied bool
	// Factors adds factors to the angles of RoPE: rope_freqs to llama, the long
	// and short ones to phi3. Others have none.
	Factors bool
	// Seed is what the weights follow from.
	Seed uint64
}

// Architectures returns the names of the architectures that can be made.
func Architectures() []string {
	return []string{"llama", "qwen2", "qwen3", "gemma2", "gemma3", "phi3"}
}

// Tiny returns a model of well under a million weights a pair of layers, small
// enough for tests, with every part of its architecture: grouped heads, a
// sliding window shorter than the context, enough layers that one does not
// slide. All rows are whole blocks of every format.
func Tiny(architecture string, f tensor.Format, seed uint64) Spec {
	s := Spec{
		Architecture: architecture, Format: f, Seed: seed,
		Layers: 2, Width: 256, Heads: 4, KVHeads: 2, HeadWidth: 64, Hidden: 512,
		Vocabulary: 512, Tokenizer: "llama", ContextTokens: 1024,
	}
	switch architecture {
	case "qwen2":
		s.Tokenizer = "gpt2"
	case "qwen3":
		s.Tokenizer, s.HeadWidth, s.Tied = "gpt2", 128, true
	case "gemma2":
		s.HeadWidth, s.WindowTokens = 128, 16
	case "gemma3":
		s.HeadWidth, s.WindowTokens, s.KVHeads, s.Hidden = 128, 16, 1, 256
		s.Layers = gemma3Period + 1
	}
	return s
}

// gemma3Period: of so many layers of gemma3, all but the last slide.
const gemma3Period = 6

// Preset returns a model by name: "135m" has the shapes of SmolLM-135M, "1.1b"
// those of TinyLlama-1.1B, "tiny" is [Tiny] of llama.
func Preset(name string, f tensor.Format, seed uint64) (Spec, error) {
	switch name {
	case "tiny":
		return Tiny("llama", f, seed), nil
	case "135m":
		return Spec{
			Architecture: "llama", Format: f, Seed: seed, Tied: true,
			Layers: 30, Width: 576, Heads: 9, KVHeads: 3, HeadWidth: 64, Hidden: 1536,
			Vocabulary: 49152, Tokenizer: "gpt2", ContextTokens: 2048,
		}, nil
	case "1.1b":
		return Spec{
			Architecture: "llama", Format: f, Seed: seed,
			Layers: 22, Width: 2048, Heads: 32, KVHeads: 4, HeadWidth: 64, Hidden: 5632,
			Vocabulary: 32000, Tokenizer: "llama", ContextTokens: 2048,
		}, nil
	default:
		return Spec{}, fmt.Errorf("%w: preset %.40q: take tiny, 135m or 1.1b", ErrSpec, name)
	}
}

// check says what of a spec makes no model.
func (s Spec) check() error {
	_, known := gguf.FileType(s.Format)
	for _, c := range []struct {
		ok   bool
		want string
	}{
		{slices.Contains(Architectures(), s.Architecture), fmt.Sprintf("Architecture is one of %v", Architectures())},
		{known, "Format is one that package tensor converts"},
		{s.Layers >= 1 && s.Layers <= LayersMax, fmt.Sprintf("Layers is 1 to %d", LayersMax)},
		{s.Width >= 1 && s.Width <= WidthMax, fmt.Sprintf("Width is 1 to %d", WidthMax)},
		{s.Hidden >= 1 && s.Hidden <= WidthMax, fmt.Sprintf("Hidden is 1 to %d", WidthMax)},
		{s.HeadWidth >= 2 && s.HeadWidth%2 == 0, "HeadWidth is even"},
		{s.KVHeads >= 1 && s.Heads >= 1 && s.Heads%max(s.KVHeads, 1) == 0, "Heads is a multiple of KVHeads"},
		{s.HeadWidth*s.Heads <= WidthMax, fmt.Sprintf("Heads times HeadWidth is at most %d", WidthMax)},
		{
			s.Vocabulary >= VocabularyMin && s.Vocabulary <= VocabularyMax,
			fmt.Sprintf("Vocabulary is %d to %d", VocabularyMin, VocabularyMax),
		},
		{s.Tokenizer == "llama" || s.Tokenizer == "gpt2", "Tokenizer is llama or gpt2"},
		{s.ContextTokens >= 1 && s.ContextTokens <= 1<<24, "ContextTokens is 1 to 16777216"},
		{s.WindowTokens >= 0 && (s.WindowTokens > 0 || !s.gemma()), "WindowTokens of gemma is 1 or more"},
	} {
		if !c.ok {
			return fmt.Errorf("%w: see to it that %s", ErrSpec, c.want)
		}
	}
	return nil
}

// gemma says whether the model is one of that family.
func (s Spec) gemma() bool { return s.Architecture == "gemma2" || s.Architecture == "gemma3" }

// Model writes the file to out as it is made: memory is needed for the
// vocabulary only, a few megabytes, however large the model.
func Model(out io.Writer, s Spec) error {
	if err := s.check(); err != nil {
		return err
	}
	var w gguf.Writer
	s.metadata(&w)
	s.vocabulary(&w)
	deviations := map[string]weights{}
	for _, t := range s.tensors() {
		w.Tensor(t.name, gguf.Mixed(t.name, t.shape, s.Format), t.shape...)
		deviations[t.name] = t.weights
	}
	return w.Write(out, func(t *gguf.Tensor, out io.Writer) error {
		return deviations[t.Name].write(t, out, s.Seed)
	})
}

// metadata writes all keys but the tokenizer's.
func (s Spec) metadata(w *gguf.Writer) {
	fileType, _ := gguf.FileType(s.Format)
	w.Text("general.architecture", s.Architecture)
	// llama.cpp looks for the names of some models in this one, such as phi3, and
	// then wants certain tokens.
	w.Text("general.name", fmt.Sprintf("random weights, seed %d", s.Seed))
	w.Uint32("general.file_type", fileType)
	w.Uint32("general.quantization_version", 2)
	number := func(key string, n int) { w.Uint32(s.Architecture+"."+key, uint32(n)) }
	float := func(key string, n float32) { w.Float32(s.Architecture+"."+key, n) }
	number("context_length", s.ContextTokens)
	number("embedding_length", s.Width)
	number("block_count", s.Layers)
	number("feed_forward_length", s.Hidden)
	number("attention.head_count", s.Heads)
	number("attention.head_count_kv", s.KVHeads)
	number("attention.key_length", s.HeadWidth)
	number("attention.value_length", s.HeadWidth)
	float("attention.layer_norm_rms_epsilon", 1e-5)
	number("rope.dimension_count", s.HeadWidth)
	base := map[string]float32{"qwen2": 1e6, "qwen3": 1e6, "gemma3": 1e6}[s.Architecture]
	float("rope.freq_base", max(base, 10000))
	number("vocab_size", s.Vocabulary)
	if s.gemma() {
		number("attention.sliding_window", s.WindowTokens)
	}
	if s.Architecture == "gemma2" {
		float("attn_logit_softcapping", 50)
		float("final_logit_softcapping", 30)
	}
	if s.Architecture == "phi3" && s.Factors {
		number("rope.scaling.original_context_length", max(s.ContextTokens/4, 1))
		float("rope.scaling.attn_factor", 1.19)
	}
}
