package bench

import (
	"context"
	"testing"
)

// TestCapsules runs every measurement for a moment: what is measured works.
// What it says is not looked at.
func TestCapsules(t *testing.T) {
	for _, f := range capsuleFamiliesTable {
		t.Run(f.name, func(t *testing.T) {
			rows, err := f.run(&meter{ctx: context.Background(), rounds: 1, peer: here()})
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range rows {
				if r.Value <= 0 {
					t.Errorf("%s: %v", r.Name, r.Value)
				}
				t.Logf("%-66s %10.2f %s", r.Name, r.Value, r.Unit)
			}
		})
	}
}
