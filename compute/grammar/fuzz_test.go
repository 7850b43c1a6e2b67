package grammar

import (
	"math/rand/v2"
	"testing"
)

// walk compiles nothing further: it lets a random model write a little and
// finishes, so that every grammar that compiles is seen to have no dead end.
func walk(t *testing.T, g *Grammar, err error, v *Vocabulary, seed uint64) {
	t.Helper()
	if err != nil {
		return
	}
	r := rand.New(rand.NewPCG(seed, 1))
	generate(t, g, v, r, r.IntN(20))
}

func FuzzSchema(f *testing.F) {
	for i, s := range schemasTable {
		f.Add([]byte(s), uint64(i))
	}
	v := wordVocabulary(2, 600)
	f.Fuzz(func(t *testing.T, source []byte, seed uint64) {
		g, err := FromSchema(source)
		walk(t, g, err, v, seed)
	})
}

func FuzzRegex(f *testing.F) {
	for i, s := range expressionsTable {
		f.Add(s, uint64(i))
	}
	v := wordVocabulary(2, 600)
	f.Fuzz(func(t *testing.T, source string, seed uint64) {
		g, err := FromRegex(source)
		walk(t, g, err, v, seed)
	})
}

func FuzzGBNF(f *testing.F) {
	f.Add(jsonGBNF, uint64(1))
	f.Add("root ::= \"a\"{2,} | [^b-] root | .", uint64(2))
	v := wordVocabulary(2, 600)
	f.Fuzz(func(t *testing.T, source string, seed uint64) {
		g, err := FromGBNF(source)
		walk(t, g, err, v, seed)
	})
}

// FuzzAccept gives any tokens to a state: what the mask allows is accepted, and
// nothing else is.
func FuzzAccept(f *testing.F) {
	f.Add([]byte(`{"a":[1,true,"x"]}`))
	v := wordVocabulary(2, 256)
	f.Fuzz(func(t *testing.T, tokens []byte) {
		g, err := JSON()
		if err != nil {
			t.Fatal(err)
		}
		s, err := g.Start(v)
		if err != nil {
			t.Fatal(err)
		}
		mask := make([]uint64, v.Words())
		for _, token := range tokens {
			s.Mask(mask)
			allowed := mask[token>>6]>>(token&63)&1 != 0
			if err := s.Accept(int32(token)); (err == nil) != allowed {
				t.Fatalf("token %d: allowed is %v, but %v", token, allowed, err)
			}
		}
	})
}
