package capability

import (
	"fmt"

	"phios/abi"
)

// The operations of the messages world. Task 0 receives, task 1 sends.
const (
	msSend    uint8 = iota // a: how many of the things go along, b: which moves (bits), c: forged one too
	msReceive              //
	msDelete               // a: handle
	msRevoke               // a: handle
	msTidy                 //
)

var messageNames = [...]string{"send", "receive", "delete", "revoke", "tidy"}

// messageWorld is an endpoint with room for one message, a sender with two
// things to give away, and a receiver with two free slots: so that the mailbox,
// the receiver and the sender can each be full, and the endpoint can die with
// the message in it.
type messageWorld struct {
	*gateWorld
	endpoint abi.Handle // the receiver's
	door     abi.Handle // the sender's
	queue    []letter
	closed   bool // the endpoint is gone
}

// letter is a message in the mailbox.
type letter struct {
	caps  []int
	moved []bool
	word  uint64
}

const doorBadge = 7

func newMessageWorld() world {
	w := &messageWorld{gateWorld: newGateWorld(8, 1, 8, 3, 4)}
	w.ref.limits.slots = 3
	a := abi.Args{W: [6]uint64{1}, Label: abi.LabelTop()}
	w.must(0, w.budgets[0], abi.EndpointCreate, &a)
	w.endpoint = abi.Handle(a.W[0])
	w.original(0, w.endpoint)
	m := abi.Whole(abi.RightInvoke | abi.RightSend | abi.RightGrant)
	m.Badge = doorBadge
	w.door = w.grant(0, w.endpoint, 1, m)
	a = abi.Args{}
	w.must(1, w.budgets[1], abi.NotificationCreate, &a)
	thing := abi.Handle(a.W[0])
	w.original(1, thing)
	mint := abi.Whole(abi.RightInvoke | abi.RightSend | abi.RightGrant | abi.RightInspect)
	mint.Copies = 1
	a = abi.Args{Mint: &mint}
	w.must(1, thing, abi.CapMint, &a)
	var v verdict
	child := w.ref.derive(&v, w.ref.find(1, thing), &mint, abi.RightDerive)
	w.ref.born(child, 1, abi.Handle(a.W[0]))
	w.issued = append(w.issued, ticket{1, abi.Handle(a.W[0])})
	return w
}

// things are the handles that the sender can send: everything but its budget and
// the door.
func (w *messageWorld) things() []abi.Handle {
	var list []abi.Handle
	for _, t := range w.issued {
		if t.task == 1 && t.handle != w.budgets[1] && t.handle != w.door && w.ref.find(1, t.handle) >= 0 {
			list = append(list, t.handle)
		}
	}
	return list
}

func (w *messageWorld) steps(out []step) []step {
	out = append(out, step{kind: msSend}, step{kind: msSend, c: 1}, step{kind: msReceive})
	things := w.things()
	for i := range things {
		for moves := range uint8(2) {
			out = append(out, step{msSend, uint8(i + 1), moves, 0}, step{msSend, uint8(i + 1), moves, 1})
		}
	}
	for i, t := range w.issued {
		if t.handle == w.budgets[t.task] {
			continue
		}
		if w.ref.find(t.task, t.handle) >= 0 {
			out = append(out, step{kind: msDelete, a: uint8(i)}, step{kind: msRevoke, a: uint8(i)})
		}
	}
	if w.ref.pending {
		out = append(out, step{kind: msTidy})
	}
	return out
}

func (w *messageWorld) do(s step) (abi.Status, string) {
	var status abi.Status
	var broken string
	switch s.kind {
	case msSend:
		status, broken = w.send(s)
	case msReceive:
		status, broken = w.receive()
	case msDelete:
		if status, broken = w.delete(w.issued[s.a]); status == abi.StatusOK {
			w.settle()
		}
	case msRevoke:
		status, broken = w.revoke(w.issued[s.a])
		w.settle()
	case msTidy:
		w.tidy()
	}
	if broken == "" {
		broken = w.sound()
	}
	return status, broken
}

// settle ends the endpoint when nobody can receive from it: what was moved in
// its messages goes back to the sender.
func (w *messageWorld) settle() {
	if w.closed || w.ref.find(0, w.endpoint) >= 0 {
		return
	}
	w.closed = true
	for _, l := range w.queue {
		w.back(&l)
	}
	w.queue = nil
}

// back undoes the sending of a letter.
func (w *messageWorld) back(l *letter) {
	for i, c := range l.caps {
		d := &w.ref.caps[c]
		live := w.ref.live(c)
		d.moving = false
		if l.moved[i] && live {
			continue
		}
		if live {
			if up := &w.ref.caps[d.parent]; up.copies != abi.Unlimited {
				up.copies += d.copies + 1
			}
		}
		w.ref.end(c)
	}
}

// send sends at most one thing, and with c a forged handle behind it.
func (w *messageWorld) send(s step) (abi.Status, string) {
	m := abi.Message{Words: [4]uint64{uint64(len(w.queue)) + 40}}
	var v verdict
	l := letter{word: m.Words[0]}
	var made []refCap
	if w.ref.find(1, w.door) < 0 {
		v.must |= gone
	}
	if s.a > 0 {
		h := w.things()[s.a-1]
		m.Handles[0], m.HandleCount, m.Moves = h, 1, s.b
		made = w.enclose(&v, &l, w.ref.find(1, h), s.b == 1)
	}
	if s.c == 1 {
		m.Handles[m.HandleCount] = abi.MakeHandle(1, abi.GenerationMax)
		m.HandleCount++
		v.must |= gone
	}
	v.unless(len(w.queue) == 0, abi.StatusMailboxFull)
	if w.closed {
		v.must |= bit(abi.StatusPeerDead)
	}
	status := w.call(1, w.door, abi.EndpointSend, &abi.Args{Message: &m})
	if broken := v.judge(status); broken != "" || status != abi.StatusOK {
		return status, broken
	}
	for i := range l.caps {
		if l.moved[i] {
			w.ref.caps[l.caps[i]].moving = true
			continue
		}
		l.caps[i] = w.ref.born(made[0], 0, 0)
	}
	w.queue = append(w.queue, l)
	return status, ""
}

// enclose judges a capability that goes along with a letter, and returns the
// copy that is made of it, if one is.
func (w *messageWorld) enclose(v *verdict, l *letter, c int, moved bool) []refCap { //nolint:revive // flag-parameter: the message's own bit
	l.caps, l.moved = []int{c}, []bool{moved}
	d := &w.ref.caps[c]
	if moved {
		v.unless(d.rights.Has(abi.RightGrant), abi.StatusRights)
		return nil
	}
	share := abi.Whole(d.pass)
	if d.copies != abi.Unlimited {
		share.Copies = 0
	}
	return []refCap{w.ref.derive(v, c, &share, abi.RightGrant)}
}

// receive takes a message without waiting for one.
func (w *messageWorld) receive() (abi.Status, string) {
	var v verdict
	if w.ref.find(0, w.endpoint) < 0 {
		v.must |= gone
	}
	if len(w.queue) == 0 {
		v.must |= bit(abi.StatusTimeout)
	} else {
		w.ref.room(&v, 0, len(w.queue[0].caps), abi.StatusTableFull)
	}
	m := abi.Message{Deadline: 1}
	status := w.call(0, w.endpoint, abi.EndpointReceive, &abi.Args{Message: &m})
	if broken := v.judge(status); broken != "" || status != abi.StatusOK {
		return status, broken
	}
	l := w.queue[0]
	w.queue = w.queue[1:]
	if m.Words[0] != l.word || m.Badge != doorBadge || int(m.HandleCount) != len(l.caps) {
		return status, "transfer atomicity: a message did not arrive as it was sent"
	}
	for i, c := range l.caps {
		if live := w.ref.live(c); live != (m.Handles[i] != 0) {
			return status, "transfer atomicity: a message brought a dead capability, or not a live one"
		} else if !live {
			w.ref.caps[c].deleted, w.ref.caps[c].moving = true, false
			continue
		}
		w.ref.place(c, 0, m.Handles[i])
		if broken := w.issue(0, m.Handles[i]); broken != "" {
			return status, broken
		}
	}
	return status, ""
}

func (w *messageWorld) shape(b []byte) []byte {
	b = append(b, byte(len(w.queue)))
	if w.closed {
		b = append(b, 1)
	}
	for _, l := range w.queue {
		for i, c := range l.caps {
			moved, live := byte(0), byte(0)
			if l.moved[i] {
				moved = 1 + byte(w.ref.caps[c].handle.Index())
			}
			if w.ref.live(c) {
				live = 1
			}
			b = append(b, 7, moved, live)
		}
	}
	return w.kernel.Shape(b, w.tasks...)
}

func (w *messageWorld) say(s step) string {
	text := messageNames[s.kind]
	switch s.kind {
	case msSend:
		if s.a > 0 {
			text += fmt.Sprintf(" thing %d", s.a)
		}
		if s.b == 1 {
			text += ", given away"
		}
		if s.c == 1 {
			text += ", and a forged handle"
		}
	case msDelete, msRevoke:
		text += fmt.Sprintf(" #%d", s.a)
	}
	return text
}
