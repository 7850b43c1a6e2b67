package remote

import (
	"strings"
	"sync/atomic"

	"phios/abi"
	"phios/capsule"
)

// Session is the node's side of a program in another process: it answers what
// the program asks, from a door and a [capsule.Spec].
//
// Run and Serve belong to one goroutine at a time; the rest may be called from
// any.
type Session struct {
	link  Link
	spec  capsule.Spec
	frame abi.Frame
	args  abi.Args

	ready atomic.Bool
	calls atomic.Uint64
	exit  atomic.Pointer[capsule.Exit]
}

// NewSession makes the node's side of a link. Of the spec it uses Door,
// Argument and Output.
func NewSession(link Link, spec capsule.Spec) *Session { //nolint:gocritic // hugeParam: once a program
	if spec.Output == nil {
		spec.Output = func(int, []byte) {}
	}
	return &Session{link: link, spec: spec}
}

// Run answers the program until it is ready to serve or has ended, and returns
// how: the zero Exit when it is ready.
func (s *Session) Run() capsule.Exit {
	for {
		done, status := s.step(s.spec.Door)
		if status != abi.StatusOK {
			return s.broke(status)
		}
		if done {
			break
		}
	}
	// Only these three are not answered.
	//exhaustive:ignore
	switch s.frame.Call {
	case abi.SessionReady:
		s.ready.Store(true)
		return capsule.Exit{}
	case abi.SessionExit:
		return s.left()
	default: // an answer to what was not asked
		return s.broke(abi.StatusBadCall)
	}
}

// Serve passes a message to the program's handler and answers what the program
// asks meanwhile with door. The answer is then in m.
//
// StatusPeerDead says that the program has ended: Ended tells more.
// StatusState, that it does not serve.
func (s *Session) Serve(door capsule.Door, m *abi.Message) abi.Status {
	if _, over := s.Ended(); over {
		return abi.StatusPeerDead
	}
	if !s.ready.Load() {
		return abi.StatusState
	}
	f := &s.frame
	*f = abi.Frame{Call: abi.SessionServe, Parts: abi.PartMessage, Message: *m, Bytes: f.Bytes}
	if status := s.link.Send(f); status != abi.StatusOK {
		if status == abi.StatusPeerDead {
			s.broke(status)
		}
		return status
	}
	for {
		done, status := s.step(door)
		if status != abi.StatusOK {
			s.broke(status)
			return abi.StatusPeerDead
		}
		if done {
			return s.answered(m)
		}
	}
}

// answered takes the program's last word on a message.
func (s *Session) answered(m *abi.Message) abi.Status {
	f := &s.frame
	switch {
	case f.Call == abi.SessionExit:
		s.left()
		return abi.StatusPeerDead
	case f.Call != abi.SessionServe || int(f.Status) >= abi.StatusCount:
		s.broke(abi.StatusBadCall)
		return abi.StatusPeerDead
	case f.Status != abi.StatusOK:
		return f.Status
	case f.Parts&abi.PartMessage == 0:
		s.broke(abi.StatusBadArgument)
		return abi.StatusPeerDead
	}
	*m = f.Message
	return abi.StatusOK
}

// step receives one frame and, when it asks something, answers it. It reports
// true for a frame that takes no answer, which is then in s.frame.
func (s *Session) step(door capsule.Door) (bool, abi.Status) {
	f := &s.frame
	if status := s.link.Receive(f); status != abi.StatusOK {
		return false, status
	}
	var status abi.Status
	f.Args(&s.args)
	// All others are the kernel's, or nobody's.
	//exhaustive:ignore
	switch f.Call {
	case abi.SessionReady, abi.SessionExit, abi.SessionServe:
		return true, abi.StatusOK
	case abi.SessionNamed:
		status = s.named(door)
	case abi.SessionArgument:
		s.args.W = [abi.ArgWords]uint64{s.spec.Argument}
	case abi.SessionOutput:
		status = s.output()
	case sessionCharge:
		status = s.charge(door)
	default: // what is no call at all, the door refuses
		s.calls.Add(1)
		status = door.Invoke(f.Handle, f.Call, &s.args)
	}
	f.Answer(&s.args, status)
	return false, s.link.Send(f)
}

func (s *Session) named(door capsule.Door) abi.Status {
	if s.args.Bytes == nil || len(s.args.Bytes) > NameBytesMax {
		return abi.StatusBadHandle
	}
	h, status := door.Named(string(s.args.Bytes))
	s.args.W = [abi.ArgWords]uint64{uint64(h)}
	return status
}

func (s *Session) output() abi.Status {
	stream := s.args.W[0]
	if stream != 1 && stream != 2 {
		return abi.StatusBadArgument
	}
	s.spec.Output(int(stream), s.args.Bytes)
	return abi.StatusOK
}

func (s *Session) charge(door capsule.Door) abi.Status {
	if !door.Alive() {
		return abi.StatusKilled
	}
	if s.args.W[0] >= uint64(abi.ResourceCount) {
		return abi.StatusBadArgument
	}
	return door.Charge(abi.Resource(s.args.W[0]), s.args.W[1]) //nolint:gosec // G115: checked above
}

// left records the end that the program reported.
func (s *Session) left() capsule.Exit {
	f := &s.frame
	e := capsule.Exit{Cause: capsule.CauseTrap, Code: uint32(f.W[0])} //nolint:gosec // G115: the low half is the code
	if f.W[1] < uint64(capsule.CauseLost) {
		e.Cause = capsule.Cause(f.W[1]) //nolint:gosec // G115: checked above
	}
	if f.Parts&abi.PartBytes != 0 {
		e.Detail = readable(f.Bytes)
	}
	return s.End(e)
}

// broke records that the program is gone, or must go.
func (s *Session) broke(status abi.Status) capsule.Exit {
	detail := "its process ended or closed the connection"
	if status != abi.StatusPeerDead {
		detail = "it broke the protocol: " + status.Error()
	}
	return s.End(capsule.Exit{Cause: capsule.CauseLost, Detail: detail})
}

// readable makes text of a program fit to be shown: no control characters.
func readable(text []byte) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(string(text[:min(len(text), DetailBytesMax)]), "?"))
}

// End records how the program ended, unless that is known already, and lets
// whoever waits for it go on. It returns what is recorded. It may be called
// from any goroutine.
func (s *Session) End(e capsule.Exit) capsule.Exit {
	s.exit.CompareAndSwap(nil, &e)
	s.link.Sever()
	return *s.exit.Load()
}

// Ended returns how the program ended, and whether it has.
func (s *Session) Ended() (capsule.Exit, bool) {
	if e := s.exit.Load(); e != nil {
		return *e, true
	}
	return capsule.Exit{}, false
}

// Serves reports whether the program has said that it is ready to serve.
func (s *Session) Serves() bool { return s.ready.Load() }

// Calls counts what the program asked of the kernel.
func (s *Session) Calls() uint64 { return s.calls.Load() }
