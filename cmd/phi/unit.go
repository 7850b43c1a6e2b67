package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"phios/api/control"
)

// keyBytesMax bounds the file of a key.
const keyBytesMax = 4096

// newUnit returns the verb about what runs models.
func newUnit() *cobra.Command {
	c := &cobra.Command{
		Use:   "unit",
		Short: "Add, list and remove what runs models",
		Long: `Units run models: the processors of this machine, which are always there, other
libraries and devices, and servers elsewhere.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newUnitAdd(), newUnitList(), newUnitRemove())
	return c
}

// unitNames lists the units.
func unitNames(ctx context.Context, node *control.Client, _ []string) []string {
	var list []string
	all, _ := node.Units(ctx)
	for _, one := range all {
		list = append(list, one.Name+"\t"+printable(one.Device))
	}
	return list
}

// unitOptions are what 'phi unit add' was told.
type unitOptions struct {
	nodeOptions

	name, lib, url, keyFile string
	settings                map[string]string
}

func newUnitAdd() *cobra.Command {
	var o unitOptions
	c := o.asks(&cobra.Command{
		Use:   "add llama|remote",
		Short: "Add a unit, and keep it for the next start",
		Long: `Adds a unit, once it was seen to work. llama runs models with llama.cpp, whose
shared libraries are in the folder --lib; variants for CUDA or Vulkan are other
folders. remote asks a server that speaks OpenAI's interface; its key is read from
a file, kept for you alone, and never shown. Its models are called UNIT/MODEL.

Requests that run have ten seconds to end.`,
		Example: "  phi unit add llama --lib ./llama\n  phi unit add remote --name work --url https://models.example/v1 --key-file key.txt\n  phi unit add llama --lib ./llama-cuda --name gpu --set gpu-layers=20",
		Args:    cobra.ExactArgs(1),
		ValidArgs: []string{
			"llama\tllama.cpp in a process of its own", "remote\ta server that speaks OpenAI's interface",
		},
	}, func(c *cobra.Command, arguments []string, node *control.Client) error {
		settings, err := o.all()
		if err != nil {
			return err
		}
		u, err := node.AddUnit(c.Context(), control.UnitAddRequest{Of: arguments[0], Name: o.name, Settings: settings})
		if err != nil {
			return err
		}
		return o.show(c, u, func(w io.Writer) { say(w, "%s is added (%s, %s)\n", printable(u.Name), u.Kind, printable(u.Device)) })
	})
	flags := c.Flags()
	flags.StringVar(&o.name, "name", "", "what to call it (default its kind)")
	flags.StringVar(&o.lib, "lib", "", "llama: the folder of llama.cpp's shared libraries")
	flags.StringVar(&o.url, "url", "", "remote: the server's address, up to and with its version")
	flags.StringVar(&o.keyFile, "key-file", "", "remote: a file with the key")
	flags.StringToStringVar(&o.settings, "set", nil, "another setting, as K=V; can be repeated")
	return c
}

// all joins the settings.
func (o *unitOptions) all() (map[string]string, error) {
	all := map[string]string{}
	for name, value := range o.settings {
		if name == "key" {
			return nil, errors.New("a key on the command line is seen by all of this machine: put it into a file and give --key-file")
		}
		all[name] = value
	}
	if o.lib != "" {
		lib, err := filepath.Abs(o.lib)
		if err != nil {
			return nil, err
		}
		all["lib"] = lib
	}
	if o.url != "" {
		all["url"] = o.url
	}
	if o.keyFile != "" {
		text, err := readFile(o.keyFile, keyBytesMax)
		if err != nil {
			return nil, err
		}
		if all["key"] = strings.TrimSpace(string(text)); all["key"] == "" || len(text) > keyBytesMax {
			return nil, fmt.Errorf("%s holds no key: write it there, alone", o.keyFile)
		}
	}
	return all, nil
}

func newUnitList() *cobra.Command {
	var o nodeOptions
	return o.asks(&cobra.Command{
		Use:   "list",
		Short: "List the units, what they are and what they do",
		Args:  cobra.NoArgs,
	}, func(c *cobra.Command, _ []string, node *control.Client) error {
		all, err := node.Units(c.Context())
		if err != nil {
			return err
		}
		return o.show(c, all, func(w io.Writer) {
			t := table{headings: []string{"NAME", "KIND", "DEVICE", ">MEMORY", ">USED", ">SPEED", ">RUNNING", ">ENERGY", "FEATURES"}}
			for _, u := range all {
				if u.Problem != "" {
					t.add(cell{u.Name, "red"}, u.Of, cell{u.Problem, "red"}, "-", "-", "-", "-", "-", "-")
					continue
				}
				t.add(u.Name, u.Kind, u.Device, orUnknown(u.MemoryBytes), size(u.ResidentBytes), speedText(u.BytesPerSecond),
					u.Running, energyText(u), orDash(strings.Join(u.Features, " ")))
			}
			t.print(w, painter{colored(w)}, "")
		})
	})
}

func orUnknown(bytes uint64) string {
	if bytes == 0 {
		return "-"
	}
	return size(bytes)
}

func speedText(bytesPerSecond float64) string {
	if bytesPerSecond <= 0 {
		return "-"
	}
	return size(uint64(bytesPerSecond)) + "/s"
}

// energyText says how much energy was spent, and whether that is an estimate.
func energyText(u control.Unit) string {
	text := fmt.Sprintf("%.0f J", u.Joules)
	if !u.JoulesMeasured {
		text = "~" + text
	}
	return text
}

func newUnitRemove() *cobra.Command {
	var o nodeOptions
	return o.asks(&cobra.Command{
		Use:               "rm UNIT",
		Short:             "Remove a unit",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: o.completes(unitNames),
	}, func(c *cobra.Command, arguments []string, node *control.Client) error {
		if err := node.RemoveUnit(c.Context(), arguments[0]); err != nil {
			return err
		}
		return o.show(c, control.UnitNamed{Unit: arguments[0]}, func(w io.Writer) { say(w, "%s is removed\n", printable(arguments[0])) })
	})
}
