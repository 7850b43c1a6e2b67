package main

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/spf13/cobra"

	"phios/api/control"
)

// downWaitMax is how long 'phi down' waits for the node to be gone.
const downWaitMax = 30 * time.Second

func newDown() *cobra.Command {
	var o nodeOptions
	return o.asks(&cobra.Command{
		Use:   "down",
		Short: "Stop the node",
		Long:  "Stops the node and returns when it is gone. Capsules that ran are started again with\nthe next 'phi up' on the same data folder.",
		Args:  cobra.NoArgs,
	}, func(c *cobra.Command, _ []string, node *control.Client) error {
		if err := node.Stop(c.Context()); err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(c.Context(), downWaitMax)
		defer cancel()
		for {
			_, err := node.Info(ctx)
			var gone *control.Error
			if errors.As(err, &gone) && gone.Code == control.CodeNoNode {
				break
			}
			select {
			case <-ctx.Done():
				return errors.New("the node was told to stop and still answers: look at its log, or end its process")
			case <-time.After(20 * time.Millisecond):
			}
		}
		return o.show(c, control.Empty{}, func(w io.Writer) { say(w, "the node is down\n") })
	})
}
