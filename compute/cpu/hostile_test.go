package cpu

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"phios/compute"
	"phios/compute/gguf"
	"phios/compute/tensor"
)

// tiny is a model of a few kilobytes, for tests that load it many times. change
// may alter the metadata, and the tensors, before the file is made.
func tiny(tb testing.TB, change func(metadata map[string]any, shapes map[string][]int)) []byte {
	tb.Helper()
	metadata := map[string]any{
		"general.architecture":       "llama",
		"llama.block_count":          1,
		"llama.embedding_length":     32,
		"llama.feed_forward_length":  32,
		"llama.context_length":       128,
		"llama.attention.head_count": 2,
	}
	shapes := map[string][]int{
		"token_embd.weight": {32, 8}, "output_norm.weight": {32},
		"blk.0.attn_norm.weight": {32}, "blk.0.ffn_norm.weight": {32},
		"blk.0.attn_q.weight": {32, 32}, "blk.0.attn_k.weight": {32, 32}, "blk.0.attn_v.weight": {32, 32},
		"blk.0.attn_output.weight": {32, 32},
		"blk.0.ffn_gate.weight":    {32, 32}, "blk.0.ffn_up.weight": {32, 32}, "blk.0.ffn_down.weight": {32, 32},
	}
	if change != nil {
		change(metadata, shapes)
	}
	w := &gguf.Writer{}
	for _, key := range sorted(metadata) {
		switch v := metadata[key].(type) {
		case int:
			w.Uint32(key, uint32(v))
		case float64:
			w.Float32(key, float32(v))
		case string:
			w.Text(key, v)
		case []string:
			w.Texts(key, v)
		}
	}
	for _, name := range sorted(shapes) {
		w.Tensor(name, tensor.F32, shapes[name]...)
	}
	var b bytes.Buffer
	ones := func(t *gguf.Tensor, out io.Writer) error {
		x := make([]byte, 4*t.Elements())
		tensor.Quantize(t.Format, slices.Repeat([]float32{0.125}, t.Elements()), x)
		_, err := out.Write(x)
		return err
	}
	if err := w.Write(&b, ones); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

func sorted[V any](m map[string]V) []string {
	var names []string
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// What is wrong with a file is said by name, with the remedy.
func TestWrongFilesAreRefusedByName(t *testing.T) {
	u := Open(Options{})
	defer u.Close() //nolint:errcheck // nothing is loaded
	for name, c := range map[string]struct {
		change      func(m map[string]any, s map[string][]int)
		want        string
		unsupported bool
	}{
		"architecture": {func(m map[string]any, _ map[string][]int) { m["general.architecture"] = "mamba" }, `"mamba", and this unit runs llama`, true},
		"none":         {func(m map[string]any, _ map[string][]int) { delete(m, "general.architecture") }, "general.architecture", true},
		"key":          {func(m map[string]any, _ map[string][]int) { delete(m, "llama.block_count") }, "llama.block_count", true},
		"tensor":       {func(_ map[string]any, s map[string][]int) { delete(s, "blk.0.ffn_up.weight") }, "no tensor blk.0.ffn_up.weight", true},
		"more":         {func(_ map[string]any, s map[string][]int) { s["blk.0.ffn_gate_inp.weight"] = []int{32, 4} }, "blk.0.ffn_gate_inp.weight", true},
		"experts":      {func(m map[string]any, _ map[string][]int) { m["llama.expert_count"] = 8 }, "8 experts", true},
		"scaling":      {func(m map[string]any, _ map[string][]int) { m["llama.rope.scaling.type"] = "su" }, `"su"`, true},
		"shape":        {func(_ map[string]any, s map[string][]int) { s["blk.0.attn_k.weight"] = []int{32, 64} }, "[32 64]", false},
		"rank":         {func(_ map[string]any, s map[string][]int) { s["blk.0.attn_k.weight"] = []int{32, 32, 2} }, "[32 32 2]", false},
		"heads": {func(m map[string]any, _ map[string][]int) {
			m["llama.attention.head_count_kv"] = 3
		}, "not a multiple of 3", false},
		"layers":  {func(m map[string]any, _ map[string][]int) { m["llama.block_count"] = 1 << 30 }, "llama.block_count is 1073741824", false},
		"rotated": {func(m map[string]any, _ map[string][]int) { m["llama.rope.dimension_count"] = 17 }, "17 of 16", false},
		"epsilon": {func(m map[string]any, _ map[string][]int) { m["llama.attention.layer_norm_rms_epsilon"] = -1.0 }, "is -1", false},
		"base":    {func(m map[string]any, _ map[string][]int) { m["llama.rope.freq_base"] = 0.0 }, "base of the rotation", false},
		"tokens":  {func(m map[string]any, _ map[string][]int) { m["tokenizer.ggml.tokens"] = []string{"a", "b"} }, "8 rows for the 2 tokens", false},
	} {
		t.Run(name, func(t *testing.T) {
			m, err := u.Load(context.Background(), compute.Weights{Name: "wrong", Bytes: tiny(t, c.change)}, compute.Options{})
			if err == nil {
				m.Close() //nolint:errcheck // it should not be
				t.Fatal("it was loaded")
			}
			if !strings.Contains(err.Error(), c.want) || errors.Is(err, compute.ErrUnsupported) != c.unsupported {
				t.Errorf("the error is %v", err)
			}
			if c.unsupported && name != "none" && !strings.Contains(err.Error(), "phi unit add llama") {
				t.Errorf("the error does not name the llama unit: %v", err)
			}
		})
	}
}

// Whatever a file says, loading it and one step neither panic nor hang.
func FuzzLoad(f *testing.F) {
	f.Add(tiny(f, nil))
	f.Add(tiny(f, func(m map[string]any, _ map[string][]int) {
		m["llama.rope.scaling.type"], m["llama.rope.scaling.factor"] = "yarn", 2.0
		m["llama.attention.key_length"], m["llama.rope.dimension_count"] = 16, 8
	}))
	f.Add(tiny(f, func(m map[string]any, s map[string][]int) {
		clear(m)
		for key, n := range map[string]int{
			"block_count": 1, "embedding_length": 32, "feed_forward_length": 32, "context_length": 64,
			"attention.head_count": 2, "attention.sliding_window": 4,
		} {
			m["gemma2."+key] = n
		}
		m["general.architecture"] = "gemma2"
		s["blk.0.post_attention_norm.weight"], s["blk.0.post_ffw_norm.weight"] = []int{32}, []int{32}
	}))
	u := Open(Options{MemoryBytes: 256 << 20, Threads: 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		loaded, err := u.Load(context.Background(), compute.Weights{Name: "fuzz", Bytes: b}, compute.Options{CacheTokens: 64})
		if err != nil {
			return
		}
		defer loaded.Close() //nolint:errcheck // nothing is pinned
		m := loaded.(*model)
		logits := make([]float32, m.config.vocabulary)
		if err := m.Step(context.Background(), []compute.Work{{Sequence: newSequence(t, m), Tokens: []int32{0, 0, 0}[:min(3, m.context)], Logits: logits}}); err != nil {
			t.Errorf("a step of a model that loads: %v", err)
		}
	})
}

// Whatever is imported, it is refused, or is a page.
func FuzzImport(f *testing.F) {
	u := Open(Options{Threads: 1})
	loaded, err := u.Load(context.Background(), compute.Weights{Name: "tiny", Bytes: tiny(f, nil)}, compute.Options{CacheTokens: 64})
	if err != nil {
		f.Fatal(err)
	}
	m := loaded.(*model)
	s := newSequence(f, m)
	text := make([]int32, pageTokens)
	appendTokens(f, m, s, text)
	page, err := s.Share(0)
	if err != nil {
		f.Fatal(err)
	}
	var b bytes.Buffer
	if err := m.Export(page, &b); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Add(b.Bytes()[:pageHeader])
	m.Release(page)
	s.Close()
	f.Fuzz(func(t *testing.T, b []byte) {
		free := m.FreePages()
		if p, err := m.Import(bytes.NewReader(b)); err == nil {
			for _, h := range m.cache.data[p] {
				if finite(h) != h {
					t.Fatal("a number of the page is not finite")
				}
			}
			m.Release(p)
		}
		if m.FreePages() != free {
			t.Fatalf("%d pages were free before, %d after", free, m.FreePages())
		}
	})
}
