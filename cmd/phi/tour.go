package main

import (
	"github.com/spf13/cobra"

	"phios/system/tour"
)

func newTour() *cobra.Command {
	return &cobra.Command{
		Use:   "tour",
		Short: "Walk through what the kernel does, on a real node",
		Args:  cobra.NoArgs,
		RunE: does(func(c *cobra.Command, _ []string) error {
			return tour.Run(c.OutOrStdout())
		}),
	}
}
