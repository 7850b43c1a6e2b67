package bench

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"phios/abi"
)

// pretend returns families that measure nothing, and count how often they run.
func pretend(ran map[string]int) []family {
	made := func(name string, value float64) family {
		return family{name, func(*meter) ([]Row, error) {
			ran[name]++
			return []Row{atMost(name+": row", value, unitNS, 5)}, nil
		}}
	}
	return []family{made("fast", 1), made("slow", 10)}
}

func TestRunAll(t *testing.T) {
	ran := map[string]int{}
	var progress strings.Builder
	rows, err := run(t.Context(), Options{Progress: &progress}, pretend(ran))
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) != 2 || ran["fast"] != 1 || ran["slow"] != 1 {
		t.Errorf("%d rows, ran %v", len(rows), ran)
	}
	if missed := Missed(rows); len(missed) != 1 || missed[0].Name != "slow: row" {
		t.Errorf("missed %v, want the fake row", missed)
	}
	if strings.Count(progress.String(), "\n") != 2 {
		t.Errorf("progress:\n%s", progress.String())
	}
}

func TestRunOnly(t *testing.T) {
	ran := map[string]int{}
	rows, err := run(t.Context(), Options{Only: "fast"}, pretend(ran))
	if err != nil || len(rows) != 1 || ran["slow"] != 0 {
		t.Errorf("%d rows, %v, ran %v", len(rows), err, ran)
	}
	if _, err := run(t.Context(), Options{Only: "fas"}, pretend(ran)); err == nil || !strings.Contains(err.Error(), "fast, slow") {
		t.Errorf("a family that is not: %v, want a list of those that are", err)
	}
}

func TestRunRefuses(t *testing.T) {
	for _, rounds := range []int{-1, 1001} {
		if _, err := run(t.Context(), Options{Rounds: rounds}, nil); !errors.Is(err, errRounds) {
			t.Errorf("%d rounds: %v", rounds, err)
		}
	}
	failing := []family{{"bad", func(m *meter) ([]Row, error) {
		_, err := m.one(func(int) abi.Status { return abi.StatusRevoked })
		return nil, err
	}}}
	if _, err := run(t.Context(), Options{}, failing); !errors.Is(err, abi.StatusRevoked) {
		t.Errorf("work that fails: %v, want its status", err)
	}
	stopped, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := run(stopped, Options{Only: "hook"}, familiesTable); !errors.Is(err, context.Canceled) {
		t.Errorf("a run that is stopped: %v", err)
	}
}

func TestMeterInterleaves(t *testing.T) {
	m := &meter{ctx: t.Context(), rounds: 5}
	var order []string
	spend := func(name string) work {
		return func(n int) abi.Status {
			order = append(order, name)
			time.Sleep(time.Duration(n) * roundNS / 4)
			return abi.StatusOK
		}
	}
	all, err := m.interleave(spend("a"), spend("b"))
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != 2 || len(all[0]) != 5 || len(all[1]) != 5 {
		t.Fatalf("series %v, want two of five rounds", all)
	}
	want := slices.Repeat([]string{"a", "b"}, 5)
	if got := order[len(order)-10:]; !slices.Equal(got, want) {
		t.Errorf("the rounds ran as %v, want them in turn", got)
	}
	if got := all[0].median(); got < roundNS/4 || got > 4*roundNS {
		t.Errorf("an operation took %v ns, slept %v", got, roundNS/4)
	}
}

func TestMeterAllocations(t *testing.T) {
	m := &meter{ctx: t.Context(), rounds: 1}
	var kept []*[64]byte
	got, err := m.allocations(func(n int) abi.Status {
		for range n {
			kept = append(kept[:0], new([64]byte))
		}
		return abi.StatusOK
	})
	if err != nil || got != 1 {
		t.Errorf("%v allocations, %v, want 1", got, err)
	}
	runtime.KeepAlive(kept)
}

// TestFamilies runs those families that are quick, one round each, and holds
// their rows to what the table and its readers rely on.
func TestFamilies(t *testing.T) {
	names := map[string]bool{}
	for _, name := range Families() {
		if name == "lookup" || name == "revoke" || name == "gc" {
			continue // a million capabilities; TestForest is the small one
		}
		rows, err := Kernel(t.Context(), Options{Only: name, Rounds: 1, Peer: here()})
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if len(rows) == 0 {
			t.Errorf("%s has no rows", name)
		}
		for _, r := range rows {
			if !strings.HasPrefix(r.Name, name+": ") || names[r.Name] {
				t.Errorf("the name %q has no family or is there twice", r.Name)
			}
			names[r.Name] = true
			if r.Unit == unitAllocs && r.Value != 0 {
				t.Errorf("%s: %v", r.Name, r.Value)
			}
			if (r.Peer == "") != (r.PeerValue == nil) || (r.Peer == "") != (r.Ratio == nil) {
				t.Errorf("%s: a peer has a name, a value and a ratio, or nothing", r.Name)
			}
		}
	}
}

func TestCapabilities(t *testing.T) {
	space, handles, status := capabilities(64 * objectsShare)
	if status != abi.StatusOK || len(handles) != 64*objectsShare {
		t.Fatalf("%d handles, %v", len(handles), status)
	}
	if status := lookups(space, choose(handles, workingSet))(10 * workingSet); status != abi.StatusOK {
		t.Errorf("lookup: %v", status)
	}
}

// TestForest grows small trees of each shape: they die at once, and what
// works beside the clearing goes on.
func TestForest(t *testing.T) {
	f := newForest(4000)
	defer f.close()
	signal := f.do(f.other, f.other.budget, abi.NotificationCreate, &abi.Args{})
	endpoint := f.endpoint(f.other, 4)
	if f.err != nil {
		t.Fatal(f.err)
	}
	var all []felled
	for _, s := range shapesTable {
		result, err := f.round(s, signal, endpoint)
		if err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
		if result.effective <= 0 || len(result.slices.samples) == 0 {
			t.Errorf("%s: %+v", s.name, result)
		}
		all = append(all, result)
	}
	rows := pauseRows(all)
	if len(rows) != 10 {
		t.Errorf("%d rows of pauses, want 10", len(rows))
	}
	for _, r := range rows {
		if strings.HasSuffix(r.Name, "preempted or not") && r.Value <= 0 {
			t.Errorf("%s: %v", r.Name, r.Value)
		}
	}
}

func TestNoPeer(t *testing.T) {
	if _, err := Kernel(t.Context(), Options{Only: "ring", Rounds: 1}); !errors.Is(err, errNoPeer) {
		t.Errorf("without a command: %v", err)
	}
	if err := Peer("nonsense"); !errors.Is(err, errPeerKind) {
		t.Errorf("a peer of no kind: %v", err)
	}
}
