package capability

import (
	"os"
	"strconv"
	"testing"
)

func n(name string, def int) int {
	if v, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return v
	}
	return def
}
func TestX(t *testing.T) {
	l := limits{tasks: 2, slots: n("S", 2), nodes: n("N", 4), generations: uint64(n("G", 2))}
	var fresh func() world
	switch os.Getenv("A") {
	case "messages":
		fresh = newMessageWorld
	case "budgets":
		fresh = newBudgetWorld
	case "labels":
		fresh = newLabelWorld
	case "transit":
		a := transit(n("M", 1))
		fresh = func() world { return newTreeWorld(a, l) }
	default:
		a := derivation()
		fresh = func() world { return newTreeWorld(a, l) }
	}
	s := &search{fresh: fresh, limit: n("L", 300000), workers: 2}
	f := Facet{}
	s.explore(&f)
	t.Logf("%+v", f)
}
