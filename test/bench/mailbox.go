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
	mailboxCapacity = 1024
	// mailboxFaster is how many times faster than a buffered channel that
	// carries as much the mailbox must be. Through the door, with rights,
	// labels and the fence, it has no target.
	mailboxFaster = 2
	producersMost = 4
	// waitNSMax bounds every wait of what is measured: far beyond any round,
	// and the end of a run in which something hangs.
	waitNSMax = 10_000_000_000
)

// letter is what a message of 64 bytes is in whole: with it a channel carries as
// much as a mailbox.
type letter struct {
	Data   payload
	Label  abi.Label
	Badge  uint64
	Sender uint64
	Words  [abi.MessageWords]uint64
	Length uint16
}

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
	return abi.Status(failed.Load())
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
	send := func(_, count int) abi.Status { return fillBox(machine, box, count) }
	receive := func(count int) abi.Status {
		into, deadline := &abi.Message{}, machine.Now()+waitNSMax
		for range count {
			if box.Head() == nil {
				aside(machine)
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

// aside lets the senders get ahead: a receiver that looks all the time takes
// the line that is being written away from its writer, message for message.
// About a quarter of a microsecond, and then a turn for those on this processor.
func aside(machine *host.Machine) {
	const turns = 1000
	for range turns {
	}
	machine.Relax()
}

// fillBox sends so many messages, and lets others run when there is no place.
func fillBox(machine *host.Machine, box *ipc.Mailbox, count int) abi.Status {
	message := &abi.Message{Length: 64}
	for sent := 0; sent < count; {
		switch status := box.Send(message, ipc.Stamp{Badge: 1}); status { //nolint:exhaustive // every other ends it
		case abi.StatusOK:
			sent++
		case abi.StatusMailboxFull:
			machine.Relax()
		default:
			return status
		}
	}
	return abi.StatusOK
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
		for sent := 0; sent < count; {
			switch status := port.Invoke(h, abi.EndpointSend, args); status { //nolint:exhaustive // every other ends it
			case abi.StatusOK:
				sent++
			case abi.StatusMailboxFull:
				w.machine.Relax()
			default:
				return status
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

// bufferedChannel is the peer: as many places.
func bufferedChannel[T any](producers int) work {
	queue := make(chan T, mailboxCapacity)
	send := func(_, count int) abi.Status {
		var p T
		for range count {
			queue <- p
		}
		return abi.StatusOK
	}
	receive := func(count int) abi.Status {
		var p T
		for range count {
			p = <-queue
		}
		runtime.KeepAlive(&p)
		return abi.StatusOK
	}
	return func(n int) abi.Status { return produce(n, producers, send, receive) }
}

// gateTurns is turns through the door, from one task to another.
func gateTurns(w *world) work {
	sender, receiver := w.boot(16), w.boot(16)
	inbox := w.endpoint(receiver, mailboxCapacity)
	post := w.give(receiver, inbox, sender, rightsOfUser)
	return func(n int) abi.Status {
		send, receive := abi.Args{Message: &abi.Message{Length: 64}}, abi.Args{Message: &abi.Message{}}
		for range n {
			if status := sender.port.Invoke(post, abi.EndpointSend, &send); status != abi.StatusOK {
				return status
			}
			if status := receiver.port.Invoke(inbox, abi.EndpointReceive, &receive); status != abi.StatusOK {
				return status
			}
		}
		return abi.StatusOK
	}
}

// turns sends a message and takes it, on one thread.
func turns() (mailbox, channel work, status abi.Status) {
	box, status := ipc.New(mailboxCapacity)
	if status == abi.StatusOK {
		status = box.AcquireConsumer()
	}
	message, into := &abi.Message{Length: 64}, &abi.Message{}
	mailbox = func(n int) abi.Status {
		for range n {
			if status := box.Send(message, ipc.Stamp{Badge: 1}); status != abi.StatusOK {
				return status
			}
			box.Head().Open(into)
			box.Drop()
		}
		return abi.StatusOK
	}
	queue := make(chan payload, mailboxCapacity)
	channel = func(n int) abi.Status {
		var p payload
		for range n {
			queue <- p
			p = <-queue
		}
		return abi.StatusOK
	}
	return mailbox, channel, status
}

// mailboxRows measures a stream of messages from one and from four producers,
// bare and through the door, against a buffered channel.
func mailboxRows(m *meter) ([]Row, error) {
	w := newWorld(ordinary())
	defer w.close()
	var rows []Row
	for _, producers := range []int{1, producersMost} {
		more, err := streamRows(m, w, producers)
		if err != nil {
			return nil, err
		}
		rows = append(rows, more...)
	}
	more, err := turnRows(m, w)
	return append(rows, more...), err
}

// turnRows measures what is left when nothing moves from one processor to
// another and nobody waits.
func turnRows(m *meter, w *world) ([]Row, error) {
	mailbox, channel, status := turns()
	if status != abi.StatusOK {
		return nil, status
	}
	door := gateTurns(w)
	if w.err != nil {
		return nil, w.err
	}
	all, err := m.interleave(mailbox, channel, door)
	if err != nil {
		return nil, err
	}
	const peer, where = "buffered Go channel", " by turns on one thread, 64 B"
	return []Row{
		inform("mailbox: send and receive"+where, all[0].median(), unitNS).against(peer, all[1].median(), all[1].over(all[0])),
		inform("mailbox: through the door"+where, all[2].median(), unitNS).against(peer, all[1].median(), all[1].over(all[2])),
	}, nil
}

func streamRows(m *meter, w *world, producers int) ([]Row, error) {
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
	all, err := m.interleave(bare, bufferedChannel[payload](producers), gate, bufferedChannel[letter](producers))
	if err != nil {
		return nil, err
	}
	const peer, whole = "buffered Go channel", "buffered Go channel of whole messages"
	from := fmt.Sprintf("%d to 1, 64 B", producers)
	return []Row{
		inform("mailbox: send and receive, "+from, all[0].median(), unitNS).against(whole, all[3].median(), all[3].over(all[0])),
		atLeast("mailbox: times faster than a channel that carries as much, "+from, whole, all[3].over(all[0]), mailboxFaster),
		inform("mailbox: against a channel of the bytes alone, "+from, all[0].median(), unitNS).against(peer, all[1].median(), all[1].over(all[0])),
		inform("mailbox: through the door, "+from, all[2].median(), unitNS).against(whole, all[3].median(), all[3].over(all[2])),
	}, nil
}
