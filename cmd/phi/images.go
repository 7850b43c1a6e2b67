package main

import (
	"io"
	"time"

	"github.com/spf13/cobra"

	"phios/api/control"
)

func newImages() *cobra.Command {
	var o nodeOptions
	return o.asks(&cobra.Command{
		Use:   "images",
		Short: "List what is installed on the node",
		Args:  cobra.NoArgs,
	}, func(c *cobra.Command, _ []string, node *control.Client) error {
		all, err := node.Images(c.Context())
		if err != nil {
			return err
		}
		return o.show(c, all, func(w io.Writer) {
			if len(all) == 0 {
				say(w, "nothing is installed: install a capsule with 'phi install DIR'\n")
				return
			}
			t := table{headings: []string{"NAME", "TIER", "HASH", ">SIZE", "SIGNED BY", ">INSTALLED", ">ASKS FOR", "PURPOSE"}}
			for _, one := range all {
				t.add(one.Name, one.Tier, short(one.Hash), size(uint64(max(one.Size, 0))), orDash(short(one.Signer)),
					lasting(time.Since(one.Installed))+" ago", len(one.Requests), one.Purpose)
			}
			t.print(w, painter{colored(w)}, "")
		})
	})
}
