// Package tour is the guided tour of what is built: it starts a node on this
// machine and lets tasks do, one after the other, what the kernel is for. What
// it prints is what the kernel answered.
package tour

import (
	"fmt"
	"io"

	"phios/abi"
	"phios/kernel/capability"
	"phios/kernel/gate"
	"phios/kernel/journal"
	"phios/platform/host"
)

type sink struct{}

func (sink) Append([]byte) abi.Status { return abi.StatusOK }

type double struct{}

func (double) Serve(_ *gate.Port, m *abi.Message) abi.Status {
	m.Words[0] *= 2
	return abi.StatusOK
}

// Run walks the tour and prints it to w.
func Run(w io.Writer) error {
	machine, err := host.New(host.Config{})
	if err != nil {
		return err
	}
	defer machine.Close()
	j, status := journal.New(sink{}, machine, 1, journal.Options{})
	if status != abi.StatusOK {
		return status
	}
	k := gate.New(gate.Config{
		Machine: machine, Journal: j, Limits: capability.DefaultLimits(), Timers: 16,
		Endowment: abi.Amounts{64 << 20, 4096, 1 << 40, 1 << 20, 1 << 30, 1 << 30},
	})
	amounts := abi.Amounts{16 << 20, 512, 1 << 30, 1 << 10, 1 << 20, 1 << 20}
	server, budget, status := k.BootTask(64, amounts)
	if status != abi.StatusOK {
		return status
	}
	client, _, status := k.BootTask(64, amounts)
	if status != abi.StatusOK {
		return status
	}
	a := abi.Args{W: [6]uint64{4}, Label: abi.LabelTop()}
	if status := server.Invoke(budget, abi.EndpointCreate, &a); status != abi.StatusOK {
		return status
	}
	door := abi.Handle(a.W[0])
	if status := server.Serve(door, double{}, false); status != abi.StatusOK {
		return status
	}
	mint := abi.Whole(abi.RightInvoke | abi.RightSend)
	h, status := k.BootGrant(server, door, client, &mint)
	if status != abi.StatusOK {
		return status
	}
	m := abi.Message{Words: [4]uint64{21}}
	status = client.Invoke(h, abi.EndpointCall, &abi.Args{Message: &m})
	_, err = fmt.Fprintf(w, "call: %s, %d\nforged handle: %v\n", status.Name(), m.Words[0],
		client.Invoke(h+1, abi.EndpointCall, &abi.Args{Message: &m}))
	return err
}
