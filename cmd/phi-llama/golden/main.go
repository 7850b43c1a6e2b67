// Command golden has llama.cpp compute what our own engine is checked against.
// It reads cases as JSON from its input and writes them, answered, to its
// output:
//
//	[{"file": "model.gguf", "text": "Once upon", "tokens": [1, 5], "rows": 2, "greedy": 8}]
//
// A case is a GGUF file and either tokens or a text that is tokenized first.
// The answer adds the tokens, the logits of the last rows of them, and as many
// greedy tokens and their text as were asked for. Numbers are written so that
// reading them gives the same bits.
package main

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"phios/compute"
	"phios/compute/llama"
)

// golden is a case and, in the end, its answer.
type golden struct {
	File     string      `json:"file"`
	SHA256   string      `json:"sha256"`
	Text     string      `json:"text,omitempty"`
	Tokens   []int32     `json:"tokens"`
	Rows     int         `json:"rows"`
	Logits   [][]float32 `json:"logits,omitempty"`
	Greedy   int         `json:"greedy,omitempty"`
	Next     []int32     `json:"next,omitempty"`
	NextText string      `json:"next_text,omitempty"`
}

func main() {
	library := flag.String("lib", os.Getenv("PHI_LLAMA_LIB"), "folder of llama.cpp's shared libraries")
	helper := flag.String("helper", os.Getenv("PHI_LLAMA"), "path of phi-llama")
	flag.Parse()
	if err := run(*library, *helper, os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "golden:", err)
		os.Exit(1)
	}
}

func run(library, helper string, in io.Reader, out io.Writer) error {
	var cases []golden
	if err := json.NewDecoder(in).Decode(&cases); err != nil {
		return fmt.Errorf("read the cases: %w", err)
	}
	// One thread: results of more depend on who is first.
	u, err := llama.Open(map[string]string{"lib": library, "helper": helper, "threads": "1", "gpu-layers": "0"})
	if err != nil {
		return err
	}
	for i := range cases {
		if err := answer(u, &cases[i]); err != nil {
			return errors.Join(fmt.Errorf("case %d: %w", i, err), u.Close())
		}
	}
	if err := json.NewEncoder(out).Encode(cases); err != nil {
		return errors.Join(err, u.Close())
	}
	return u.Close()
}

// answer computes one case.
func answer(u compute.Unit, g *golden) error {
	f, err := os.Open(g.File)
	if err != nil {
		return err
	}
	defer f.Close()
	b, err := os.ReadFile(g.File)
	if err != nil {
		return err
	}
	digest := sha256.Sum256(b)
	g.SHA256 = fmt.Sprintf("%x", digest)
	loaded, err := u.Load(context.Background(), compute.Weights{Name: g.File, Digest: digest, Bytes: b, File: f}, compute.Options{CacheTokens: 2048})
	if err != nil {
		return err
	}
	defer loaded.Close()
	m := loaded.(*llama.Model)
	if g.Text != "" {
		if g.Tokens, err = m.Tokenize(g.Text, true); err != nil {
			return err
		}
	}
	return generate(m, g)
}

// generate runs the tokens, and then those that follow.
func generate(m *llama.Model, g *golden) error {
	if len(g.Tokens) == 0 {
		return nil
	}
	q, err := m.Open()
	if err != nil {
		return err
	}
	defer q.Close()
	v := m.Describe().Vocabulary
	rows := min(max(g.Rows, 1), len(g.Tokens))
	logits := make([]float32, rows*v)
	if err := m.Step(context.Background(), []compute.Work{{Sequence: q, Tokens: g.Tokens, Logits: logits}}); err != nil {
		return err
	}
	for i := range min(g.Rows, rows) {
		g.Logits = append(g.Logits, append([]float32(nil), logits[i*v:(i+1)*v]...))
	}
	last := logits[(rows-1)*v:]
	for range g.Greedy {
		next := 0
		for i := range last {
			if last[i] > last[next] {
				next = i
			}
		}
		g.Next = append(g.Next, int32(next))
		if err := m.Step(context.Background(), []compute.Work{{Sequence: q, Tokens: []int32{int32(next)}, Logits: last}}); err != nil {
			return err
		}
	}
	g.NextText, err = m.Detokenize(g.Next, false)
	return err
}
