package token

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// spells reports whether a kind can spell any byte.
func spells(name string) bool { return name != "unigram" && name != "wordpiece" }

// all are the tokenizers of testdata, by name.
func all(tb testing.TB) map[string]*Tokenizer {
	tb.Helper()
	out := make(map[string]*Tokenizer)
	for name, g := range goldens(tb) {
		out[name] = tokenizer(tb, g.Vocabulary)
	}
	for _, name := range []string{"unigram", "wordpiece"} {
		var g runs
		load(tb, name+".json", &g)
		out[name] = tokenizer(tb, g.Vocabulary)
	}
	return out
}

// lossy reports texts that SentencePiece does not give back: its mark for a space,
// and those with a piece of the user's, behind which it begins with a space.
func lossy(text string) bool {
	return strings.Contains(text, space) || strings.Contains(text, "<tool>")
}

// back is the text of tokens as a whole text, without the tokenizer's own space.
func back(t *Tokenizer, ids []int32) string {
	text := decode(t, ids)
	if c, ok := t.coder.(*sentencePiece); ok && c.prefix {
		text = strings.TrimPrefix(text, " ")
	}
	return text
}

func TestDecodeIsTheInverse(t *testing.T) {
	bad := []string{"\xff\xfe a \xc3", "\xe2\x96 cut", "\xf0\x9f\x98", "a\x80b\xc0\xafc", "\xed\xa0\x80"}
	for name, k := range all(t) {
		if !spells(name) {
			continue
		}
		for _, text := range append(corpus(t), bad...) {
			if lossy(text) {
				continue
			}
			if got := back(k, k.Encode(nil, text, false)); got != text {
				t.Errorf("%s: %q came back as %q", name, text, got)
			}
		}
	}
}

// TestTextIsNeverControl has text that spells every special token.
func TestTextIsNeverControl(t *testing.T) {
	for name, k := range all(t) {
		var text strings.Builder
		for id := range int32(k.Size()) {
			text.WriteString(k.Text(id))
		}
		for _, id := range k.Encode(nil, text.String(), false) {
			if k.Special(id) && id != k.unknown {
				t.Errorf("%s: plain text became %q", name, k.Text(id))
			}
		}
	}
}

// TestStream compares text that comes token by token with the whole.
func TestStream(t *testing.T) {
	for name, k := range all(t) {
		if !spells(name) {
			continue
		}
		for _, text := range corpus(t) {
			if lossy(text) {
				continue
			}
			s := NewStream(k, true)
			var b strings.Builder
			for _, id := range k.Encode(nil, text, false) {
				part := s.Add(id)
				if !utf8.ValidString(part) {
					t.Fatalf("%s: %q is no UTF-8", name, part)
				}
				b.WriteString(part)
			}
			b.WriteString(s.Flush())
			if b.String() != text {
				t.Errorf("%s: got %q, want %q", name, b.String(), text)
			}
		}
	}
}

// TestHostileTextIsBounded encodes up to 1 MiB of what makes simple tokenizers take
// quadratic time: minutes, where this takes under a second.
func TestHostileTextIsBounded(t *testing.T) {
	for name, k := range all(t) {
		for what, unit := range map[string]string{
			"letter": "a", "space": " ", "newlines": " \n", "mixed": "aA", "digits": "1", "marks": "e\u0301", "apostrophes": "'",
			"specials": "<|im_end|", "bytes": "\xff",
		} {
			size := 1 << 16
			if what == "letter" {
				size = 1 << 20
			}
			text := strings.Repeat(unit, size/len(unit))
			begin := time.Now()
			ids := k.Encode(nil, text, true)
			if d := time.Since(begin); d > 20*time.Second {
				t.Errorf("%s, %s: %v", name, what, d)
			}
			if spells(name) && back(k, ids) != text {
				t.Errorf("%s, %s: came back as another text", name, what)
			}
		}
	}
}

func TestRefusals(t *testing.T) {
	sound := goldens(t)["qwen2"].Vocabulary
	with := func(key string, v any) metadata {
		m := maps.Clone(sound)
		m[key] = v
		return m
	}
	for _, c := range []struct {
		m    metadata
		want error
	}{
		{metadata{}, ErrVocabulary},
		{with(keyModel, "rwkv"), ErrUnsupported},
		{with(keyPre, "nobody"), ErrUnsupported},
		{with(keyTokens, []any{}), ErrVocabulary},
		{with(keyTokens, []any{strings.Repeat("a", PieceBytesMax+1)}), ErrVocabulary},
		{with(keyTypes, []any{1.0}), ErrVocabulary},
		{with(keyScores, []any{1.0}), ErrVocabulary},
		{with(keyMerges, []any{"ab"}), ErrVocabulary},
		{with(keyMerges, 3.0), ErrVocabulary},
	} {
		if _, err := FromGGUF(c.m); !errors.Is(err, c.want) {
			t.Errorf("got %v, want %v", err, c.want)
		}
	}
}

// TestAllocs gives the memory itself: the pool keeps nothing under the race
// detector.
func TestAllocs(t *testing.T) {
	for name, k := range all(t) {
		if !spells(name) {
			continue
		}
		dst, s := make([]int32, 0, 1024), new(scratch)
		if n := testing.AllocsPerRun(100, func() { dst = k.encode(dst[:0], s, "The quick brown fox, 123 times.", true) }); n > 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func BenchmarkEncode(b *testing.B) {
	text := strings.Repeat(strings.Join(corpus(b), "\n"), 20)
	for _, name := range slices.Sorted(maps.Keys(all(b))) {
		k := all(b)[name]
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			dst := make([]int32, 0, len(text))
			for b.Loop() {
				dst = k.Encode(dst[:0], text, false)
			}
		})
	}
}

func FuzzEncode(f *testing.F) {
	tokenizers := all(f)
	for _, text := range corpus(f) {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for name, k := range tokenizers {
			for _, id := range k.Encode(nil, text, true) {
				if id < 0 || int(id) >= k.Size() {
					t.Fatalf("%s: token %d of %d", name, id, k.Size())
				}
			}
			if !spells(name) || lossy(text) {
				continue
			}
			if got := back(k, k.Encode(nil, text, false)); got != text {
				t.Fatalf("%s: %q came back as %q", name, text, got)
			}
		}
	})
}

// FuzzVocabulary makes tokenizers of lists that are the lines of a text.
func FuzzVocabulary(f *testing.F) {
	f.Add("llama", "qwen2", "a\nb\nab\n<0x41>\n▁", "a b\nb a", []byte{1, 2, 3, 6}, "ab ba")
	f.Add("gpt2", "llama-bpe", "a\nb\nab\nĠ", "a b\nĠ a", []byte{1, 1, 4, 1}, "ab ba")
	f.Add("t5", "", "a\nb\nab\n▁", "", []byte{16, 0, 0, 0, 0, 4, 0, 0, 97, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 65, 0}, "ab ba")
	f.Add("bert", "", "[UNK]\n▁a\nb\nab", "", []byte{2, 1, 1, 1}, "ab ba")
	f.Fuzz(func(t *testing.T, model, pre, tokens, merges string, data []byte, text string) {
		m := metadata{keyModel: model, keyPre: pre, "tokenizer.ggml.unknown_token_id": 0.0}
		var texts, types, scores, chars, pairs []any
		for i, s := range strings.Split(tokens, "\n") {
			b := byte(1)
			if len(data) > 0 {
				b = data[i%len(data)]
			}
			texts, types, scores = append(texts, s), append(types, float64(b%8)), append(scores, float64(int8(b)))
		}
		for _, b := range data {
			chars = append(chars, float64(b))
		}
		for s := range strings.SplitSeq(merges, "\n") {
			pairs = append(pairs, s)
		}
		m[keyTokens], m[keyTypes], m[keyScores], m[keyMerges] = texts, types, scores, pairs
		m["tokenizer.ggml.precompiled_charsmap"] = chars
		k, err := FromGGUF(m)
		if err != nil {
			return
		}
		s := NewStream(k, true)
		for _, id := range k.Encode(nil, text, true) {
			if id < 0 || int(id) >= k.Size() {
				t.Fatalf("token %d of %d", id, k.Size())
			}
			s.Add(id)
		}
		s.Flush()
	})
}
