package gate

import (
	"slices"
	"sync"
	"sync/atomic"

	"phios/abi"
	"phios/internal/mutant"
	"phios/kernel/capability"
	"phios/kernel/notify"
)

// signal is a notification as an object.
type signal struct {
	notify.Notification

	object *capability.Object
	holds  holding
	label  floating // of those who signalled it

	mu      sync.Mutex // guards sources
	sources []source
}

// source is what signals a notification by itself, for as long as the
// capability lives by which it was told to.
type source struct {
	key   capability.Key
	ender ender
}

// ender is a timer or an interrupt line: what can be told to signal no more.
type ender interface{ end(k *Kernel) }

// attach adds a source, and reports whether its capability still lives: one
// that dies later is found by sever.
func (s *signal) attach(k *Kernel, key capability.Key, e ender) bool {
	s.mu.Lock()
	s.sources = append(s.sources, source{key, e})
	s.mu.Unlock()
	return k.tree.Alive(key)
}

// detach takes a source away that ends by itself.
func (s *signal) detach(e ender) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sources = slices.DeleteFunc(s.sources, func(x source) bool { return x.ender == e })
}

// sever ends the sources whose capabilities are no more.
func (s *signal) sever(k *Kernel) {
	s.mu.Lock()
	sources := slices.Clone(s.sources)
	s.mu.Unlock()
	for _, x := range sources {
		if !k.tree.Alive(x.key) {
			x.ender.end(k)
		}
	}
}

// timer is a timer as an object. It holds its notification.
type timer struct {
	object *capability.Object
	holds  holding
	target *signal
	id     notify.TimerID
	ended  atomic.Bool // the capability to signal was revoked
}

func (t *timer) end(k *Kernel) {
	if !t.ended.Swap(true) {
		_ = k.timers.Remove(t.id) // whoever was first has removed it
	}
}

// gone is StatusRevoked once the timer was ended.
func (t *timer) gone() abi.Status {
	if t.ended.Load() {
		return abi.StatusRevoked
	}
	return abi.StatusOK
}

// line is an interrupt line as an object. The boot manifest hands them out.
type line struct {
	object *capability.Object
	number uint32
	target *signal // guarded by Kernel.mu
}

func (l *line) end(k *Kernel) { k.unbind(l) }

func signalOf(r *capability.Ref) *signal { return r.Object.Self().(*signal) } // the gate checked the type
func timerOf(r *capability.Ref) *timer   { return r.Object.Self().(*timer) }  // the gate checked the type
func lineOf(r *capability.Ref) *line     { return r.Object.Self().(*line) }   // the gate checked the type

// notificationCreate makes a notification on a budget.
func (p *Port) notificationCreate(r *capability.Ref, a *abi.Args, terms *capability.Terms) abi.Status {
	return p.create(r, a, terms, func() (*capability.Object, abi.Status) {
		holds, status := hold(accountOf(r), objectBytes)
		if status != abi.StatusOK {
			return nil, status
		}
		s := &signal{holds: holds}
		s.label.set(abi.LabelBottom())
		if s.object, status = p.kernel.tree.NewObject(abi.ObjectNotification, s); status != abi.StatusOK {
			holds.release()
			return nil, status
		}
		return s.object, abi.StatusOK
	})
}

// signal sets bits. The notification's tag follows the epoch of its object, so
// that a revocation stops a signal that is under way; see [notify.Notification].
func (p *Port) signal(r *capability.Ref, h abi.Handle, a *abi.Args, terms *capability.Terms) abi.Status {
	s, bits := signalOf(r), a.W[0]
	if bits&^notify.Bits != 0 {
		return abi.StatusBadArgument
	}
	for range lookupsMax {
		// Looked at first, so that a refused signal leaves no label behind.
		if s.Tag() == r.Tag() {
			if status := s.taint(p.Label(), terms); status != abi.StatusOK {
				return status
			}
			if s.SignalTagged(bits, r.Tag()) {
				return abi.StatusOK
			}
		}
		p.kernel.tree.Retag(s.object, s.Retag)
		// Into another reference: a lookup that fails empties it, and the
		// refusal is recorded with this one.
		again, status := p.domain.space.Lookup(h, r.Rights())
		if status != abi.StatusOK {
			return status
		}
		*r = again
	}
	return abi.StatusBusy
}

// taint joins the notification's label with that of whoever is about to signal
// it: bits are a message too. StatusLabel over the capability's ceiling.
func (s *signal) taint(l abi.Label, terms *capability.Terms) abi.Status {
	if terms != nil && !l.FlowsTo(terms.Ceiling) && !mutant.On(mutant.CeilingUnchecked) {
		return abi.StatusLabel
	}
	if !l.FlowsTo(s.label.get()) {
		s.label.sources.Or(l.Sources)
		s.label.readers.And(l.Readers)
	}
	return abi.StatusOK
}

// poll takes the bits that are there.
func (p *Port) poll(r *capability.Ref, a *abi.Args) abi.Status {
	s := signalOf(r)
	if status := p.rise(s.label.get()); status != abi.StatusOK {
		return status
	}
	a.W[0] = s.Poll(a.W[0])
	return abi.StatusOK
}

// wait waits for bits. The waiter takes the notification's label before it
// waits, for whoever wakes it, and again after, for who came meanwhile.
func (p *Port) wait(r *capability.Ref, h abi.Handle, a *abi.Args) abi.Status {
	s := signalOf(r)
	if status := p.rise(s.label.get()); status != abi.StatusOK {
		return status
	}
	p.waitBy(r, h)
	bits, status := s.Wait(&p.thread.self, a.W[0], int64(a.W[1])) //nolint:gosec // G115: a time is a time
	if status = p.waited(status); status != abi.StatusOK {
		return status
	}
	if !r.Current() {
		_, status = p.domain.space.Lookup(h, r.Rights())
	}
	if status == abi.StatusOK {
		status = p.rise(s.label.get())
	}
	if status != abi.StatusOK {
		s.Signal(bits) // not taken after all
		return status
	}
	a.W[0] = bits
	return abi.StatusOK
}

// target finds the notification that a timer or an interrupt is to signal.
func (p *Port) target(handle uint64) (*signal, capability.Key, abi.Status) {
	r, status := p.lasting(abi.Handle(handle), abi.RightInvoke|abi.RightSend, abi.ObjectNotification)
	if status != abi.StatusOK {
		return nil, 0, status
	}
	return signalOf(&r), r.Key(), abi.StatusOK
}

// timerCreate makes a timer on a budget.
func (p *Port) timerCreate(r *capability.Ref, a *abi.Args, terms *capability.Terms) abi.Status {
	target, key, status := p.target(a.W[0])
	if status != abi.StatusOK {
		return status
	}
	bits := a.W[1]
	if bits&^notify.Bits != 0 {
		return abi.StatusBadArgument
	}
	return p.create(r, a, terms, func() (*capability.Object, abi.Status) {
		holds, status := hold(accountOf(r), objectBytes)
		if status != abi.StatusOK {
			return nil, status
		}
		if !p.kernel.tree.Hold(target.object) {
			holds.release()
			return nil, abi.StatusRevoked
		}
		t := &timer{holds: holds, target: target}
		if t.id, status = p.kernel.timers.Add(&target.Notification, bits); status != abi.StatusOK {
			p.kernel.tree.Drop(target.object)
			holds.release()
			return nil, status
		}
		if t.object, status = p.kernel.tree.NewObject(abi.ObjectTimer, t); status != abi.StatusOK {
			_ = p.kernel.timers.Remove(t.id) // it was just made
			p.kernel.tree.Drop(target.object)
			holds.release()
			return nil, status
		}
		if !target.attach(p.kernel, key, t) {
			p.kernel.tree.Drop(t.object) // which releases everything
			return nil, abi.StatusRevoked
		}
		return t.object, abi.StatusOK
	})
}

// timerCancel stops a timer.
func (p *Port) timerCancel(r *capability.Ref) abi.Status {
	if status := timerOf(r).gone(); status != abi.StatusOK {
		return status
	}
	return p.kernel.timers.Cancel(timerOf(r).id)
}

// timerArm sets when a timer fires.
func (p *Port) timerArm(r *capability.Ref, a *abi.Args, terms *capability.Terms) abi.Status {
	const timeMax = 1<<63 - 1
	if a.W[0] > timeMax || a.W[1] > timeMax {
		return abi.StatusBadArgument
	}
	if status := timerOf(r).gone(); status != abi.StatusOK {
		return status
	}
	if status := timerOf(r).target.taint(p.Label(), terms); status != abi.StatusOK {
		return status
	}
	return p.kernel.timers.Arm(timerOf(r).id, int64(a.W[0]), int64(a.W[1])) //nolint:gosec // G115: checked above
}

// interruptBind lets an interrupt signal bits.
func (p *Port) interruptBind(r *capability.Ref, a *abi.Args) abi.Status {
	target, key, status := p.target(a.W[0])
	if status != abi.StatusOK {
		return status
	}
	if a.W[1]&^notify.Bits != 0 {
		return abi.StatusBadArgument
	}
	l := lineOf(r)
	if !p.kernel.tree.Hold(target.object) {
		return abi.StatusRevoked
	}
	if status := p.kernel.lines.Bind(l.number, &target.Notification, a.W[1]); status != abi.StatusOK {
		p.kernel.tree.Drop(target.object)
		return status
	}
	p.kernel.mu.Lock()
	l.target = target
	p.kernel.mu.Unlock()
	if !target.attach(p.kernel, key, l) {
		p.kernel.unbind(l)
		return abi.StatusRevoked
	}
	return abi.StatusOK
}
