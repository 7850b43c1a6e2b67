package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"phios/system"
	"phios/system/manifest"
	"phios/system/reach"
)

// capsOptions are what 'phi caps' was asked.
type capsOptions struct {
	nodeOptions

	reach, print     bool
	manifest, object string
}

func newCaps() *cobra.Command {
	var o capsOptions
	c := &cobra.Command{
		Use:   "caps [CAPSULE]",
		Short: "Show who holds what on the node, or what a boot manifest grants",
		Long: `Shows every capability of the node that runs: for each object who made it, and
below, who has it from whom. With CAPSULE, only the objects that it holds.

With --reach it asks no node. It boots a manifest in memory, reads from the kernel
who holds what, and prints for each object who can use it:

  *  the task can use the object now
  o  it could come to use it, if every task did its best to help
  -  it holds something of the object, and can never use it

A task that is not listed under an object can never reach it.`,
		Example:           "  phi caps\n  phi caps greeter --json\n  phi caps --reach --object outbox --json\n  phi caps --print > mine.yaml\n  phi caps --reach --manifest mine.yaml",
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: o.completes(capsuleNames),
	}
	o.asks(c, o.live)
	live := c.RunE
	c.RunE = func(c *cobra.Command, arguments []string) error {
		if o.reach && o.print {
			return errors.New("say what to show: --reach or --print")
		}
		if !o.reach && !o.print {
			if o.manifest != "" {
				return errors.New("say what to do with the manifest: --reach or --print")
			}
			return live(c, arguments)
		}
		if len(arguments) > 0 {
			return errors.New("--reach and --print are about a manifest and take no capsule: use --object")
		}
		return does(func(c *cobra.Command, _ []string) error { return o.run(c.OutOrStdout()) })(c, nil)
	}
	flags := c.Flags()
	flags.BoolVar(&o.reach, "reach", false, "print who can reach what by a boot manifest")
	flags.BoolVar(&o.print, "print", false, "print the boot manifest, to start one's own from")
	flags.StringVar(&o.manifest, "manifest", "", "boot this manifest and not the built-in one")
	flags.StringVar(&o.object, "object", "", "only this object")
	return c
}

func (o *capsOptions) run(w io.Writer) error {
	m, text, err := loadManifest(o.manifest)
	if err != nil {
		return err
	}
	if o.print {
		_, err := io.WriteString(w, text)
		return err
	}
	// Programs are left out: what they would do is counted in any case.
	for i := range m.Tasks {
		m.Tasks[i].Program = ""
	}
	node, err := system.Start(system.Config{Manifest: m})
	if err != nil {
		return err
	}
	rows := node.Reach()
	if err := node.Stop(); err != nil {
		return err
	}
	if o.object != "" {
		rows = slices.DeleteFunc(rows, func(r reach.Row) bool { return r.Object != o.object })
		if len(rows) == 0 {
			return fmt.Errorf("no object %q: 'phi caps --reach' without --object lists all", o.object)
		}
	}
	if o.asJSON {
		return reach.WriteJSON(w, rows)
	}
	return reach.Print(w, rows)
}

// loadManifest reads a manifest, the built-in one when no file is named.
func loadManifest(path string) (*manifest.Manifest, string, error) {
	if path == "" {
		m, err := manifest.Default()
		return m, manifest.DefaultText(), err
	}
	text, err := readFile(path, manifest.BytesMax)
	if err != nil {
		return nil, "", err
	}
	m, err := manifest.Parse(path, text)
	return m, string(text), err
}

// readFile reads a file that the user named, up to a limit and one byte more.
func readFile(path string, limit int64) ([]byte, error) {
	file, err := os.Open(path) //nolint:gosec // G304: the user says which file
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(file, limit+1))
	return text, errors.Join(err, file.Close())
}
