package simulate

import (
	"bytes"
	"flag"
	"fmt"
	"testing"

	"phios/abi"
	"phios/internal/prng"
	"phios/kernel/capability"
	"phios/kernel/gate"
	"phios/kernel/journal"
	"phios/platform/sim"
)

var seed = flag.Uint64("seed", 0, "replay the run of this seed alone, and print it")

// The size of a run, and of the short form of the test.
const (
	tasksMax   = 3
	opsMax     = 120 // of each task
	runsMax    = 150
	shrinksMax = 2000
)

// op is one operation of a program: what, and three numbers that pick
// capabilities and amounts out of whatever there is then.
type op struct {
	what    string
	a, b, c uint16
}

var whats = [...]string{
	"mint", "mint", "mint", "delete", "revoke", "grant", "grant", "move", "send", "send", "send", "receive", "receive",
	"read", "write", "carve", "spend", "endpoint", "region", "balance",
}

// program is what each task does.
type program [tasksMax][]op

func randomProgram(random *prng.Source) (p program) {
	for i := range p {
		for range opsMax {
			x := random.Uint64()
			p[i] = append(p[i], op{whats[random.Below(uint64(len(whats)))], uint16(x), uint16(x >> 16), uint16(x >> 32)})
		}
	}
	return p
}

// run is one run of a program.
type run struct {
	machine *sim.Machine
	log     *sim.Log
	kernel  *gate.Kernel
	ports   []*gate.Port
	model   *model
	trail   []string
	failed  string
}

const maker = abi.RightsAll &^ (abi.RightEndorse | abi.RightDeclassify)

func newRun(seed uint64) (*run, bool) {
	m := sim.New(sim.Config{Seed: seed, Faults: sim.Faults{NoMemory: 20, SpuriousWake: 20, DelayedUnpark: 20, EarlyTimeout: 100, LogAppend: 5}})
	r := &run{machine: m, log: m.NewLog(), model: &model{tables: make([][]*capa, tasksMax), handles: make([][]abi.Handle, tasksMax)}}
	j, status := journal.New(r.log, m, seed, journal.Options{})
	if status != abi.StatusOK {
		return nil, false
	}
	endowment := abi.Amounts{1 << 26, 1 << 12, 0, 1 << 20}
	r.kernel = gate.New(gate.Config{
		Machine: m, Journal: j, Endowment: endowment, Timers: 1,
		Limits: capability.Limits{Nodes: 4096, Objects: 1024, Spaces: 8, Generations: abi.GenerationMax - 1},
	})
	for i := range tasksMax {
		const memory, tokens = 1 << 20, 1000
		p, h, status := r.kernel.BootTask(512, abi.Amounts{memory, 512, 0, tokens})
		if status != abi.StatusOK {
			return nil, false // the journal's fault
		}
		r.ports = append(r.ports, p)
		b := &thing{typ: abi.ObjectBudget, memory: memory - 512*64 - objectBytes, tokens: tokens}
		r.model.add(i, &capa{thing: b, rights: maker, pass: maker, uses: abi.Unlimited, copies: abi.Unlimited, kept: true}, h)
	}
	for i := range tasksMax {
		for j := range tasksMax {
			h, status := r.kernel.BootTaskCapability(r.ports[i], r.ports[j], maker)
			if status != abi.StatusOK {
				return nil, false
			}
			r.made(i, &thing{typ: abi.ObjectTask, task: j}, h)
		}
	}
	return r, true
}

// pick returns a capability that the task has or had, and its handle.
func (r *run) pick(task int, n uint16) (*capa, abi.Handle) {
	all := r.model.tables[task]
	// The newer half is picked twice as often: the old ones are mostly dead.
	i := int(n) % (len(all) + len(all)/2)
	if i >= len(all) {
		i = len(all) - 1 - (i - len(all))
	}
	return all[i], r.model.handles[task][i]
}

// wanted is the type of object that an operation is for; three times out of
// four it gets one.
func wanted(what string) abi.ObjectType {
	switch what {
	case "send", "receive":
		return abi.ObjectEndpoint
	case "read", "write":
		return abi.ObjectRegion
	case "carve", "spend", "endpoint", "region", "balance":
		return abi.ObjectBudget
	default:
		return abi.ObjectNone
	}
}

// pickFor is pick, mostly of what is live and of the right type.
func (r *run) pickFor(task int, n uint16, typ abi.ObjectType) (*capa, abi.Handle) {
	if n%4 == 0 {
		return r.pick(task, n/4)
	}
	for i := range uint16(64) {
		if c, h := r.pick(task, n/4+i); c.task == task && c.live() && (typ == abi.ObjectNone || c.thing.typ == typ) {
			return c, h
		}
	}
	return r.pick(task, n/4)
}

// step does one operation in the kernel and in the model.
func (r *run) step(task int, o op) {
	c, h := r.pickFor(task, o.a, wanted(o.what))
	d, g := r.pickFor(task, o.b, abi.ObjectNone)
	args := abi.Args{Label: abi.LabelTop()}
	m, port := r.model, r.ports[task]
	mint := mintOf(o)
	var want outcome
	var then func() // what changes when it succeeds
	call := abi.CallNone
	switch o.what {
	case "mint":
		call, args.Mint = abi.CapMint, mint
		want = m.reach(task, c, abi.RightDerive, abi.ObjectNone)
		switch {
		case want != fine:
		case !c.rights.Has(mint.Rights):
			want = short
		default:
			want = c.mintable(mint)
		}
		then = func() { m.add(task, c.child(mint), abi.Handle(args.W[0])) }
	case "delete":
		if call = abi.CapDelete; c.kept {
			return
		}
		want = m.reach(task, c, 0, abi.ObjectNone)
		then = func() { c.dead = true }
	case "revoke":
		call = abi.CapRevoke
		want = m.reach(task, c, abi.RightRevoke, abi.ObjectNone)
		then = func() { m.revoke(c) }
	case "grant", "move":
		if d.kept && o.what == "move" {
			return
		}
		c, h = m.tables[task][1+int(o.a)%tasksMax], m.handles[task][1+int(o.a)%tasksMax]
		call, args.W[0] = abi.TaskGrant, uint64(g)
		want = r.grantable(task, c, d, mint, o.what)
		if o.what == "grant" {
			args.Mint = mint
			then = func() { m.add(c.thing.task, d.child(mint), abi.Handle(args.W[0])) }
		} else {
			args.W[1] = abi.GrantMove
			then = func() { r.moved(d, c.thing.task, abi.Handle(args.W[0])) }
		}
	case "send":
		call = abi.EndpointSend
		args.Message = &abi.Message{Words: [4]uint64{uint64(o.c)}}
		moved := o.c&1 != 0
		if o.c&6 == 0 || d.kept {
			g = 0
		}
		if g != 0 {
			args.Message.HandleCount, args.Message.Handles[0], args.Message.Moves = 1, g, uint8(o.c&1)
		}
		want, then = m.send(task, c, uint64(o.c), d, g, moved)
	case "receive":
		call, args.Message = abi.EndpointReceive, &abi.Message{Deadline: r.machine.Now() + int64(o.c%2000)}
	case "read", "write":
		r.bytes(task, o, c, h)
		return
	case "carve":
		memory, tokens := uint64(o.b)*8, uint64(o.c%200)
		call, args.W = abi.BudgetCarve, abi.Amounts{memory, 0, 0, tokens}
		want = m.carve(task, c, memory, tokens)
		then = func() {
			c.used()
			c.thing.memory -= memory + objectBytes
			c.thing.tokens -= tokens
			r.made(task, &thing{typ: abi.ObjectBudget, memory: memory, tokens: tokens, parent: c.thing}, abi.Handle(args.W[0]))
		}
	case "spend":
		call, args.W = abi.BudgetSpend, abi.Amounts{uint64(abi.ResourceTokens), uint64(o.c % 50)}
		if want = m.reach(task, c, abi.RightInvoke|abi.RightWrite, abi.ObjectBudget); want == fine && c.thing.tokens < args.W[1] {
			want = only(abi.StatusBudget)
		}
		then = func() { c.used(); c.thing.tokens -= uint64(o.c % 50) }
	case "endpoint", "region":
		call, want, then = r.making(task, o, c, &args)
	case "balance":
		call = abi.BudgetInspect
		want = m.reach(task, c, abi.RightInvoke|abi.RightInspect, abi.ObjectBudget)
		then = func() {
			c.used()
			if args.W[abi.ResourceMemory] != c.thing.memory || args.W[abi.ResourceTokens] != c.thing.tokens {
				r.fail("available %v, the model has %d and %d", args.W, c.thing.memory, c.thing.tokens)
			}
		}
	}
	status := port.Invoke(h, call, &args)
	r.note(task, o, h, status)
	if o.what == "receive" {
		want, then = r.receiving(task, c, args.Message)
	}
	r.judge(want, status)
	if status == abi.StatusOK && r.failed == "" {
		then()
	}
}

func mintOf(o op) *abi.Mint {
	m := abi.Whole(maker)
	if o.c&1 != 0 {
		m.Rights &^= 1 << (o.c >> 1 % 14)
	}
	if o.c&32 != 0 {
		m.Pass &^= 1 << (o.c >> 6 % 14)
	}
	switch o.b % 7 {
	case 0:
		m.Badge = uint64(o.c % 3)
	case 1:
		m.Uses = uint32(o.c % 4)
	case 2:
		m.Copies = uint32(o.c % 3)
	}
	return &m
}

func (r *run) grantable(task int, c, d *capa, mint *abi.Mint, what string) outcome {
	want := r.model.reach(task, c, abi.RightInvoke|abi.RightManage, abi.ObjectTask)
	if want == fine && c.thing.task == task {
		return only(abi.StatusSelf)
	}
	if want == fine {
		want = r.model.reach(task, d, abi.RightGrant, abi.ObjectNone)
	}
	if want == fine && what == "grant" {
		want = d.mintable(mint)
	}
	return want
}

// moved gives a capability a new place: its old handle means nothing any more.
func (r *run) moved(c *capa, to int, h abi.Handle) {
	for task, table := range r.model.tables {
		for i := range table {
			if table[i] == c {
				table[i] = &capa{dead: true, thing: c.thing, task: task}
			}
		}
	}
	c.task = to
	r.model.tables[to] = append(r.model.tables[to], c)
	r.model.handles[to] = append(r.model.handles[to], h)
}

// made adds the first capability to a new object.
func (r *run) made(task int, t *thing, h abi.Handle) {
	r.model.add(task, &capa{thing: t, rights: maker, pass: maker, uses: abi.Unlimited, copies: abi.Unlimited, kept: true}, h)
}

// making makes an endpoint or a region.
func (r *run) making(task int, o op, c *capa, args *abi.Args) (abi.Call, outcome, func()) {
	call, cost := abi.EndpointCreate, uint64(0)
	t := &thing{typ: abi.ObjectEndpoint, capacity: 1 << (o.c % 3)}
	args.W[0] = uint64(t.capacity)
	cost = uint64(t.capacity)*640 + 320 + objectBytes
	if o.what == "region" {
		call = abi.RegionCreate
		t = &thing{typ: abi.ObjectRegion, bytes: make([]byte, 4096*(1+int(o.c%2)))}
		args.W[0] = uint64(len(t.bytes))
		cost = args.W[0] + objectBytes
	}
	want := r.model.reach(task, c, abi.RightInvoke|abi.RightWrite, abi.ObjectBudget)
	if want == fine && c.thing.memory < cost {
		want = only(abi.StatusBudget)
	}
	return call, want, func() {
		c.used()
		c.thing.memory -= cost
		r.made(task, t, abi.Handle(args.W[0]))
	}
}

// receiving says what a receive may have returned, at the moment it returned.
func (r *run) receiving(task int, c *capa, got *abi.Message) (outcome, func()) {
	want := r.model.reach(task, c, abi.RightInvoke|abi.RightReceive, abi.ObjectEndpoint)
	if want != fine {
		if c.task == task && !c.live() {
			return want | only(abi.StatusTimeout), nil
		}
		return want, nil
	}
	if len(c.thing.queue) == 0 {
		return only(abi.StatusTimeout, abi.StatusBusy), nil
	}
	return only(abi.StatusOK, abi.StatusBusy), func() {
		c.used()
		l := c.thing.queue[0]
		c.thing.queue = c.thing.queue[1:]
		if got.Words[0] != l.word || got.Badge != l.badge {
			r.fail("received word %d, badge %d; the model has %d, %d", got.Words[0], got.Badge, l.word, l.badge)
		}
		r.unwrap(task, l, got)
	}
}

func (r *run) unwrap(task int, l letter, got *abi.Message) {
	switch {
	case l.gift == nil:
		if got.HandleCount != 0 {
			r.fail("received %d handles that nobody sent", got.HandleCount)
		}
	case !l.gift.live():
		if got.Handles[0] != 0 {
			r.fail("received what was revoked on its way")
		}
	case got.Handles[0] == 0:
		r.fail("a capability was lost on its way")
	case l.back != 0:
		r.moved(l.gift, task, got.Handles[0])
	default:
		l.gift.arrives(task)
		r.model.add(task, l.gift, got.Handles[0])
	}
}

// bytes reads or writes a region, and compares what is there.
func (r *run) bytes(task int, o op, c *capa, h abi.Handle) {
	call, need := abi.RegionRead, abi.RightInvoke|abi.RightRead
	data := make([]byte, o.c%16)
	if o.what == "write" {
		call, need = abi.RegionWrite, abi.RightInvoke|abi.RightWrite
		for i := range data {
			data[i] = byte(int(o.b) + i)
		}
	}
	at := int(o.b) % 9000
	want := r.model.reach(task, c, need, abi.ObjectRegion)
	if want == fine && at+len(data) > len(c.thing.bytes) {
		want = only(abi.StatusRange)
	}
	status := r.ports[task].Invoke(h, call, &abi.Args{W: [6]uint64{uint64(at)}, Bytes: data})
	r.note(task, o, h, status)
	r.judge(want, status)
	if status != abi.StatusOK || r.failed != "" {
		return
	}
	c.used()
	if o.what == "write" {
		copy(c.thing.bytes[at:], data)
	} else if !bytes.Equal(data, c.thing.bytes[at:at+len(data)]) {
		r.fail("read %x, the model has %x", data, c.thing.bytes[at:at+len(data)])
	}
}

// judge compares a status with what the model allows. What the machine or the
// journal refuses leaves no trace: the steps after it will tell.
func (r *run) judge(want outcome, got abi.Status) {
	if want.allows(got) || want&fine != 0 && (got == abi.StatusJournal || got == abi.StatusNoMemory) {
		return
	}
	if got == abi.StatusJournal { // asked before the rest
		return
	}
	names := ""
	for s := range abi.Status(abi.StatusCount) {
		if want.allows(s) {
			names += " " + s.Name()
		}
	}
	r.fail("%s, the model allows%s", got.Name(), names)
}

func (r *run) note(task int, o op, h abi.Handle, status abi.Status) {
	r.trail = append(r.trail, fmt.Sprintf("task %d: %s %d %d %d (%#x) %s", task, o.what, o.a, o.b, o.c, uint64(h), status.Name()))
}

func (r *run) fail(format string, args ...any) {
	if r.failed == "" {
		r.failed = fmt.Sprintf(format, args...)
	}
}

// execute runs a program under a seed.
func execute(seed uint64, p program) *run {
	r, ok := newRun(seed)
	if !ok {
		return &run{}
	}
	for task, ops := range p {
		r.machine.Go(fmt.Sprintf("task %d", task), func() {
			for _, o := range ops {
				if r.failed != "" {
					return
				}
				r.step(task, o)
				if broken := r.kernel.Audit(); broken != "" {
					r.fail("%s", broken)
				}
				r.machine.Yield()
			}
		})
	}
	report := r.machine.Run()
	if !report.OK() {
		r.fail("the run did not end: %v %v %v %s", report.Deadlock, report.Running, report.Panic, report.PanicOf)
	}
	return r
}

// shrink leaves out what the failure does not need: halves, then quarters, down
// to single operations.
func shrink(seed uint64, p program) (program, *run) {
	last := execute(seed, p)
	tries := 0
	for task := range p {
		for size := (len(p[task]) + 1) / 2; size > 0; size /= 2 {
			for at := 0; at+size <= len(p[task]) && tries < shrinksMax; tries++ {
				shorter := p
				shorter[task] = append(append([]op(nil), p[task][:at]...), p[task][at+size:]...)
				if r := execute(seed, shorter); r.failed != "" {
					p, last = shorter, r
				} else {
					at += size
				}
			}
		}
	}
	return p, last
}

func programOf(seed uint64) program { return randomProgram(prng.New(seed ^ 0x5eed)) }

// try runs a seed and reports a failure in its shortest form.
func try(t *testing.T, seed uint64) *run {
	t.Helper()
	p := programOf(seed)
	r := execute(seed, p)
	if r.failed == "" {
		return r
	}
	_, shortest := shrink(seed, p)
	text := ""
	for _, line := range shortest.trail {
		text += "\n\t" + line
	}
	t.Fatalf("seed %d: %s%s\n\tgo test ./test/simulate -seed %d", seed, shortest.failed, text, seed)
	return r
}

func TestSimulate(t *testing.T) {
	if *seed != 0 {
		for _, line := range try(t, *seed).trail {
			t.Log(line)
		}
		return
	}
	steps, fine := 0, 0
	for s := range uint64(runsMax) {
		r := try(t, s+1)
		steps += len(r.trail)
		for _, line := range r.trail {
			if bytes.HasSuffix([]byte(line), []byte(" ok")) {
				fine++
			}
		}
	}
	if fine*4 < steps {
		t.Errorf("only %d of %d steps succeed: the programs do nothing", fine, steps)
	}
	t.Logf("%d steps, %d of them successful", steps, fine)
}

// TestReplay runs seeds twice: the journals are the same to the byte.
func TestReplay(t *testing.T) {
	for s := range uint64(20) {
		first, again := execute(s+1, programOf(s+1)), execute(s+1, programOf(s+1))
		if first.log == nil {
			continue
		}
		if a, b := bytes.Join(first.log.Records(), nil), bytes.Join(again.log.Records(), nil); !bytes.Equal(a, b) || len(a) == 0 {
			t.Errorf("seed %d: two journals", s+1)
		}
		if !bytes.Equal(first.machine.Trace(), again.machine.Trace()) {
			t.Errorf("seed %d: two traces", s+1)
		}
	}
}

// TestShrink breaks the model on purpose and looks at what is left of a run.
func TestShrink(t *testing.T) {
	p := program{}
	for i := range 60 {
		p[0] = append(p[0], op{what: "balance", a: uint16(i)})
	}
	p[0][37] = op{what: "nothing"} // an unknown operation is a call that there is not
	shorter, r := shrink(1, p)
	if r.failed == "" || len(shorter[0]) != 1 || shorter[0][0].what != "nothing" {
		t.Errorf("left %v: %s", shorter[0], r.failed)
	}
}
