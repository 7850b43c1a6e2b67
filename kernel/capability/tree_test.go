package capability

import (
	"fmt"
	"math/big"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/quick"
	"time"

	"phios/abi"
)

// goRelax lets other goroutines run.
type goRelax struct{}

func (goRelax) Relax() { runtime.Gosched() }

// grove is a tree under test.
type grove struct {
	*Tree

	t testing.TB
}

func newGrove(tb testing.TB, change func(*Limits)) *grove {
	tb.Helper()
	limits := Limits{Nodes: 512, Objects: 32, Spaces: 16, Generations: abi.GenerationMax - 1}
	if change != nil {
		change(&limits)
	}
	g := &grove{Tree: New(goRelax{}, limits), t: tb}
	if t, ok := tb.(*testing.T); ok {
		t.Cleanup(g.check)
	}
	return g
}

// check fails the test when an invariant does not hold.
func (g *grove) check() {
	g.t.Helper()
	if broken := g.Check(); broken != "" {
		g.t.Errorf("%s\n%s", broken, g.dump())
	}
}

// dump writes down the whole tree: nodes with all their fields, slots with
// their tags, objects with their counts, what waits to be reclaimed.
func (g *grove) dump() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	var b strings.Builder
	for i := range g.nodes {
		if g.nodes[i].state != nodeFree {
			fmt.Fprintf(&b, "node %d %+v\n", i, g.nodes[i])
		}
	}
	for i, o := range g.objects {
		if o != nil {
			fmt.Fprintf(&b, "object %d refs %d receivers %d\n", i, o.refs, o.receivers)
		}
	}
	for i, s := range g.spaces {
		if s == nil {
			continue
		}
		fmt.Fprintf(&b, "space %d live %d free %d retired %d closed %v\n", i, s.live, len(s.free), s.retired, s.closed)
		for j := range s.entries {
			e := &s.entries[j]
			fmt.Fprintf(&b, "  slot %d tag %x both %x badge %d\n", j, e.tag.Load(), e.both.Load(), e.bdg.Load())
		}
	}
	fmt.Fprintf(&b, "free %d graveyard %d closing %d\n", g.nodesFree, g.graveyard, len(g.closing))
	return b.String()
}

// unchanged checks that do returns the status and leaves no trace, but for
// generations of nodes that were never seen.
func (g *grove) unchanged(name string, want abi.Status, do func() abi.Status) {
	g.t.Helper()
	before := g.dump()
	if got := do(); got != want {
		g.t.Errorf("%s = %v, want %v", name, got.Name(), want.Name())
	}
	if after := g.dump(); after != before {
		g.t.Errorf("%s left a trace:\nbefore\n%safter\n%s", name, before, after)
	}
}

func (g *grove) space(slots uint32) *Space {
	g.t.Helper()
	s, status := g.NewSpace(7, slots)
	if status != abi.StatusOK {
		g.t.Fatal(status)
	}
	return s
}

// object makes an object and its first capability, which alone keeps it.
func (g *grove) object(s *Space) (*Object, abi.Handle) {
	g.t.Helper()
	o, status := g.NewObject(abi.ObjectEndpoint, "self")
	if status != abi.StatusOK {
		g.t.Fatal(status)
	}
	h, status := g.Original(s, o, Origin{Rights: abi.RightsAll, Ceiling: abi.LabelTop()})
	if status != abi.StatusOK {
		g.t.Fatal(status)
	}
	g.Drop(o)
	return o, h
}

func (g *grove) derive(from *Space, h abi.Handle, to *Space, m abi.Mint) abi.Handle {
	g.t.Helper()
	made, status := g.Derive(from, h, &m, to, nil)
	if status != abi.StatusOK {
		g.t.Fatalf("Derive: %v", status)
	}
	return made
}

func (g *grove) want(s *Space, h abi.Handle, need abi.Rights, want abi.Status) {
	g.t.Helper()
	if _, got := s.Lookup(h, need); got != want {
		g.t.Errorf("Lookup(%#x, %v) = %v, want %v", uint64(h), need, got.Name(), want.Name())
	}
}

// reclaimAll clears everything away.
func (g *grove) reclaimAll() {
	for more := true; more; {
		_, more = g.Reclaim(64)
	}
}

func all() abi.Mint { return abi.Whole(abi.RightsAll) }

func with(change func(*abi.Mint)) abi.Mint {
	m := all()
	change(&m)
	return m
}

func TestLookup(t *testing.T) {
	g := newGrove(t, nil)
	s, other := g.space(8), g.space(8)
	o, h := g.object(s)
	read := g.derive(s, h, s, abi.Whole(abi.RightRead))
	foreign := g.derive(s, h, other, all())
	foreign = g.derive(other, foreign, other, all())
	foreign = g.derive(other, foreign, other, all()) // an index that s does not use
	deleted := g.derive(s, h, s, all())
	if g.Delete(s, deleted) != abi.StatusOK {
		t.Fatal("Delete")
	}
	again := g.derive(s, h, s, all()) // takes the deleted one's slot
	if again.Index() != deleted.Index() || again == deleted {
		t.Fatalf("%#x after %#x", uint64(again), uint64(deleted))
	}
	tests := []struct {
		name string
		h    abi.Handle
		need abi.Rights
		want abi.Status
	}{
		{"ours", h, abi.RightsAll, abi.StatusOK},
		{"lesser", read, abi.RightRead, abi.StatusOK},
		{"nothing needed", read, 0, abi.StatusOK},
		{"a right missing", read, abi.RightRead | abi.RightWrite, abi.StatusRights},
		{"zero", 0, 0, abi.StatusBadHandle},
		{"deleted", deleted, 0, abi.StatusBadHandle},
		{"its successor", again, abi.RightsAll, abi.StatusOK},
		{"a generation to come", abi.MakeHandle(h.Index(), h.Generation()+1), 0, abi.StatusBadHandle},
		{"a generation over the tag", abi.MakeHandle(h.Index(), h.Generation()|1<<39), 0, abi.StatusBadHandle},
		{"past the table", abi.MakeHandle(8, 1), 0, abi.StatusBadHandle},
		{"the last index", abi.MakeHandle(abi.HandleIndexMax, 1), 0, abi.StatusBadHandle},
		{"never used", abi.MakeHandle(7, 1), 0, abi.StatusBadHandle},
		{"never used, generation zero", abi.MakeHandle(7, 0), 0, abi.StatusBadHandle},
	}
	for _, test := range tests {
		g.want(s, test.h, test.need, test.want)
	}
	if r, status := other.Lookup(foreign, 0); status != abi.StatusOK || r.Object != o || r.Rights() != abi.RightsAll {
		t.Errorf("foreign at home: %v", status)
	}
	if g.Revoke(s, h) != abi.StatusOK {
		t.Fatal("Revoke")
	}
	for range 2 { // before reclaiming and after
		g.want(s, read, abi.RightRead, abi.StatusRevoked)
		g.want(s, again, 0, abi.StatusRevoked)
		g.want(other, foreign, 0, abi.StatusRevoked)
		g.want(s, h, abi.RightsAll, abi.StatusOK)
		g.want(s, deleted, 0, abi.StatusBadHandle)
		g.reclaimAll()
	}
}

// refusals are the ways in which a derivation can ask for too much.
func TestDeriveRefused(t *testing.T) {
	g := newGrove(t, nil)
	s, to, full := g.space(16), g.space(4), g.space(1)
	_, h := g.object(s)
	limited := g.derive(s, h, s, abi.Mint{
		Rights: abi.RightsAll &^ abi.RightWrite, Pass: abi.RightsAll &^ abi.RightWrite, Badge: 3,
		Ceiling: abi.LabelTop(), Expires: 100, Uses: 5, Copies: 2, Base: 10, Bytes: 10,
	})
	noDerive := g.derive(s, h, s, abi.Whole(abi.RightsAll&^abi.RightDerive))
	noGrant := g.derive(s, h, s, abi.Whole(abi.RightsAll&^abi.RightGrant))
	useOnly := g.derive(s, h, s, abi.Mint{Rights: abi.RightsAll, Ceiling: abi.LabelTop(), Uses: abi.Unlimited, Copies: abi.Unlimited})
	sealer, sealerHandle := g.object(s)
	_ = sealerHandle
	sealed, status := g.Seal(s, h, sealer)
	if status != abi.StatusOK {
		t.Fatal(status)
	}
	g.derive(s, h, full, all())
	ok := func(m *abi.Mint) { m.Rights, m.Pass, m.Uses, m.Copies = abi.RightRead, abi.RightRead, 1, 0 }
	tests := []struct {
		name string
		h    abi.Handle
		to   *Space
		m    abi.Mint
		want abi.Status
	}{
		{"nothing", 99, s, all(), abi.StatusBadHandle},
		{"a right", limited, s, with(func(m *abi.Mint) { ok(m); m.Rights = abi.RightWrite }), abi.StatusRights},
		{"a right to pass on", limited, s, with(func(m *abi.Mint) { ok(m); m.Pass = abi.RightWrite }), abi.StatusRights},
		{"a badge", limited, s, with(func(m *abi.Mint) { ok(m); m.Badge = 4 }), abi.StatusRights},
		{"a longer life", limited, s, with(func(m *abi.Mint) { ok(m); m.Expires = 101 }), abi.StatusRights},
		{"uses", limited, s, with(func(m *abi.Mint) { ok(m); m.Uses = 6 }), abi.StatusExhausted},
		{"uses without limit", limited, s, with(func(m *abi.Mint) { ok(m); m.Uses = abi.Unlimited }), abi.StatusExhausted},
		{"copies", limited, s, with(func(m *abi.Mint) { ok(m); m.Copies = 2 }), abi.StatusCopies},
		{"copies without limit", limited, s, with(func(m *abi.Mint) { ok(m); m.Copies = abi.Unlimited }), abi.StatusCopies},
		{"a window to the left", limited, s, with(func(m *abi.Mint) { ok(m); m.Base, m.Bytes = 9, 2 }), abi.StatusRange},
		{"a window to the right", limited, s, with(func(m *abi.Mint) { ok(m); m.Base, m.Bytes = 19, 2 }), abi.StatusRange},
		{"a window that wraps", limited, s, with(func(m *abi.Mint) { ok(m); m.Base, m.Bytes = 11, ^uint64(0) }), abi.StatusRange},
		{"a window of nothing", limited, s, with(func(m *abi.Mint) { ok(m); m.Base = 11 }), abi.StatusBadArgument},
		{"without DERIVE", noDerive, s, all(), abi.StatusRights},
		{"without GRANT", noGrant, to, all(), abi.StatusRights},
		{"from what passes nothing on", useOnly, s, abi.Whole(abi.RightRead), abi.StatusRights},
		{"the sealed", sealed, s, all(), abi.StatusSealed},
		{"into a full table", h, full, all(), abi.StatusPeerFull},
	}
	for _, test := range tests {
		g.unchanged(test.name, test.want, func() abi.Status {
			if status := g.Derivable(s, test.h, &test.m, test.to); status != test.want {
				t.Errorf("%s: Derivable = %v", test.name, status)
			}
			_, status := g.Derive(s, test.h, &test.m, test.to, nil)
			return status
		})
	}
	for range 16 {
		_, status = g.Derive(s, h, &abi.Mint{}, s, nil)
	}
	if status != abi.StatusTableFull {
		t.Errorf("into a full table of one's own: %v", status)
	}
}

func TestOtherRefusals(t *testing.T) {
	g := newGrove(t, nil)
	s, full := g.space(16), g.space(1)
	_, h := g.object(s)
	_, filler := g.object(full)
	_ = filler
	limitedCopies := g.derive(s, h, s, with(func(m *abi.Mint) { m.Copies = 1 }))
	limitedUses := g.derive(s, h, s, with(func(m *abi.Mint) { m.Uses = 2 }))
	plain := g.derive(s, h, s, abi.Whole(0))
	sealer, _ := g.object(s)
	other, _ := g.object(s)
	sealed, _ := g.Seal(s, h, sealer)
	closed := g.space(2)
	g.Close(closed)
	g.reclaimAll()
	pack := func(moves uint8, handles ...abi.Handle) func() abi.Status {
		return func() abi.Status {
			m := abi.Message{HandleCount: uint8(len(handles)), Moves: moves}
			copy(m.Handles[:], handles)
			_, status := g.Pack(s, &m)
			return status
		}
	}
	move := func(h abi.Handle, to *Space) func() abi.Status {
		return func() abi.Status { _, status := g.Move(s, h, to); return status }
	}
	use := func(h abi.Handle, now int64) func() abi.Status {
		return func() abi.Status { _, status := g.Use(s, h, now); return status }
	}
	expiring := g.derive(s, h, s, with(func(m *abi.Mint) { m.Expires = 100 }))
	spent := g.derive(s, h, s, with(func(m *abi.Mint) { m.Uses = 0 }))
	tests := []struct {
		name string
		want abi.Status
		do   func() abi.Status
	}{
		{"pack nothing", abi.StatusBadHandle, pack(0, 99)},
		{"pack one and nothing", abi.StatusBadHandle, pack(1, h, 99)},
		{"pack without GRANT", abi.StatusRights, pack(0, h, plain)},
		{"move twice", abi.StatusBadArgument, pack(3, h, h)},
		{"copy and move", abi.StatusBadArgument, pack(2, h, h)},
		{"more copies than there are", abi.StatusCopies, pack(0, limitedCopies, limitedCopies)},
		{"copy of what is counted", abi.StatusExhausted, pack(0, h, limitedUses)},
		{"move to oneself", abi.StatusSelf, move(h, s)},
		{"move nothing", abi.StatusBadHandle, move(99, full)},
		{"move without GRANT", abi.StatusRights, move(plain, closed)},
		{"move into a full table", abi.StatusPeerFull, move(h, full)},
		{"move into a closed one", abi.StatusPeerDead, move(h, closed)},
		{"revoke nothing", abi.StatusBadHandle, func() abi.Status { return g.Revoke(s, 99) }},
		{"revoke without the right", abi.StatusRights, func() abi.Status { return g.Revoke(s, plain) }},
		{"delete nothing", abi.StatusBadHandle, func() abi.Status { return g.Delete(s, 99) }},
		{"use nothing", abi.StatusBadHandle, use(99, 0)},
		{"use the sealed", abi.StatusSealed, use(sealed, 0)},
		{"use the expired", abi.StatusExpired, use(expiring, 100)},
		{"use the exhausted", abi.StatusExhausted, use(spent, 0)},
		{"seal without DERIVE", abi.StatusRights, func() abi.Status { _, status := g.Seal(s, plain, sealer); return status }},
		{"seal the sealed", abi.StatusSealed, func() abi.Status { _, status := g.Seal(s, sealed, sealer); return status }},
		{"unseal the open", abi.StatusSealed, func() abi.Status { _, status := g.Unseal(s, h, sealer); return status }},
		{"unseal with another", abi.StatusSealed, func() abi.Status { _, status := g.Unseal(s, sealed, other); return status }},
		{"original in a full table", abi.StatusTableFull, func() abi.Status { _, status := g.Original(full, sealer, Origin{}); return status }},
		{"original in a closed one", abi.StatusTableFull, func() abi.Status { _, status := g.Original(closed, sealer, Origin{}); return status }},
		{"space of no slots", abi.StatusBadArgument, func() abi.Status { _, status := g.NewSpace(1, 0); return status }},
	}
	for _, test := range tests {
		g.unchanged(test.name, test.want, test.do)
	}
	if use(expiring, 99)() != abi.StatusOK || g.Revoke(s, h) != abi.StatusOK {
		t.Error("at the last moment")
	}
	b, _ := g.Pack(s, &abi.Message{HandleCount: 2, Moves: 2, Handles: [8]abi.Handle{h, h}})
	g.Cancel(&b)
	g.unchanged("install where there is no room", abi.StatusPeerFull, func() abi.Status {
		b, status := g.Pack(s, &abi.Message{HandleCount: 1, Moves: 1, Handles: [8]abi.Handle{h}})
		if status == abi.StatusOK {
			var handles [8]abi.Handle
			status = g.Install(&b, full, &handles)
			g.Cancel(&b)
		}
		return status
	})
}

func TestLimits(t *testing.T) {
	g := newGrove(t, func(l *Limits) { l.Nodes, l.Objects, l.Spaces = 40, 2, 2 })
	s := g.space(64)
	g.space(1)
	if _, status := g.NewSpace(1, 1); status != abi.StatusLimit {
		t.Errorf("a space too many: %v", status)
	}
	_, h := g.object(s)
	g.object(s)
	if _, status := g.NewObject(abi.ObjectTask, nil); status != abi.StatusLimit {
		t.Errorf("an object too many: %v", status)
	}
	for range 38 {
		g.derive(s, h, s, all())
	}
	m := all()
	g.unchanged("a node too many", abi.StatusLimit, func() abi.Status { _, status := g.Derive(s, h, &m, s, nil); return status })
	if g.Revoke(s, h) != abi.StatusOK {
		t.Fatal("Revoke")
	}
	g.derive(s, h, s, all()) // what is revoked makes room by itself
}

func TestDepth(t *testing.T) {
	g := newGrove(t, nil)
	s := g.space(64)
	_, h := g.object(s)
	top := h
	for range DepthMax {
		h = g.derive(s, h, s, all())
	}
	m := all()
	g.unchanged("too deep", abi.StatusDepth, func() abi.Status { _, status := g.Derive(s, h, &m, s, nil); return status })
	g.want(s, h, abi.RightsAll, abi.StatusOK)
	_ = g.Revoke(s, top)
	g.want(s, h, 0, abi.StatusRevoked)
}

// TestGenerations uses a slot until its generations are spent: then it is
// retired, and no handle that ever was comes back to life.
func TestGenerations(t *testing.T) {
	const generations = 5
	g := newGrove(t, func(l *Limits) { l.Generations = generations })
	s := g.space(3)
	_, h := g.object(s)
	seen := map[abi.Handle]bool{h: true}
	made := 0
	for {
		m := all()
		c, status := g.Derive(s, h, &m, s, nil)
		if status != abi.StatusOK {
			if status != abi.StatusTableFull {
				t.Errorf("the end: %v", status)
			}
			break
		}
		if seen[c] {
			t.Fatalf("handle %#x again", uint64(c))
		}
		for old := range seen {
			if old != h {
				g.want(s, old, 0, abi.StatusBadHandle)
			}
		}
		seen[c] = true
		made++
		_ = g.Delete(s, c)
	}
	if made != 2*generations {
		t.Errorf("%d uses of two slots of %d generations", made, generations)
	}
}

// TestShares carves uses and copies: what a child has its parent has not.
func TestShares(t *testing.T) {
	g := newGrove(t, nil)
	s := g.space(16)
	_, h := g.object(s)
	p := g.derive(s, h, s, with(func(m *abi.Mint) { m.Uses, m.Copies = 10, 5 }))
	c := g.derive(s, p, s, with(func(m *abi.Mint) { m.Uses, m.Copies = 4, 2 }))
	terms := func(h abi.Handle) (uint32, uint32) { _, t, _ := g.Inspect(s, h); return t.Uses, t.Copies }
	check := func(h abi.Handle, uses, copies uint32) {
		t.Helper()
		if u, c := terms(h); u != uses || c != copies {
			t.Errorf("%d uses, %d copies, want %d and %d", u, c, uses, copies)
		}
	}
	check(p, 6, 2)
	check(c, 4, 2)
	g.Undo(s, c)
	check(p, 10, 5)
	c = g.derive(s, p, s, with(func(m *abi.Mint) { m.Uses, m.Copies = 4, 0 }))
	_ = g.Delete(s, c) // spent is spent
	check(p, 6, 4)
	for range 6 {
		if _, status := g.Use(s, p, 0); status != abi.StatusOK {
			t.Fatal(status)
		}
	}
	if _, status := g.Use(s, p, 0); status != abi.StatusExhausted {
		t.Errorf("a seventh use: %v", status)
	}
	g.Unuse(s, p)
	check(p, 1, 4)

	once := g.derive(s, h, s, with(func(m *abi.Mint) { m.Copies = 0 }))
	to := g.space(2)
	moved, status := g.Move(s, once, to)
	if status != abi.StatusOK {
		t.Fatal(status)
	}
	if _, status := g.Pack(to, &abi.Message{HandleCount: 1, Handles: [8]abi.Handle{moved}}); status != abi.StatusCopies {
		t.Errorf("a copy of the move-only: %v", status)
	}
}

// TestCoordinator holds what it may pass on and not use.
func TestCoordinator(t *testing.T) {
	g := newGrove(t, nil)
	s, middle, worker := g.space(4), g.space(4), g.space(4)
	_, h := g.object(s)
	m := abi.Whole(abi.RightGrant)
	m.Pass = abi.RightInvoke | abi.RightRead
	c := g.derive(s, h, middle, m)
	g.want(middle, c, abi.RightInvoke, abi.StatusRights)
	w := g.derive(middle, c, worker, abi.Whole(abi.RightInvoke|abi.RightRead))
	g.want(worker, w, abi.RightInvoke|abi.RightRead, abi.StatusOK)
	_ = g.Delete(middle, c)
	g.want(worker, w, 0, abi.StatusRevoked)
}

func TestBadge(t *testing.T) {
	g := newGrove(t, nil)
	s := g.space(8)
	_, h := g.object(s)
	b := g.derive(s, h, s, with(func(m *abi.Mint) { m.Badge = 5 }))
	for _, m := range []abi.Mint{all(), with(func(m *abi.Mint) { m.Badge = 5 })} {
		c := g.derive(s, b, s, m)
		if r, _ := s.Lookup(c, 0); r.Badge != 5 {
			t.Errorf("badge %d", r.Badge)
		}
	}
}

func TestWindowsAndCeilings(t *testing.T) {
	g := newGrove(t, nil)
	s := g.space(8)
	_, h := g.object(s)
	a := g.derive(s, h, s, with(func(m *abi.Mint) { m.Base, m.Bytes, m.Ceiling = 100, 50, abi.Label{Sources: 3, Readers: 1} }))
	b := g.derive(s, a, s, with(func(m *abi.Mint) { m.Base, m.Bytes, m.Ceiling = 120, 30, abi.Label{Sources: 6, Readers: 2} }))
	_, terms, _ := g.Inspect(s, b)
	if terms.Window != (Bounds{120, 30}) || terms.Ceiling != (abi.Label{Sources: 2, Readers: 3}) {
		t.Errorf("%+v", terms)
	}
	c := g.derive(s, b, s, all())
	if _, kept, _ := g.Inspect(s, c); kept.Window != terms.Window || kept.Ceiling != terms.Ceiling {
		t.Errorf("%+v", kept)
	}
}

// TestReclaimChangesNoAnswer revokes the middle of a tree and asks about every
// handle after each slice of one node.
func TestReclaimChangesNoAnswer(t *testing.T) {
	g := newGrove(t, nil)
	s := g.space(300)
	o, h := g.object(s)
	var handles []abi.Handle
	level := []abi.Handle{h}
	for range 4 { // a tree of 1 + 4 + 16 + 64 + 256, cut at the size of the table
		var next []abi.Handle
		for _, p := range level {
			for range 4 {
				if s.Room(1) {
					next = append(next, g.derive(s, p, s, all()))
				}
			}
		}
		handles = append(handles, next...)
		level = next
	}
	_ = g.Revoke(s, handles[1])
	_ = g.Delete(s, handles[2])
	answers := func() (list []abi.Status) {
		for _, h := range handles {
			_, status := s.Lookup(h, 0)
			list = append(list, status)
		}
		return list
	}
	before, slices := fmt.Sprint(answers()), 0
	for more := true; more; slices++ {
		_, more = g.Reclaim(1)
		if after := fmt.Sprint(answers()); after != before {
			t.Fatalf("after %d slices\n%s\n%s", slices, before, after)
		}
		g.check()
	}
	if slices < 10 {
		t.Errorf("%d slices", slices)
	}
	_ = g.Delete(s, h)
	g.reclaimAll()
	if got, what := g.Event(); got != o || what&Released == 0 {
		t.Errorf("the object was not released: %v", what)
	}
	if got, _ := g.Event(); got != nil {
		t.Error("an object was released twice")
	}
	if g.nodesFree != g.limits.Nodes {
		t.Errorf("%d of %d nodes are free", g.nodesFree, g.limits.Nodes)
	}
}

func TestClose(t *testing.T) {
	g := newGrove(t, nil)
	s, other, third := g.space(8), g.space(8), g.space(8)
	o, h := g.object(s)
	derived := g.derive(s, h, other, all())
	mine, own := g.object(other)
	given := g.derive(other, own, s, all())
	moving := g.derive(s, h, s, all())
	b, status := g.Pack(s, &abi.Message{HandleCount: 2, Moves: 1, Handles: [8]abi.Handle{moving, h}})
	if status != abi.StatusOK {
		t.Fatal(status)
	}
	g.Close(s)
	g.Close(s)
	m := all()
	if _, status := g.Derive(s, h, &m, other, nil); status != abi.StatusBadHandle {
		t.Errorf("derive from a closed space: %v", status)
	}
	g.reclaimAll()
	g.want(other, derived, 0, abi.StatusRevoked)
	g.want(other, own, 0, abi.StatusOK)
	_ = given
	var handles [8]abi.Handle
	if g.Install(&b, third, &handles) != abi.StatusOK || handles[0] != 0 || handles[1] != 0 {
		t.Errorf("from the dead: %v", handles)
	}
	released := map[*Object]What{}
	for {
		o, what := g.Event()
		if o == nil {
			break
		}
		released[o] |= what
	}
	if released[o]&(Released|Cut) != Released|Cut || released[mine]&Released != 0 {
		t.Errorf("%v", released)
	}
	if used, _ := third.Slots(); used != 0 {
		t.Errorf("%d slots used", used)
	}
	if next := g.space(4); next.index != s.index {
		t.Error("the closed space still has its place")
	}
}

// TestFence lets one goroutine be between Enter and Leave while another
// revokes: the revocation returns when it has left, and nobody enters again.
func TestFence(t *testing.T) {
	g := newGrove(t, nil)
	s, other := g.space(4), g.space(4)
	_, h := g.object(s)
	c := g.derive(s, h, other, all())
	r, _ := other.Lookup(c, 0)
	if !r.Enter() {
		t.Fatal("Enter")
	}
	var left, revoked atomic.Bool
	var group sync.WaitGroup
	group.Go(func() {
		if g.Revoke(s, h) != abi.StatusOK {
			t.Error("Revoke")
		}
		if !left.Load() {
			t.Error("the revocation overtook the operation")
		}
		revoked.Store(true)
	})
	for r.Current() {
		runtime.Gosched()
	}
	time.Sleep(5 * time.Millisecond)
	if revoked.Load() || r.Enter() {
		t.Error("entered after a revocation, or it did not wait")
	}
	g.want(other, c, 0, abi.StatusRevoked) // others go on meanwhile
	d, status := g.Derive(s, h, &abi.Mint{Rights: abi.RightsAll, Copies: 1, Uses: 1}, other, nil)
	if status != abi.StatusOK {
		t.Errorf("derive during a revocation: %v", status)
	}
	if again, _ := other.Lookup(d, 0); !again.Enter() {
		t.Error("the new one is fenced out")
	} else {
		again.Leave()
	}
	left.Store(true)
	r.Leave()
	group.Wait()
}

func TestBoundsModel(t *testing.T) {
	edge := func(x uint64) uint64 { // values near the ends are the interesting ones
		switch x % 4 {
		case 0:
			return x >> 58
		case 1:
			return ^(x >> 58)
		default:
			return x
		}
	}
	f := func(base, length, innerBase, innerLength, offset, n uint64, rights, inner uint32) bool {
		b, in := Bounds{edge(base), edge(length)}, Bounds{edge(innerBase), edge(innerLength)}
		return boundsModel(t, b, in, edge(offset), edge(n), abi.Rights(rights), abi.Rights(inner)&abi.Rights(rights|1))
	}
	if err := quick.Check(f, &quick.Config{MaxCount: 20_000}); err != nil {
		t.Error(err)
	}
}

func FuzzBounds(f *testing.F) {
	f.Add(uint64(0), uint64(10), uint64(2), uint64(8), uint64(1), uint64(1), uint32(1), uint32(1))
	f.Add(^uint64(0), uint64(1), ^uint64(0), uint64(1), uint64(0), uint64(1), uint32(3), uint32(1))
	f.Fuzz(func(t *testing.T, base, length, innerBase, innerLength, offset, n uint64, rights, inner uint32) {
		boundsModel(t, Bounds{base, length}, Bounds{innerBase, innerLength}, offset, n, abi.Rights(rights), abi.Rights(inner))
	})
}

func bigOf(x uint64) *big.Int { return new(big.Int).SetUint64(x) }

// within computes in whole numbers whether n bytes at offset are in b.
func within(b Bounds, offset, n uint64) bool {
	end := new(big.Int).Add(bigOf(offset), bigOf(n))
	limit := new(big.Int).Add(bigOf(b.Base), bigOf(b.Length))
	if b.Length == 0 { // no bounds but those of numbers
		return end.BitLen() <= 64
	}
	return bigOf(offset).Cmp(bigOf(b.Base)) >= 0 && end.Cmp(limit) <= 0
}

// boundsModel compares one narrowing with whole numbers.
func boundsModel(t *testing.T, b, in Bounds, offset, n uint64, rights, inner abi.Rights) bool {
	t.Helper()
	good := true
	fail := func(format string, args ...any) {
		t.Helper()
		good = false
		t.Errorf("%+v, %+v, %d+%d: %s", b, in, offset, n, fmt.Sprintf(format, args...))
	}
	if !b.Valid() {
		return true // the kernel makes none
	}
	if got, want := b.Contains(offset, n), within(b, offset, n); got != want {
		fail("contains is %v", got)
	}
	got, status := b.Narrow(in)
	want := abi.StatusOK
	switch {
	case in == Bounds{}:
		if got != b {
			fail("narrowed by nothing to %+v", got)
		}
	case in.Length == 0:
		want = abi.StatusBadArgument
	case !within(b, in.Base, in.Length) || !in.Valid():
		want = abi.StatusRange
	case got != in:
		fail("narrowed to %+v", got)
	}
	if status != want {
		fail("narrow: %v, want %v", status, want)
	}
	p, status := Pointer{Bounds: b, Rights: rights}.Narrow(in, inner)
	switch {
	case !rights.Has(inner):
		want = abi.StatusRights
	case want == abi.StatusOK && (p.Rights != inner || p.Bounds != got):
		fail("pointer narrowed to %+v", p)
	}
	if status != want {
		fail("pointer: %v, want %v", status, want)
	}
	if status != abi.StatusOK {
		return good
	}
	address, status := p.Address(offset, n, inner)
	end := new(big.Int).Add(bigOf(offset), bigOf(n))
	if inside := end.Cmp(bigOf(p.Length)) <= 0; (status == abi.StatusOK) != inside || inside && address != p.Base+offset {
		fail("address %d, %v", address, status)
	}
	return good
}

func TestPointerSeal(t *testing.T) {
	p := Pointer{Bounds: Bounds{8, 8}, Rights: abi.RightRead}
	if _, status := p.Sealed(0); status != abi.StatusBadArgument {
		t.Error(status)
	}
	s, status := p.Sealed(3)
	if status != abi.StatusOK {
		t.Fatal(status)
	}
	_, again := s.Sealed(3)
	_, narrowed := s.Narrow(Bounds{}, 0)
	_, address := s.Address(0, 1, 0)
	_, other := s.Unsealed(4)
	_, open := p.Unsealed(0)
	for _, status := range []abi.Status{again, narrowed, address, other, open} {
		if status != abi.StatusSealed {
			t.Errorf("got %v", status)
		}
	}
	if u, status := s.Unsealed(3); status != abi.StatusOK || u != p {
		t.Errorf("%+v, %v", u, status)
	}
	if _, status := p.Address(0, 1, abi.RightWrite); status != abi.StatusRights {
		t.Error(status)
	}
}

func TestAllocations(t *testing.T) {
	g := newGrove(t, nil)
	s, to := g.space(8), g.space(8)
	_, h := g.object(s)
	marked := g.derive(s, h, s, with(func(m *abi.Mint) { m.Uses = 1 << 30 }))
	m := all()
	for name, f := range map[string]func(){
		"lookup": func() { _, _ = s.Lookup(h, abi.RightRead) },
		"enter": func() {
			r, _ := s.Lookup(h, 0)
			if r.Enter() {
				r.Leave()
			}
		},
		"use":               func() { _, _ = g.Use(s, marked, 0) },
		"derive and delete": func() { c, _ := g.Derive(s, h, &m, s, nil); _ = g.Delete(s, c) },
		"revoke":            func() { _, _ = g.Derive(s, h, &m, to, nil); _ = g.Revoke(s, h); g.Reclaim(8) },
		"a message": func() {
			b, _ := g.Pack(s, &abi.Message{HandleCount: 1, Handles: [8]abi.Handle{h}})
			g.Cancel(&b)
		},
	} {
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s allocates %v times", name, n)
		}
	}
}
