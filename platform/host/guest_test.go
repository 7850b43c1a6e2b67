package host

import (
	"slices"
	"strconv"
	"sync"
	"testing"

	"phios/abi"
	"phios/platform"
)

// notes is a guest that writes down what it is told.
type notes struct {
	mu   sync.Mutex
	told []string
}

func (n *notes) note(what string, address uint64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.told = append(n.told, what+" "+strconv.FormatUint(address, 16))
}

func (n *notes) Place(v platform.View) abi.Status {
	n.note("place", v.Address)
	if v.Address > 1<<32 {
		return abi.StatusRange
	}
	return abi.StatusOK
}
func (n *notes) Remove(address, _ uint64) { n.note("remove", address) }
func (n *notes) Zero(address, _ uint64)   { n.note("zero", address) }
func (n *notes) Dirtied(address, _ uint64) uint64 {
	n.note("dirtied", address)
	return 3
}

// TestGuest hands everything that happens to a guest space to its keeper, and
// nothing any more once the space is freed.
func TestGuest(t *testing.T) {
	m := open(t, Config{})
	b, _ := create(t, m, page)
	n := &notes{}
	s, status := m.NewGuest(n)
	mustBe(t, "NewGuest", status, abi.StatusOK)
	v := platform.View{Backing: b, Address: 0x1000, Bytes: page, Access: platform.AccessShared}
	mustBe(t, "Place", m.Place(s, v), abi.StatusOK)
	v.Address = 1 << 33
	mustBe(t, "Place outside", m.Place(s, v), abi.StatusRange)
	m.Zero(s, 0x1000, page)
	if got := m.Dirtied(s, 0x1000, page); got != 3 {
		t.Errorf("%d pages dirtied", got)
	}
	m.Remove(s, 0x1000, page)
	mustBe(t, "Read", m.Read(s, 0x1000, make([]byte, 1)), abi.StatusBadArgument)
	m.FreeSpace(s)
	want := []string{"place 1000", "place 200000000", "zero 1000", "dirtied 1000", "remove 1000"}
	m.Zero(s, 0x1000, page)
	m.Remove(s, 0x1000, page)
	mustBe(t, "Place in a freed space", m.Place(s, v), abi.StatusBadArgument)
	if !slices.Equal(n.told, want) {
		t.Errorf("told %q, want %q", n.told, want)
	}
	again, status := m.NewGuest(n)
	mustBe(t, "NewGuest", status, abi.StatusOK)
	if again == s {
		t.Error("the number of a freed guest space is used again")
	}
}
