package main

import (
	"io"

	"github.com/spf13/cobra"

	"phios/api/control"
)

func newKill() *cobra.Command {
	var o nodeOptions
	return o.asks(&cobra.Command{
		Use:               "kill CAPSULE...",
		Short:             "End capsules for good",
		Long:              "Ends each capsule and everything below it. It returns when nothing of them runs.\nWhat they were granted ends with them; the image stays installed.",
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: o.completes(capsuleNames, capsuleNames, capsuleNames, capsuleNames),
	}, func(c *cobra.Command, arguments []string, node *control.Client) error {
		for _, name := range arguments {
			if err := node.Kill(c.Context(), name); err != nil {
				return err
			}
			if err := o.show(c, control.Named{Capsule: name}, func(w io.Writer) { say(w, "%s is killed\n", name) }); err != nil {
				return err
			}
		}
		return nil
	})
}
