package main

import (
	"context"
	"errors"
	"io"
	"os"

	"github.com/spf13/cobra"

	"phios/test/bench"
)

// newBench returns the verb that measures.
func newBench() *cobra.Command {
	c := &cobra.Command{
		Use:   "bench",
		Short: "Measure this machine's ΦOS against its targets",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newBenchKernel(), newBenchCapsule(), newBenchPeer())
	return c
}

func newBenchKernel() *cobra.Command {
	return measures(bench.Kernel, &cobra.Command{
		Use:   "kernel",
		Short: "Measure the kernel against its targets and against Go's own means",
		Long: `Measures the kernel on this machine: each row's value, its target, and what a
Go program would use in its place, measured in alternation. It takes half a
minute and both processors, so leave the machine alone meanwhile.

It exits with 1 when a row misses its target.`,
	})
}

func newBenchCapsule() *cobra.Command {
	return measures(bench.Capsules, &cobra.Command{
		Use:   "capsule",
		Short: "Measure capsules against their targets",
		Long: `Measures capsules on this machine: how fast they start, what they take while
they wait, and how fast they call each other. It builds a program in Go first,
so run it in the repository. It takes a minute and both processors, so leave
the machine alone meanwhile.

It exits with 1 when a row misses its target.`,
	})
}

// measures makes a verb of a measurement.
func measures(measure func(context.Context, bench.Options) ([]bench.Row, error), c *cobra.Command) *cobra.Command {
	options := bench.Options{Peer: []string{"/proc/self/exe", "bench", "peer"}}
	asJSON, asMarkdown := false, false
	c.Args = cobra.NoArgs
	c.RunE = does(func(c *cobra.Command, _ []string) error {
		if problems := c.ErrOrStderr(); terminal(problems) {
			options.Progress = problems
		}
		rows, err := measure(c.Context(), options)
		if err != nil {
			return err
		}
		format := bench.Table
		switch {
		case asJSON:
			format = bench.JSON
		case asMarkdown:
			format = bench.Markdown
		}
		err = bench.Write(c.OutOrStdout(), format, rows)
		if errors.Is(err, bench.ErrMissed) {
			return errReported
		}
		return err
	})
	flags := c.Flags()
	flags.BoolVar(&asJSON, "json", false, "print one JSON array of rows")
	flags.BoolVar(&asMarkdown, "markdown", false, "print the table of docs/benchmarks.md")
	flags.IntVar(&options.Rounds, "rounds", bench.RoundsDefault, "rounds of each measurement, 1 to 1000")
	flags.StringVar(&options.Only, "only", "", "measure one family of rows alone, such as call")
	c.MarkFlagsMutuallyExclusive("json", "markdown")
	return c
}

// newBenchPeer returns the verb by which the measurements between two
// processes start the other one. It is of no use to anybody else.
func newBenchPeer() *cobra.Command {
	return &cobra.Command{
		Use:    "peer KIND",
		Short:  "Answer what a measurement sends",
		Args:   cobra.ExactArgs(1),
		Hidden: true,
		RunE:   does(func(_ *cobra.Command, arguments []string) error { return bench.Peer(arguments[0]) }),
	}
}

// terminal reports whether somebody is looking.
func terminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
