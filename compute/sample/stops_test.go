package sample

import (
	"math/rand/v2"
	"strings"
	"testing"
)

func TestStopsHoldBackBeginnings(t *testing.T) {
	s := NewStops([]string{"</end>", "\n\n"})
	for _, step := range []struct {
		text, emit string
		stopped    bool
	}{
		{"a<", "a", false},
		{"/e", "", false},
		{"m\n", "</em", false},
		{"b</end", "\nb", false},
		{">after", "", true},
		{"more", "", true},
	} {
		if emit, stopped := s.Write(step.text); emit != step.emit || stopped != step.stopped {
			t.Fatalf("Write(%q) = %q, %v; want %q, %v", step.text, emit, stopped, step.emit, step.stopped)
		}
	}
	if s.Found() != "</end>" || s.Flush() != "" {
		t.Errorf("found %q", s.Found())
	}
	s = NewStops([]string{"abc"})
	s.Write("xab")
	if got := s.Flush(); got != "ab" {
		t.Errorf("flushed %q, want ab", got)
	}
}

// cut is what Stops must do with the whole text at once.
func cut(text string, stops []string) (string, string) {
	for end := range len(text) + 1 {
		best := ""
		for _, s := range stops {
			if s != "" && strings.HasSuffix(text[:end], s) && len(s) > len(best) {
				best = s
			}
		}
		if best != "" {
			return text[:end-len(best)], best
		}
	}
	return text, ""
}

func TestStopsDoNotDependOnPieces(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	word := func(n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = "aab"[r.IntN(3)]
		}
		return string(b)
	}
	for range 5000 {
		stops := []string{word(r.IntN(6)), word(1 + r.IntN(9)), word(4 + r.IntN(4))}
		text := word(r.IntN(40))
		want, found := cut(text, stops)
		s := NewStops(stops)
		var got strings.Builder
		for rest := text; rest != ""; {
			n := 1 + r.IntN(len(rest))
			emit, _ := s.Write(rest[:n])
			got.WriteString(emit)
			rest = rest[n:]
		}
		got.WriteString(s.Flush())
		if got.String() != want || s.Found() != found {
			t.Fatalf("text %q, stops %q: got %q stopped by %q, want %q by %q", text, stops, got.String(), s.Found(), want, found)
		}
	}
}

func FuzzStops(f *testing.F) {
	f.Add("abab", "ab", "bab", uint8(1))
	f.Fuzz(func(t *testing.T, text, a, b string, piece uint8) {
		if len(a) > StopBytesMax || len(b) > StopBytesMax {
			return
		}
		want, _ := cut(text, []string{a, b})
		s := NewStops([]string{a, b})
		got := ""
		for rest := text; rest != ""; {
			n := min(int(piece)+1, len(rest))
			emit, _ := s.Write(rest[:n])
			got += emit
			rest = rest[n:]
		}
		if got += s.Flush(); got != want {
			t.Fatalf("got %q, want %q", got, want)
		}
	})
}
