package phi

// Endpoint is a place where calls meet their server.
type Endpoint struct{ Capability }

// Call sends m and waits for the answer, which it leaves in m. It gives up at
// m.Deadline. StatusPeerDead when the server is gone: it may come back.
func (e Endpoint) Call(m *Message) error { return ipcCall(e.Capability, m).err() }

// Send leaves m in the mailbox and never waits. StatusMailboxFull.
func (e Endpoint) Send(m *Message) error { return ipcSend(e.Capability, m).err() }

// Receive takes the oldest message into m, waiting for one until m.Deadline. A
// program with a handler, see package server, does not need it.
func (e Endpoint) Receive(m *Message) error { return ipcReceive(e.Capability, m).err() }

// Reply answers the call that was received into m with what m holds now.
func (e Endpoint) Reply(m *Message) error { return Reply{m.ReplyTo}.Send(m) }

// ReplyReceive answers a call, unless the reply is zero, with what m holds and
// takes the next message into m.
func (e Endpoint) ReplyReceive(to Reply, m *Message) error {
	return ipcReplyReceive(e.Capability, uint64(to.Capability), m).err()
}

// Reply is the right to answer one call, once. Zero is, in a handler, the call
// that is being handled.
type Reply struct{ Capability }

// Send answers the call. The reply is used up.
func (r Reply) Send(m *Message) error { return ipcReply(r.Capability, m).err() }

// Charge takes an amount from the caller for what is done for it.
// StatusBudget, and nothing taken, when the caller cannot pay.
func (r Reply) Charge(of Resource, amount uint64) error {
	return ipcCharge(r.Capability, uint64(of), amount).err()
}

// Check returns nil while the caller still waits. A server that must not act
// late asks first.
func (r Reply) Check() error { return ipcCheck(r.Capability).err() }

// Notification is a word of 32 bits that can be signalled and waited for.
type Notification struct{ Capability }

// Signal sets bits and wakes the waiter. It never blocks.
func (n Notification) Signal(bits uint32) error { return ipcSignal(n.Capability, uint64(bits)).err() }

// Wait waits until a bit of the mask is set or the deadline, an absolute time
// in nanoseconds with zero for ever, has passed; it takes and clears the bits.
func (n Notification) Wait(mask uint32, deadline int64) (uint32, error) {
	var r uint64
	s := ipcWait(n.Capability, uint64(mask), uint64(deadline), &r)
	return uint32(r), s.err()
}

// Poll takes and clears the bits of the mask without waiting.
func (n Notification) Poll(mask uint32) (uint32, error) {
	var r uint64
	s := ipcPoll(n.Capability, uint64(mask), &r)
	return uint32(r), s.err()
}

// Timer signals bits of a notification when its time comes.
type Timer struct{ Capability }

// Arm sets when the timer fires, an absolute time in nanoseconds, and the
// nanoseconds between further firings, zero for none.
func (t Timer) Arm(at int64, period uint64) error {
	return ipcTimerArm(t.Capability, uint64(at), period).err()
}

// Cancel stops the timer.
func (t Timer) Cancel() error { return ipcTimerCancel(t.Capability).err() }

// Interrupt is one source of interrupts of the machine.
type Interrupt struct{ Capability }

// Bind lets the interrupt signal bits of a notification.
func (i Interrupt) Bind(n Notification, bits uint32) error {
	return ipcInterruptBind(i.Capability, uint64(n.Capability), uint64(bits)).err()
}

// Ack lets the interrupt come again.
func (i Interrupt) Ack() error { return ipcInterruptAck(i.Capability).err() }
