package main

import (
	"encoding/json"
	"errors"
	"io"

	"github.com/spf13/cobra"

	"phios/internal/mutant"
	"phios/verify/capability"
)

func newVerify() *cobra.Command {
	c := &cobra.Command{
		Use:   "verify",
		Short: "Explore the kernel's own code",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newVerifyCapability())
	return c
}

// verifyOptions are what 'phi verify capability' was asked.
type verifyOptions struct {
	long, asJSON bool
	mutant       string
}

func newVerifyCapability() *cobra.Command {
	var o verifyOptions
	c := &cobra.Command{
		Use:   "capability",
		Short: "Drive the capability manager through every state of small worlds",
		Long: `Drives the real kernel through every reachable state of small worlds, compares
each answer with a naive reference, and prints how many states there are. It
says "explored to its end" and nothing more: it is no proof.

With --mutant it switches on seeded bugs, one at a time, and looks whether each
is found. Only the test build has them: make verify.

It exits with 1 when an invariant is broken, a world was not explored to its
end, or a seeded bug was not found.`,
		Example: "  phi verify capability\n  phi verify capability --long\n  make verify",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, arguments []string) error {
			if o.mutant != "" && o.long {
				return errors.New("--mutant and --long do not go together: leave one out")
			}
			if o.mutant != "" && !mutant.Enabled {
				return capability.ErrNoMutants
			}
			return does(func(c *cobra.Command, _ []string) error {
				ok, err := o.run(c.OutOrStdout())
				if err == nil && !ok {
					err = errReported
				}
				return err
			})(c, arguments)
		},
	}
	c.Flags().BoolVar(&o.long, "long", false, "explore larger worlds too: minutes to hours")
	c.Flags().StringVar(&o.mutant, "mutant", "", "look for this seeded bug, or for all")
	c.Flags().BoolVar(&o.asJSON, "json", false, "print JSON")
	return c
}

// run explores, or hunts, and reports whether all is as it should be.
func (o *verifyOptions) run(w io.Writer) (bool, error) {
	if o.mutant != "" {
		return o.hunt(w)
	}
	sizes := []capability.Config{capability.Always()}
	if o.long {
		sizes = capability.Long()
	}
	ok := true
	for _, size := range sizes {
		report := capability.Explore(size)
		ok = ok && report.OK
		if !o.asJSON {
			report.Print(w)
			continue
		}
		if err := json.NewEncoder(w).Encode(report); err != nil {
			return false, err
		}
	}
	return ok, nil
}

// hunt looks for seeded bugs.
func (o *verifyOptions) hunt(w io.Writer) (bool, error) {
	list, err := capability.Mutants(capability.Always(), o.mutant)
	if err != nil {
		return false, err
	}
	ok := true
	for i := range list {
		ok = ok && list[i].Caught
	}
	if o.asJSON {
		return ok, json.NewEncoder(w).Encode(list)
	}
	capability.PrintMutants(list, w)
	return ok, nil
}
