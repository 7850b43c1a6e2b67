package main

import (
	"io"
	"os"

	"github.com/spf13/cobra"

	"phios/api/control"
)

func newThaw() *cobra.Command {
	var o nodeOptions
	var r control.ThawRequest
	c := o.asks(&cobra.Command{
		Use:   "thaw FILE",
		Short: "Let a capsule go on from where it was frozen",
		Args:  cobra.ExactArgs(1),
	}, func(c *cobra.Command, arguments []string, node *control.Client) error {
		file, err := os.Open(arguments[0])
		if err != nil {
			return err
		}
		defer file.Close() //nolint:errcheck // nothing was written
		one, err := node.Thaw(c.Context(), r, file)
		if err != nil {
			return err
		}
		return o.show(c, one, func(w io.Writer) {
			say(w, "%s goes on (%s, %s)\n", one.Name, one.State, one.Tier)
			if !r.Grants && len(one.Requests) > 0 && len(one.Grants) == 0 {
				say(w, "it holds none of what it asks for: 'phi grant' gives it, or 'phi thaw --with-grants' what the file says\n")
			}
		})
	})
	c.Flags().BoolVar(&r.Grants, "with-grants", false, "grant again what the file says; only for a file that nobody else could write")
	c.Flags().StringVar(&r.As, "as", "", "what to call it (default as before)")
	return c
}
