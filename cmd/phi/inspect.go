package main

import (
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"phios/abi"
	"phios/api/control"
)

func newInspect() *cobra.Command {
	var o nodeOptions
	return o.asks(&cobra.Command{
		Use:               "inspect CAPSULE",
		Short:             "Show everything about a capsule: walls, grants, budget, capabilities",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: o.completes(capsuleNames),
	}, func(c *cobra.Command, arguments []string, node *control.Client) error {
		one, err := node.Inspect(c.Context(), arguments[0])
		if err != nil {
			return err
		}
		return o.show(c, one, func(w io.Writer) { printInspection(w, painter{colored(w)}, one) })
	})
}

// printInspection prints a capsule for people.
func printInspection(w io.Writer, p painter, one control.Inspection) {
	state := stateCell(one.Capsule)
	say(w, "%s  %s, %s, for %s\n", p.in(one.Colour, one.Name), p.in(state.colour, printable(state.text)), one.Tier, ago(time.Now(), one.Since))
	line := func(name, text string) {
		if text != "" {
			say(w, "  %-10s %s\n", name, printable(text))
		}
	}
	line("purpose", one.Purpose)
	line("image", one.Image+" "+short(one.Hash))
	line("signed by", one.Signer)
	line("walls", strings.Join(one.Walls, " "))
	if len(one.Missing) > 0 {
		say(w, "  %-10s %s\n", "missing", p.in("red", printable(strings.Join(one.Missing, " "))))
	}
	if one.Exit != nil {
		line("last end", exitText(*one.Exit))
	}
	line("restarts", count(uint64(max(one.Restarts, 0))))
	line("used", size(one.Usage.MemoryBytes)+" memory, "+lasting(time.Duration(one.Usage.CPUNanoseconds))+" cpu, "+
		count(one.Usage.Calls)+" calls made, "+count(one.Usage.Served)+" served")
	line("table", count(one.SlotsUsed)+" of "+count(one.Slots)+" slots")

	printRequests(w, p, one)
	say(w, "\n%s\n", p.in("bold", "Budget"))
	t := table{headings: []string{"", ">LEFT", ">HELD", ">SPENT"}}
	for r := range abi.Resource(abi.ResourceCount) {
		if one.Available[r]|one.Held[r]|one.Spent[r] != 0 {
			t.add(r.String(), resourceText(r, one.Available[r]), resourceText(r, one.Held[r]), resourceText(r, one.Spent[r]))
		}
	}
	t.print(w, p, "  ")
	if len(one.Handles) == 0 {
		return
	}
	say(w, "\n%s\n", p.in("bold", "Capabilities"))
	t = table{headings: []string{"HANDLE", "NAME", "TYPE", ">OBJECT", "RIGHTS", "MAY PASS ON"}}
	for _, h := range one.Handles {
		t.add(handleText(h.Handle), orDash(h.Name), h.Type, h.Object, rightsText(h.Rights), rightsText(h.Pass))
	}
	t.print(w, p, "  ")
}

// printRequests prints what a capsule asks for and what of it was granted.
func printRequests(w io.Writer, p painter, one control.Inspection) {
	granted := map[string]control.Grant{}
	for _, g := range one.Grants {
		granted[g.Name] = g
	}
	if len(one.Requests)+len(one.Grants) == 0 {
		return
	}
	say(w, "\n%s\n", p.in("bold", "Grants"))
	t := table{headings: []string{"NAME", "KIND", "GRANTED", "REASON"}}
	for _, q := range one.Requests {
		state := cell{"no", "dim"}
		if g, ok := granted[q.Name]; ok {
			state = cell{strings.TrimPrefix(grantText(g), g.Name+"=") + ", " + durationText(g.Duration), "green"}
			delete(granted, q.Name)
		}
		t.add(q.Name, q.Kind, state, q.Reason)
	}
	for _, g := range one.Grants {
		if _, extra := granted[g.Name]; extra {
			t.add(g.Name, "-", cell{strings.TrimPrefix(grantText(g), g.Name+"=") + ", " + durationText(g.Duration), "green"}, "(not asked for)")
		}
	}
	t.print(w, p, "  ")
}

// resourceText writes an amount in the unit of its resource.
func resourceText(r abi.Resource, n uint64) string {
	switch r { //nolint:exhaustive // the others are counted
	case abi.ResourceMemory, abi.ResourceNetwork:
		return size(n)
	case abi.ResourceCPU:
		return lasting(time.Duration(min(n, 1<<62)))
	default:
		return count(n)
	}
}

// handleText writes a handle as its slot and generation.
func handleText(h abi.Handle) string {
	return count(uint64(h.Index())) + "." + count(h.Generation())
}
