package encoder

import (
	"encoding/csv"
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"phios/compute/gguf"
	"phios/internal/rank"
)

// open returns the resident encoder on some threads.
func open(tb testing.TB, threads int) *Encoder {
	tb.Helper()
	e, err := Open(threads)
	if err != nil {
		tb.Fatal(err)
	}
	return e
}

// embed returns the vectors of texts.
func embed(tb testing.TB, e *Encoder, texts ...string) [][]float32 {
	tb.Helper()
	rows := make([][]float32, len(texts))
	for i := range rows {
		rows[i] = make([]float32, width)
	}
	if err := e.Embed(tb.Context(), texts, rows, nil); err != nil {
		tb.Fatal(err)
	}
	return rows
}

func cosine(a, b []float32) float64 {
	var ab, aa, bb float64
	for i := range a {
		ab += float64(a[i]) * float64(b[i])
		aa += float64(a[i]) * float64(a[i])
		bb += float64(b[i]) * float64(b[i])
	}
	return ab / math.Sqrt(aa*bb)
}

// TestReference: the vectors are those of the original model, but for what the
// eight bits cost.
func TestReference(t *testing.T) {
	text, err := os.ReadFile("testdata/reference.json")
	if err != nil {
		t.Fatal(err)
	}
	var list []struct {
		Text   string
		Vector []float32
	}
	if err := json.Unmarshal(text, &list); err != nil || len(list) < 10 {
		t.Fatalf("%d sentences, %v", len(list), err)
	}
	const closest = 0.998
	e := open(t, 1)
	for _, one := range list {
		if c := cosine(embed(t, e, one.Text)[0], one.Vector); c < closest {
			t.Errorf("%q: a cosine of %.5f with the original, want %v", one.Text, c, closest)
		} else {
			t.Logf("%.6f %q", c, one.Text)
		}
	}
}

// originalSpearman is the rank correlation of the float32 model with the
// judgements of STS-B's development set, as 'make encoder' prints it.
const originalSpearman = 0.7839

// TestMeaning: the eight bits cost less than 0.01 of the rank correlation with
// what people judge.
func TestMeaning(t *testing.T) {
	path := filepath.Join("..", "..", "..", "shared", "data", "stsb", "stsb-en-dev.csv")
	f, err := os.Open(path)
	if err != nil {
		t.Logf("the test set is not at %s: nothing is measured", path)
		return
	}
	defer f.Close() //nolint:errcheck // it was read
	list, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	e := open(t, 0)
	if path := os.Getenv("PHI_ENCODER"); path != "" { // another file, as make encoder has
		e = load(t, path)
	}
	var texts []string
	var judged, found []float64
	for _, line := range list {
		score, err := strconv.ParseFloat(line[2], 64)
		if err != nil {
			t.Fatal(err)
		}
		texts, judged = append(texts, line[0], line[1]), append(judged, score)
	}
	rows := embed(t, e, texts...)
	for i := range judged {
		found = append(found, cosine(rows[2*i], rows[2*i+1]))
	}
	s := rank.Spearman(judged, found)
	t.Logf("Spearman %.4f on %d pairs", s, len(judged))
	if math.Abs(s-originalSpearman) > 0.01 {
		t.Errorf("Spearman %.4f, want within 0.01 of %.4f", s, originalSpearman)
	}
}

func load(tb testing.TB, path string) *Encoder {
	tb.Helper()
	bytes, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	f, err := gguf.Parse(bytes)
	if err != nil {
		tb.Fatal(err)
	}
	e, err := New(f, 0)
	if err != nil {
		tb.Fatal(err)
	}
	return e
}

// TestAlone: a text's vector is the same to the bit alone, among others, and on
// any number of threads.
func TestAlone(t *testing.T) {
	const seed = 5
	random := rand.New(rand.NewPCG(seed, seed))
	words := strings.Fields("the sea was calm and nobody on the pier had seen ships for 3 days Ω")
	texts := make([]string, 200)
	for i := range texts {
		var b strings.Builder
		for range random.IntN(40) {
			b.WriteString(words[random.IntN(len(words))] + " ")
		}
		texts[i] = b.String()
	}
	one, two := open(t, 1), open(t, 2)
	together := embed(t, two, texts...)
	for i, text := range texts {
		if !slices.Equal(together[i], embed(t, one, text)[0]) {
			t.Fatalf("text %d, %q, has another vector among others", i, text)
		}
	}
}

// TestAwkward: every text has a vector of unit length, and long ones say that
// they were cut.
func TestAwkward(t *testing.T) {
	e := open(t, 2)
	texts := []string{"", " ", "\x00\xff\xfe", strings.Repeat("word ", 5000), strings.Repeat("\U0001F9D1\u200D\U0001F680", 300), "\u2581"}
	rows, cut := make([][]float32, len(texts)), make([]bool, len(texts))
	for i := range rows {
		rows[i] = make([]float32, width)
	}
	if err := e.Embed(t.Context(), texts, rows, cut); err != nil {
		t.Fatal(err)
	}
	for i, row := range rows {
		if c := cosine(row, row); math.IsNaN(c) || math.Abs(float64(norm2(row))-1) > 1e-3 {
			t.Errorf("%.20q has a vector of length %v", texts[i], norm2(row))
		}
	}
	if !cut[3] || cut[0] || cut[1] {
		t.Errorf("cut are %v", cut)
	}
	if err := e.Embed(t.Context(), texts, rows[:1], nil); err == nil {
		t.Error("texts without rows were embedded")
	}
}

func norm2(v []float32) (sum float32) {
	for _, x := range v {
		sum += x * x
	}
	return sum
}

// FuzzNew: a file that lies is refused.
func FuzzNew(f *testing.F) {
	f.Add(uint32(100), byte(1))
	f.Fuzz(func(t *testing.T, at uint32, with byte) {
		file := slices.Clone(Resident()[:1<<20]) // the end of it is matrices
		file[int(at)%len(file)] ^= with
		parsed, err := gguf.Parse(file)
		if err != nil {
			return
		}
		if _, err := New(parsed, 1); err == nil {
			t.Fatal("a file without its end was loaded")
		}
	})
}

var benchTexts = strings.Split(strings.Repeat("A man is playing a large flute in the park.\nThe board of the bank raised its interest rates again on Tuesday.\nWhere is it?\n", 400), "\n")[:1000]

// BenchmarkOneByOne is a thousand sentences, each by itself, on one thread.
func BenchmarkOneByOne(b *testing.B) {
	e := open(b, 1)
	row := [][]float32{make([]float32, width)}
	for b.Loop() {
		for i := range benchTexts {
			if err := e.Embed(b.Context(), benchTexts[i:i+1], row, nil); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// BenchmarkBatched is the same thousand together, on two threads.
func BenchmarkBatched(b *testing.B) {
	e := open(b, 2)
	for b.Loop() {
		embed(b, e, benchTexts...)
	}
}
