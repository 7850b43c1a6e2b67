package main

import (
	"io"
	"os"

	"github.com/spf13/cobra"

	"phios/system/tour"
)

func newTour() *cobra.Command {
	return &cobra.Command{
		Use:   "tour",
		Short: "Walk through what the kernel does, on a real node",
		Args:  cobra.NoArgs,
		RunE: does(func(c *cobra.Command, _ []string) error {
			return tour.Run(c.OutOrStdout(), tour.Options{Color: colored(c.OutOrStdout())})
		}),
	}
}

// colored reports whether to write to w in colour: on a terminal, unless the
// environment says NO_COLOR or the terminal is dumb.
func colored(w io.Writer) bool {
	file, ok := w.(*os.File)
	if !ok || os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
