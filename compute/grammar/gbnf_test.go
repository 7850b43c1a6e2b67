package grammar

import (
	"encoding/json"
	"errors"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
)

const jsonGBNF = `# any JSON
root   ::= object
value  ::= object | array | string | number | ("true" | "false" | "null") ws

object ::=
  "{" ws (
            string ":" ws value
    ("," ws string ":" ws value)*
  )? "}" ws

array  ::= "[" ws ( value ("," ws value)* )? "]" ws
string ::= "\"" ( [^"\\\x7F\x00-\x1F] | "\\" (["\\bfnrt] | "u" [0-9a-c] [0-9a-fA-F]{3}) )* "\"" ws # quoted
number ::= ("-"? ([0-9] | [1-9] [0-9]{0,15})) ("." [0-9]+)? ([eE] [-+]? [0-9] [1-9]{0,1})? ws
ws ::= | " " | "\n" [ \t]{0,20}
`

func TestGBNF(t *testing.T) {
	g, err := FromGBNF(jsonGBNF)
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range vocabularies() {
		for seed := range uint64(40) {
			r := rand.New(rand.NewPCG(seed, 3))
			if text := generate(t, g, v, r, 1+r.IntN(60)); !json.Valid([]byte(text)) {
				t.Fatalf("vocabulary %d, seed %d: %q", i, seed, text)
			}
		}
	}
	checkMasks(t, g, wordVocabulary(4, 400), rand.New(rand.NewPCG(1, 1)), 6)
}

func TestGBNFIsWhatItsExpressionIs(t *testing.T) {
	for source, want := range map[string]string{
		`root ::= "a"{2,4} b?` + "\n" + `b ::= [x-z-]+`:                     `a{2,4}[xyz-]*`,
		`root ::= ("a" | "b")* | "é"{2}`:                                    `[ab]*|éé`,
		`root ::= [^a-z]{,3} "\x41\u00e9"`:                                  `[^a-z]{0,3}Aé`,
		"root ::= \"a\" |\n  \"b\" # one\n\n# two\nunused ::= root \"z\"\n": `a|b`,
		`root ::= . "\n" "\t\\\""`:                                          `(?s:.)` + "\n\t" + `\\"`,
	} {
		g, err := FromGBNF(source)
		if err != nil {
			t.Fatalf("%s: %v", source, err)
		}
		re := regexp.MustCompile(`^(?:` + want + `)$`)
		for seed := range uint64(30) {
			r := rand.New(rand.NewPCG(seed, 3))
			if text := generate(t, g, byteVocabulary(), r, r.IntN(12)); !re.MatchString(text) {
				t.Fatalf("%s: %q", source, text)
			}
		}
	}
}

func TestGBNFRefusals(t *testing.T) {
	for _, c := range []struct {
		source, part string
		kind         error
	}{
		{`root ::= root "a" | "a"`, `"root" calls itself`, ErrUnsupported},
		{"root ::= e root \"a\"\ne ::= \"x\"?", "left recursion", ErrUnsupported},
		{"root ::= (\"a\"{1000}){1000}", "1000000 times", ErrTooLarge},
		{"root ::= (\"a\"{1000} \"b\"){66}", "times", ErrTooLarge},
		{"root ::= (\"a\" \"b\" \"c\" \"d\" \"e\"){60000}", "262144 states", ErrTooLarge},
		{"root ::= x", `"x" is not defined`, ErrSyntax},
		{"root ::= \"a\nb\"", "line 1", ErrSyntax},
		{"root ::= \"a\" root", "no text satisfies", ErrSyntax},
		{"root ::= " + strings.Repeat("(", 1000), "nest", ErrTooLarge},
		{"root ::= <think>", "token", ErrUnsupported},
		{"root ::= [z-a]", "low to high", ErrSyntax},
		{"root ::= \"a\"{3,2}", "below the least", ErrSyntax},
		{"", `"root" is not defined`, ErrSyntax},
		{"root ::= a a\na ::= b b\nb ::= c c\nc ::= d d\nd ::= e e\ne ::= f f\nf ::= \"x\"{60000}", "shortest is over", ErrSyntax},
	} {
		_, err := FromGBNF(c.source)
		if !errors.Is(err, c.kind) || !strings.Contains(err.Error(), c.part) {
			t.Errorf("%.60s: got %v, want %v with %q", c.source, err, c.kind, c.part)
		}
	}
}

// Every doubling of the text doubles the stacks of this grammar; the graph of
// stacks stays small.
func TestAmbiguityStaysSmall(t *testing.T) {
	g, err := FromGBNF("root ::= p root \"x\" | q root \"y\" | \"e\"\np ::= \"a\" n\nq ::= \"a\" n\nn ::= \"\"")
	if err != nil {
		t.Fatal(err)
	}
	s, err := g.Start(byteVocabulary())
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Repeat("a", 200) + "e" + strings.Repeat("xy", 100)
	for i := range len(text) {
		if err := s.Accept(int32(text[i])); err != nil {
			t.Fatalf("at %d: %v", i, err)
		}
	}
	if !s.Done() || len(s.w.a.sets) > 5000 {
		t.Errorf("done is %v with %d sets", s.Done(), len(s.w.a.sets))
	}
}

// Deep nesting stops at the limit, and the text can still be finished there.
func TestDepthIsBounded(t *testing.T) {
	g, err := FromGBNF(`root ::= "(" root ")" | "."`)
	if err != nil {
		t.Fatal(err)
	}
	v := byteVocabulary()
	s, err := g.Start(v)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for s.Accept('(') == nil {
		if n++; n > 2*DepthMax {
			t.Fatal("no limit")
		}
	}
	mask := make([]uint64, v.Words())
	s.Mask(mask)
	if mask[0] != 1<<'.' || mask[1]|mask[2]|mask[3]|mask[4] != 0 {
		t.Errorf("at the limit the mask is %x, want only the point", mask)
	}
	if end := string(s.Finish()); end != "."+strings.Repeat(")", n) {
		t.Errorf("finish is %q", end)
	}
}

func TestVocabularyWithoutBytesIsRefused(t *testing.T) {
	g, err := FromRegex(`a(b|é)`)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := g.Start(NewVocabulary([][]byte{[]byte("b"), []byte("ab")}, nil)); !errors.Is(err, ErrUnsupported) || !strings.Contains(err.Error(), `"a`) {
		t.Errorf("got %v", err)
	}
	v := NewVocabulary([][]byte{[]byte("a"), []byte("b"), []byte("aé"), {0xC3}, []byte("a\xc3"), nil}, []int32{5})
	s, err := g.Start(v)
	if err != nil {
		t.Fatal(err)
	}
	mask := make([]uint64, 1)
	if s.Mask(mask); mask[0] != 0b101 {
		t.Errorf("got %b: a beginning of é that no token ends must not be allowed", mask[0])
	}
	if err := s.Accept(4); !errors.Is(err, ErrToken) {
		t.Errorf("got %v", err)
	}
	if err := s.Accept(5); !errors.Is(err, ErrToken) {
		t.Errorf("ended too early: %v", err)
	}
	if err := s.Accept(2); err != nil || !s.Done() {
		t.Errorf("got %v", err)
	}
	if s.Mask(mask); mask[0] != 1<<5 {
		t.Errorf("at the end the mask is %b", mask[0])
	}
}
