package capsules

import (
	"context"
	"io"
	"regexp"

	"phios/abi"
	"phios/api/control"
)

// nameTable is what capsules can be called.
var nameTable = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?$`)

// thawed is what a frozen capsule goes on from.
type thawed struct{ program io.Reader }

// Run starts a capsule that is installed.
func (m *Manager) Run(ctx context.Context, r control.RunRequest) (control.Inspection, error) {
	img, err := m.store.named(r.Capsule)
	if err != nil {
		return control.Inspection{}, err
	}
	name := r.As
	if name == "" {
		name = img.manifest.Name
	}
	if len(r.Grants) > control.GrantsMax {
		return control.Inspection{}, badRequest("too many grants", "a capsule has at most 64")
	}
	c, err := m.run(name, img, options{Argument: r.Argument, Arguments: r.Arguments}, r.Grants, nil)
	if err != nil {
		return control.Inspection{}, err
	}
	m.regrant()
	if err := m.save(); err != nil {
		return control.Inspection{}, err
	}
	if r.Wait {
		if err := c.settled(ctx); err != nil {
			return control.Inspection{}, err
		}
	}
	return m.Inspect(name)
}

// run makes a capsule and starts it, anew or from what was frozen.
func (m *Manager) run(name string, img *image, o options, grants []control.Grant, frozen *thawed) (*cell, error) {
	if !nameTable.MatchString(name) {
		return nil, badRequest("a capsule cannot be called "+name, "use lower-case letters, digits and hyphens")
	}
	if _, ok := m.tiers.ByName[img.manifest.Tier]; !ok {
		return nil, &control.Error{Code: abi.StatusUnsupported.Name(), Message: "this node has no tier " + img.manifest.Tier, Remedy: "'phi info' lists those that it has"}
	}
	c, err := m.newCell(name, img, o)
	if err != nil {
		return nil, err
	}
	for _, g := range grants {
		made, err := c.decide(g)
		if err != nil {
			m.root.drop(c.endpoint)
			return nil, err
		}
		c.grants[made.Name] = made
	}
	if err := m.enter(c); err != nil {
		m.root.drop(c.endpoint)
		return nil, err
	}
	if err := c.start(frozen); err != nil {
		c.mu.Lock()
		c.close(control.StateFailed)
		c.mu.Unlock()
		return nil, err
	}
	return c, nil
}

// enter puts a capsule into the table, in the place of one of its name that
// has ended.
func (m *Manager) enter(c *cell) error {
	m.mu.Lock()
	old := m.cells[c.name]
	m.mu.Unlock()
	if old != nil {
		old.mu.Lock()
		over := old.over()
		old.mu.Unlock()
		if !over {
			return &control.Error{Code: control.CodeExists, Message: c.name + " runs already", Remedy: "'phi kill' it first, or run it 'as' another name"}
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.closing:
		return cancelled()
	case m.cells[c.name] != old:
		return &control.Error{Code: control.CodeExists, Message: c.name + " was started by somebody else", Remedy: "'phi ps' shows it"}
	case old == nil && len(m.cells) >= CapsulesMax && !m.forgetOne():
		return refused("run "+c.name, abi.StatusLimit)
	}
	m.cells[c.name] = c
	return nil
}

// forgetOne makes room in the table by forgetting a capsule that has ended;
// false when all run.
//
// Preconditions:
//   - m.mu is held
func (m *Manager) forgetOne() bool {
	for name, c := range m.cells {
		if c.closed.Load() {
			delete(m.cells, name)
			return true
		}
	}
	return false
}

// Kill ends a capsule for good, and returns when nothing of it runs.
func (m *Manager) Kill(ctx context.Context, name string) error {
	c, err := m.cell(name)
	if err != nil {
		return err
	}
	if err := c.kill(ctx); err != nil {
		return err
	}
	return m.save()
}

// Logs shows what a capsule wrote.
func (m *Manager) Logs(ctx context.Context, r control.LogsRequest, show func(control.LogLine) error) error {
	c, err := m.cell(r.Capsule)
	if err != nil {
		return err
	}
	return c.logs.follow(ctx, r, show)
}

// Denials returns what a capsule was refused.
func (m *Manager) Denials(name string) ([]control.Denial, error) {
	c, err := m.cell(name)
	if err != nil {
		return nil, err
	}
	list := []control.Denial{}
	for _, d := range c.denials.all() {
		list = append(list, d.view())
	}
	return list, nil
}
