package main

import (
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"phios/api/control"
)

func newPs() *cobra.Command {
	var o nodeOptions
	return o.asks(&cobra.Command{
		Use:   "ps",
		Short: "List the capsules of the node",
		Args:  cobra.NoArgs,
	}, func(c *cobra.Command, _ []string, node *control.Client) error {
		all, err := node.List(c.Context())
		if err != nil {
			return err
		}
		return o.show(c, all, func(w io.Writer) {
			if len(all) == 0 {
				say(w, "no capsules: run one with 'phi run'\n")
				return
			}
			p, now := painter{colored(w)}, time.Now()
			t := table{headings: []string{"NAME", "STATE", "TIER", ">FOR", ">RESTARTS", ">MEMORY", ">CPU", ">SERVED", ">DENIED", "IMAGE"}}
			for _, one := range all {
				t.add(cell{one.Name, one.Colour}, stateCell(one), one.Tier, ago(now, one.Since), one.Restarts,
					size(one.Usage.MemoryBytes), lasting(time.Duration(one.Usage.CPUNanoseconds)), count(one.Usage.Served), one.Denials, one.Image)
			}
			t.print(w, p, "")
		})
	})
}

// stateCell is a capsule's state in its colour, with the beginning of how one
// that failed has ended.
func stateCell(one control.Capsule) cell {
	const textMax = 48
	text := one.State
	if one.Exit != nil && (one.State == control.StateFailed || one.State == control.StateWaiting) {
		text += " (" + exitText(*one.Exit) + ")"
	}
	if runes := []rune(text); len(runes) > textMax {
		text = string(runes[:textMax]) + "..."
	}
	return cell{text, stateColour(one.State)}
}

func stateColour(state string) string {
	switch state {
	case control.StateServing:
		return "green"
	case control.StateStarting, control.StateWaiting:
		return "yellow"
	case control.StateFailed:
		return "red"
	default:
		return "dim"
	}
}

// exitText says how a program ended, in one line: the rest is in the logs.
func exitText(e control.Exit) string {
	text := e.Cause
	if e.Cause == "returned" {
		text = "exit " + count(uint64(e.Code))
	}
	if first, _, _ := strings.Cut(e.Detail, "\n"); first != "" {
		text += ": " + printable(first)
	}
	return text
}

// ago says how long ago something was, "-" for what never was.
func ago(now, then time.Time) string {
	if then.IsZero() {
		return "-"
	}
	return lasting(now.Sub(then))
}
