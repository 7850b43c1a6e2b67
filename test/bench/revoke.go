package bench

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"phios/abi"
	"phios/internal/prng"
	"phios/kernel/capability"
)

const (
	revokeTargetUS = 2
	pauseTargetUS  = 100
	// sliceNodes is how much the node's idle loop, in package system, asks the
	// kernel to clear away at a time.
	sliceNodes      = 128
	revokeRoundsMax = 5
	revokeNSMax     = 20_000_000_000 // for all shapes; after it, no further round
	looksAtDead     = 64
	controlNS       = 50_000_000
	branchRights    = rightsOfUser | abi.RightDerive | abi.RightRevoke
)

var (
	errStillAlive = errors.New("a revoked capability is still alive")
	errRootDead   = errors.New("the capability whose descendants were revoked is dead")
)

// shape says how a tree grows: from which of the capabilities made so far the
// next one is derived. The first is the root.
type shape struct {
	name   string
	parent func(source *prng.Source, depths []uint8) int
}

// shapesTable is wide, deep and mixed.
var shapesTable = []shape{
	{"wide", func(*prng.Source, []uint8) int { return 0 }},
	{"32 deep", func(_ *prng.Source, depths []uint8) int {
		if last := len(depths) - 1; depths[last] < capability.DepthMax {
			return last
		}
		return 0
	}},
	{"mixed", func(source *prng.Source, depths []uint8) int {
		for range looksAtDead {
			if i := int(source.Below(uint64(len(depths)))); depths[i] < capability.DepthMax {
				return i
			}
		}
		return 0
	}},
}

// forest is a world with room for a large tree, and another task that
// goes on working meanwhile.
type forest struct {
	*world

	size            int // of the tree
	gardener, other task
	root            abi.Handle // of the large tree
	shrub           abi.Handle // of the tree of one
	handles         []abi.Handle
	depths          []uint8
}

func newForest(size int) *forest {
	limits := ordinary()
	limits.Nodes = uint32(size) + 1<<12
	f := &forest{world: newWorld(limits), size: size, handles: make([]abi.Handle, 0, size+1), depths: make([]uint8, 0, size+1)}
	f.gardener, f.other = f.boot(uint32(size)+64), f.boot(64)
	f.root, f.shrub = f.endpoint(f.gardener, 4), f.endpoint(f.gardener, 4)
	return f
}

// grow derives that many capabilities from the root, through the door.
func (f *forest) grow(s shape) error {
	source := prng.New(lookupSeed)
	f.handles = append(f.handles[:0], f.root)
	f.depths = append(f.depths[:0], 0)
	mint := abi.Whole(branchRights)
	args := abi.Args{Mint: &mint}
	for range f.size {
		p := s.parent(source, f.depths)
		if status := f.gardener.port.Invoke(f.handles[p], abi.CapMint, &args); status != abi.StatusOK {
			return fmt.Errorf("grow a tree: %w", status)
		}
		f.handles = append(f.handles, abi.Handle(args.W[0]))
		f.depths = append(f.depths, f.depths[p]+1)
	}
	return nil
}

// revoke returns how long it takes until what descends from h is dead.
func (f *forest) revoke(h abi.Handle) (time.Duration, error) {
	start := time.Now()
	status := f.gardener.port.Invoke(h, abi.CapRevoke, &abi.Args{})
	return time.Since(start), status.Err()
}

// fell revokes the tree, after a tree of one capability, and returns how long
// each took. Then it looks: what descends is dead at once, the root is not.
func (f *forest) fell() (whole, one time.Duration, err error) {
	args := abi.Args{Mint: &abi.Mint{Rights: rightsOfUser, Ceiling: abi.LabelTop(), Uses: abi.Unlimited, Copies: abi.Unlimited}}
	if status := f.gardener.port.Invoke(f.shrub, abi.CapMint, &args); status != abi.StatusOK {
		return 0, 0, status
	}
	if one, err = f.revoke(f.shrub); err != nil {
		return 0, 0, err
	}
	if whole, err = f.revoke(f.root); err != nil {
		return 0, 0, err
	}
	return whole, one, f.look()
}

// look checks what the revocation has done.
func (f *forest) look() error {
	args := abi.Args{}
	for i := range looksAtDead {
		h := f.handles[1+i*(f.size-1)/(looksAtDead-1)]
		if f.gardener.port.Invoke(h, abi.CapInspect, &args) != abi.StatusRevoked {
			return errStillAlive
		}
	}
	if f.gardener.port.Invoke(f.root, abi.CapInspect, &args) != abi.StatusOK {
		return errRootDead
	}
	return nil
}

// clear reclaims as the idle loop does, slice after slice, at most so many
// slices, and returns the pauses that the slices are.
func (f *forest) clear(slicesMax int) *pauses {
	p := newPauses()
	for range slicesMax {
		start := time.Now()
		more := f.kernel.Tidy(sliceNodes)
		p.add(time.Since(start))
		if !more {
			break
		}
	}
	return p
}

// bystander works in another task and on another thread until it is told to
// stop: calls that look a handle up, and calls that make and unmake one. The
// pauses are of its own calls.
type bystander struct {
	signals, mints *pauses
	status         abi.Status
}

func (f *forest) bystand(stop *atomic.Bool, signal, endpoint abi.Handle) bystander {
	b := bystander{signals: newPauses(), mints: newPauses()}
	mint := abi.Whole(rightsOfUser)
	args, bits := abi.Args{Mint: &mint}, abi.Args{W: [abi.ArgWords]uint64{1}}
	for more := true; more && b.status == abi.StatusOK; more = !stop.Load() { // once in any case
		start := time.Now()
		b.status = f.other.port.Invoke(signal, abi.NotificationSignal, &bits)
		looked := time.Now()
		b.signals.add(looked.Sub(start))
		if b.status != abi.StatusOK {
			break
		}
		if b.status = f.other.port.Invoke(endpoint, abi.CapMint, &args); b.status != abi.StatusOK {
			break
		}
		b.mints.add(time.Since(looked))
		b.status = f.other.port.Invoke(abi.Handle(args.W[0]), abi.CapDelete, &args)
	}
	return b
}

// felled is what one tree showed.
type felled struct {
	effective time.Duration
	one       time.Duration // of a tree of one
	slices    *pauses       // with nobody else at work
	busy      bystander     // while the tree was cleared away
	quiet     bystander     // for a while before
}

// round grows and revokes one tree, clears half of it alone, to see how long
// a slice is, and half of it beside the other task, to see how long that is
// held up. What a slice then takes is not a pause: it is the idle loop that
// waits.
func (f *forest) round(s shape, signal, endpoint abi.Handle) (felled, error) {
	if err := f.grow(s); err != nil {
		return felled{}, err
	}
	var result felled
	var stop atomic.Bool
	timer := time.AfterFunc(controlNS, func() { stop.Store(true) })
	result.quiet = f.bystand(&stop, signal, endpoint)
	timer.Stop()
	var err error
	if result.effective, result.one, err = f.fell(); err != nil {
		return felled{}, err
	}
	result.slices = f.clear(f.size / sliceNodes / 2)
	stop.Store(false)
	done := make(chan bystander, 1) // taken below
	go func() { done <- f.bystand(&stop, signal, endpoint) }()
	f.clear(f.size)
	stop.Store(true)
	result.busy = <-done
	for _, status := range []abi.Status{result.busy.status, result.quiet.status} {
		if status != abi.StatusOK {
			return felled{}, fmt.Errorf("work beside a revocation: %w", status)
		}
	}
	return result, nil
}

// revokeRows measures revoking a subtree of a million: until it is effective,
// and how long anyone is held up while it is cleared away.
func revokeRows(m *meter) ([]Row, error) {
	f := newForest(million)
	defer f.close()
	signal := f.do(f.other, f.other.budget, abi.NotificationCreate, &abi.Args{})
	endpoint := f.endpoint(f.other, 4)
	if f.err != nil {
		return nil, f.err
	}
	start := time.Now()
	effective, ones := make([]series, len(shapesTable)), make([]series, len(shapesTable))
	var all []felled
	for round := range min(m.rounds, revokeRoundsMax) {
		if round > 0 && time.Since(start) > revokeNSMax {
			break
		}
		for i, s := range shapesTable {
			if err := m.ctx.Err(); err != nil {
				return nil, err
			}
			result, err := f.round(s, signal, endpoint)
			if err != nil {
				return nil, err
			}
			effective[i] = append(effective[i], float64(result.effective)/1e3)
			ones[i] = append(ones[i], float64(result.one)/1e3)
			all = append(all, result)
		}
	}
	var rows []Row
	for i, s := range shapesTable {
		rows = append(rows, atMost("revoke: a subtree of 10⁶ is dead, "+s.name, effective[i].median(), unitUS, revokeTargetUS).
			against("a subtree of 1", ones[i].median(), ones[i].over(effective[i])))
	}
	return append(rows, pauseRows(all)...), nil
}
