package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"phios/api/control"
)

func newReload() *cobra.Command {
	var o nodeOptions
	var r control.ReloadRequest
	c := o.asks(&cobra.Command{
		Use:   "reload CAPSULE [DIR]",
		Short: "Swap a capsule's program while it serves",
		Long: `Puts the image that is installed now in the place of the one that runs, with the
same grants. No message that was accepted is lost. When the new program does not
start, or does not answer its probe in time, the old one serves again.

With DIR, the capsule there is installed first.`,
		Args:              cobra.RangeArgs(1, 2),
		ValidArgsFunction: o.completes(capsuleNames),
	}, func(c *cobra.Command, arguments []string, node *control.Client) error {
		r.Capsule = arguments[0]
		if len(arguments) > 1 {
			image, err := install(c, node, arguments[1])
			if err != nil {
				return err
			}
			r.Image = image.Name
		}
		done, err := node.Reload(c.Context(), r)
		if err != nil {
			return err
		}
		err = o.show(c, done, func(w io.Writer) {
			if done.RolledBack == "" {
				say(w, "%s runs %s in place of %s; calls waited for %s\n", r.Capsule, short(done.To), short(done.From), lasting(done.Swapped))
			}
		})
		if err == nil && done.RolledBack != "" {
			return fmt.Errorf("%s was rolled back to %s: %s: mend it, install it and reload again", r.Capsule, short(done.To), printable(done.RolledBack))
		}
		return err
	})
	c.Flags().StringVar(&r.Image, "image", "", "another installed image (default the capsule's own)")
	return c
}
