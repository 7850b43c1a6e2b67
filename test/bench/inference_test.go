package bench

import (
	"context"
	"testing"

	"phios/compute/cpu"
)

// TestInference runs every measurement on a tiny model for a moment: what is
// measured works. What it says is not looked at.
func TestInference(t *testing.T) {
	unit := cpu.Open(cpu.Options{})
	defer unit.Close() //nolint:errcheck // its models are closed
	for _, f := range inferenceFamiliesTable {
		t.Run(f.name, func(t *testing.T) {
			i := &inferenceRun{
				InferenceOptions: InferenceOptions{Folder: t.TempDir(), Sizes: []string{sizeTiny}},
				meter:            &meter{ctx: context.Background(), rounds: 1},
				own:              unit,
			}
			rows, err := f.run(i)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range rows {
				if r.Value < 0 || r.Value == 0 && r.Unit != unitKiB { // no memory is what is wanted
					t.Errorf("%s: %v", r.Name, r.Value)
				}
				t.Logf("%-66s %10.2f %s", r.Name, r.Value, r.Unit)
			}
		})
	}
}
