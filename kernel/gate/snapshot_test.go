package gate_test

import (
	"slices"
	"strings"
	"testing"

	"phios/abi"
	"phios/kernel/gate"
	"phios/kernel/journal"
)

// records reads the journal back and checks its chain.
func (w *world) records() []journal.Record {
	w.t.Helper()
	v := journal.NewVerifier(journal.Position{})
	var all []journal.Record
	for i, bytes := range w.log.Records() {
		var r journal.Record
		if fault := v.Feed(bytes, &r); fault != 0 {
			w.t.Fatalf("record %d: %v", i, fault)
		}
		all = append(all, r)
	}
	return all
}

// count returns how many records of a kind there are.
func (w *world) count(kind journal.Kind) int {
	n := 0
	for _, r := range w.records() {
		if r.Kind == kind {
			n++
		}
	}
	return n
}

// last returns the last record of a kind.
func (w *world) last(kind journal.Kind) journal.Record {
	w.t.Helper()
	for _, r := range slices.Backward(w.records()) {
		if r.Kind == kind {
			return r
		}
	}
	w.t.Fatalf("no record of kind %v", kind)
	return journal.Record{}
}

// snapshot sums up everything that can be observed, the journal's records
// but the refusals included.
func (w *world) snapshot() string {
	w.t.Helper()
	w.tidy()
	recorded := 0
	for _, r := range w.records() {
		if r.Kind != journal.KindDeny {
			recorded++
		}
	}
	return w.kernel.Snapshot() + "records " + strings.Repeat("|", recorded)
}

// refused checks that a call is refused with the wanted status and leaves no
// trace.
func (w *world) refused(a actor, h abi.Handle, c abi.Call, args *abi.Args, want abi.Status) {
	w.t.Helper()
	w.refusedBy(func() abi.Status { return a.port.Invoke(h, c, args) }, c.String(), want)
}

func (w *world) refusedBy(call func() abi.Status, name string, want abi.Status) {
	w.t.Helper()
	before := w.snapshot()
	if got := call(); got != want {
		w.t.Errorf("%s = %v, want %v", name, got.Name(), want.Name())
	}
	if after := w.snapshot(); after != before {
		w.t.Errorf("%s left a trace:\n%s", name, differences(before, after))
	}
}

// differences lists the lines that are only in one of two texts.
func differences(before, after string) string {
	have := map[string]bool{}
	for line := range strings.Lines(before) {
		have[line] = true
	}
	text := ""
	for line := range strings.Lines(after) {
		if !have[line] {
			text += "+ " + strings.TrimSuffix(line, "\n") + "\n"
		}
		delete(have, line)
	}
	for line := range strings.Lines(before) {
		if have[line] {
			text += "- " + strings.TrimSuffix(line, "\n") + "\n"
		}
	}
	return text
}

// killAll ends every task that the test knows by a port, and checks that
// nothing is left: every object released, everything that was held given back.
func (w *world) killAll(ports ...*gate.Port) {
	w.t.Helper()
	for _, p := range ports {
		if p.Alive() {
			p.Done(0)
		}
	}
	w.tidy()
	tasks := w.kernel.Tasks()
	u := w.kernel.Memory()
	account := w.kernel.Endowment()
	if tasks != 0 || w.kernel.Objects() != 0 || w.kernel.NodesUsed() != 0 || u.Regions != 0 || u.Used != 0 {
		w.t.Errorf("left: %d tasks, %d objects, %d nodes, %+v\n%s", tasks, w.kernel.Objects(), w.kernel.NodesUsed(), u, w.kernel.Snapshot())
	}
	want := plenty()
	for i := range want {
		if account.Available[i]+account.Spent[i] != want[i] || account.Held[i] != 0 {
			w.t.Errorf("%v: available %d, spent %d, held %d of %d", abi.Resource(i), account.Available[i], account.Spent[i], account.Held[i], want[i])
		}
	}
}

func TestNothingIsLeft(t *testing.T) {
	w := newWorld(t)
	other := w.boot(16)
	e := w.root.endpoint(4)
	r := w.root.region(5 * megabyte)
	w.give(w.root, e, other, abi.Whole(user))
	w.give(w.root, r, other, abi.Whole(abi.RightInvoke|abi.RightRead|abi.RightMap))
	other.endpoint(8)
	w.killAll(w.root.port, other.port)
}
