// Package tour is the guided tour of what is built: it starts a node of the
// built-in manifest on this machine and lets its tasks do, one after the other,
// what the kernel is for. Nothing of what it prints is canned: each line is a
// call that was made and what the kernel answered.
//
// The tour fails when an answer is not what the tour is there to show, so that
// it cannot go on telling what is no longer so.
//
// Ledger: S1 S6 S11 S12 S24.
package tour

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"phios/abi"
	"phios/platform/host"
	"phios/system"
)

// Options say how the tour is shown.
type Options struct {
	// Color uses the colours of a terminal.
	Color bool
}

// arenaBytes is the address space that a tour's node reserves.
const arenaBytes = 1 << 30

// guide leads through the tour.
type guide struct {
	*paper

	node *system.Node
	nest *nest
	err  error // the first answer that was not the expected one
}

// Run walks the tour and prints it to w. It returns an error when the node
// cannot be started, and when the kernel answers otherwise than it should.
func Run(w io.Writer, options Options) error {
	g := &guide{paper: &paper{to: w, color: options.Color}, nest: newNest()}
	node, err := system.Start(system.Config{
		Programs: []system.Program{{Name: "nest", Run: g.nest.program}},
		Host:     host.Config{ArenaBytes: arenaBytes},
	})
	if err != nil {
		return err
	}
	g.node = node
	g.walk()
	return errors.Join(g.err, node.Stop(), g.paper.err)
}

// walk goes through the steps, and stops at the first surprise.
func (g *guide) walk() {
	g.line("%s a node in this process: %d tasks, no superuser.", g.strong("ΦOS"), len(g.node.Manifest.Tasks))
	g.line("%s", g.faint("who          does what                                       → what the kernel answered"))
	for i, step := range []struct {
		title string
		show  func(*guide)
	}{
		{"A call runs the server on the caller's own thread", (*guide).call},
		{"What a task was not given, it cannot name", (*guide).forge},
		{"A right to pass on is not a right to use", (*guide).passOn},
		{"Memory is handed over, not copied; and taken back", (*guide).handOver},
		{"A budget says no before anything has changed", (*guide).overspend},
		{"What the web wrote does not leave by mail, unless someone vouches", (*guide).launder},
		{"The same at every scale: one program, three levels deep", (*guide).deepen},
		{"Killing a task stops all below it and gives back what they held", (*guide).kill},
		{"All of it is on record", (*guide).audit},
	} {
		if g.err != nil {
			return
		}
		g.line("")
		g.line("%s %s", g.strong(fmt.Sprintf("%d", i+1)), g.strong(step.title))
		step.show(g)
	}
}

// do makes a call on a capability that the manifest names, and shows it. What
// follows the name behind a comma is for the reader.
func (g *guide) do(who, name string, c abi.Call, a *abi.Args, want abi.Status) {
	known, _, _ := strings.Cut(name, ",")
	g.on(who, name, g.node.Task(who).Handle(known)).do(c, a, want)
}

// act is a call about to be made and shown: by whom, and on what, under what
// the reader knows it as.
type act struct {
	guide     *guide
	who, name string
	handle    abi.Handle
}

// on says on which capability a task acts.
func (g *guide) on(who, name string, h abi.Handle) act { return act{g, who, name, h} }

// do makes the call and shows it. A status that is not the wanted one ends the
// tour, and nothing more is done.
func (t act) do(c abi.Call, a *abi.Args, want abi.Status) {
	if t.guide.err != nil {
		return
	}
	status := t.guide.node.Task(t.who).Port.Invoke(t.handle, c, a)
	t.guide.show(t.who, c.String()+" "+t.name, status, want)
}

// show prints what was done and what came of it.
func (g *guide) show(who, what string, status, want abi.Status) {
	g.answer(who, what, status)
	if status != want && g.err == nil {
		g.err = fmt.Errorf("%s: %s: the kernel answered %q, and the tour is about %q", who, what, status.Name(), want.Name())
	}
}

// quiet makes a call that the tour needs and does not show.
func (g *guide) quiet(who string, h abi.Handle, c abi.Call, a *abi.Args) {
	if g.err != nil {
		return
	}
	if status := g.node.Task(who).Port.Invoke(h, c, a); status != abi.StatusOK {
		g.err = fmt.Errorf("%s: %v: %w", who, c, status)
	}
}

// text makes a message of text.
func text(s string) *abi.Message {
	m := &abi.Message{}
	m.SetPayload([]byte(s))
	return m
}
