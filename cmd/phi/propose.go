package main

import (
	"io"

	"github.com/spf13/cobra"

	"phios/api/control"
)

func newPropose() *cobra.Command {
	var o nodeOptions
	return o.asks(&cobra.Command{
		Use:   "propose CAPSULE",
		Short: "Print the smallest grants that would let through what was refused",
		Long: `Prints, as commands to copy, the smallest grants that would have let through what
a capsule was refused so far. Nothing is granted by it.

What no grant can help is printed behind "#".`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: o.completes(capsuleNames),
	}, func(c *cobra.Command, arguments []string, node *control.Client) error {
		p, err := node.Propose(c.Context(), arguments[0])
		if err != nil {
			return err
		}
		for i := range p.Grants {
			if p.Grants[i].Capsule == "" {
				p.Grants[i].Capsule = arguments[0]
			}
		}
		return o.show(c, p, func(w io.Writer) {
			for _, g := range p.Grants {
				say(w, "%s\n", command(g))
			}
			for _, u := range p.Unmet {
				say(w, "# %s\n", printable(u))
			}
			if len(p.Grants)+len(p.Unmet) == 0 {
				say(w, "# %s was refused nothing that a grant would change\n", arguments[0])
			}
		})
	})
}
