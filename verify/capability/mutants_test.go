//go:build mutants

package capability_test

import (
	"bytes"
	"testing"

	"phios/internal/mutant"
	"phios/verify/capability"
)

// TestMutants tests the verifier: each seeded bug must be found.
func TestMutants(t *testing.T) {
	list, err := capability.Mutants(capability.Always(), "all")
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	capability.PrintMutants(list, &text)
	t.Log("\n" + text.String())
	if len(list) < 25 {
		t.Errorf("%d mutants, at least 25 were expected", len(list))
	}
	for _, m := range list {
		if !m.Caught {
			t.Errorf("%s was not found", m.Name)
		}
	}
}

// TestLinearizableMutants checks that histories of real threads show bugs.
func TestLinearizableMutants(t *testing.T) {
	defer mutant.Select(mutant.None)
	for _, id := range []mutant.ID{mutant.RevokeKeepsEpoch, mutant.RevokeKeepsCaches, mutant.WalkSkipped} {
		mutant.Select(id)
		if _, history := unexplained(t, 200); history == nil {
			t.Errorf("%v was not found", id)
		}
	}
}
