package main

import (
	"io"
	"os"

	"github.com/spf13/cobra"

	"phios/api/control"
)

func newFreeze() *cobra.Command {
	var o nodeOptions
	file := ""
	c := o.asks(&cobra.Command{
		Use:               "freeze CAPSULE",
		Short:             "Stop a capsule and write its state to a file",
		Long:              "Stops a capsule between two messages and writes its memory, its globals and the names\nof its grants to a file, from which 'phi thaw' goes on, here or on another node. The\nfile is there whole or not at all. Native capsules cannot be frozen.",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: o.completes(capsuleNames),
	}, func(c *cobra.Command, arguments []string, node *control.Client) error {
		if file == "" {
			file = arguments[0] + ".frozen"
		}
		if err := node.FreezeFile(c.Context(), arguments[0], file); err != nil {
			return err
		}
		info, err := os.Stat(file)
		if err != nil {
			return err
		}
		frozen := struct {
			Capsule string `json:"capsule"`
			File    string `json:"file"`
			Size    int64  `json:"size"`
		}{arguments[0], file, info.Size()}
		return o.show(c, frozen, func(w io.Writer) {
			say(w, "%s is frozen: %s in %s; go on with 'phi thaw %s'\n", arguments[0], size(uint64(max(info.Size(), 0))), file, quoted(file))
		})
	})
	c.Flags().StringVarP(&file, "output", "o", "", "the file (default CAPSULE.frozen)")
	return c
}
