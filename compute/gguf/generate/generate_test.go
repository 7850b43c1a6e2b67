package generate_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"

	"phios/compute/gguf"
	"phios/compute/gguf/generate"
	"phios/compute/tensor"
)

func formats() []tensor.Format {
	return []tensor.Format{
		tensor.F32, tensor.F16, tensor.BF16, tensor.Q8_0, tensor.Q4_0,
		tensor.Q4_K, tensor.Q5_K, tensor.Q6_K,
	}
}

// made generates a model and parses it.
func made(tb testing.TB, s generate.Spec) (*gguf.File, []byte) {
	tb.Helper()
	var out bytes.Buffer
	if err := generate.Model(&out, s); err != nil {
		tb.Fatal(err)
	}
	f, err := gguf.Parse(out.Bytes())
	if err != nil {
		tb.Fatal(err)
	}
	return f, out.Bytes()
}

// TestEveryArchitectureAndFormat makes all tiny models, and measures that
// matrices have the deviation they should and no mean.
func TestEveryArchitectureAndFormat(t *testing.T) {
	for _, architecture := range generate.Architectures() {
		for _, format := range formats() {
			s := generate.Tiny(architecture, format, 1)
			if format.Elements() == 1 && architecture != "llama" {
				s.Layers = 1 // These are several times larger.
			}
			f, b := made(t, s)
			if a, _ := f.Text("general.architecture"); a != architecture {
				t.Errorf("architecture %q, want %q", a, architecture)
			}
			if n, _ := f.Uint(architecture + ".block_count"); int(n) != s.Layers {
				t.Errorf("%s: %d blocks, want %d", architecture, n, s.Layers)
			}
			most := 4 << 20
			if format == tensor.F32 || format == tensor.F16 || format == tensor.BF16 {
				most = 16 << 20
			}
			if len(b) > most {
				t.Errorf("%s %s: %d bytes are not tiny", architecture, format, len(b))
			}
			for i := range f.Tensors {
				x := &f.Tensors[i]
				if want := gguf.Mixed(x.Name, x.Shape, format); x.Format != want {
					t.Errorf("%s is %s, want %s", x.Name, x.Format, want)
				}
				// Weights depend on the format and the shape only.
				if architecture == "llama" || i == 0 {
					statistics(t, x)
				}
			}
		}
	}
}

// statistics checks the numbers of a tensor.
func statistics(t *testing.T, x *gguf.Tensor) {
	t.Helper()
	values := make([]float32, x.Elements())
	tensor.Dequantize(x.Format, x.Data, values)
	var sum, squares float64
	for _, v := range values {
		sum += float64(v)
		squares += float64(v) * float64(v)
	}
	n := float64(len(values))
	mean, deviation := sum/n, math.Sqrt(squares/n-sum/n*sum/n)
	if len(x.Shape) < 2 {
		return
	}
	want := 1 / math.Sqrt(float64(x.Shape[0]))
	if x.Name == "token_embd.weight" || x.Name == "output.weight" {
		want *= 3
	}
	if math.Abs(deviation/want-1) > 0.08 || math.Abs(mean/want) > 0.05 {
		t.Errorf("%s %s: deviation %g, want %g; mean %g", x.Name, x.Format, deviation, want, mean)
	}
}

// TestSameBytes pins the bytes of files, which golden results elsewhere depend
// on, on every machine.
func TestSameBytes(t *testing.T) {
	for _, c := range []struct {
		spec generate.Spec
		want string
	}{
		{generate.Tiny("llama", tensor.Q4_K, 1), "f15ad9ad5080b91b"},
		{generate.Tiny("qwen2", tensor.Q8_0, 2), "c05f5fcb2bbdc783"},
		{generate.Tiny("gemma3", tensor.F32, 3), "205004596a897aab"},
		{generate.Tiny("phi3", tensor.Q6_K, 4), "0e63ecda74c5fe58"},
	} {
		_, b := made(t, c.spec)
		sum := sha256.Sum256(b)
		if got := hex.EncodeToString(sum[:8]); got != c.want {
			t.Errorf("%s %s: SHA-256 begins with %s, want %s", c.spec.Architecture, c.spec.Format, got, c.want)
		}
		c.spec.Seed++
		if _, other := made(t, c.spec); bytes.Equal(other, b) {
			t.Errorf("%s: another seed gives the same file", c.spec.Architecture)
		}
	}
}

// counter counts and hashes what it is given.
type counter struct {
	hash hash.Hash
	n    int
}

func (c *counter) Write(b []byte) (int, error) {
	c.n += len(b)
	return c.hash.Write(b)
}

// TestLargeFileNeedsNoMemory streams the first layer of the 1.1 B preset.
func TestLargeFileNeedsNoMemory(t *testing.T) {
	s, err := generate.Preset("1.1b", tensor.Q4_K, 1)
	if err != nil {
		t.Fatal(err)
	}
	s.Layers, s.Vocabulary = 1, 2000
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	c := &counter{hash: sha256.New()}
	if err := generate.Model(c, s); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	allocated := after.TotalAlloc - before.TotalAlloc
	t.Logf("%d bytes allocated for a file of %d", allocated, c.n)
	if c.n < 24<<20 || allocated > 4<<20 {
		t.Errorf("%d bytes allocated for a file of %d", allocated, c.n)
	}
}

// TestFormatsOfRows makes a model whose rows are not all whole blocks of the K
// formats.
func TestFormatsOfRows(t *testing.T) {
	s, err := generate.Preset("135m", tensor.Q4_K, 1)
	if err != nil {
		t.Fatal(err)
	}
	s.Layers, s.Vocabulary = 1, 512
	f, _ := made(t, s)
	for name, want := range map[string]tensor.Format{
		"blk.0.attn_q.weight": tensor.Q8_0, "blk.0.ffn_down.weight": tensor.Q4_K,
		"token_embd.weight": tensor.Q8_0, "output_norm.weight": tensor.F32,
	} {
		if x, ok := f.Tensor(name); !ok || x.Format != want {
			t.Errorf("%s: %+v, want %s", name, x, want)
		}
	}
	if _, err := generate.Preset("7b", tensor.F32, 1); !errors.Is(err, generate.ErrSpec) {
		t.Errorf("an unknown preset: %v", err)
	}
}

// TestVocabularies checks both kinds: every byte is there, every piece has two
// parts that are there, types and specials fit.
func TestVocabularies(t *testing.T) {
	for _, architecture := range []string{"llama", "qwen2"} {
		for _, size := range []int{generate.VocabularyMin, 512, 32000} {
			s := generate.Tiny(architecture, tensor.Q8_0, 1)
			s.Vocabulary, s.Layers = size, 1
			f, _ := made(t, s)
			tokens, _ := f.Texts("tokenizer.ggml.tokens")
			types, _ := f.Ints("tokenizer.ggml.token_type")
			known := map[string]bool{}
			for _, token := range tokens {
				if known[token] {
					t.Fatalf("%s: token %q is there twice", architecture, token)
				}
				known[token] = true
			}
			if len(tokens) != size || len(types) != size {
				t.Fatalf("%s: %d tokens, %d types, want %d", architecture, len(tokens), len(types), size)
			}
			for _, key := range []string{"bos", "eos"} {
				id, ok := f.Uint("tokenizer.ggml." + key + "_token_id")
				if !ok || types[id] != 3 {
					t.Errorf("%s: %s is %d of type %d", architecture, key, id, types[id])
				}
			}
			if merges, ok := f.Texts("tokenizer.ggml.merges"); ok {
				for _, m := range merges {
					left, right, _ := strings.Cut(m, " ")
					if !known[left] || !known[right] || !known[left+right] {
						t.Fatalf("merge %q of unknown tokens", m)
					}
				}
				continue
			}
			joined(t, f, tokens, types)
		}
	}
}

// joined checks that each normal piece is two others whose scores are known.
func joined(t *testing.T, f *gguf.File, tokens []string, types []int64) {
	t.Helper()
	scores, _ := f.Floats("tokenizer.ggml.scores")
	if len(scores) != len(tokens) || slices.Index(tokens, "<0x0A>") != 3+10 {
		t.Fatalf("%d scores; the newline is %d", len(scores), slices.Index(tokens, "<0x0A>"))
	}
	known := map[string]bool{}
	for i, token := range tokens {
		if types[i] == 1 {
			known[token] = true
		}
	}
	for i, token := range tokens {
		runes := []rune(token)
		found := types[i] != 1 || len(runes) == 1
		for cut := 1; cut < len(runes); cut++ {
			found = found || known[string(runes[:cut])] && known[string(runes[cut:])]
		}
		if !found {
			t.Fatalf("piece %q is not made of others", token)
		}
	}
}

func TestWhatMakesNoModel(t *testing.T) {
	for want, change := range map[string]func(s *generate.Spec){
		"Architecture": func(s *generate.Spec) { s.Architecture = "mamba" },
		"Format":       func(s *generate.Spec) { s.Format = 11 },
		"Layers":       func(s *generate.Spec) { s.Layers = 0 },
		"Width":        func(s *generate.Spec) { s.Width = -1 },
		"Hidden":       func(s *generate.Spec) { s.Hidden = 1 << 20 },
		"HeadWidth":    func(s *generate.Spec) { s.HeadWidth = 3 },
		"Heads":        func(s *generate.Spec) { s.KVHeads = 3 },
		"KVHeads":      func(s *generate.Spec) { s.KVHeads = 0 },
		"Vocabulary":   func(s *generate.Spec) { s.Vocabulary = 100 },
		"Tokenizer":    func(s *generate.Spec) { s.Tokenizer = "words" },
		"Context":      func(s *generate.Spec) { s.ContextTokens = 0 },
		"Window":       func(s *generate.Spec) { s.Architecture = "gemma2" },
	} {
		s := generate.Tiny("llama", tensor.Q8_0, 1)
		change(&s)
		if err := generate.Model(io.Discard, s); !errors.Is(err, generate.ErrSpec) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	s := generate.Tiny("llama", tensor.F32, 1)
	s.Width, s.Heads, s.KVHeads = 250, 5, 1 // F32 has no blocks: any width will do
	made(t, s)
}

func BenchmarkModel(b *testing.B) {
	s, err := generate.Preset("1.1b", tensor.Q4_K, 1)
	if err != nil {
		b.Fatal(err)
	}
	s.Layers = 1
	for b.Loop() {
		if err := generate.Model(io.Discard, s); err != nil {
			b.Fatal(err)
		}
	}
}
