package capsules

import (
	"cmp"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"phios/abi"
	"phios/api/control"
	"phios/capsule"
	"phios/kernel/capability"
	"phios/system"
)

// Info says which node this is; rights are the asker's.
func (m *Manager) Info(rights abi.Rights) control.Info {
	m.mu.Lock()
	count := len(m.cells)
	m.mu.Unlock()
	trouble := m.trouble
	if m.store.broken != "" {
		trouble = append([]string{m.store.broken}, trouble...)
	}
	return control.Info{
		Version: m.config.Version, PID: os.Getpid(), Started: m.started, DataDir: m.config.DataDir,
		Tiers: slices.Sorted(maps.Keys(m.tiers.ByName)), Capsules: count, Rights: control.RightsOf(rights),
		Budget: m.amounts(m.root.budget, 0), Resumed: m.resumed, Recovery: strings.Join(trouble, "; "),
	}
}

// amounts asks a budget for what is available (0), held (1) or spent (2).
func (m *Manager) amounts(budget abi.Handle, which uint64) abi.Amounts {
	a := abi.Args{W: [abi.ArgWords]uint64{which}}
	if m.root.do(budget, abi.BudgetInspect, &a) != abi.StatusOK {
		return abi.Amounts{} // it has gone meanwhile
	}
	return a.W
}

// Images returns what is installed, by name.
func (m *Manager) Images() []control.Image {
	list := []control.Image{}
	for _, img := range m.store.all() {
		list = append(list, img.view())
	}
	return list
}

// List returns the capsules, by name.
func (m *Manager) List() []control.Capsule {
	list := []control.Capsule{}
	for _, c := range m.all() {
		list = append(list, c.view())
	}
	return list
}

// view is the capsule as a list shows it.
func (c *cell) view() control.Capsule {
	c.mu.Lock()
	defer c.mu.Unlock()
	man := c.image.manifest
	v := control.Capsule{
		Name: c.name, Colour: man.Colour, Image: man.Name, Tier: man.Tier, State: c.state, Restarts: c.restarts,
		Denials: len(c.denials.all()),
	}
	if c.exit != nil {
		v.Exit = &control.Exit{Cause: c.exit.Cause.String(), Code: c.exit.Code, Detail: c.exit.Detail}
	}
	i := c.instance
	if i == nil {
		return v
	}
	age := time.Duration(c.m.node.Machine().Now() - i.since)
	v.Task, v.Since = i.taskID, c.m.config.Wall().Add(-age)
	u := i.usage()
	v.Usage = control.Usage{MemoryBytes: u.MemoryBytes, CPUNanoseconds: u.CPUNanoseconds, Calls: u.Calls, Served: i.served.Load()}
	i.mu.Lock()
	defer i.mu.Unlock()
	if p, ok := i.program.(withProcess); ok && !i.ended {
		v.PID = p.PID()
	}
	return v
}

// Inspect returns everything about a capsule.
func (m *Manager) Inspect(name string) (control.Inspection, error) {
	c, err := m.cell(name)
	if err != nil {
		return control.Inspection{}, err
	}
	v := control.Inspection{Capsule: c.view(), Walls: []string{}, Handles: []control.Handle{}, Grants: []control.Grant{}}
	c.mu.Lock()
	i := c.instance
	v.Purpose, v.Hash, v.Signer, v.Requests = c.image.manifest.Purpose, c.image.hash, c.image.manifest.Signer, c.image.requests()
	for _, name := range slices.Sorted(maps.Keys(c.grants)) {
		v.Grants = append(v.Grants, c.grants[name].Grant)
	}
	c.mu.Unlock()
	if i != nil {
		m.inspectInstance(i, &v)
	}
	return v, nil
}

// inspectInstance adds what an instance that runs has.
func (m *Manager) inspectInstance(i *instance, v *control.Inspection) {
	v.Available, v.Held, v.Spent = m.amounts(i.budget, 0), m.amounts(i.budget, 1), m.amounts(i.budget, 2)
	a := abi.Args{}
	if m.root.do(i.task, abi.TaskInspect, &a) == abi.StatusOK {
		v.SlotsUsed, v.Slots, v.Label = a.W[4], a.W[5], a.Label
	}
	names := map[abi.Handle]string{}
	i.mu.Lock()
	for name, h := range i.names {
		names[h] = name
	}
	if i.program != nil && !i.ended {
		walls := i.program.Walls()
		v.Walls = walls.Names()
		if i.image.manifest.Tier != capsule.TierInline {
			v.Missing = (capsule.WallsProcess &^ walls).Names()
		}
	}
	i.mu.Unlock()
	m.node.Kernel().Visit(func(h capability.Held) {
		if h.Task != i.taskID {
			return
		}
		v.Handles = append(v.Handles, control.Handle{
			Handle: h.Handle, Name: names[h.Handle], Type: h.Type.String(), Object: h.Object,
			Rights: control.RightsOf(h.Rights), Pass: control.RightsOf(h.Pass), Badge: h.Badge,
		})
	})
}

// Caps returns every capability of the node.
func (m *Manager) Caps() []control.Held {
	held := system.Held(m.node.Kernel())
	slices.SortStableFunc(held, func(a, b capability.Held) int { return cmp.Compare(a.Task, b.Task) })
	m.mu.Lock()
	defer m.mu.Unlock()
	list := make([]control.Held, 0, len(held))
	for _, h := range held {
		list = append(list, control.Held{
			Task: h.Task, Owner: m.byTask[h.Task], Handle: h.Handle, Object: h.Object, Of: m.objects[h.Object], Type: h.Type.String(),
			Rights: control.RightsOf(h.Rights), Pass: control.RightsOf(h.Pass), Badge: h.Badge, From: m.byTask[h.Parent],
		})
	}
	return list
}

// Top is one look at all capsules.
func (m *Manager) Top() control.Top {
	return control.Top{Time: m.config.Wall(), Capsules: m.List(), Free: m.amounts(m.root.budget, 0)}
}
