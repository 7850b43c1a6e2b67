// Command phi is ΦOS: one program that runs a node and looks into it. Each
// verb has a file of its own. `phi help` lists the verbs.
//
// It exits with 0 when it did what was asked, with 1 when it could not or when
// what it checked is not in order, and with 2 when the command line is wrong.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
)

// The exit codes.
const (
	exitOK      = 0
	exitFailure = 1
	exitUsage   = 2
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// failure is an error of a verb that understood what it was asked. What is not
// a failure was said wrongly, and is a matter of usage.
type failure struct{ error }

// Unwrap returns the error within.
func (f failure) Unwrap() error { return f.error }

// errReported ends a verb that has said already what is not in order.
var errReported = errors.New("reported")

// run does one command and returns the exit code.
func run(arguments []string, out, problems io.Writer) int {
	root := newRoot()
	root.SetArgs(arguments)
	root.SetOut(out)
	root.SetErr(problems)
	command, err := root.ExecuteC()
	var failed failure
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errReported):
		return exitFailure
	case errors.As(err, &failed):
		say(problems, "phi: %v\n", err)
		return exitFailure
	default:
		say(problems, "phi: %v\nSee '%s --help'.\n", err, command.CommandPath())
		return exitUsage
	}
}

// say writes to a terminal or a pipe. When that fails nobody is left to tell.
func say(to io.Writer, format string, values ...any) {
	_, _ = fmt.Fprintf(to, format, values...)
}

// newRoot returns the program with all its verbs.
func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:           "phi",
		Short:         "ΦOS, a capability operating system for AI agents",
		Args:          cobra.NoArgs,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.AddCommand(newBench(), newCaps(), newJournal(), newTour(), newVerify(), newVersion())
	return root
}

// does makes a function into the body of a verb: its errors are failures, not
// a wrong command line.
func does(body func(c *cobra.Command, arguments []string) error) func(*cobra.Command, []string) error {
	return func(c *cobra.Command, arguments []string) error {
		err := body(c, arguments)
		if err == nil || errors.Is(err, errReported) {
			return err
		}
		return failure{err}
	}
}
