package parity

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// The records are of all cases.
func TestEveryCaseHasARecord(t *testing.T) {
	goldens, err := Goldens()
	if err != nil {
		t.Fatal(err)
	}
	cases := Cases()
	if len(goldens) != len(cases) {
		t.Errorf("there are %d records of %d cases; derive them again", len(goldens), len(cases))
	}
	for _, c := range cases {
		if g := goldens[c.Name]; len(g.Logits) != 3 || len(g.Logits[0].Tenth) != vocabulary/10 {
			t.Errorf("the record of %s is not complete; derive it again", c.Name)
		}
	}
}

// answer is what phi-golden is asked and says.
type answer struct {
	File   string      `json:"file"`
	Tokens []int32     `json:"tokens"`
	Rows   int         `json:"rows"`
	Logits [][]float32 `json:"logits"`
}

// The records are llama.cpp's. With -rewrite they are written again; a reader
// then looks at the difference.
func TestRecordsAreLlamas(t *testing.T) {
	program := os.Getenv("PHI_GOLDEN")
	if program == "" {
		t.Skip("THE RECORDS ARE NOT CHECKED: PHI_GOLDEN names no program that derives them; 'make parity' builds it")
	}
	cases := Cases()
	records := make([]Golden, 0, len(cases))
	for _, a := range ask(t, program, cases) {
		var all []float32
		for _, row := range a.Logits {
			all = append(all, row...)
		}
		records = append(records, Record(&cases[len(records)], all))
	}
	if *rewriteTable {
		write(t, records)
		return
	}
	goldens, err := Goldens()
	if err != nil {
		t.Fatal(err)
	}
	for _, got := range records {
		for i, want := range goldens[got.Name].Logits {
			// Libraries of other versions, and those for other processors, sum
			// up in another order.
			if d := got.Logits[i].Distance(&want); d > 6e-2 {
				t.Errorf("%s, position %d: the logits are now %.1e off those that were recorded", got.Name, want.Position, d)
			}
		}
	}
}

var rewriteTable = flag.Bool("rewrite", false, "write golden.json again")

func ask(tb testing.TB, program string, cases []Case) []answer {
	tb.Helper()
	var in []answer
	for _, c := range cases {
		var b bytes.Buffer
		if err := c.Write(&b); err != nil {
			tb.Fatal(err)
		}
		path := filepath.Join(tb.TempDir(), c.Name+".gguf")
		if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
			tb.Fatal(err)
		}
		in = append(in, answer{File: path, Tokens: c.Tokens, Rows: len(c.Tokens)})
	}
	question, err := json.Marshal(in)
	if err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program)
	cmd.Stdin, cmd.Stderr = bytes.NewReader(question), os.Stderr
	text, err := cmd.Output()
	if err != nil {
		tb.Fatal(err)
	}
	var out []answer
	if err := json.Unmarshal(text, &out); err != nil || len(out) != len(cases) {
		tb.Fatalf("%d answers to %d cases: %v", len(out), len(cases), err)
	}
	return out
}

// write writes a record a line, which makes differences readable.
func write(tb testing.TB, records []Golden) {
	tb.Helper()
	b := []byte("[\n")
	for i, g := range records {
		line, err := json.Marshal(g)
		if err != nil {
			tb.Fatal(err)
		}
		b = append(b, line...)
		if i < len(records)-1 {
			b = append(b, ',')
		}
		b = append(b, '\n')
	}
	if err := os.WriteFile("golden.json", append(b, "]\n"...), 0o600); err != nil {
		tb.Fatal(err)
	}
}
