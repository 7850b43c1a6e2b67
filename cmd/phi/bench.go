package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

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
	c.AddCommand(newBenchKernel(), newBenchCapsule(), newBenchInference(), newBenchPeer())
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

func newBenchInference() *cobra.Command {
	o := bench.InferenceOptions{Data: filepath.Join("..", "shared", "data")}
	c := measures(func(ctx context.Context, options bench.Options) ([]bench.Row, error) {
		o.Options = options
		if o.Library == "" {
			o.Library = os.Getenv("PHI_LLAMA_LIB")
		}
		if o.Folder == "" {
			folder, err := os.UserCacheDir()
			if err != nil {
				return nil, fmt.Errorf("%w: say with --models where the models may be", err)
			}
			o.Folder = filepath.Join(folder, "phi", "bench")
		}
		return bench.Inference(ctx, o)
	}, &cobra.Command{
		Use:   "inference",
		Short: "Measure the engine against llama.cpp",
		Long: `Measures inference on this machine: the engine's speed against llama.cpp's on the
same files and in the same minutes, the resident encoder, and the service. It
makes models with random weights first, and keeps them. All of it takes five
minutes, 4 GB of disk and both processors, so leave the machine alone meanwhile;
--sizes 135m takes one.

The peer is llama.cpp's shared library, which --lib or PHI_LLAMA_LIB names;
without it the speeds are shown and not compared. 'make bench-inference' fetches
it.

It exits with 1 when a row misses its target.`,
	})
	c.Flags().StringVar(&o.Library, "lib", "", "the folder of llama.cpp's shared libraries (default $PHI_LLAMA_LIB)")
	c.Flags().StringVar(&o.Helper, "helper", "", "the program phi-llama (default beside phi)")
	c.Flags().StringVar(&o.Folder, "models", "", "where the models are kept (default phi/bench in the user's cache folder)")
	c.Flags().StringVar(&o.Data, "data", o.Data, "the folder of public test data")
	c.Flags().StringSliceVar(&o.Sizes, "sizes", []string{bench.SizeSmall, bench.SizeLarge}, "the models' sizes")
	return c
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
	flags.IntVar(&options.Rounds, "rounds", 0, "rounds of each measurement, 1 to 1000 (default as many as are usual for it)")
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
