//go:build mutants

package simulate

import (
	"testing"

	"phios/internal/mutant"
)

// outOfReach are the seeded bugs that a run cannot show: it makes no windows,
// ceilings, expiry, seals, calls, labels or deaths, uses up no generations, and
// has one thread at a time. They are for others to find.
func outOfReach(id mutant.ID) bool {
	//exhaustive:ignore
	switch id {
	case mutant.CeilingWidened, mutant.WindowWidened, mutant.ExpiryExtended, mutant.ExpiryIgnored, mutant.SealIgnored,
		mutant.FenceSkipped, mutant.ActUnfenced, mutant.InstallPartial, mutant.LabelNotJoined, mutant.CeilingUnchecked, mutant.EndorseUnchecked,
		// The gate checks the right before the tree does; the drain renews the
		// epoch once more; a node's number comes back too seldom.
		mutant.DeriveUnchecked, mutant.RevokeUnchecked, mutant.RevokeKeepsCaches, mutant.NodeEpochReused,
		mutant.ReplyKept, mutant.ReplyUnfenced, mutant.KilledStillRuns, mutant.JournalSkipsDenials, mutant.BudgetRefundTwice:
		return true
	default:
		return false
	}
}

// TestMutants switches one seeded bug on at a time: the runs must find it.
func TestMutants(t *testing.T) {
	defer mutant.Select(mutant.None)
	for id := mutant.None + 1; int(id) < mutant.Count; id++ {
		if outOfReach(id) {
			continue
		}
		found := uint64(0)
		for s := uint64(1); s <= 60 && found == 0; s++ {
			mutant.Select(id)
			if execute(s, programOf(s)).failed != "" {
				found = s
			}
		}
		if found == 0 {
			t.Errorf("%v lives", id)
		} else {
			t.Logf("%v is found by seed %d", id, found)
		}
	}
}
