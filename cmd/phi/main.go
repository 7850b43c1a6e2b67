// Command phi is ΦOS: one program that runs a node and looks into it. Each
// verb has a file of its own. `phi help` lists the verbs.
//
// It exits with 0 when it did what was asked, with 1 when it could not or when
// what it checked is not in order, with 2 when the command line is wrong, and
// with 3 when it asks a node and none runs.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"phios/api/control"
	"phios/capsule/worker"
	"phios/platform/host/jail"
)

// The exit codes.
const (
	exitOK      = 0
	exitFailure = 1
	exitUsage   = 2
	exitNoNode  = 3
)

// main is three programs: phi, what puts up a jail around itself, and what runs
// capsules in there. Which one it is must be known before anything else happens.
func main() {
	if jail.Main() != nil {
		os.Exit(exitFailure) // a jailed process of phi has a command: Main has become it
	}
	if len(os.Args) == 2 && os.Args[1] == worker.Verb {
		os.Exit(worker.Main())
	}
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

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
		return report(command, problems, err)
	default:
		say(problems, "phi: %v\nSee '%s --help'.\n", err, command.CommandPath())
		return exitUsage
	}
}

// report says what went wrong, as JSON to whoever wanted JSON, and returns the
// exit code.
func report(command *cobra.Command, problems io.Writer, err error) int {
	var refused *control.Error
	isNode := errors.As(err, &refused)
	if flag := command.Flags().Lookup("json"); flag != nil && flag.Value.String() == "true" {
		if !isNode {
			refused = &control.Error{Code: control.CodeFailed, Message: err.Error()}
		}
		_ = json.NewEncoder(problems).Encode(map[string]*control.Error{"error": refused}) // as with say
	} else {
		say(problems, "phi: %s\n", lines(err.Error()))
	}
	if isNode && refused.Code == control.CodeNoNode {
		return exitNoNode
	}
	return exitFailure
}

// say writes to a terminal or a pipe. When that fails nobody is left to tell.
func say(to io.Writer, format string, values ...any) {
	_, _ = fmt.Fprintf(to, format, values...)
}

// newRoot returns the program with all its verbs.
func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "phi",
		Short: "ΦOS, a capability operating system for AI agents",
		Long: `ΦOS, a capability operating system for AI agents.

Exit codes: 0 it did what was asked; 1 it could not, or what it checked is not in
order; 2 the command line is wrong; 3 it asks a node and none runs.`,
		Args:          cobra.NoArgs,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.AddCommand(
		newUp(), newDown(), newInfo(),
		newNew(), newSign(), newInstall(), newImages(),
		newRun(), newPs(), newTop(), newInspect(), newLogs(), newCall(), newKill(),
		newGrant(), newRevoke(), newDenials(), newPropose(), newCaps(),
		newReload(), newFreeze(), newThaw(),
		newModel(), newUnit(), newKey(), newAsk(), newEmbed(), newMetrics(), newHTTP(),
		newBench(), newJournal(), newTour(), newVerify(), newVersion(),
	)
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
