package platformtest

import (
	"phios/internal/prng"
	"phios/platform"
)

// The world of randomOperations: a few pages in which everything happens.
const (
	modelPages  = 12
	modelSpaces = 3 // the kernel's among them
	modelSteps  = 3000
)

// modelPage is what a space shows at a page: nothing, a page of the backing,
// or a page of its own.
type modelPage struct {
	placed  bool
	private bool
	own     bool
	source  int  // while not own: the backing's page
	value   byte // while own
}

// model is a machine so simple that it is right at a look.
type model struct {
	backing [modelPages]byte
	spaces  [modelSpaces][modelPages]modelPage
}

// randomOperations drives the machine and the model through the same random
// placements, revocations and writes, and compares every page of every space.
func randomOperations(t *trial) {
	random := prng.New(20)
	b, address := create(t, 0, modelPages)
	ids := [modelSpaces]platform.Space{platform.SpaceKernel, newSpace(t), newSpace(t)}
	var want model
	for i := range want.spaces[0] {
		want.spaces[0][i] = modelPage{placed: true, source: i}
	}
	accesses := [...]platform.Access{platform.AccessShared, platform.AccessPrivate}
	for step := range modelSteps {
		s := below(random, modelSpaces)
		from := below(random, modelPages)
		n := 1 + below(random, modelPages-from)
		at, size := address+pagesToBytes(from), pagesToBytes(n)
		switch operation := random.Below(6); {
		case operation == 0 && s != 0:
			t.m.Zero(ids[s], at, size)
			want.zero(s, from, n)
		case operation == 1 && s != 0:
			t.m.Remove(ids[s], at, size)
			clear(want.spaces[s][from : from+n])
		case operation <= 3 && s != 0:
			offset := below(random, modelPages-n+1)
			v := platform.View{
				Backing: b, Address: at, Bytes: size, Offset: pagesToBytes(offset),
				Access: accesses[below(random, len(accesses))],
			}
			if got := t.m.Place(ids[s], v).OK(); got != want.place(s, from, n, v) {
				t.Fatalf("step %d: Place %+v: %v", step, v, got)
			}
		default:
			value := byte(1 + below(random, 255)) //nolint:gosec // G115: at most 255
			if got := t.m.Write(ids[s], at+7, []byte{value}).OK(); got != want.write(s, from, value) {
				t.Fatalf("step %d: Write at page %d of space %d: %v", step, from, s, got)
			}
		}
		compare(t, ids, address, &want, step)
	}
}

// below returns a random number under n.
func below(random *prng.Source, n int) int {
	return int(random.Below(uint64(n))) //nolint:gosec // G115: a small positive number
}

func pagesToBytes(pages int) uint64 {
	return uint64(pages) * platform.PageBytes //nolint:gosec // G115: a small positive number
}

func (w *model) zero(s, from, n int) {
	for i := from; i < from+n; i++ {
		if w.spaces[s][i].placed {
			// A zero page is not the space's own until it is written; source -1
			// is the page of zeros.
			w.spaces[s][i] = modelPage{placed: true, private: true, source: -1}
		}
	}
}

func (w *model) place(s, from, n int, v platform.View) bool {
	for i := from; i < from+n; i++ {
		if w.spaces[s][i].placed {
			return false
		}
	}
	for i := range n {
		w.spaces[s][from+i] = modelPage{
			placed: true, private: v.Access == platform.AccessPrivate, source: int(v.Offset/platform.PageBytes) + i, //nolint:gosec // G115: below modelPages
		}
	}
	return true
}

func (w *model) write(s, at int, value byte) bool {
	p := &w.spaces[s][at]
	switch {
	case !p.placed:
		return false
	case p.private:
		p.own, p.value = true, value
	default:
		w.backing[p.source] = value
	}
	return true
}

func compare(t *trial, ids [modelSpaces]platform.Space, address uint64, want *model, step int) {
	t.Helper()
	for s, pages := range want.spaces {
		own := uint64(0)
		for i, p := range pages {
			var got [1]byte
			readable := t.m.Read(ids[s], address+pagesToBytes(i)+7, got[:]).OK()
			value := p.value
			if !p.own && p.placed && p.source >= 0 {
				value = want.backing[p.source]
			}
			if readable != p.placed || readable && got[0] != value {
				t.Fatalf("step %d: page %d of space %d: %v %d, want %+v, %d", step, i, s, readable, got[0], p, value)
			}
			if p.own {
				own++
			}
		}
		if got := t.m.Dirtied(ids[s], address, modelPages*platform.PageBytes); got != own {
			t.Fatalf("step %d: space %d has %d pages of its own, want %d", step, s, got, own)
		}
	}
}
