package gate_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"phios/abi"
	"phios/internal/prng"
	"phios/kernel/gate"
)

// scenario makes calls out of bytes, from three root tasks with every handle
// that any of them has ever seen, and some that nobody has.
type scenario struct {
	*world

	bytes   []byte
	actors  []actor
	tasks   []actor // those started, by their ports
	handles []abi.Handle
	calls   int
}

// scenarioCallsMax bounds a scenario.
const scenarioCallsMax = 400

func (s *scenario) next() byte {
	if len(s.bytes) == 0 {
		return 0
	}
	b := s.bytes[0]
	s.bytes = s.bytes[1:]
	return b
}

// handle picks one that was seen, or spoils it.
func (s *scenario) handle() abi.Handle {
	pick := s.next()
	h := s.handles[int(pick)%len(s.handles)]
	switch s.next() {
	case 255:
		return h + 1
	case 254:
		return h + 1<<abi.HandleIndexBits
	case 253:
		return h - 1<<abi.HandleIndexBits
	case 252:
		return 0
	default:
		return h
	}
}

// word picks an argument: a small number, a handle, or an extreme.
func (s *scenario) word() uint64 {
	switch b := s.next(); b % 8 {
	case 0, 1, 2:
		return uint64(b >> 3)
	case 3:
		return 4096 * uint64(b>>5)
	case 4, 5:
		return uint64(s.handle())
	case 6:
		return uint64(s.machine.Now()) + uint64(b)
	default:
		return []uint64{^uint64(0), 1 << 63, 1 << 31, 1 << 40}[b>>3&3]
	}
}

func (s *scenario) rights() abi.Rights {
	switch b := s.next(); b {
	case 0:
		return 0
	case 255:
		return ^abi.Rights(0)
	default:
		if b&1 == 0 {
			return rightsOfOwner
		}
		return rightsOfOwner &^ (abi.Rights(1) << (b >> 1 % 20))
	}
}

func (s *scenario) label() abi.Label {
	b := uint64(s.next())
	if b < 128 {
		return abi.LabelTop()
	}
	return abi.Label{Sources: b & 3, Readers: ^(b >> 2 & 3)}
}

func (s *scenario) mint() *abi.Mint {
	m := abi.Whole(s.rights())
	switch b := s.next(); b % 8 {
	case 1:
		m.Uses = uint32(b >> 3)
	case 2:
		m.Copies = uint32(b >> 5)
	case 3:
		m.Badge = uint64(b >> 6)
	case 4:
		m.Base, m.Bytes = s.word(), s.word()
	case 5:
		m.Payer = s.handle()
	case 6:
		m.Expires = s.machine.Now() + int64(b)*100
	case 7:
		m.Pass, m.Ceiling = s.rights(), s.label()
	}
	return &m
}

func (s *scenario) message() *abi.Message {
	m := &abi.Message{Deadline: 1, Length: uint16(s.next())}
	b := s.next()
	m.HandleCount = min(b&15, 9)
	m.Moves = s.next() & (1<<min(m.HandleCount, 8) - 1)
	for i := range min(m.HandleCount, 8) {
		m.Handles[i] = s.handle()
	}
	if b > 240 {
		m.Moves, m.Length = 255, 600
	}
	if b > 200 {
		m.Label = s.label()
	}
	return m
}

// keep remembers what looks like a handle.
func (s *scenario) keep(h abi.Handle) {
	if h.Generation() != 0 && len(s.handles) < 255 && !slices.Contains(s.handles, h) {
		s.handles = append(s.handles, h)
	}
}

// step makes one call and checks what must hold after any.
func (s *scenario) step() {
	who := s.next()
	actors := append(append([]actor(nil), s.actors...), s.tasks...)
	a := actors[int(who)%len(actors)]
	c := abi.Call(int(s.next()) % (abi.CallCount + 1))
	args := abi.Args{Label: abi.LabelTop()}
	h := s.handle()
	switch c { //nolint:exhaustive // the others need nothing
	case abi.CapMint:
		args.Mint = s.mint()
	case abi.TaskGrant:
		args.W[0], args.W[1] = uint64(s.handle()), uint64(s.next()&1)
		if args.W[1] == abi.GrantCopy {
			args.Mint = s.mint()
		}
	case abi.EndpointCreate:
		args.W[0], args.W[1], args.Label = uint64(s.next()&3), uint64(s.next()&15), s.label()
	case abi.EndpointCall, abi.EndpointSend, abi.EndpointReceive, abi.EndpointReply, abi.EndpointReplyReceive:
		args.Message, args.W[0] = s.message(), s.word()
	case abi.NotificationWait:
		args.W = [6]uint64{s.word(), 1}
	case abi.RegionRead, abi.RegionWrite:
		args.W[0], args.Bytes = s.word(), make([]byte, s.next())
	case abi.TaskFault, abi.TaskExit:
		if who < 250 {
			return // else hardly anybody would live for long
		}
	default:
		for i := range args.W[:3] {
			args.W[i] = s.word()
		}
	}
	status := a.port.Invoke(h, c, &args)
	if int(status) >= abi.StatusCount {
		s.t.Fatalf("%v = %d", c, status)
	}
	if status == abi.StatusOK {
		s.keep(abi.Handle(args.W[0]))
		if args.Message != nil {
			s.keep(args.Message.Reply)
			for _, h := range args.Message.Handles[:args.Message.HandleCount] {
				s.keep(h)
			}
		}
	}
	s.check(c)
}

// check fails when an invariant does not hold.
func (s *scenario) check(c abi.Call) {
	if broken := s.kernel.Audit(); broken != "" {
		s.t.Fatalf("after %d calls, %v: %s", s.calls, c, broken)
	}
	if sum := s.kernel.Amounts(); sum != plenty() {
		s.t.Fatalf("after %d calls, %v: the budgets add up to %v", s.calls, c, sum)
	}
	s.calls++
	if s.calls%16 == 0 {
		s.tidy()
	}
}

func newScenario(t *testing.T, bytes []byte) *scenario {
	t.Helper()
	s := &scenario{world: newWorld(t), bytes: bytes}
	s.launch = func(p *gate.Port) { s.tasks = append(s.tasks, actor{t: t, port: p}) }
	s.actors = []actor{s.root, s.boot(24), s.boot(12)}
	for i, a := range s.actors {
		s.keep(a.budget)
		s.keep(a.endpoint(2))
		s.keep(a.region(8192))
		s.keep(a.notification())
		lowering, status := s.kernel.BootLowering(a.port, a.budget, abi.RightEndorse, abi.Label{Sources: 1})
		if status != abi.StatusOK {
			t.Fatal(status)
		}
		s.keep(lowering)
		for j, b := range s.actors {
			if i != j {
				h, _ := s.kernel.BootTaskCapability(a.port, b.port, rightsOfOwner&^abi.RightManage)
				s.keep(h)
			}
		}
	}
	// One endpoint is served by a handler that answers with what it was given.
	served := s.root.endpoint(1)
	status := s.root.port.Serve(served, handlerFunc(func(p *gate.Port, m *abi.Message) abi.Status {
		m.Moves = 1<<m.HandleCount - 1
		_ = p.Invoke(0, abi.ReplyCharge, &abi.Args{W: [6]uint64{uint64(abi.ResourceTokens), 1}})
		return abi.Status(m.Words[0])
	}), false)
	if status != abi.StatusOK {
		t.Fatal(status)
	}
	s.keep(served)
	for _, b := range s.actors[1:] {
		s.keep(s.give(s.root, served, b, abi.Whole(user|abi.RightGrant)))
	}
	return s
}

// run makes the calls, ends everybody and checks that nothing is left.
func (s *scenario) run() {
	for len(s.bytes) > 0 && s.calls < scenarioCallsMax {
		s.step()
	}
	ports := []*gate.Port{}
	for _, a := range append(s.actors, s.tasks...) {
		ports = append(ports, a.port)
	}
	s.killAll(ports...)
}

// FuzzInvoke makes random calls. Whatever they are: no panic, no broken
// invariant, no resource created or lost, and nothing left in the end.
func FuzzInvoke(f *testing.F) {
	for seed := range uint64(8) {
		f.Add(randomBytes(seed, 400))
	}
	f.Fuzz(func(t *testing.T, bytes []byte) { newScenario(t, bytes).run() })
}

// TestRandomCalls is FuzzInvoke for those who do not fuzz.
func TestRandomCalls(t *testing.T) {
	for seed := range uint64(300) {
		bytes := randomBytes(seed, 4000)
		if !t.Run("", func(t *testing.T) { newScenario(t, bytes).run() }) {
			if dir := os.Getenv("PHIOS_KEEP"); dir != "" {
				_ = os.WriteFile(filepath.Join(dir, "bytes"), bytes, 0o600)
			}
			t.Fatalf("seed %d", seed)
		}
	}
}

func randomBytes(seed uint64, n int) []byte {
	random := prng.New(seed)
	bytes := make([]byte, n)
	for i := range bytes {
		bytes[i] = byte(random.Uint64())
	}
	return bytes
}
