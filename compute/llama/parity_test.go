//go:build parity

package llama_test

import (
	"crypto/sha256"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"phios/compute"
	"phios/compute/llama"
	"phios/compute/unittest"
)

// library is the folder of llama.cpp's shared libraries. Only 'make parity'
// fetches them, so other runs do not build these tests.
func library(tb testing.TB) map[string]string {
	tb.Helper()
	folder := os.Getenv("PHI_LLAMA_LIB")
	if folder == "" {
		tb.Fatal("PHI_LLAMA_LIB names no folder of llama.cpp's libraries; 'make parity' fetches them")
	}
	// llama.cpp's threads wait in loops: two of them on processors that others
	// use too are a hundred times slower than one.
	return map[string]string{"lib": folder, "threads": "1"}
}

// stories is a tiny real model, which lies beside the repository on machines
// that develop it.
func stories(tb testing.TB) compute.Weights {
	tb.Helper()
	f, err := os.Open(filepath.Join("..", "..", "..", "shared", "models", "stories260K.gguf"))
	if err != nil {
		tb.Skip("NO MODEL TO TEST WITH: ", err)
	}
	tb.Cleanup(func() { _ = f.Close() })
	b, err := os.ReadFile(f.Name())
	if err != nil {
		tb.Fatal(err)
	}
	return compute.Weights{Name: "stories260K", Digest: sha256.Sum256(b), Bytes: b, File: f}
}

func TestConformance(t *testing.T) {
	settings := library(t)
	unittest.Run(t, func() (compute.Unit, error) { return llama.Open(settings) }, stories(t),
		unittest.Capabilities{Export: true, Tolerance: 1e-2})
}

// TestStoriesAreTold: the smoke test of a real model, and of the tokenizer.
func TestStoriesAreTold(t *testing.T) {
	u, err := llama.Open(library(t))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = u.Close() }()
	loaded, err := u.Load(t.Context(), stories(t), compute.Options{})
	if err != nil {
		t.Fatal(err)
	}
	m := loaded.(*llama.Model)
	tokens, err := m.Tokenize("Once upon a time", false)
	if err != nil || len(tokens) == 0 {
		t.Fatalf("tokenize: %v, %v", tokens, err)
	}
	text, err := m.Detokenize(tokens, false)
	if err != nil || strings.TrimSpace(text) != "Once upon a time" {
		t.Errorf("the tokens are of %q: %v", text, err)
	}
	q, err := m.Open()
	if err != nil {
		t.Fatal(err)
	}
	var story []int32
	logits := make([]float32, m.Describe().Vocabulary)
	next := append([]int32{1}, tokens...)
	for range 60 {
		if err := m.Step(t.Context(), []compute.Work{{Sequence: q, Tokens: next, Logits: logits}}); err != nil {
			t.Fatal(err)
		}
		best := 0
		for i := range logits {
			if logits[i] > logits[best] {
				best = i
			}
		}
		next = []int32{int32(best)}
		story = append(story, next...)
	}
	text, err = m.Detokenize(story, false)
	if err != nil || !strings.Contains(text, "little girl named Lily") {
		t.Errorf("the story is %q: %v", text, err)
	}
}

// TestARealHelperIsKilled: in the middle of steps, while another model runs on.
func TestARealHelperIsKilled(t *testing.T) {
	u, err := llama.Open(library(t))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = u.Close() }()
	w := stories(t)
	var models [2]compute.Stepper
	var sequences [2]compute.Sequence
	for i := range models {
		loaded, err := u.Load(t.Context(), w, compute.Options{})
		if err != nil {
			t.Fatal(err)
		}
		models[i] = loaded.(compute.Stepper)
		if sequences[i], err = models[i].Open(); err != nil {
			t.Fatal(err)
		}
	}
	ended := make(chan error)
	go func() {
		for {
			err := models[0].Step(t.Context(), []compute.Work{{Sequence: sequences[0], Tokens: slices.Repeat([]int32{5, 6, 7}, 100)}})
			if err == nil {
				err = sequences[0].Trim(0)
			}
			if err != nil {
				ended <- err
				return
			}
		}
	}()
	time.Sleep(100 * time.Millisecond)
	kill(t, models[0])
	select {
	case err := <-ended:
		if !errors.Is(err, compute.ErrLost) {
			t.Errorf("a step whose helper was killed says %v", err)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("a step whose helper was killed does not end")
	}
	if err := models[1].Step(t.Context(), []compute.Work{{Sequence: sequences[1], Tokens: []int32{1}}}); err != nil {
		t.Errorf("the other model: %v", err)
	}
	again, err := u.Load(t.Context(), w, compute.Options{})
	if err != nil {
		t.Fatalf("load again: %v", err)
	}
	_ = again.Close()
}

// kill kills the helper of a model.
func kill(tb testing.TB, m compute.Stepper) {
	tb.Helper()
	if err := syscall.Kill(m.(*llama.Model).Process(), syscall.SIGKILL); err != nil {
		tb.Fatal(err)
	}
}
