// Package sim is the machine that one seed replays. Time is virtual, one
// program at a time runs, and the seed decides which, how long each step
// takes, and what goes wrong.
//
// Programs are functions given to [Machine.Go]; [Machine.Run] runs them to
// their ends. Each has a goroutine of its own, but only the one that holds the
// token runs. It passes the token on at Park, Relax and Yield, and at its end;
// nowhere else, so code between two of those is atomic. Therefore a program
// must not reach one of them with a mutex locked that others want: they would
// wait for it holding the token, and nothing would move any more. Unpark passes
// the token on only when Config.SwitchAtUnpark says so, because the kernel
// unparks with a mutex locked.
//
// Tests of one goroutine need no Run: Park then moves the virtual time to its
// deadline, and Park without a deadline that nobody ended before is a broken
// invariant. The machine is not for goroutines other than its programs; those
// who hammer the kernel from real threads use platform/host.
//
// Rejected: a fake runtime that intercepts every atomic operation. Points
// where threads may meet are marked in the kernel by schedule.Point, and a
// test that wants them installs Yield there.
//
// Lock order: none; the token is the only lock.
//
// Invariants: at most one program runs; the virtual time never goes back; the
// same Config and programs give the same trace.
//
// Ledger: S27.
package sim

import (
	"phios/internal/prng"
	"phios/platform"
)

// Defaults and limits of a machine.
const (
	// ArenaBytesDefault is the size of the arena when none is given.
	ArenaBytesDefault = 1 << 30
	// MemoryBytesDefault bounds what Create hands out when nothing is given.
	MemoryBytesDefault = 1 << 30
	// PinBytesDefault bounds what Pin keeps when nothing is given.
	PinBytesDefault = 8 << 20
	// StepsMaxDefault is the number of steps after which Run gives up.
	StepsMaxDefault = 1 << 22
	// ProgramsMax is the number of programs of one Run.
	ProgramsMax = 4096
	// SpacesMax is the number of address spaces beside the kernel's that a
	// machine makes in its life.
	SpacesMax = 1 << 16
	// PlacementsMax is the number of placements in all spaces.
	PlacementsMax = 24_000
	// TraceBytesMax is how much of the trace is kept as text; the sum at its
	// end is of all of it.
	TraceBytesMax = 1 << 20

	// arena is where the arena begins: as on the host, and never near zero.
	arena = 0x1000_0000_0000
	// stepNSMax bounds the virtual time that a step takes.
	stepNSMax = 200
	// lateNSMax bounds how late a deadline is noticed.
	lateNSMax = 1000
	// delayNSMax bounds how long a delayed Unpark is under way.
	delayNSMax = 20_000
)

// Config says what a machine is like. The zero value is a machine without
// faults, of seed zero.
type Config struct {
	// Seed decides the schedule, the costs and the faults.
	Seed uint64
	// Faults says what goes wrong and how often.
	Faults Faults
	// Chooser, when set, picks which of n programs that could run does, in
	// place of the seed; it is asked only when n is over one, and answers 0 to
	// n-1. Number 0 is the program that runs now, when it can go on. A test
	// that answers every sequence of numbers sees every schedule.
	Chooser func(n int) int
	// SwitchAtUnpark lets the schedule pick at Unpark too, for programs that
	// hold no lock then.
	SwitchAtUnpark bool
	// ArenaBytes, MemoryBytes and PinBytes bound the memory; zero is the
	// default.
	ArenaBytes  uint64
	MemoryBytes uint64
	PinBytes    uint64
	// StepsMax ends a Run that does not end; zero is StepsMaxDefault.
	StepsMax uint64
}

// Faults are the chances, each in a thousand, that something goes wrong.
type Faults struct {
	// NoMemory lets Create answer StatusNoMemory.
	NoMemory uint16
	// SpuriousWake lets a Park return true without reason.
	SpuriousWake uint16
	// DelayedUnpark lets an Unpark reach a waiting program later.
	DelayedUnpark uint16
	// EarlyTimeout lets a Park end at the very nanosecond of its deadline, and
	// prefer the deadline to an Unpark of the same moment. Without it
	// deadlines are noticed a little late, as on every machine.
	EarlyTimeout uint16
	// LogAppend lets a log refuse a record with StatusJournal.
	LogAppend uint16
}

// Machine is a deterministic [platform.Machine].
type Machine struct {
	config Config
	now    int64
	// Independent streams, so that a chooser or a fault more does not shift
	// everything else of a run.
	picks, costs, faults *prng.Source

	programs []*program
	current  *program // who holds the token; nil outside Run
	ready    []*program
	done     chan struct{}
	ending   bool
	report   Report
	trace    trace
	memory   memory
}

var _ platform.Machine = (*Machine)(nil)

// New returns a machine at the beginning of its time.
func New(config Config) *Machine {
	config.ArenaBytes = orDefault(config.ArenaBytes, ArenaBytesDefault)
	config.MemoryBytes = orDefault(config.MemoryBytes, MemoryBytesDefault)
	config.PinBytes = orDefault(config.PinBytes, PinBytesDefault)
	config.StepsMax = orDefault(config.StepsMax, StepsMaxDefault)
	seeds := prng.New(config.Seed)
	m := &Machine{
		config: config,
		now:    1,
		picks:  seeds.Split(),
		costs:  seeds.Split(),
		faults: seeds.Split(),
	}
	m.trace.reset()
	m.memory.spaces = []*space{{private: map[uint64]*page{}}}
	return m
}

func orDefault(value, otherwise uint64) uint64 {
	if value == 0 {
		return otherwise
	}
	return value
}

// Now returns the virtual time in nanoseconds; it is never zero.
func (m *Machine) Now() int64 { return m.now }

// Arena returns the range of addresses that regions may take.
func (m *Machine) Arena() (base, bytes uint64) { return arena, m.config.ArenaBytes }
