package main

import (
	"io"

	"github.com/spf13/cobra"

	"phios/api/control"
)

func newRevoke() *cobra.Command {
	var o nodeOptions
	return o.asks(&cobra.Command{
		Use:               "revoke CAPSULE NAME",
		Short:             "Take a capability back, and all that was made from it",
		Long:              "Takes back what a capsule was granted under a name, and everything that was derived\nfrom it, wherever it went. When it returns, nothing that was begun with it has any\nfurther effect.",
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: o.completes(capsuleNames, grantNames),
	}, func(c *cobra.Command, arguments []string, node *control.Client) error {
		r := control.RevokeRequest{Capsule: arguments[0], Name: arguments[1]}
		if err := node.Revoke(c.Context(), r.Capsule, r.Name); err != nil {
			return err
		}
		return o.show(c, r, func(w io.Writer) { say(w, "%s no longer has %s\n", r.Capsule, r.Name) })
	})
}
