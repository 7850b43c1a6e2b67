package inference

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"phios/api/inference"
	"phios/compute/grammar"
)

// TestGrammarsAreShared: equal constraints are one grammar, and few are kept.
func TestGrammarsAreShared(t *testing.T) {
	g := newGrammars()
	var wait sync.WaitGroup
	var found [8]*grammar.Grammar
	for i := range found {
		wait.Go(func() {
			must, err := g.get(t.Context(), inference.ConstraintRegex, "[a-z]{1,40}")
			if err != nil {
				t.Error(err)
			}
			found[i] = must
		})
	}
	wait.Wait()
	for i := range found {
		if found[i] == nil || found[i] != found[0] {
			t.Errorf("%d has a grammar of its own", i)
		}
	}
	for i := range 3 * grammarsMax {
		if _, err := g.get(t.Context(), inference.ConstraintRegex, fmt.Sprintf("a{%d}", i+1)); err != nil {
			t.Fatal(err)
		}
	}
	big := `{"enum":["` + strings.Repeat("x", inference.ConstraintBytes-100) + `%d"]}`
	for i := range 8 {
		_, _ = g.get(t.Context(), inference.ConstraintSchema, fmt.Sprintf(big, i)) // whether it is too large does not matter here
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.order.Len() > grammarsMax || len(g.at) != g.order.Len() || g.bytes > grammarBytesMax {
		t.Errorf("%d kept of %d bytes", g.order.Len(), g.bytes)
	}
}

// TestHostileSchemas: a caller never waits for a schema longer than he likes,
// and what is refused is refused as a bad request.
func TestHostileSchemas(t *testing.T) {
	g := newGrammars()
	var names []string
	for i := range 300 {
		names = append(names, fmt.Sprintf(`"p%d":{"type":"string","pattern":"(a|b|ab)*c{%d,%d}"}`, i, i, 1000+i))
	}
	for name, text := range map[string]string{
		"deep":     strings.Repeat(`{"items":`, 500) + "{}" + strings.Repeat("}", 500),
		"repeats":  `{"type":"array","minItems":4096,"items":{"type":"array","minItems":4096,"items":{"type":"string","minLength":2000}}}`,
		"patterns": `{"type":"object","properties":{` + strings.Join(names, ",") + `}}`,
		"cycle":    `{"$ref":"#"}`,
		"remote":   `{"$ref":"https://example.invalid/schema"}`,
	} {
		ctx, stop := context.WithTimeout(t.Context(), time.Second)
		began := time.Now()
		_, err := g.get(ctx, inference.ConstraintSchema, text)
		stop()
		var e *inference.Error
		if took := time.Since(began); took > 5*time.Second || err != nil && !errors.As(err, &e) && !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v after %v", name, err, took)
		}
	}
}
