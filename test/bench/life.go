package bench

import (
	"fmt"
	"os"
	"path/filepath"

	"phios/abi"
	"phios/kernel/journal"
	"phios/platform/host/logfile"
)

// mintRows measures how a task makes a lesser capability and drops it.
func mintRows(m *meter) ([]Row, error) {
	w := newWorld(ordinary())
	defer w.close()
	t := w.boot(64)
	e := w.endpoint(t, 4)
	if w.err != nil {
		return nil, w.err
	}
	took, err := m.one(mintDelete(t, e))
	if err != nil {
		return nil, err
	}
	return []Row{inform("mint: derive a capability and delete it, both recorded", took, unitNS)}, nil
}

// mintDelete is the work of mintRows.
func mintDelete(t task, h abi.Handle) work {
	mint := abi.Whole(rightsOfUser)
	args := abi.Args{Mint: &mint}
	return func(n int) abi.Status {
		for range n {
			if status := t.port.Invoke(h, abi.CapMint, &args); status != abi.StatusOK {
				return status
			}
			if status := t.port.Invoke(abi.Handle(args.W[0]), abi.CapDelete, &args); status != abi.StatusOK {
				return status
			}
		}
		return abi.StatusOK
	}
}

// grantRows measures capabilities that go along with a message: copied out of
// one task, put into another, and deleted there.
func grantRows(m *meter) ([]Row, error) {
	w := newWorld(ordinary())
	defer w.close()
	giver, taker := w.boot(64), w.boot(64)
	inbox := w.endpoint(taker, 4)
	post := w.give(taker, inbox, giver, rightsOfUser)
	gift := w.endpoint(giver, 4)
	if w.err != nil {
		return nil, w.err
	}
	granting := func(count int) work {
		return func(n int) abi.Status {
			send := abi.Args{Message: &abi.Message{HandleCount: uint8(count)}}
			receive := abi.Args{Message: &abi.Message{}}
			for i := range count {
				send.Message.Handles[i] = gift
			}
			for range n {
				if status := giver.port.Invoke(post, abi.EndpointSend, &send); status != abi.StatusOK {
					return status
				}
				if status := taker.port.Invoke(inbox, abi.EndpointReceive, &receive); status != abi.StatusOK {
					return status
				}
				for i := range count {
					if status := taker.port.Invoke(receive.Message.Handles[i], abi.CapDelete, &receive); status != abi.StatusOK {
						return status
					}
				}
			}
			return abi.StatusOK
		}
	}
	all, err := m.interleave(granting(1), granting(abi.MessageHandleMax))
	if err != nil {
		return nil, err
	}
	return []Row{
		inform("grant: a message with 1 capability, received and deleted", all[0].median(), unitNS),
		inform("grant: a message with 8 capabilities, received and deleted", all[1].median(), unitNS),
	}, nil
}

// appending is the work of recording a derivation.
func appending(j *journal.Journal) work {
	record := journal.Record{Kind: journal.KindDerive, Task: 1, Object: 2, Type: abi.ObjectEndpoint, Rights: abi.RightInvoke}
	return func(n int) abi.Status {
		for range n {
			if status := j.Append(record); status != abi.StatusOK {
				return status
			}
		}
		return abi.StatusOK
	}
}

// journalRows measures a record of the journal: hashed and kept nowhere, and
// handed to the file, whose disk the kernel does not wait for until the file's
// buffer is full.
func journalRows(m *meter) ([]Row, error) {
	w := newWorld(ordinary())
	defer w.close()
	if w.err != nil {
		return nil, w.err
	}
	folder, err := os.MkdirTemp("", "phi-bench-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(folder) }()
	file, _, err := logfile.Open(filepath.Join(folder, "journal"), logfile.Options{})
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	kept, status := journal.New(file, w.machine, 1, journal.Options{})
	if status != abi.StatusOK {
		return nil, fmt.Errorf("begin a journal: %w", status)
	}
	all, err := m.interleave(appending(w.kernel.Journal()), appending(kept))
	if err != nil {
		return nil, err
	}
	return []Row{
		inform("journal: append a record, hash-chained", all[0].median(), unitNS),
		inform("journal: append a record to a file, as fast as the disk takes them", all[1].median(), unitNS),
	}, nil
}

// regionRows measures memory of 4 KiB that comes and goes, and its pinning.
func regionRows(m *meter) ([]Row, error) {
	w := newWorld(ordinary())
	defer w.close()
	t := w.boot(64)
	standing := w.region(t, handoverSmall)
	if w.err != nil {
		return nil, w.err
	}
	create := func(n int) abi.Status {
		for range n {
			args := abi.Args{W: [abi.ArgWords]uint64{handoverSmall}}
			if status := t.port.Invoke(t.budget, abi.RegionCreate, &args); status != abi.StatusOK {
				return status
			}
			if status := t.port.Invoke(abi.Handle(args.W[0]), abi.CapDelete, &args); status != abi.StatusOK {
				return status
			}
		}
		return abi.StatusOK
	}
	pin := func(n int) abi.Status {
		args := abi.Args{}
		for range n {
			if status := t.port.Invoke(standing, abi.RegionPin, &args); status != abi.StatusOK {
				return status
			}
			if status := t.port.Invoke(standing, abi.RegionUnpin, &args); status != abi.StatusOK {
				return status
			}
		}
		return abi.StatusOK
	}
	created, err := m.one(create)
	if err != nil {
		return nil, err
	}
	rows := []Row{inform("region: create 4 KiB and destroy it", created, unitNS)}
	if pin(1) == abi.StatusPinLimit {
		return rows, nil // this machine lets nobody pin
	}
	pinned, err := m.one(pin)
	if err != nil {
		return nil, err
	}
	return append(rows, inform("region: pin 4 KiB and unpin it", pinned, unitNS)), nil
}

// taskSlots is the size of the CSpace of the tasks that come and go.
const taskSlots = 16

// taskRows measures a task from its making to the last of its clearing away.
func taskRows(m *meter) ([]Row, error) {
	w := newWorld(ordinary())
	defer w.close()
	t := w.boot(64)
	if w.err != nil {
		return nil, w.err
	}
	took, err := m.one(func(n int) abi.Status {
		for range n {
			args := abi.Args{W: [abi.ArgWords]uint64{taskSlots}}
			if status := t.port.Invoke(t.budget, abi.TaskCreate, &args); status != abi.StatusOK {
				return status
			}
			h := abi.Handle(args.W[0])
			for _, c := range [...]abi.Call{abi.TaskKill, abi.CapDelete} {
				if status := t.port.Invoke(h, c, &args); status != abi.StatusOK {
					return status
				}
			}
		}
		w.tidy()
		return abi.StatusOK
	})
	if err != nil {
		return nil, err
	}
	return []Row{inform("task: create with 16 slots, kill and clear away", took, unitNS)}, nil
}
