package capability

import (
	"fmt"

	"phios/abi"
)

// The operations of the labels world.
const (
	lbSend    uint8 = iota // a: task, b: door, c: label
	lbReceive              // a: task
	lbGrant                // task 0 grants to task 1, which deletes what it got
	lbEndorse              // b: sources
	lbCount
)

var labelNames = [lbCount]string{"send", "receive", "grant", "endorse"}

// labelWorld is two tasks that send each other messages under labels: through
// an endpoint that takes everything, through a capability that takes less, and
// through an endpoint that takes less. One may vouch for one source of the
// other's.
type labelWorld struct {
	*gateWorld
	label   [2]abi.Label
	inbox   [2]abi.Handle  // where each receives
	doors   [2][]labelDoor // where each sends
	queue   [2][]abi.Label // what waits for each
	eyes    [2]abi.Handle  // task 0's capabilities to itself and to task 1
	voucher abi.Handle
}

// labelDoor is a way to send.
type labelDoor struct {
	handle  abi.Handle
	to      int
	ceiling abi.Label
}

// labels are what a message may say of itself: nothing, that the one source
// could have written it, that the other could.
func labels() []abi.Label {
	everyone := ^uint64(0)
	return []abi.Label{{}, {Sources: 1, Readers: everyone}, {Sources: 2, Readers: everyone &^ 1}}
}

func newLabelWorld() world {
	w := &labelWorld{gateWorld: newGateWorld(32, 1<<30, 8, 12, 12)}
	tight := abi.Label{Sources: 1, Readers: ^uint64(0)}
	full := abi.RightInvoke | abi.RightSend
	for task := range 2 {
		w.label[task] = abi.LabelBottom()
		w.inbox[task] = w.endpoint(task, abi.LabelTop())
		w.doors[1-task] = append(w.doors[1-task], labelDoor{w.grant(task, w.inbox[task], 1-task, abi.Whole(full)), task, abi.LabelTop()})
	}
	narrow := abi.Whole(full)
	narrow.Ceiling = tight
	w.doors[1] = append(w.doors[1], labelDoor{w.grant(0, w.inbox[0], 1, narrow), 0, tight})
	sink := w.endpoint(0, tight)
	w.doors[1] = append(w.doors[1], labelDoor{w.grant(0, sink, 1, abi.Whole(full)), -1, tight})
	rights := abi.RightInvoke | abi.RightManage | abi.RightInspect | abi.RightDerive | abi.RightEndorse
	for task := range 2 {
		w.eyes[task], _ = w.kernel.BootTaskCapability(w.tasks[0], w.tasks[task], rights)
	}
	m := abi.Whole(rights)
	m.Ceiling = abi.Label{Sources: 1}
	a := abi.Args{Mint: &m}
	w.must(0, w.eyes[1], abi.CapMint, &a)
	w.voucher = abi.Handle(a.W[0])
	return w
}

// endpoint makes one with room for one message.
func (w *labelWorld) endpoint(task int, ceiling abi.Label) abi.Handle {
	a := abi.Args{W: [6]uint64{1}, Label: ceiling}
	w.must(task, w.budgets[task], abi.EndpointCreate, &a)
	w.original(task, abi.Handle(a.W[0]))
	return abi.Handle(a.W[0])
}

func (w *labelWorld) steps(out []step) []step {
	for task := range uint8(2) {
		for door := range w.doors[task] {
			for label := range labels() {
				out = append(out, step{lbSend, task, uint8(door), uint8(label)})
			}
		}
		out = append(out, step{kind: lbReceive, a: task})
	}
	return append(out, step{kind: lbGrant}, step{kind: lbEndorse, b: 1}, step{kind: lbEndorse, b: 2})
}

func (w *labelWorld) do(s step) (abi.Status, string) {
	switch s.kind {
	case lbSend:
		return w.send(int(s.a), w.doors[s.a][s.b], labels()[s.c])
	case lbReceive:
		return w.receive(int(s.a))
	case lbGrant:
		return w.give()
	default:
		return w.endorse(uint64(s.b))
	}
}

// flows is written out again, for the reference shares nothing with the real.
func flows(l, ceiling abi.Label) bool {
	for i := range 64 {
		if l.Sources>>i&1 == 1 && ceiling.Sources>>i&1 == 0 || ceiling.Readers>>i&1 == 1 && l.Readers>>i&1 == 0 {
			return false
		}
	}
	return true
}

func joined(a, b abi.Label) abi.Label {
	return abi.Label{Sources: a.Sources | b.Sources, Readers: a.Readers & b.Readers}
}

// send: what arrives at the sink is thrown away at once, unread.
func (w *labelWorld) send(task int, door labelDoor, said abi.Label) (abi.Status, string) {
	carried := w.label[task]
	if said != (abi.Label{}) {
		carried = joined(carried, said)
	}
	var v verdict
	v.unless(flows(carried, door.ceiling), abi.StatusLabel)
	if door.to >= 0 {
		v.unless(len(w.queue[door.to]) == 0, abi.StatusMailboxFull)
	} else {
		v.may |= bit(abi.StatusMailboxFull)
	}
	status := w.call(task, door.handle, abi.EndpointSend, &abi.Args{Message: &abi.Message{Label: said}})
	broken := v.judge(status)
	if broken != "" && v.must == bit(abi.StatusLabel) && status == abi.StatusOK {
		broken = "label monotonicity: data went where its label may not flow"
	}
	if status == abi.StatusOK && door.to >= 0 {
		w.queue[door.to] = append(w.queue[door.to], carried)
	}
	return status, broken
}

func (w *labelWorld) receive(task int) (abi.Status, string) {
	var v verdict
	if len(w.queue[task]) == 0 {
		v.must |= bit(abi.StatusTimeout)
	}
	m := abi.Message{Deadline: 1}
	status := w.call(task, w.inbox[task], abi.EndpointReceive, &abi.Args{Message: &m})
	if broken := v.judge(status); broken != "" || status != abi.StatusOK {
		return status, broken
	}
	carried := w.queue[task][0]
	w.queue[task] = nil
	if m.Label != carried {
		return status, "label monotonicity: a message lost its label"
	}
	w.label[task] = joined(w.label[task], carried)
	return status, ""
}

// give lets task 0 grant to task 1: that too is a message.
func (w *labelWorld) give() (abi.Status, string) {
	m := abi.Whole(abi.RightInspect)
	a := abi.Args{W: [6]uint64{uint64(w.inbox[0])}, Mint: &m}
	status := w.call(0, w.eyes[1], abi.TaskGrant, &a)
	if status != abi.StatusOK {
		return status, (&verdict{}).judge(status)
	}
	w.label[1] = joined(w.label[1], w.label[0])
	status = w.call(1, abi.Handle(a.W[0]), abi.CapDelete, &abi.Args{})
	return status, (&verdict{}).judge(status)
}

// endorse lets task 0 vouch for task 1: the first source is its to vouch for.
func (w *labelWorld) endorse(sources uint64) (abi.Status, string) {
	var v verdict
	v.unless(sources == 1, abi.StatusAuthority)
	status := w.call(0, w.voucher, abi.LabelEndorse, &abi.Args{W: [6]uint64{sources}})
	if status == abi.StatusOK {
		w.label[1].Sources &^= sources
	}
	broken := v.judge(status)
	if broken != "" && status == abi.StatusOK {
		broken = "label monotonicity: a label was lowered without the authority"
	}
	return status, broken
}

// check reads both labels.
func (w *labelWorld) check() string {
	for task, h := range w.eyes {
		a := abi.Args{}
		if status := w.call(0, h, abi.LabelInspect, &a); status != abi.StatusOK || a.Label != w.label[task] {
			return fmt.Sprintf("label monotonicity: a task's label is %v, not %v", a.Label, w.label[task])
		}
	}
	return w.sound()
}

// shape is the labels and the queues alone: the capabilities stay as they are.
func (w *labelWorld) shape(b []byte) []byte {
	for task := range 2 {
		b = fmt.Append(b, w.label[task], w.queue[task])
		a := abi.Args{}
		_ = w.call(0, w.eyes[task], abi.LabelInspect, &a)
		b = fmt.Append(b, a.Label)
	}
	return append(b, make([]byte, 8)...)
}

func (w *labelWorld) say(s step) string {
	text := labelNames[s.kind]
	switch s.kind {
	case lbSend:
		text += fmt.Sprintf(" from task %d through door %d with label %d", s.a, s.b, s.c)
	case lbReceive:
		text += fmt.Sprintf(" at task %d", s.a)
	case lbEndorse:
		text += fmt.Sprintf(" source %d", s.b)
	}
	return text
}
