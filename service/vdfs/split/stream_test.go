package split

import (
	"fmt"
	"strings"
	"testing"
)

// TestStream reads a text of several windows and finds each place right.
func TestStream(t *testing.T) {
	var b strings.Builder
	for i := 0; b.Len() < 10<<20; i++ {
		fmt.Fprintf(&b, "Paragraph %d says a few plain words.\n\n", i)
	}
	text := b.String()
	count := 0
	err := Stream("a.txt", "", strings.NewReader(text), Options{}, func(p Passage) error {
		count++
		if !within(text[p.Begin:p.End], p.Text) {
			t.Fatalf("%q is not at %d", p.Text, p.Begin)
		}
		var number int
		if _, err := fmt.Sscanf(p.Text, "Paragraph %d", &number); err != nil || p.Line != 2*number+1 {
			t.Fatalf("%q is on line %d: %v", p.Text, p.Line, err)
		}
		return nil
	})
	if err != nil || count < 1000 {
		t.Fatal(count, err)
	}
}
