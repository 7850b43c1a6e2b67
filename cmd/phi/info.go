package main

import (
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"phios/api/control"
)

func newInfo() *cobra.Command {
	var o nodeOptions
	return o.asks(&cobra.Command{
		Use:   "info",
		Short: "Say which node runs, and what it can",
		Args:  cobra.NoArgs,
	}, func(c *cobra.Command, _ []string, node *control.Client) error {
		one, err := node.Info(c.Context())
		if err != nil {
			return err
		}
		return o.show(c, one, func(w io.Writer) {
			say(w, "phi %s, process %d, up for %s\n", one.Version, one.PID, lasting(time.Since(one.Started)))
			say(w, "  data      %s\n  socket    %s\n  tiers     %s\n  capsules  %d\n  you may   %s\n",
				one.DataDir, node.Socket, strings.Join(one.Tiers, " "), one.Capsules, one.Rights)
			if one.Recovery != "" {
				say(w, "  recovery  %s\n", printable(one.Recovery))
			}
		})
	})
}
