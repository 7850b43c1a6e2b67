package reach_test

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"phios/abi"
	"phios/internal/prng"
	"phios/kernel/capability"
	"phios/kernel/gate"
	"phios/kernel/journal"
	"phios/platform/sim"
	"phios/system"
	"phios/system/manifest"
	"phios/system/reach"
)

// boot boots a manifest on the simulator.
func boot(t *testing.T, text string) (*gate.Kernel, *system.Booted) {
	t.Helper()
	m, err := manifest.Parse("test.yaml", []byte(text))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	machine := sim.New(sim.Config{Seed: 1})
	j, status := journal.New(machine.NewLog(), machine, 1, journal.Options{})
	if status != abi.StatusOK {
		t.Fatal(status)
	}
	k := gate.New(gate.Config{
		Machine: machine, Journal: j, Endowment: m.Endowment, Timers: m.Timers,
		Limits: capability.Limits{Nodes: 1 << 12, Objects: 1 << 10, Spaces: 256, Generations: abi.GenerationMax - 1},
	})
	b, err := system.Boot(k, m)
	if err != nil {
		t.Fatal(err)
	}
	return k, b
}

// graph reads who holds what.
func graph(k *gate.Kernel, b *system.Booted) *reach.Graph {
	return reach.From(system.Held(k), b.TaskOf)
}

// who returns the names of the tasks that reach an object now, and those that
// ever could.
func who(k *gate.Kernel, b *system.Booted, object string) (now, ever string) {
	var direct, potential []string
	for _, r := range reach.Report(graph(k, b), b.Names()) {
		if r.Object != object {
			continue
		}
		if r.Reaches {
			direct = append(direct, r.Task)
		}
		if r.Potential {
			potential = append(potential, r.Task)
		}
	}
	return strings.Join(direct, " "), strings.Join(potential, " ")
}

// TestNobodyElse says for each object of the built-in manifest who can reach
// it, and so that nobody else can.
func TestNobodyElse(t *testing.T) {
	k, b := boot(t, manifest.DefaultText())
	const desk, mail = "coordinator notes supervisor worker", "assistant mailer reviewer web"
	tests := []struct{ object, now, ever string }{
		{"notes", "notes supervisor", desk},
		{"desk", "coordinator notes worker", desk},
		{"clipboard", "notes", desk},
		{"inbox", "assistant web", mail},
		{"review", "assistant reviewer", mail},
		{"outbox", "assistant mailer reviewer", mail},
		{"supervisor.budget", "supervisor", desk},
		{"reviewer.budget", "reviewer", mail},
	}
	for _, test := range tests {
		if now, ever := who(k, b, test.object); now != test.now || ever != test.ever {
			t.Errorf("%s is reached by %q and could be by %q, want %q and %q", test.object, now, ever, test.now, test.ever)
		}
	}
}

const frame = `
version: 1
endowment: {memory: 64MiB, slots: 4096}
objects:
  - {name: x, type: region, owner: owner, bytes: 4096}
  - {name: way, type: endpoint, owner: b, capacity: 4}
tasks:
  - {name: owner, slots: 8, budget: {memory: 1MiB, slots: 64}}
`

// TestRules checks each rule alone: whether task a, or b, comes to reach x.
func TestRules(t *testing.T) {
	const rich = "budget: {slots: 64, memory: 1MiB}"
	tests := []struct {
		name, a, b string
		reached    string // by whom it could be reached, beside the owner
	}{
		{"nothing", "", "", ""},
		{"held", "{object: x, rights: [INVOKE, READ]}", "", "a"},
		{"invoke alone does nothing", "{object: x, rights: [INVOKE]}", "", ""},
		{"read without invoke does nothing", "{object: x, rights: [READ]}", "", ""},
		{"sent", "{object: x, rights: [INVOKE, READ, GRANT], pass: [INVOKE, READ]}, {object: way, rights: [INVOKE, SEND]}", "", "a b"},
		{"no grant, not sent", "{object: x, rights: [INVOKE, READ], pass: [INVOKE, READ]}, {object: way, rights: [INVOKE, SEND]}", "", "a"},
		{"answered", "{object: way, rights: [INVOKE, SEND]}", "{object: x, rights: [INVOKE, READ, GRANT], pass: [INVOKE, READ]}", "a b"},
		{"granted and commanded", "{object: x, rights: [INVOKE, READ, GRANT], pass: [INVOKE, READ]}, {task: b, rights: [INVOKE, MANAGE]}", "", "a b"},
		{"commanded", "{task: b, rights: [INVOKE, MANAGE]}", "{object: x, rights: [INVOKE, READ]}", "a b"},
		{"inspected only", "{task: b, rights: [INVOKE, INSPECT]}", "{object: x, rights: [INVOKE, READ]}", "b"},
		{"derived", "{object: x, rights: [DERIVE], pass: [INVOKE, READ]}", "", "a"},
		{"through a child", "{object: x, rights: [GRANT], pass: [INVOKE, READ]}", "", "a"},
	}
	for _, test := range tests {
		text := frame + "  - {name: a, slots: 8, " + rich + ", holds: [" + test.a + "]}\n" +
			"  - {name: b, slots: 8, " + rich + ", holds: [" + test.b + "]}\n"
		k, b := boot(t, text)
		_, ever := who(k, b, "x")
		if got := strings.TrimSpace(strings.ReplaceAll(ever, "owner", "")); got != test.reached {
			t.Errorf("%s: reached by %q, want %q", test.name, got, test.reached)
		}
	}
}

// randomManifest makes a manifest of a few tasks that hold this and that.
func randomManifest(r *prng.Source) string {
	rights := []string{"INVOKE", "SEND", "RECEIVE", "GRANT", "DERIVE", "READ", "WRITE"}
	list := func(chance uint16) string {
		var some []string
		for _, name := range rights {
			if r.Chance(chance) {
				some = append(some, name)
			}
		}
		return "[" + strings.Join(some, ", ") + "]"
	}
	objects := []string{"x", "e", "f"}
	text := "version: 1\nendowment: {memory: 64MiB, slots: 4096}\nobjects:\n" +
		"  - {name: x, type: region, owner: t0, bytes: 4096}\n" +
		"  - {name: e, type: endpoint, owner: t1, capacity: 4}\n" +
		"  - {name: f, type: endpoint, owner: t2, capacity: 4}\ntasks:\n"
	owner := map[string]int{"x": 0, "e": 1, "f": 2}
	for i := range 4 {
		var holds []string
		for _, o := range objects {
			if owner[o] != i && r.Chance(600) {
				holds = append(holds, fmt.Sprintf("{object: %s, rights: %s, pass: %s}", o, list(500), list(400)))
			}
		}
		if i > 0 && r.Chance(200) {
			holds = append(holds, fmt.Sprintf("{task: t%d, rights: [INVOKE, MANAGE]}", i-1))
		}
		text += fmt.Sprintf("  - {name: t%d, slots: 24, budget: {memory: 1MiB, slots: 128}, holds: [%s]}\n", i, strings.Join(holds, ", "))
	}
	return text
}

// world plays tasks that do their best to spread what they have.
type world struct {
	kernel *gate.Kernel
	ports  map[uint64]*gate.Port // by task
	maker  map[uint64]uint64     // of the tasks that were made, which root task made them
	random *prng.Source
}

// Launch gives a made task a port and does nothing with it: the test drives it.
func (w *world) Launch(p *gate.Port, _, _ uint64) abi.Status {
	w.ports[p.TaskID()] = p
	return abi.StatusOK
}

// step lets one task do one thing at random.
func (w *world) step() {
	ids := slices.Sorted(maps.Keys(w.ports))
	id := ids[w.random.Below(uint64(len(ids)))]
	p := w.ports[id]
	var mine []capability.Held
	for _, h := range system.Held(w.kernel) {
		if h.Task == id {
			mine = append(mine, h)
		}
	}
	if len(mine) == 0 {
		return
	}
	one, other := mine[w.random.Below(uint64(len(mine)))], mine[w.random.Below(uint64(len(mine)))]
	mint := abi.Whole(other.Pass)
	a := abi.Args{Mint: &mint, Message: &abi.Message{HandleCount: 1, Deadline: 1}, Label: abi.LabelTop()}
	a.Message.Handles[0] = other.Handle
	if w.random.Chance(300) {
		a.Message.Moves = 1
	}
	switch one.Type { //nolint:exhaustive // the others are minted from
	case abi.ObjectEndpoint:
		calls := []abi.Call{abi.EndpointSend, abi.EndpointReceive, abi.CapMint}
		mint = abi.Whole(one.Pass)
		_ = p.Invoke(one.Handle, calls[w.random.Below(3)], &a)
	case abi.ObjectTask:
		a.W[0] = uint64(other.Handle)
		_ = p.Invoke(one.Handle, abi.TaskGrant, &a)
	case abi.ObjectBudget:
		a.W = [abi.ArgWords]uint64{8}
		if w.random.Chance(500) {
			_ = p.Invoke(one.Handle, abi.EndpointCreate, &abi.Args{W: [6]uint64{2}, Label: abi.LabelTop()})
		} else if p.Invoke(one.Handle, abi.TaskCreate, &a) == abi.StatusOK {
			w.adopt(id, abi.Handle(a.W[0]), p, a.W[1])
		}
	default:
		mint = abi.Whole(one.Pass)
		_ = p.Invoke(one.Handle, abi.CapMint, &a)
	}
}

// adopt starts a task that was made.
func (w *world) adopt(parent uint64, h abi.Handle, p *gate.Port, id uint64) {
	root := parent
	if r, ok := w.maker[parent]; ok {
		root = r
	}
	w.maker[id] = root
	_ = p.Invoke(h, abi.TaskStart, &abi.Args{})
}

// TestClosureBoundsTheKernel lets random tasks of random manifests do what the
// kernel lets them do, and finds nothing that the closure did not foresee.
// What a made task holds, its maker must have been foreseen to do.
func TestClosureBoundsTheKernel(t *testing.T) {
	spread := 0
	for seed := range uint64(40) {
		r := prng.New(seed)
		text := randomManifest(r)
		m, err := manifest.Parse("random.yaml", []byte(text))
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		machine := sim.New(sim.Config{Seed: seed})
		j, _ := journal.New(machine.NewLog(), machine, 1, journal.Options{})
		w := &world{ports: map[uint64]*gate.Port{}, maker: map[uint64]uint64{}, random: r}
		w.kernel = gate.New(gate.Config{
			Machine: machine, Journal: j, Launcher: w, Endowment: m.Endowment, Timers: 1,
			Limits: capability.Limits{Nodes: 1 << 12, Objects: 1 << 10, Spaces: 256, Generations: abi.GenerationMax - 1},
		})
		b, err := system.Boot(w.kernel, m)
		if err != nil {
			t.Fatal(err)
		}
		for id, name := range b.TaskNames {
			w.ports[id] = b.Task(name).Port
		}
		start := graph(w.kernel, b)
		closure := start.Closure()
		known := start.Objects()
		for step := range 400 {
			w.step()
			for _, h := range system.Held(w.kernel) {
				root := h.Task
				if made, ok := w.maker[h.Task]; ok {
					root = made
				}
				if !slices.ContainsFunc(known, func(o reach.Object) bool { return o.ID == h.Object }) {
					continue
				}
				if lacking := h.Rights &^ closure.Rights(root, h.Object); lacking != 0 {
					t.Fatalf("seed %d, step %d: task %d has %v of object %d more than foreseen\n%s", seed, step, h.Task, lacking, h.Object, text)
				}
				if h.Rights&^start.Rights(root, h.Object) != 0 {
					spread++
				}
			}
		}
	}
	if spread == 0 {
		t.Error("no right ever spread: the test tests nothing")
	}
}

func TestPrint(t *testing.T) {
	k, b := boot(t, frame+"  - {name: b, slots: 8, budget: {slots: 16, memory: 64KiB}, holds: [{object: x, rights: [GRANT], pass: [INVOKE, READ]}]}\n")
	var out bytes.Buffer
	rows := slices.DeleteFunc(reach.Report(graph(k, b), b.Names()), func(r reach.Row) bool { return r.Object != "x" })
	if err := reach.Print(&out, rows); err != nil {
		t.Fatal(err)
	}
	const want = "x (region)\n  o b            GRANT                          could: READ INVOKE\n  * owner        18 rights\n"
	if out.String() != want {
		t.Errorf("got\n%s", out.String())
	}
}
