package wasm

import (
	"context"
	"runtime"
	"sync/atomic"

	"github.com/tetratelabs/wazero/api"

	"phios/abi"
	"phios/capsule"
)

// How a program is metered.
const (
	// sliceNS is how long a program runs before the engine looks at it.
	sliceNS = 1_000_000
	// sliceUnitsFirst is the fuel of the first slice, before anything was
	// measured; sliceUnitsMin and sliceUnitsMax bound all others.
	sliceUnitsFirst = 1 << 17
	sliceUnitsMin   = 1 << 12
	sliceUnitsMax   = 1 << 24
	// rateOne is a rate of one nanosecond a unit.
	rateOne = 1 << 10
	rateMin = rateOne >> 6
	rateMax = rateOne << 6
	// spikeMax is by how much a slice may cost more than the rate says: more
	// is the machine's doing, which took the processor away meanwhile.
	spikeMax = 8
	// callNS is what a call of a host function costs, beside what the other
	// side charges for.
	callNS = 200
	// copyBytes are the bytes that a call copies in that time.
	copyBytes = 4 << 10
	// callsPerLook is the number of calls after which the engine looks.
	callsPerLook = 1 << 13
)

// meter measures a program. Time is measured only over slices in which the
// program did nothing but compute, and gives a rate; waiting in a call costs
// nothing, and reading the clock at every message would cost more than the
// message. All but cpu and total belong to the goroutine that runs the program.
type meter struct {
	fuel  api.MutableGlobal
	slice int64  // the fuel at the last look
	since int64  // when that was
	pure  bool   // nothing but computing happened since
	rate  int64  // nanoseconds a unit, by rateOne
	calls uint64 // of host functions since
	work  uint64 // what those calls copied, as calls
	// published are those of calls that are in total.
	published uint64

	cpu, total atomic.Uint64
}

func (m *meter) start(global api.MutableGlobal) {
	m.fuel, m.rate = global, rateOne
}

// idle says that time passed in which the program did not run.
func (m *meter) idle() { m.pure = false }

// called counts a call, and reports whether it is time to look.
func (m *meter) called() bool {
	m.pure = false
	m.calls++
	return m.calls+m.work >= callsPerLook
}

// look returns how many nanoseconds were used since the last look.
func (m *meter) look(now int64) uint64 {
	left := int64(m.fuel.Get()) //nolint:gosec // G115: the same bits
	used := max(m.slice-left, 0)
	cost := used * m.rate / rateOne
	if m.pure && used > 0 {
		cost = min(now-m.since, spikeMax*max(cost, 1))
		measured := min(max(cost*rateOne/used, rateMin), rateMax)
		m.rate = (3*m.rate + measured) / 4
	}
	charge := uint64(max(cost, 0)) + (m.calls+m.work)*callNS
	m.cpu.Add(charge)
	m.publish()
	m.calls, m.work, m.published = 0, 0, 0
	return charge
}

// copied counts what a call copies as so many calls more.
func (m *meter) copied(bytes int) {
	extra := uint64(bytes / copyBytes) //nolint:gosec // G115: a length
	m.work += extra
}

// publish lets others see how many calls there were.
func (m *meter) publish() {
	m.total.Add(m.calls - m.published)
	m.published = m.calls
}

// refill gives the program fuel for the next slice.
func (m *meter) refill(now int64) {
	m.slice = min(max(sliceNS*rateOne/m.rate, sliceUnitsMin), sliceUnitsMax)
	if m.since == 0 {
		m.slice = sliceUnitsFirst
	}
	m.since, m.pure = now, true
	m.fuel.Set(uint64(m.slice)) //nolint:gosec // G115: positive
}

// spent is what a program calls when its fuel is used up.
func spent(ctx context.Context, _ []uint64) { of(ctx).settle() }

// settle charges the program for what it used, lets others run and gives it
// new fuel, or ends it.
func (i *Instance) settle() {
	clock := i.image.engine.config.Clock
	cost := i.meter.look(clock.Now())
	switch {
	case i.stopping.Load():
		i.exitWith(capsule.Exit{Cause: capsule.CauseStopped})
	case !i.door.Alive():
		i.exitWith(capsule.Exit{Cause: capsule.CauseStopped, Detail: "its task was killed"})
	}
	if cost > 0 {
		if status := i.door.Charge(abi.ResourceCPU, cost); status != abi.StatusOK {
			i.exitWith(capsule.Exit{Cause: capsule.CauseBudget, Detail: "processor time: " + status.Error() + ": give it more, or let it do less"})
		}
	}
	runtime.Gosched()
	i.meter.refill(clock.Now())
}
