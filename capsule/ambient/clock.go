package ambient

import (
	"phios/abi"
	"phios/capsule/ambient/ops"
	"phios/kernel/gate"
	"phios/platform"
)

// Waiter is a machine that tells the time and lets a thread wait.
type Waiter interface {
	platform.Clock
	NewParker() platform.Parker
}

// Clock serves the time: ops.ClockNow, ops.ClockResolution, ops.ClockSleep. It
// has no state, so callers never wait for each other.
type Clock struct {
	machine Waiter
	wall    func() int64
}

// The resolution that is told: what the hosts' clocks give.
const resolutionNS = 1

// sleepSliceNS is after how many nanoseconds of sleep the server asks whether
// the caller still waits. A program that is killed leaves its sleep that soon.
const sleepSliceNS = 5_000_000

// NewClock returns the handler. wall returns nanoseconds since 1970.
func NewClock(machine Waiter, wall func() int64) *Clock {
	return &Clock{machine: machine, wall: wall}
}

// Serve answers one request.
func (c *Clock) Serve(p *gate.Port, m *abi.Message) abi.Status {
	defer dropHandles(p, m.Handles, m.HandleCount)
	var r ops.Request
	if status := ops.Parse(m, &r); !status.OK() {
		return status
	}
	// The rest are not a clock's.
	//exhaustive:ignore
	switch r.Operation {
	case ops.ClockNow:
		ops.Succeed(m, uint64(c.machine.Now()), uint64(c.wall()), nil) //nolint:gosec // G115: neither is before its origin
	case ops.ClockResolution:
		ops.Succeed(m, resolutionNS, resolutionNS, nil)
	case ops.ClockSleep:
		status := c.sleep(p, int64(r.A))                //nolint:gosec // G115: Parse bounds it
		ops.Succeed(m, uint64(c.machine.Now()), 0, nil) //nolint:gosec // G115: not before its origin
		return status
	default:
		return abi.StatusBadCall
	}
	return abi.StatusOK
}

// sleep waits on the caller's own thread. The parker is nobody else's: a
// notification of the server's would have one waiter at a time.
func (c *Clock) sleep(p *gate.Port, deadline int64) abi.Status {
	deadline = min(deadline, c.machine.Now()+ops.SleepNSMax)
	parker := c.machine.NewParker()
	for now := c.machine.Now(); now < deadline; now = c.machine.Now() {
		_ = parker.Park(min(deadline, now+sleepSliceNS)) // the loop looks at the time itself
		if status := p.Invoke(0, abi.ReplyCheck, &abi.Args{}); !status.OK() {
			return status
		}
	}
	return abi.StatusOK
}
