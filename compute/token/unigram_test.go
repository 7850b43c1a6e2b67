package token

import (
	"errors"
	"math"
	"slices"
	"testing"
)

func TestUnigramChoosesTheLikeliest(t *testing.T) {
	pieces := []string{"<unk>", "▁", "a", "b", "ab", "▁a", "bc", "c", "▁ab"}
	scores := []float64{0, -2, -3, -3, -4, -3.5, -2, -4, -9}
	u, err := NewUnigram(pieces, scores, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		text string
		want []int32
	}{
		{"", nil},
		{"▁abc", []int32{5, 6}},     // -5.5 beats ▁ab c (-13) and ▁ ab c (-10)
		{"▁a▁ab", []int32{5, 1, 4}}, // -9.5; ▁a b is -10
		{"xyz", []int32{0}},
		{"▁xya", []int32{1, 0, 2}},
		{"ａｂ", []int32{4}}, // full width: NFKC
		{"\xff\xfea", []int32{0, 2}},
	} {
		if got := u.Encode(nil, c.text); !slices.Equal(got, c.want) {
			t.Errorf("%q: got %v, want %v", c.text, got, c.want)
		}
	}
}

// TestUnigramIsOptimal compares with all ways to cut short texts.
func TestUnigramIsOptimal(t *testing.T) {
	pieces := []string{"?", "a", "b", "aa", "ab", "ba", "bb", "aab", "bab", "abba"}
	scores := []float64{0, -2.5, -2.25, -3.5, -4.75, -4.5, -4, -5.5, -6, -8}
	u, err := NewUnigram(pieces, scores, 0)
	if err != nil {
		t.Fatal(err)
	}
	var best func(text string) float64
	best = func(text string) float64 {
		if text == "" {
			return 0
		}
		top := math.Inf(-1)
		for id, p := range pieces {
			if id > 0 && len(text) >= len(p) && text[:len(p)] == p {
				top = max(top, scores[id]+best(text[len(p):]))
			}
		}
		return top
	}
	for n := range 11 {
		for bits := range 1 << n {
			text := make([]byte, n)
			for i := range text {
				text[i] = 'a' + byte(bits>>i&1)
			}
			got := 0.0
			for _, id := range u.Encode(nil, string(text)) {
				got += scores[id]
			}
			if want := best(string(text)); got != want {
				t.Fatalf("%s: got %v, want %v", text, got, want)
			}
		}
	}
}

func TestUnigramRefusals(t *testing.T) {
	for name, attempt := range map[string]func() (*Unigram, error){
		"nothing": func() (*Unigram, error) { return NewUnigram(nil, nil, 0) },
		"lengths": func() (*Unigram, error) { return NewUnigram([]string{"a"}, nil, 0) },
		"unknown": func() (*Unigram, error) { return NewUnigram([]string{"a"}, []float64{0}, 1) },
		"score":   func() (*Unigram, error) { return NewUnigram([]string{"a"}, []float64{math.NaN()}, 0) },
		"long": func() (*Unigram, error) {
			return NewUnigram([]string{string(slices.Repeat([]byte("a"), UnigramPieceBytesMax+1))}, []float64{0}, 0)
		},
	} {
		if _, err := attempt(); !errors.Is(err, ErrVocabulary) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
