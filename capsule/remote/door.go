package remote

import (
	"sync"
	"sync/atomic"

	"phios/abi"
	"phios/capsule"
)

// Door is the program's side: the kernel's door when the kernel is in another
// process. It is a [capsule.Door].
//
// A door whose link has broken answers StatusPeerDead to everything, and is
// not Alive.
type Door struct {
	link  Link
	dead  atomic.Bool
	mu    sync.Mutex // guards frame: an engine may write output from anywhere
	frame abi.Frame
}

var _ capsule.Door = (*Door)(nil)

// NewDoor makes the program's side of a link.
func NewDoor(link Link) *Door { return &Door{link: link} }

// Invoke does one operation of the kernel and waits for its result. More than
// FramePayloadMax of Bytes go in several calls, the last part first, so that a
// range that is too long is refused before anything is copied.
func (d *Door) Invoke(h abi.Handle, c abi.Call, a *abi.Args) abi.Status {
	if len(a.Bytes) <= abi.FramePayloadMax {
		return d.invoke(h, c, a)
	}
	if c != abi.RegionRead && c != abi.RegionWrite {
		return abi.StatusRange
	}
	whole, offset := a.Bytes, a.W[0]
	defer func() { a.Bytes = whole }()
	for end := len(whole); end > 0; {
		from := (end - 1) / abi.FramePayloadMax * abi.FramePayloadMax
		a.Bytes, a.W = whole[from:end], [abi.ArgWords]uint64{offset + uint64(from)} //nolint:gosec // G115: not negative
		if offset+uint64(from) < offset {                                           //nolint:gosec // G115: not negative
			return abi.StatusRange
		}
		if status := d.invoke(h, c, a); status != abi.StatusOK {
			return status
		}
		end = from
	}
	return abi.StatusOK
}

// invoke is Invoke for what fits into a frame.
func (d *Door) invoke(h abi.Handle, c abi.Call, a *abi.Args) abi.Status {
	d.mu.Lock()
	defer d.mu.Unlock()
	f := &d.frame
	f.Call, f.Handle, f.W, f.Status, f.Parts = c, h, a.W, abi.StatusOK, 0
	if a.Label != (abi.Label{}) {
		f.Parts, f.Label = abi.PartLabel, a.Label
	}
	if a.Mint != nil {
		f.Parts |= abi.PartMint
		f.Mint = *a.Mint
	}
	if a.Message != nil {
		f.Parts |= abi.PartMessage
		f.Message = *a.Message
		if status := f.Message.Check(); status != abi.StatusOK {
			return status
		}
	}
	if a.Bytes != nil {
		f.Bytes = room(f.Bytes, len(a.Bytes))
		if c == abi.RegionRead {
			f.Parts |= abi.PartRoom
		} else {
			f.Parts |= abi.PartBytes
			copy(f.Bytes, a.Bytes)
		}
	}
	status := d.ask(c)
	if status != abi.StatusOK {
		return status
	}
	a.W = f.W
	if f.Parts&abi.PartLabel != 0 {
		a.Label = f.Label
	}
	if f.Parts&abi.PartMessage != 0 && a.Message != nil {
		*a.Message = f.Message
	}
	if f.Parts&abi.PartBytes != 0 && c == abi.RegionRead {
		copy(a.Bytes, f.Bytes)
	}
	return abi.StatusOK
}

// ask sends the frame and waits for the answer, which is then in the frame.
// The caller holds mu.
func (d *Door) ask(c abi.Call) abi.Status {
	if status := d.link.Send(&d.frame); status != abi.StatusOK {
		return d.lost(status)
	}
	if status := d.link.Receive(&d.frame); status != abi.StatusOK {
		return d.lost(abi.StatusPeerDead)
	}
	if d.frame.Call != c {
		return d.lost(abi.StatusPeerDead)
	}
	if d.frame.Status == abi.StatusKilled {
		d.dead.Store(true)
	}
	return d.frame.Status
}

// lost notes that the link is broken, unless status says otherwise.
func (d *Door) lost(status abi.Status) abi.Status {
	if status == abi.StatusPeerDead {
		d.dead.Store(true)
	}
	return status
}

// session makes one of the session's calls. The caller holds mu.
func (d *Door) session(c abi.Call, w0, w1 uint64, text []byte) abi.Status {
	d.prepare(c, w0, w1, text)
	return d.ask(c)
}

func (d *Door) prepare(c abi.Call, w0, w1 uint64, text []byte) {
	f := &d.frame
	f.Call, f.Handle, f.Status, f.Parts = c, 0, abi.StatusOK, 0
	f.W = [abi.ArgWords]uint64{w0, w1}
	if text != nil {
		f.Parts = abi.PartBytes
		f.Bytes = room(f.Bytes, len(text))
		copy(f.Bytes, text)
	}
}

// Named returns the capability that was granted under a name; see
// abi.SessionNamed.
func (d *Door) Named(name string) (abi.Handle, abi.Status) {
	if len(name) > NameBytesMax {
		return 0, abi.StatusBadHandle
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if status := d.session(abi.SessionNamed, 0, 0, []byte(name)); status != abi.StatusOK {
		return 0, status
	}
	return abi.Handle(d.frame.W[0]), abi.StatusOK
}

// Charge takes what the program has used from its budget.
func (d *Door) Charge(r abi.Resource, amount uint64) abi.Status {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.session(sessionCharge, uint64(r), amount, nil)
}

// Alive reports whether the program may go on: nobody has killed it, and the
// node is there, as far as is known.
func (d *Door) Alive() bool { return !d.dead.Load() }

// Kill lets Alive report false. It may be called from any goroutine.
func (d *Door) Kill() { d.dead.Store(true) }

// Argument returns what the program was started with.
func (d *Door) Argument() (uint64, abi.Status) {
	d.mu.Lock()
	defer d.mu.Unlock()
	status := d.session(abi.SessionArgument, 0, 0, nil)
	if status != abi.StatusOK {
		return 0, status
	}
	return d.frame.W[0], abi.StatusOK
}

// Output shows text to people; stream is 1 or 2. What does not fit into a
// frame goes in several. It may be called from any goroutine while the program
// runs or handles a message.
func (d *Door) Output(stream int, text []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for len(text) > 0 {
		n := min(len(text), abi.FramePayloadMax)
		if !d.session(abi.SessionOutput, uint64(stream), 0, text[:n]).OK() { //nolint:gosec // G115: 1 or 2, and the node checks
			return
		}
		text = text[n:]
	}
}

// Ready says that the program has begun and can serve. Then it awaits
// messages.
func (d *Door) Ready() abi.Status {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.prepare(abi.SessionReady, 0, 0, nil)
	return d.lost(d.link.Send(&d.frame))
}

// Exit says how the program has ended. Nothing follows.
func (d *Door) Exit(e capsule.Exit) abi.Status {
	d.mu.Lock()
	defer d.mu.Unlock()
	detail := []byte(e.Detail)
	d.prepare(abi.SessionExit, uint64(e.Code), uint64(e.Cause), detail[:min(len(detail), DetailBytesMax)])
	return d.lost(d.link.Send(&d.frame))
}

// Await waits for the next message for the program's handler. StatusPeerDead
// when the node is gone.
func (d *Door) Await(m *abi.Message) abi.Status {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.link.Receive(&d.frame) != abi.StatusOK || d.frame.Call != abi.SessionServe || d.frame.Parts&abi.PartMessage == 0 {
		return d.lost(abi.StatusPeerDead)
	}
	*m = d.frame.Message
	return abi.StatusOK
}

// Answer sends what the handler has answered: the message when status is OK,
// nothing of it otherwise.
func (d *Door) Answer(m *abi.Message, status abi.Status) abi.Status {
	d.mu.Lock()
	defer d.mu.Unlock()
	if status == abi.StatusOK && m.Check() != abi.StatusOK {
		status = abi.StatusRange
	}
	d.prepare(abi.SessionServe, 0, 0, nil)
	d.frame.Status = status
	if status == abi.StatusOK {
		d.frame.Parts, d.frame.Message = abi.PartMessage, *m
	}
	return d.lost(d.link.Send(&d.frame))
}
