package manifest

import (
	"errors"
	"strings"
	"testing"

	"phios/abi"
)

func TestDefault(t *testing.T) {
	m, err := Default()
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Tasks) == 0 || m.TaskByName("mailer") == nil || m.ObjectByName("outbox") == nil || m.TaskByName("nobody") != nil {
		t.Errorf("%d tasks", len(m.Tasks))
	}
	outbox := m.ObjectByName("outbox")
	web := abi.Label{Sources: m.Source("web"), Readers: ^uint64(0)}
	if m.Source("web") == 0 || m.Audience("owner") == 0 || web.FlowsTo(outbox.Ceiling) || !abi.LabelBottom().FlowsTo(outbox.Ceiling) {
		t.Errorf("the ceiling of the outbox is %+v", outbox.Ceiling)
	}
	vouch := m.TaskByName("reviewer").Lowering[0]
	if vouch.Rights != abi.RightEndorse || vouch.Reach.Sources != m.Source("web") || vouch.Reach.Readers != ^uint64(0) {
		t.Errorf("lowering %+v", vouch)
	}
}

const good = `version: 1
sources: [web, mail]
audiences: [owner, public]
endowment: {memory: 1MiB, slots: 100, cpu: 1.5s, energy: 1kJ}
timers: 3
objects:
  - {name: door, type: endpoint, owner: a, capacity: 4, ceiling: {sources: [mail], readers: [owner]}}
  - {name: page, type: region, owner: a, bytes: 4KiB}
  - {name: bell, type: notification, owner: b}
  - {name: line, type: interrupt, owner: b, line: 5}
tasks:
  - name: a
    slots: 16
    budget: {memory: 256KiB, slots: 20}
  - name: b
    slots: 16
    budget: {memory: 0.25MiB, slots: 20}
    lowering: [{name: open, declassify: [public]}]
    holds:
      - {object: door, rights: [INVOKE, SEND, GRANT], pass: [INVOKE, SEND], badge: 0x10, copies: 2, uses: 9}
      - {task: a, rights: [INVOKE, INSPECT]}
  - name: c
    slots: 8
    budget: {memory: 64KiB, slots: 8}
    holds:
      - {object: door, name: way, rights: [INVOKE], from: b.door, copies: 0, ceiling: {sources: all}}
`

func TestParse(t *testing.T) {
	m, err := Parse("good.yaml", []byte(good))
	if err != nil {
		t.Fatal(err)
	}
	if m.Endowment != (abi.Amounts{1 << 20, 100, 1_500_000_000, 0, 0, 1_000_000_000}) || m.Timers != 3 {
		t.Errorf("endowment %v, timers %d", m.Endowment, m.Timers)
	}
	door, line := m.ObjectByName("door"), m.ObjectByName("line")
	if door.Ceiling != (abi.Label{Sources: 2, Readers: 1}) || door.Capacity != 4 || line.Number != 5 || m.ObjectByName("page").Bytes != 4096 {
		t.Errorf("objects %+v", m.Objects)
	}
	b := m.TaskByName("b")
	want := Hold{
		Name: "door", Object: "door", Rights: abi.RightInvoke | abi.RightSend | abi.RightGrant, Pass: abi.RightInvoke | abi.RightSend,
		Badge: 16, Copies: 2, Uses: 9, Ceiling: abi.LabelTop(), Line: 20,
	}
	if b.Holds[0] != want {
		t.Errorf("got %+v, want %+v", b.Holds[0], want)
	}
	if b.Lowering[0].Reach != (abi.Label{Readers: ^uint64(2)}) || b.Budget[abi.ResourceMemory] != 256<<10 {
		t.Errorf("task %+v", b)
	}
	var order []string
	for _, g := range m.Grants() {
		order = append(order, g.To+"."+g.Name)
	}
	if got := strings.Join(order, " "); got != "b.door b.a c.way" {
		t.Errorf("grants in the order %s", got)
	}
}

// TestGrantsOrder checks that a giver comes first also when it stands behind.
func TestGrantsOrder(t *testing.T) {
	text := strings.Replace(good, "name: c\n", "name: aa\n", 1)
	parts := strings.SplitAfter(text, "tasks:\n")
	i := strings.Index(parts[1], "  - name: aa")
	m, err := Parse("good.yaml", []byte(parts[0]+parts[1][i:]+parts[1][:i]))
	if err != nil {
		t.Fatal(err)
	}
	given := map[Reference]bool{}
	for _, g := range m.Grants() {
		if !g.From.None() && !given[g.From] {
			t.Errorf("%s.%s comes before %v", g.To, g.Name, g.From)
		}
		given[Reference{g.To, g.Name}] = true
	}
	if len(given) != 3 {
		t.Errorf("%d grants", len(given))
	}
}

// TestProblems changes one thing in a good manifest, and wants its line and the
// remedy.
func TestProblems(t *testing.T) {
	tests := []struct{ name, from, to, want string }{
		{"version", "version: 1", "version: 2", `m.yaml:1: version "2" is not known here: write 'version: 1'`},
		{"no version", "version: 1\n", "", `needs the field "version"`},
		{"unknown field", "timers: 3", "timer: 3", `m.yaml:5: unknown field "timer" of a manifest: it has audiences,`},
		{"field twice", "timers: 3", "timers: 3\ntimers: 4", `m.yaml:6: field "timers" of a manifest for the second time: keep one`},
		{"unknown right", "rights: [INVOKE, INSPECT]", "rights: [INVOKE, LOOK]", `m.yaml:21: "LOOK" is not a right: there are READ|WRITE`},
		{"right of labels", "rights: [INVOKE, INSPECT]", "rights: [ENDORSE]", `m.yaml:21: ENDORSE is not given on an object: give the task a 'lowering'`},
		{"task twice", "name: c", "name: b", `m.yaml:22: task "b" is declared in line 15 already: rename one`},
		{"object twice", "name: page", "name: door", `m.yaml:8: object "door" is declared in line 7 already: rename one`},
		{"hold twice", "{task: a, ", "{task: a, name: door, ", `m.yaml:21: capability of task b "door" is declared in line 20 already: rename one`},
		{"source twice", "[web, mail]", "[web, web]", `m.yaml:2: source "web" is declared already: keep one`},
		{"no such owner", "type: notification, owner: b", "type: notification, owner: d", `m.yaml:9: object "bell" has the owner "d", which is no task: declare the task`},
		{"no such object", "object: door, name: way", "object: gate, name: way", `m.yaml:26: no object "gate": declare it under 'objects'`},
		{"no such task", "{task: a", "{task: z", `m.yaml:21: no task "z": declare it under 'tasks'`},
		{"no such giver", "from: b.door", "from: b.gate", `m.yaml:26: no capability b.gate: name one under 'holds' of that task, or leave 'from' out for the owner's`},
		{"giver to another", "from: b.door", "from: b.a", `m.yaml:26: b.a is to "a", not to "door": name one to the same object`},
		{"giver without grant", "SEND, GRANT]", "SEND]", `m.yaml:26: b.door cannot be passed on: give it the right GRANT`},
		{"more than the giver may", "name: way, rights: [INVOKE]", "name: way, rights: [INVOKE, READ]", `m.yaml:26: b.door cannot pass on READ: ask for less, or widen what it may pass`},
		{"from itself", "badge: 0x10,", "from: c.way, badge: 0x10,", "m.yaml:20: c.way cannot be passed on"},
		{"over the endowment", "slots: 100", "slots: 30", `m.yaml:15: task "b" takes 20 of slots, and 10 of the endowment are left: lower it, or raise the endowment`},
		{"table over budget", "slots: 8\n", "slots: 9\n", `m.yaml:22: task "c" has a table of 9 slots on a budget of 8: at least 1, and no more than the budget`},
		{"table too small", "slots: 8\n", "slots: 1\n", `m.yaml:22: task "c" has 1 slots and is given 2 capabilities: raise 'slots'`},
		{"region too large", "bytes: 4KiB", "bytes: 1GiB", `m.yaml:8: region "page" is larger than the memory of its owner "a": raise the task's budget`},
		{"not a unit", "memory: 1MiB", "memory: 1MB", `m.yaml:4: "MB" is not a unit of memory: write a number and one of B, KiB, MiB, GiB, TiB`},
		{"not an amount", "cpu: 1.5s", "cpu: much", `m.yaml:4: "much" is not an amount of cpu: write a number and one of ns, us, ms, s, m, h`},
		{"a part of a slot", "slots: 100", "slots: 0.5", `m.yaml:4: "0.5" is not a whole number of slots that fits 64 bits`},
		{"not a name", "name: bell", "name: Bell", `m.yaml:9: "Bell" is not a name: up to 32 small letters, digits and dashes, a letter first`},
		{"wrong field for the type", "type: notification,", "type: notification, bytes: 1,", `m.yaml:9: only an object of type region has the field "bytes": leave it out`},
		{"missing field for the type", ", line: 5", "", `m.yaml:10: an object of type interrupt needs the field "line"`},
		{"unknown type", "type: region", "type: file", `m.yaml:8: "file" is not a type of object: endpoint, interrupt, notification or region`},
		{"unknown source", "sources: [mail]", "sources: [post]", `m.yaml:7: no source "post": declare it at the top, or use one of [web, mail]`},
		{"lowering nothing", ", declassify: [public]", "", `m.yaml:18: lowering "open" lowers nothing: give it 'endorse' or 'declassify'`},
		{"object and task", "{task: a, ", "{task: a, object: bell, ", `m.yaml:21: a capability is to one thing: give it 'object' or 'task'`},
		{"task with a badge", "{task: a, ", "{task: a, badge: 3, ", `m.yaml:21: a capability to a task has rights only: leave the rest out`},
		{"own object", "{task: a, rights: [INVOKE, INSPECT]}", "{object: bell, name: b2, rights: [INVOKE]}", `m.yaml:21: task "b" owns "bell" and holds what makers hold: leave this out`},
		{"manages itself", "{task: a, rights: [INVOKE, INSPECT]}", "{task: b, rights: [INVOKE, MANAGE]}", `m.yaml:15: task "b" manages itself through a circle of 'task' capabilities: break it`},
		{"alias", "name: page", "name: *page", "m.yaml: yaml: unknown anchor"},
		{"not a list", "tasks:\n", "tasks: none\nmore:\n", "m.yaml:11: a list is wanted here"},
		{"two documents", "timers: 3", "timers: 3\n---\nversion: 1", "m.yaml: more than one document: keep the first"},
	}
	for _, test := range tests {
		text := strings.Replace(good, test.from, test.to, 1)
		if text == good {
			t.Errorf("%s: nothing was changed", test.name)
		}
		_, err := Parse("m.yaml", []byte(text))
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got\n%v\nwant\n%s", test.name, err, test.want)
		}
	}
	for _, text := range []string{"", "# nothing\n"} {
		if _, err := Parse("m.yaml", []byte(text)); err == nil || !strings.Contains(err.Error(), "it is empty") {
			t.Errorf("empty: %v", err)
		}
	}
}

func TestCircleOfGivers(t *testing.T) {
	text := strings.Replace(good, "badge: 0x10,", "from: c.way, badge: 0x10,", 1)
	text = strings.Replace(text, "name: way, rights: [INVOKE], from: b.door,", "name: way, rights: [INVOKE, SEND, GRANT], pass: [INVOKE, SEND, GRANT], from: b.door,", 1)
	text = strings.Replace(text, "pass: [INVOKE, SEND], from", "pass: [INVOKE, SEND, GRANT], from", 1)
	_, err := Parse("m.yaml", []byte(text))
	if err == nil || !strings.Contains(err.Error(), "comes from itself") {
		t.Errorf("got %v", err)
	}
}

// TestProblemsAreLimited checks that a manifest that is all wrong is not
// answered with more than it is worth.
func TestProblemsAreLimited(t *testing.T) {
	_, err := Parse("m.yaml", []byte("version: 1\n"+strings.Repeat("x: 1\n", 1000)))
	var joined interface{ Unwrap() []error }
	if !errors.As(err, &joined) || len(joined.Unwrap()) != ProblemsMax+1 {
		t.Errorf("got %v", err)
	}
	if _, err := Parse("m.yaml", make([]byte, BytesMax+1)); err == nil {
		t.Error("a manifest over the limit is read")
	}
}

func TestAmounts(t *testing.T) {
	tests := []struct {
		resource abi.Resource
		text     string
		want     uint64
		ok       bool
	}{
		{abi.ResourceMemory, "64MiB", 64 << 20, true},
		{abi.ResourceMemory, "12", 12, true},
		{abi.ResourceMemory, "0.5KiB", 512, true},
		{abi.ResourceTokens, "1e6", 1_000_000, true},
		{abi.ResourceCPU, "90m", 5400e9, true},
		{abi.ResourceEnergy, "2.5J", 2_500_000, true},
		{abi.ResourceSlots, "18446744073709551615", ^uint64(0), true},
		{abi.ResourceSlots, "18446744073709551616", 0, false},
		{abi.ResourceMemory, "99e99", 0, false},
		{abi.ResourceMemory, "0.3B", 0, false},
		{abi.ResourceMemory, "-1", 0, false},
		{abi.ResourceMemory, "1/3", 0, false},
		{abi.ResourceSlots, "1KiB", 0, false},
		{abi.ResourceCPU, "1e999999999s", 0, false},
		{abi.ResourceCPU, "", 0, false},
	}
	for _, test := range tests {
		if got, err := amount(test.resource, test.text); got != test.want || (err == nil) != test.ok {
			t.Errorf("%v %q: got %d, %v", test.resource, test.text, got, err)
		}
	}
}

// FuzzParse checks that whatever is read ends in a manifest that keeps its
// promises, or an error.
func FuzzParse(f *testing.F) {
	f.Add([]byte(good))
	f.Add(defaultTable)
	f.Fuzz(func(t *testing.T, text []byte) {
		const most = 8 << 10
		if len(text) > most {
			return
		}
		m, err := Parse("fuzz.yaml", text)
		if err != nil {
			return
		}
		holds, slots := 0, uint64(0)
		for _, task := range m.Tasks {
			holds += len(task.Holds)
			slots += uint64(task.Slots)
		}
		if len(m.Grants()) != holds {
			t.Errorf("%d grants of %d capabilities", len(m.Grants()), holds)
		}
		if slots > m.Endowment[abi.ResourceSlots] {
			t.Errorf("tables of %d slots out of %d", slots, m.Endowment[abi.ResourceSlots])
		}
	})
}
