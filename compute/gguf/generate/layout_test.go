package generate

import (
	"testing"

	"phios/compute/tensor"
)

// TestPresets counts the weights of the models that the presets are named
// after.
func TestPresets(t *testing.T) {
	for name, want := range map[string]int{"135m": 134_515_008, "1.1b": 1_100_048_384} {
		s, err := Preset(name, tensor.Q8_0, 1)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.check(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		got := 0
		for _, d := range s.tensors() {
			n := 1
			for _, length := range d.shape {
				n *= length
			}
			got += n
		}
		if got != want {
			t.Errorf("%s has %d weights, want %d", name, got, want)
		}
	}
}
