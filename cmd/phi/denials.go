package main

import (
	"io"
	"strings"

	"github.com/spf13/cobra"

	"phios/api/control"
)

func newDenials() *cobra.Command {
	var o nodeOptions
	return o.asks(&cobra.Command{
		Use:               "denials CAPSULE",
		Short:             "List what a capsule was refused",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: o.completes(capsuleNames),
	}, func(c *cobra.Command, arguments []string, node *control.Client) error {
		all, err := node.Denials(c.Context(), arguments[0])
		if err != nil {
			return err
		}
		return o.show(c, all, func(w io.Writer) {
			if len(all) == 0 {
				say(w, "%s was refused nothing\n", arguments[0])
				return
			}
			t := table{headings: []string{"LAST", ">TIMES", "NAME", "CALL", "ANSWER", "NEEDS", "DETAIL"}}
			for _, d := range all {
				t.add(d.Time.Format("15:04:05"), count(d.Count), orDash(d.Name), d.Call, cell{d.Status, "red"}, strings.Join(d.Need, ","), d.Detail)
			}
			t.print(w, painter{colored(w)}, "")
			say(w, "\n'phi propose %s' says which grants would have let this through.\n", arguments[0])
		})
	})
}
