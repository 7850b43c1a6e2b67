package grammar

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
)

// byteVocabulary has a token for each byte, and token 256 ends.
func byteVocabulary() *Vocabulary {
	pieces := make([][]byte, 257)
	for i := range 256 {
		pieces[i] = []byte{byte(i)}
	}
	return NewVocabulary(pieces, []int32{256})
}

// wordVocabulary is like one that was trained: bytes, and pieces that are
// frequent in JSON and in text of several scripts.
func wordVocabulary(seed uint64, n int) *Vocabulary {
	r := rand.New(rand.NewPCG(seed, 9))
	seen := map[string]bool{}
	pieces := [][]byte{nil}
	for i := range 256 {
		pieces = append(pieces, []byte{byte(i)})
	}
	parts := []string{
		"\"", "\",", "\":", "\": ", "{\"", "\"}", "\"]", "],", "},", "{", "}", "[", "]", ", ", ",\n", "\n", "  ", "    ", ": ", " \"",
		"true", "false", "null", "0", "1", "2", "10", "99", "2024", "-", ".", "e", "E+", "a", "b", "name", "id", "x", "y", "the", "ing",
		"é", "ß", "д", "мир", "世", "界", "😀", "\xc3", "\xe4\xb8", "\xf0\x9f", "\\", "\\n", "\\u", "00", "@", ":", "T", "Z", "/", "://", "www",
	}
	for len(pieces) < n-1 {
		var b strings.Builder
		for range 1 + r.IntN(4) {
			if r.IntN(3) == 0 {
				b.WriteByte(byte(' ' + r.IntN(95)))
				continue
			}
			b.WriteString(parts[r.IntN(len(parts))])
		}
		if s := b.String(); !seen[s] {
			seen[s] = true
			pieces = append(pieces, []byte(s))
		}
	}
	return NewVocabulary(append(pieces, []byte("</s>")), []int32{int32(n - 1)})
}

// generate lets a random model write. Each step takes any allowed token; after
// a number of steps it prefers to end, and at last the text is finished.
func generate(tb testing.TB, g *Grammar, v *Vocabulary, r *rand.Rand, steps int) string {
	tb.Helper()
	s, err := g.Start(v)
	if err != nil {
		tb.Fatal(err)
	}
	var out []byte
	mask := make([]uint64, v.Words())
	for range steps {
		if s.Done() {
			return string(out)
		}
		s.Mask(mask)
		best, high := int32(-1), -1.0
		for t := range int32(v.size) {
			if mask[t>>6]>>(t&63)&1 != 0 {
				if x := r.Float64(); x > high {
					best, high = t, x
				}
			}
		}
		if best < 0 {
			tb.Fatalf("no token is allowed after %q", out)
		}
		if err := s.Accept(best); err != nil {
			tb.Fatalf("after %q: %v", out, err)
		}
		out = append(out, v.pieces[best]...)
	}
	end := s.Finish()
	for _, b := range end {
		if err := s.write([]byte{b}); err != nil {
			tb.Fatalf("finishing %q with %q: %v", out, end, err)
		}
	}
	if !s.CanEnd() {
		tb.Fatalf("%q finished with %q is not whole", out, end)
	}
	return string(out) + string(end)
}

func vocabularies() []*Vocabulary {
	return []*Vocabulary{byteVocabulary(), wordVocabulary(1, 2000)}
}

func TestAnyJSONIsValid(t *testing.T) {
	g, err := JSON()
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range vocabularies() {
		for seed := range uint64(60) {
			r := rand.New(rand.NewPCG(seed, 3))
			text := generate(t, g, v, r, 1+r.IntN(80))
			if !json.Valid([]byte(text)) {
				t.Fatalf("vocabulary %d, seed %d: %q", i, seed, text)
			}
		}
	}
}

var expressionsTable = []string{
	`a`, `[a-c]+x?`, `(foo|foobar|fob)*z`, `\d{3}-\d{4}`, `[^a-z]{2,5}`, `(?i)straße`, `\pL{1,3}`, `.*`, `(a*)*b`,
	`(a|b|ab)*abb`, `^x{0,3}$`, `[\x{7f}-\x{820}\x{ffff}-\x{10010}]+`, `\s\S\w\W`, ``, `(x|^y)z`, `(19|20)\d\d-(0[1-9]|1[0-2])`,
}

func TestExpressionsMatchTheirText(t *testing.T) {
	for i, v := range vocabularies() {
		for _, source := range expressionsTable {
			g, err := FromRegex(source)
			if err != nil {
				t.Fatalf("%s: %v", source, err)
			}
			want := regexp.MustCompile(`^(?:` + source + `)$`)
			for seed := range uint64(20) {
				r := rand.New(rand.NewPCG(seed, 3))
				if text := generate(t, g, v, r, 1+r.IntN(20)); !want.MatchString(text) {
					t.Fatalf("vocabulary %d, %s: %q", i, source, text)
				}
			}
		}
	}
}

// naive says whether text can be the beginning of a text of the grammar, by
// following every stack one by one.
func naive(g *Grammar, text string) bool {
	type stack string // states, four bytes each, the last is the top
	pack := func(s int32) stack { return stack(fmt.Sprintf("%08x", s)) }
	unpack := func(k stack) (stack, int32) {
		var s int32
		_, _ = fmt.Sscanf(string(k[len(k)-8:]), "%08x", &s)
		return k[:len(k)-8], s
	}
	closure := func(from []stack) map[stack]bool {
		out := map[stack]bool{}
		for len(from) > 0 {
			k := from[len(from)-1]
			from = from[:len(from)-1]
			if out[k] {
				continue
			}
			out[k] = true
			if k == "" {
				continue
			}
			rest, s := unpack(k)
			if g.final[s] {
				from = append(from, rest)
			}
			for _, e := range g.calls[s] {
				from = append(from, rest+pack(e.next)+pack(g.start[e.rule]))
			}
		}
		return out
	}
	at := closure([]stack{pack(g.start[0])})
	for i := range len(text) {
		var next []stack
		for k := range at {
			if k == "" {
				continue
			}
			rest, s := unpack(k)
			if to := g.next[int(s)*g.classes+int(g.class[text[i]])]; to >= 0 {
				next = append(next, rest+pack(to))
			}
		}
		at = closure(next)
	}
	return len(at) > 0
}

// checkMasks compares masks along a random text with the naive way.
func checkMasks(tb testing.TB, g *Grammar, v *Vocabulary, r *rand.Rand, steps int) {
	tb.Helper()
	s, err := g.Start(v)
	if err != nil {
		tb.Fatal(err)
	}
	text := ""
	mask := make([]uint64, v.Words())
	for range steps {
		if s.Done() {
			return
		}
		s.Mask(mask)
		var allowed []int32
		for t := range int32(v.size) {
			has := mask[t>>6]>>(t&63)&1 != 0
			if len(v.pieces[t]) > 0 {
				if want := naive(g, text+string(v.pieces[t])); has != want {
					tb.Fatalf("after %q token %q: allowed is %v, want %v", text, v.pieces[t], has, want)
				}
			}
			if has && len(v.pieces[t]) > 0 {
				allowed = append(allowed, t)
			}
		}
		if len(allowed) == 0 {
			return
		}
		t := allowed[r.IntN(len(allowed))]
		if err := s.Clone().Accept(t); err != nil {
			tb.Fatal(err)
		}
		if err := s.Accept(t); err != nil {
			tb.Fatal(err)
		}
		text += string(v.pieces[t])
	}
}

func TestMasksAreTheNaiveOnes(t *testing.T) {
	v := wordVocabulary(5, 600)
	g, err := JSON()
	if err != nil {
		t.Fatal(err)
	}
	for seed := range uint64(4) {
		checkMasks(t, g, v, rand.New(rand.NewPCG(seed, 1)), 8)
	}
	for _, source := range expressionsTable {
		g, err := FromRegex(source)
		if err != nil {
			t.Fatal(err)
		}
		checkMasks(t, g, v, rand.New(rand.NewPCG(7, 1)), 4)
	}
}
