package hammer

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"phios/abi"
	"phios/internal/prng"
	"phios/kernel/capability"
	"phios/kernel/gate"
	"phios/kernel/journal"
	"phios/platform/host"
)

// The size of the test: it ends after roundsMax calls of each thread, or after
// lastsMax if that is earlier.
const (
	playersMax = 5
	roundsMax  = 60_000
	lastsMax   = 4 * time.Second
	handlesMax = 48
	waitNSMax  = 300_000
	hangs      = 30 * time.Second
)

// counter is a log that only counts, and now and then refuses.
type counter struct {
	records atomic.Uint64
	fussy   bool
}

func (c *counter) Append([]byte) abi.Status {
	if n := c.records.Add(1); c.fussy && n%512 == 0 {
		return abi.StatusJournal
	}
	return abi.StatusOK
}

// arena is where everybody plays.
type arena struct {
	t       *testing.T
	machine *host.Machine
	kernel  *gate.Kernel
	threads sync.WaitGroup
	seeds   atomic.Uint64
	ends    time.Time
	calls   [abi.CallCount]atomic.Uint64 // that succeeded
	all     atomic.Uint64
}

// player is one thread, with the handles that it has seen in its table.
type player struct {
	*arena

	port    *gate.Port
	random  *prng.Source
	handles []abi.Handle
	base    int // how many of them it keeps to the end
	replies []abi.Handle
}

func endowment() abi.Amounts {
	return abi.Amounts{256 << 20, 1 << 16, 1 << 40, 1 << 40, 1 << 40, 1 << 40}
}

func newArena(t *testing.T, fussy bool) *arena {
	t.Helper()
	m, err := host.New(host.Config{ArenaBytes: 1 << 30, MemoryBytes: 256 << 20})
	if err != nil {
		t.Fatal(err)
	}
	j, status := journal.New(&counter{fussy: fussy}, m, 1, journal.Options{})
	if status != abi.StatusOK {
		t.Fatal(status)
	}
	a := &arena{t: t, machine: m, ends: time.Now().Add(lastsMax)}
	a.kernel = gate.New(gate.Config{
		Machine: m, Journal: j, Launcher: a, Endowment: endowment(), Timers: 256,
		Limits: capability.Limits{Nodes: 1 << 14, Objects: 1 << 12, Spaces: 1 << 10, Generations: abi.GenerationMax - 1},
	})
	return a
}

// Launch gives a started task a thread, which plays for a while.
func (a *arena) Launch(p *gate.Port, program, argument uint64) abi.Status {
	if program > 1000 {
		return abi.StatusBadArgument
	}
	child := a.player(p, abi.Handle(argument))
	a.threads.Go(func() {
		child.play(200)
		p.Done(0)
	})
	return abi.StatusOK
}

func (a *arena) player(p *gate.Port, handles ...abi.Handle) *player {
	return &player{arena: a, port: p, random: prng.New(a.seeds.Add(1)), handles: handles, base: 1}
}

func (p *player) pick(n int) int { return int(p.random.Below(uint64(n))) }

func (p *player) handle() abi.Handle {
	if len(p.handles) == 0 {
		return 0
	}
	return p.handles[p.pick(len(p.handles))]
}

// spare picks one that it can lose.
func (p *player) spare() abi.Handle {
	if len(p.handles) <= p.base {
		return 0
	}
	return p.handles[p.base+p.pick(len(p.handles)-p.base)]
}

// keep remembers a handle, in place of another when there are too many, which
// is then deleted.
func (p *player) keep(h abi.Handle) {
	if h == 0 {
		return
	}
	if len(p.handles) < handlesMax {
		p.handles = append(p.handles, h)
		return
	}
	i := p.base + p.pick(len(p.handles)-p.base)
	_ = p.port.Invoke(p.handles[i], abi.CapDelete, &abi.Args{})
	p.handles[i] = h
}

func (p *player) mint() *abi.Mint {
	m := abi.Whole(abi.RightsAll &^ (abi.RightEndorse | abi.RightDeclassify))
	switch p.pick(6) {
	case 0:
		m.Rights &^= 1 << p.pick(20)
	case 1:
		m.Uses = uint32(p.pick(5))
	case 2:
		m.Copies = uint32(p.pick(3))
	case 3:
		m.Payer = p.handle()
	}
	return &m
}

func (p *player) soon() int64 {
	return p.machine.Now() + int64(p.random.Below(waitNSMax))
}

func (p *player) message() *abi.Message {
	m := &abi.Message{Deadline: p.soon(), Length: uint16(p.pick(64))}
	if p.pick(3) == 0 {
		m.HandleCount = uint8(1 + p.pick(3))
		for i := range m.HandleCount {
			m.Handles[i] = p.spare()
		}
		m.Moves = uint8(p.pick(1 << m.HandleCount))
	}
	if p.pick(50) == 0 {
		m.Label = abi.Label{Sources: 1 << p.pick(4), Readers: ^uint64(0)}
	}
	return m
}

// calls are the calls that players make, those oftener that build and talk.
var choices = [...]abi.Call{
	abi.CapMint, abi.CapMint, abi.CapMint, abi.CapDelete, abi.CapRevoke, abi.CapInspect, abi.CapSeal, abi.CapUnseal,
	abi.TaskCreate, abi.TaskGrant, abi.TaskGrant, abi.TaskStart, abi.TaskKill, abi.TaskInspect,
	abi.BudgetCarve, abi.BudgetSpend, abi.BudgetInspect,
	abi.RegionCreate, abi.RegionMap, abi.RegionMap, abi.RegionUnmap, abi.RegionRead, abi.RegionWrite, abi.RegionSettle, abi.RegionInspect,
	abi.EndpointCreate, abi.EndpointCall, abi.EndpointCall, abi.EndpointCall, abi.EndpointSend, abi.EndpointSend, abi.EndpointSend,
	abi.EndpointReceive, abi.EndpointReceive, abi.EndpointReceive, abi.EndpointReply, abi.EndpointReplyReceive, abi.ReplyCharge, abi.ReplyCheck,
	abi.NotificationCreate, abi.NotificationSignal, abi.NotificationSignal, abi.NotificationWait, abi.NotificationPoll,
	abi.TimerCreate, abi.TimerArm, abi.TimerCancel, abi.LabelInspect,
}

// play makes calls until the rounds are over, time is up or the task is dead.
func (p *player) play(rounds int) {
	for i := range rounds {
		if i%64 == 0 && time.Now().After(p.ends) {
			return
		}
		if p.once() == abi.StatusKilled && !p.port.Alive() {
			return
		}
	}
}

// once makes one call on a random handle.
func (p *player) once() abi.Status {
	c := choices[p.pick(len(choices))]
	h, args := p.handle(), abi.Args{Label: abi.LabelTop()}
	switch c { //nolint:exhaustive // the others need nothing
	case abi.CapMint:
		args.Mint = p.mint()
	case abi.CapDelete, abi.CapRevoke:
		if h = p.spare(); p.pick(3) != 0 {
			return abi.StatusOK
		}
	case abi.CapSeal, abi.CapUnseal:
		args.W[0] = uint64(p.handle())
	case abi.TaskCreate:
		args.W[0], args.W[1] = uint64(4+p.pick(28)), uint64(p.handle()*abi.Handle(p.pick(2)))
		h = p.handles[0]
	case abi.TaskGrant:
		args.W[0] = uint64(p.spare())
		if args.W[1] = uint64(p.pick(2)); args.W[1] == abi.GrantCopy {
			args.Mint = p.mint()
		}
	case abi.TaskStart:
		args.W[1] = uint64(abi.MakeHandle(0, 1))
	case abi.TaskKill:
		if p.pick(4) != 0 {
			return abi.StatusOK
		}
	case abi.BudgetCarve:
		args.W = abi.Amounts{uint64(p.pick(1 << 20)), uint64(p.pick(32))}
	case abi.BudgetSpend, abi.ReplyCharge:
		args.W[0], args.W[1] = uint64(abi.ResourceTokens), uint64(p.pick(10))
	case abi.RegionCreate:
		args.W[0], h = uint64(1+p.pick(4))*4096, p.handles[0]
	case abi.RegionMap:
		args.W = [6]uint64{uint64(p.pick(3)) * 4096, 4096, uint64(1 + p.pick(2))}
	case abi.RegionUnmap:
		args.W[0] = p.addressOf(h)
	case abi.RegionRead, abi.RegionWrite:
		args.W[0], args.Bytes = uint64(p.pick(4096)), make([]byte, p.pick(128))
	case abi.EndpointCreate:
		args.W[0], h = uint64(1+p.pick(4)), p.handles[0]
	case abi.EndpointReply, abi.EndpointReplyReceive, abi.ReplyCheck:
		args.Message = p.message()
		if len(p.replies) > 0 {
			answered := p.pick(len(p.replies))
			args.W[0] = uint64(p.replies[answered])
			if c != abi.EndpointReplyReceive {
				h = p.replies[answered]
			}
		}
	case abi.EndpointCall, abi.EndpointSend, abi.EndpointReceive:
		args.Message = p.message()
	case abi.NotificationSignal, abi.NotificationPoll:
		args.W[0] = 1 << p.pick(8)
	case abi.NotificationWait:
		args.W[0], args.W[1] = 255, uint64(p.soon())
	case abi.TimerCreate:
		args.W[0], args.W[1], h = uint64(p.handle()), 1, p.handles[0]
	case abi.TimerArm:
		args.W[0] = uint64(p.soon())
	}
	status := p.port.Invoke(h, c, &args)
	p.all.Add(1)
	if status == abi.StatusOK {
		p.calls[c].Add(1)
		p.harvest(c, &args)
	}
	return status
}

// harvest keeps the handles that a call brought.
func (p *player) harvest(c abi.Call, args *abi.Args) {
	switch c { //nolint:exhaustive // the others need nothing
	case abi.CapMint, abi.CapSeal, abi.CapUnseal, abi.TaskCreate, abi.BudgetCarve, abi.RegionCreate, abi.EndpointCreate,
		abi.NotificationCreate, abi.TimerCreate:
		p.keep(abi.Handle(args.W[0]))
	case abi.EndpointReceive, abi.EndpointReplyReceive, abi.EndpointCall:
		for _, h := range args.Message.Handles[:args.Message.HandleCount] {
			p.keep(h)
		}
		if r := args.Message.Reply; r != 0 && c != abi.EndpointCall {
			if p.pick(2) == 0 {
				p.reply(r)
				return
			}
			if p.replies = append(p.replies, r); len(p.replies) > 4 {
				_ = p.port.Invoke(p.replies[0], abi.CapDelete, &abi.Args{})
				p.replies = p.replies[1:]
			}
		}
	}
}

// reply answers at once.
func (p *player) reply(h abi.Handle) {
	if p.port.Invoke(h, abi.EndpointReply, &abi.Args{Message: p.message()}) == abi.StatusOK {
		p.calls[abi.EndpointReply].Add(1)
	}
}

// addressOf returns where a region is.
func (p *player) addressOf(h abi.Handle) uint64 {
	args := abi.Args{}
	_ = p.port.Invoke(h, abi.RegionInspect, &args)
	return args.W[1]
}

// Serve answers with what came, now and then with something else.
func (p *player) Serve(port *gate.Port, m *abi.Message) abi.Status {
	m.Moves = uint8(1<<m.HandleCount - 1)
	_ = port.Invoke(0, abi.ReplyCharge, &abi.Args{W: [6]uint64{uint64(abi.ResourceTokens), 1}})
	if m.Words[0]++; m.Length%7 == 0 {
		return abi.StatusBusy
	}
	return abi.StatusOK
}

// idle is the node's idle loop: it clears away and fires timers.
func (a *arena) idle(stop *atomic.Bool) {
	for !stop.Load() {
		a.kernel.Tick(16)
		if !a.kernel.Tidy(64) {
			time.Sleep(50 * time.Microsecond)
		}
	}
}

// table lets every player begin with capabilities of every other.
func (a *arena) table() []*player {
	var players []*player
	for range playersMax {
		amounts := endowment()
		for i := range amounts {
			amounts[i] /= playersMax
		}
		port, budget, status := a.kernel.BootTask(128, amounts)
		if status != abi.StatusOK {
			a.t.Fatal(status)
		}
		players = append(players, a.player(port, budget))
	}
	for i, p := range players {
		for _, concurrent := range []bool{false, true} {
			args := abi.Args{W: [6]uint64{4}, Label: abi.LabelTop()}
			a.must(p.port.Invoke(p.handles[0], abi.EndpointCreate, &args))
			p.keep(abi.Handle(args.W[0]))
			if i%2 == 0 {
				a.must(p.port.Serve(abi.Handle(args.W[0]), p, concurrent))
			}
		}
		for _, c := range []abi.Call{abi.RegionCreate, abi.NotificationCreate} {
			args := abi.Args{W: [6]uint64{8192}}
			a.must(p.port.Invoke(p.handles[0], c, &args))
			p.keep(abi.Handle(args.W[0]))
		}
	}
	rights := abi.Whole(abi.RightsAll &^ (abi.RightEndorse | abi.RightDeclassify))
	for i, p := range players {
		for j, q := range players {
			if i == j {
				continue
			}
			for _, h := range p.handles[1:5] {
				made, status := a.kernel.BootGrant(p.port, h, q.port, &rights)
				a.must(status)
				q.handles = append(q.handles, made)
			}
		}
	}
	for _, p := range players {
		p.base = len(p.handles)
	}
	return players
}

func (a *arena) must(status abi.Status) {
	a.t.Helper()
	if status != abi.StatusOK {
		a.t.Fatal(status)
	}
}

// TestHammer lets everybody play, ends everybody, and checks that nothing is
// left.
func TestHammer(t *testing.T) {
	t.Run("plain", func(t *testing.T) { hammer(t, false) })
	t.Run("with a journal that refuses", func(t *testing.T) { hammer(t, true) })
}

func hammer(t *testing.T, fussy bool) {
	t.Helper()
	before := runtime.NumGoroutine()
	a := newArena(t, fussy)
	defer a.machine.Close()
	players := a.table()
	var stop atomic.Bool
	var keeper sync.WaitGroup
	keeper.Go(func() { a.idle(&stop) })
	for _, p := range players {
		a.threads.Go(func() {
			p.play(roundsMax)
			p.port.Done(0)
		})
	}
	over := make(chan struct{}) // closed by the waiter below
	go func() { a.threads.Wait(); close(over) }()
	select {
	case <-over:
	case <-time.After(hangs):
		stack := make([]byte, 1<<20)
		t.Fatalf("somebody hangs\n%s", stack[:runtime.Stack(stack, true)])
	}
	stop.Store(true)
	keeper.Wait()
	for a.kernel.Tidy(1024) {
	}
	a.check(before)
}

// check looks at what is left when everybody has ended.
func (a *arena) check(goroutines int) {
	if broken := a.kernel.Audit(); broken != "" {
		a.t.Error(broken)
	}
	if u := a.kernel.Memory(); u.Regions != 0 || u.Used != 0 {
		a.t.Errorf("left in the arena: %+v", u)
	}
	account, want := a.kernel.Endowment(), endowment()
	for i := range want {
		if account.Available[i]+account.Spent[i] != want[i] || account.Held[i] != 0 {
			a.t.Errorf("%v: available %d, spent %d, held %d of %d", abi.Resource(i), account.Available[i], account.Spent[i], account.Held[i], want[i])
		}
	}
	for range 100 {
		if runtime.NumGoroutine() <= goroutines {
			break
		}
		time.Sleep(time.Millisecond)
	}
	if n := runtime.NumGoroutine(); n > goroutines {
		a.t.Errorf("%d goroutines are left", n-goroutines)
	}
	never := ""
	for _, c := range choices {
		if a.calls[c].Load() == 0 {
			never += " " + c.String()
		}
	}
	if never != "" {
		a.t.Logf("never succeeded:%s", never)
	}
	a.t.Logf("%d calls", a.all.Load())
}
