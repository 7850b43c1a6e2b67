package bench

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"

	"phios/abi"
	"phios/kernel/ipc"
	"phios/platform"
	"phios/platform/host"
)

const (
	mailboxCapacity = 64
	// mailboxFaster is how many times faster than a buffered channel the
	// mailbox must be; through the door, with rights, labels and the fence, it
	// must at least not be slower.
	mailboxFaster     = 2
	mailboxFasterGate = 1
	producersMost     = 4
	looksMax          = 8 // of a receiver, before it sleeps
	// waitNSMax bounds every wait of what is measured: far beyond any round,
	// and the end of a run in which something hangs.
	waitNSMax = 10_000_000_000
)

// share returns how many of n messages the producer i of so many sends.
func share(n, i, producers int) int {
	if i == 0 {
		return n - n/producers*(producers-1)
	}
	return n / producers
}

// produce runs the producers and the consumer, and returns the first status
// that is not success.
func produce(n, producers int, send func(producer, count int) abi.Status, receive func(count int) abi.Status) abi.Status {
	var group sync.WaitGroup
	var failed atomic.Uint32
	for i := range producers {
		group.Go(func() {
			if status := send(i, share(n, i, producers)); status != abi.StatusOK {
				failed.CompareAndSwap(0, uint32(status))
			}
		})
	}
	status := receive(n)
	group.Wait()
	if status != abi.StatusOK {
		return status
	}
	return abi.Status(failed.Load()) //nolint:gosec // G115: a status was stored
}

// bareMailbox passes messages through a mailbox without a kernel around it.
func bareMailbox(machine *host.Machine, producers int) (work, abi.Status) {
	box, status := ipc.New(mailboxCapacity)
	if status != abi.StatusOK {
		return nil, status
	}
	if status := box.AcquireConsumer(); status != abi.StatusOK {
		return nil, status
	}
	parker := new(platform.Parker)
	*parker = machine.NewParker()
	send := func(_, count int) abi.Status {
		message := &abi.Message{Length: 64}
		for range count {
			for {
				status := box.Send(message, ipc.Stamp{Badge: 1})
				if status == abi.StatusOK {
					break
				}
				if status != abi.StatusMailboxFull {
					return status
				}
				machine.Relax()
			}
		}
		return abi.StatusOK
	}
	receive := func(count int) abi.Status {
		into, deadline := &abi.Message{}, machine.Now()+waitNSMax
		for range count {
			for range looksMax {
				if box.Head() != nil {
					break
				}
				machine.Relax()
			}
			if box.Head() == nil {
				if status := box.Wait(parker, deadline); status != abi.StatusOK {
					return status
				}
			}
			box.Head().Open(into)
			box.Drop()
		}
		return abi.StatusOK
	}
	return func(n int) abi.Status { return produce(n, producers, send, receive) }, abi.StatusOK
}

// gateMailbox passes messages through the door: each producer is a task.
func gateMailbox(w *world, producers int) work {
	receiver := w.boot(16)
	e := w.endpoint(receiver, mailboxCapacity)
	var senders [producersMost]task
	var handles [producersMost]abi.Handle
	for i := range producers {
		senders[i] = w.boot(16)
		handles[i] = w.give(receiver, e, senders[i], rightsOfUser)
	}
	send := func(producer, count int) abi.Status {
		port, h := senders[producer].port, handles[producer]
		args := &abi.Args{Message: &abi.Message{Length: 64}}
		for range count {
			for {
				status := port.Invoke(h, abi.EndpointSend, args)
				if status == abi.StatusOK {
					break
				}
				if status != abi.StatusMailboxFull {
					return status
				}
				w.machine.Relax()
			}
		}
		return abi.StatusOK
	}
	receive := func(count int) abi.Status {
		args := &abi.Args{Message: &abi.Message{Deadline: w.machine.Now() + waitNSMax}}
		return repeat(receiver, e, abi.EndpointReceive, args)(count)
	}
	return func(n int) abi.Status { return produce(n, producers, send, receive) }
}

// bufferedChannel is the peer: as many places, and as many bytes.
func bufferedChannel(producers int) work {
	queue := make(chan payload, mailboxCapacity)
	send := func(_, count int) abi.Status {
		var p payload
		for range count {
			queue <- p
		}
		return abi.StatusOK
	}
	receive := func(count int) abi.Status {
		var p payload
		for range count {
			p = <-queue
		}
		runtime.KeepAlive(&p)
		return abi.StatusOK
	}
	return func(n int) abi.Status { return produce(n, producers, send, receive) }
}

// mailboxRows measures a stream of messages from one and from four producers,
// bare and through the door, against a buffered channel.
func mailboxRows(m *meter) ([]Row, error) {
	w := newWorld(ordinary())
	defer w.close()
	var rows []Row
	for _, producers := range []int{1, producersMost} {
		if w.err != nil {
			return nil, w.err
		}
		bare, status := bareMailbox(w.machine, producers)
		if status != abi.StatusOK {
			return nil, status
		}
		gate := gateMailbox(w, producers)
		if w.err != nil {
			return nil, w.err
		}
		all, err := m.interleave(bare, bufferedChannel(producers), gate)
		if err != nil {
			return nil, err
		}
		peer, from := "buffered Go channel", fmt.Sprintf("%d to 1, 64 B", producers)
		channel, bareRatio, gateRatio := all[1].median(), all[1].over(all[0]), all[1].over(all[2])
		rows = append(
			rows,
			inform("mailbox: send and receive, "+from, all[0].median(), unitNS).against(peer, channel, bareRatio),
			atLeast("mailbox: times faster than a channel, "+from, peer, bareRatio, mailboxFaster),
			inform("mailbox: through the door, "+from, all[2].median(), unitNS).against(peer, channel, gateRatio),
			atLeast("mailbox: times faster, through the door, "+from, peer, gateRatio, mailboxFasterGate),
		)
	}
	return rows, nil
}
