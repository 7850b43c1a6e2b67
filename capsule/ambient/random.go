package ambient

import (
	"crypto/rand"

	"phios/abi"
	"phios/capsule/ambient/ops"
	"phios/kernel/gate"
)

// Random serves ops.RandomBytes from the machine's source of secrets. It has
// no state.
type Random struct{}

// Serve answers one request.
func (Random) Serve(p *gate.Port, m *abi.Message) abi.Status {
	defer dropHandles(p, m.Handles, m.HandleCount)
	var r ops.Request
	if status := ops.Parse(m, &r); !status.OK() {
		return status
	}
	if r.Operation != ops.RandomBytes {
		return abi.StatusBadCall
	}
	var b [abi.MessageBytesMax]byte
	_, _ = rand.Read(b[:r.A]) // it never fails: the process ends first
	ops.Succeed(m, 0, 0, b[:r.A])
	return abi.StatusOK
}
