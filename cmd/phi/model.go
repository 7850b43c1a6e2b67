package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"phios/api/control"
	"phios/compute/gguf/generate"
	"phios/compute/tensor"
)

// newModel returns the verb about models.
func newModel() *cobra.Command {
	c := &cobra.Command{
		Use:   "model",
		Short: "Add, list and change the models of the node",
		Long: `The models of a node are GGUF files, kept by the SHA-256 of their bytes and called
by the names that you give them. The one that is the default is meant where no
model is named.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newModelAdd(), newModelPull(), newModelList(), newModelShow(), newModelRemove(), newModelRename(),
		newModelDefault(), newModelQuantize(), newModelVerify(), newModelPin(), newModelUnload(), newModelWhere(), newModelRandom())
	return c
}

// modelNames lists the models that can be named.
func modelNames(ctx context.Context, node *control.Client, _ []string) []string {
	var list []string
	all, _ := node.Models(ctx)
	for _, one := range all {
		for _, name := range one.Names {
			list = append(list, name+"\t"+printable(one.Architecture+" "+one.Format))
		}
	}
	return list
}

// isURL reports whether a source is not a file of this machine.
func isURL(source string) bool {
	return strings.HasPrefix(source, "http://") || strings.HasPrefix(source, "https://") || strings.HasPrefix(source, "hub:")
}

func newModelAdd() *cobra.Command {
	var o nodeOptions
	var r control.ModelAddRequest
	c := o.asks(&cobra.Command{
		Use:   "add FILE|URL|hub:OWNER/NAME[:FILE|:QUANT]",
		Short: "Add a model: a GGUF file, a URL, or one of a hub",
		Long: `Copies or fetches a GGUF file into the node, checks it and keeps it. A download
that was cut, also by Ctrl-C or by the end of the node, goes on where it was when
the same is added again. hub: needs the address of a hub: 'phi up --hub URL'.`,
		Example: "  phi model add ./llama-3.2-1b-q4_k_m.gguf\n  phi model add https://models.example/m.gguf --as m --sha256 5f2c...\n  phi model add hub:owner/name:q4_k_m",
		Args:    cobra.ExactArgs(1),
	}, func(c *cobra.Command, arguments []string, node *control.Client) error {
		r.Source = arguments[0]
		if !isURL(r.Source) {
			var err error
			if r.Source, err = filepath.Abs(r.Source); err != nil {
				return err
			}
		}
		done, err := o.works(c, filepath.Base(r.Source), func(show func(control.ModelProgress)) (control.ModelProgress, error) {
			return node.AddModel(c.Context(), r, show)
		})
		if err != nil {
			return err
		}
		return o.showAdded(c, done.Model)
	})
	c.Flags().StringVar(&r.As, "as", "", "what to call it (default: after the file)")
	c.Flags().StringVar(&r.SHA256, "sha256", "", "refuse it unless its bytes have this SHA-256")
	return c
}

// showAdded says which model there is now.
func (o *nodeOptions) showAdded(c *cobra.Command, m *control.Model) error {
	return o.show(c, m, func(w io.Writer) {
		say(w, "%s is added (%s, %s, %s parameters, %s, %s)\n", printable(m.Names[len(m.Names)-1]), printable(m.Architecture), m.Format,
			count(uint64(max(m.Parameters, 0))), size(uint64(max(m.Bytes, 0))), short(m.Digest))
	})
}

// works shows how far long work on a model is, where somebody looks.
func (o *nodeOptions) works(c *cobra.Command, name string, do func(show func(control.ModelProgress)) (control.ModelProgress, error)) (control.ModelProgress, error) {
	problems := c.ErrOrStderr()
	if !terminal(problems) || o.asJSON {
		return do(nil)
	}
	m := meter{progress: progress{w: problems, name: name, begun: time.Now()}}
	defer m.clear()
	return do(m.work)
}

// meter is a line of progress with a rate and the time that is left.
type meter struct {
	progress

	stage string
	since time.Time
	first int64
}

func (m *meter) work(now control.ModelProgress) {
	if now.Stage != m.stage {
		m.stage, m.since, m.first = now.Stage, time.Now(), now.Done
	}
	if time.Since(m.begun) < progressAfter {
		return
	}
	m.shown = true
	say(m.w, "\r\x1b[K%s", m.text(now, time.Since(m.since)))
}

// text is the line: what is done, a bar, and from the rate since the stage
// began how long it will take.
func (m *meter) text(now control.ModelProgress, spent time.Duration) string {
	stage := map[string]string{"copy": "copying", "fetch": "fetching", "check": "checking", "quantize": "quantising"}[now.Stage]
	text := printable(m.name) + ": " + stage
	if now.Total > 0 {
		const width = 24
		filled := int(float64(min(now.Done, now.Total)) * width / float64(now.Total))
		text += fmt.Sprintf(" [%s%s] %s of %s", strings.Repeat("=", filled), strings.Repeat(" ", width-filled),
			size(uint64(now.Done)), size(uint64(now.Total)))
	} else {
		text += " " + size(uint64(now.Done))
	}
	if rate := float64(now.Done-m.first) / spent.Seconds(); spent > time.Second/2 && rate > 0 && now.Stage != "quantize" {
		text += ", " + size(uint64(rate)) + "/s"
		if left := now.Total - now.Done; left > 0 {
			text += ", " + lasting(time.Duration(float64(left)/rate*float64(time.Second)).Round(time.Second)) + " left"
		}
	}
	return text
}

func newModelPull() *cobra.Command {
	var o nodeOptions
	return o.asks(&cobra.Command{
		Use:               "pull MODEL|URL|hub:OWNER/NAME",
		Short:             "Bring a model to what its source has now",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: o.completes(modelNames),
	}, func(c *cobra.Command, arguments []string, node *control.Client) error {
		done, err := o.works(c, arguments[0], func(show func(control.ModelProgress)) (control.ModelProgress, error) {
			return node.PullModel(c.Context(), arguments[0], show)
		})
		if err != nil {
			return err
		}
		if !done.Same {
			return o.showAdded(c, done.Model)
		}
		return o.show(c, done.Model, func(w io.Writer) { say(w, "%s is what its source has\n", printable(done.Model.Name())) })
	})
}

func newModelList() *cobra.Command {
	var o nodeOptions
	return o.asks(&cobra.Command{
		Use:   "list",
		Short: "List the models",
		Args:  cobra.NoArgs,
	}, func(c *cobra.Command, _ []string, node *control.Client) error {
		all, err := node.Models(c.Context())
		if err != nil {
			return err
		}
		return o.show(c, all, func(w io.Writer) {
			t := table{headings: []string{"NAME", "ARCHITECTURE", "FORMAT", ">PARAMETERS", ">SIZE", ">CONTEXT", "STATE", "DIGEST"}}
			for _, m := range all {
				t.add(cell{strings.Join(m.Names, " "), ""}, m.Architecture, m.Format, count(uint64(max(m.Parameters, 0))),
					size(uint64(max(m.Bytes, 0))), m.Context, cell{modelState(m), modelColour(m)}, orDash(short(m.Digest)))
			}
			t.print(w, painter{colored(w)}, "")
			if len(all) == 1 && all[0].Resident {
				say(w, "only the resident encoder: add a model with 'phi model add FILE'\n")
			}
		})
	})
}

// modelState says where a model is, in words.
func modelState(m control.Model) string {
	var words []string
	if m.Default {
		words = append(words, "default")
	}
	switch {
	case m.Resident:
		words = append(words, "resident, embeds")
	case m.Loaded:
		words = append(words, "on "+m.Unit)
	}
	return orDash(strings.Join(words, ", "))
}

func modelColour(m control.Model) string {
	if m.Loaded {
		return "green"
	}
	return "dim"
}

func newModelShow() *cobra.Command {
	var o nodeOptions
	return o.asks(&cobra.Command{
		Use:               "show [MODEL]",
		Short:             "Show a model and what its file says",
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: o.completes(modelNames),
	}, func(c *cobra.Command, arguments []string, node *control.Client) error {
		m, err := node.Model(c.Context(), strings.Join(arguments, ""))
		if err != nil {
			return err
		}
		return o.show(c, m, func(w io.Writer) {
			say(w, "%s  %s\n", printable(m.Name()), modelState(m.Model))
			say(w, "  names         %s\n  digest        %s\n  architecture  %s\n  formats       %s\n  parameters    %s\n  size          %s\n  context       %d tokens\n",
				printable(strings.Join(m.Names, " ")), orDash(m.Digest), printable(m.Architecture), formatsText(m.Formats),
				count(uint64(max(m.Parameters, 0))), size(uint64(max(m.Bytes, 0))), m.Context)
			if m.Source != "" {
				say(w, "  source        %s, %s\n", printable(m.Source), m.Added.Local().Format(time.DateTime))
			}
			say(w, "\nThe file says:\n")
			for _, e := range m.Metadata {
				say(w, "  %s = %s\n", printable(e.Key), printable(e.Value))
			}
		})
	})
}

// formatsText counts the tensors of each format.
func formatsText(formats map[string]int) string {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(formats)) {
		list = append(list, fmt.Sprintf("%s ×%d", name, formats[name]))
	}
	return strings.Join(list, " ")
}

func newModelRemove() *cobra.Command {
	var o nodeOptions
	return o.asks(&cobra.Command{
		Use:               "rm MODEL",
		Short:             "Take a name away from a model, and with the last one the model",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: o.completes(modelNames),
	}, func(c *cobra.Command, arguments []string, node *control.Client) error {
		gone, err := node.RemoveModel(c.Context(), arguments[0])
		if err != nil {
			return err
		}
		return o.show(c, gone, func(w io.Writer) {
			if gone.Digest == "" {
				say(w, "%s is no name of that model any more; it has others\n", printable(arguments[0]))
				return
			}
			say(w, "%s is removed (%s)\n", printable(arguments[0]), size(uint64(max(gone.Bytes, 0))))
		})
	})
}

func newModelRename() *cobra.Command {
	var o nodeOptions
	return o.asks(&cobra.Command{
		Use:               "rename MODEL NAME",
		Short:             "Give a model another name",
		Args:              cobra.ExactArgs(2), //nolint:mnd // as Use says
		ValidArgsFunction: o.completes(modelNames),
	}, func(c *cobra.Command, arguments []string, node *control.Client) error {
		m, err := node.RenameModel(c.Context(), arguments[0], arguments[1])
		if err != nil {
			return err
		}
		return o.show(c, m, func(w io.Writer) { say(w, "%s is now called %s\n", printable(arguments[0]), printable(arguments[1])) })
	})
}

// aboutModel makes a verb that does one thing to one model.
func aboutModel(use, brief, done string, do func(ctx context.Context, node *control.Client, model string) (control.Model, error)) *cobra.Command {
	var o nodeOptions
	return o.asks(&cobra.Command{
		Use: use, Short: brief, Args: cobra.ExactArgs(1), ValidArgsFunction: o.completes(modelNames),
	}, func(c *cobra.Command, arguments []string, node *control.Client) error {
		m, err := do(c.Context(), node, arguments[0])
		if err != nil {
			return err
		}
		return o.show(c, m, func(w io.Writer) { say(w, "%s %s\n", printable(m.Name()), done) })
	})
}

func newModelDefault() *cobra.Command {
	return aboutModel("default MODEL", "Choose the model that is meant by no name", "is the default",
		func(ctx context.Context, node *control.Client, model string) (control.Model, error) {
			return node.DefaultModel(ctx, model)
		})
}

func newModelUnload() *cobra.Command {
	return aboutModel("unload MODEL", "Take a model out of memory", "is not in memory",
		func(ctx context.Context, node *control.Client, model string) (control.Model, error) {
			return node.UnloadModel(ctx, model)
		})
}

func newModelPin() *cobra.Command {
	var o nodeOptions
	off := false
	c := o.asks(&cobra.Command{
		Use:               "pin MODEL",
		Short:             "Keep a model in memory, loading it now",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: o.completes(modelNames),
	}, func(c *cobra.Command, arguments []string, node *control.Client) error {
		m, err := node.PinModel(c.Context(), control.ModelPinRequest{Model: arguments[0], Off: off})
		if err != nil {
			return err
		}
		return o.show(c, m, func(w io.Writer) {
			if off {
				say(w, "%s makes room when others need it\n", printable(m.Name()))
				return
			}
			say(w, "%s stays in memory, on %s\n", printable(m.Name()), m.Unit)
		})
	})
	c.Flags().BoolVar(&off, "off", false, "let it make room for others again")
	return c
}

func newModelQuantize() *cobra.Command {
	var o nodeOptions
	var r control.ModelQuantizeRequest
	c := o.asks(&cobra.Command{
		Use:               "quantize MODEL --to FORMAT",
		Short:             "Make a smaller model of one",
		Example:           "  phi model quantize mine --to Q4_K\n  phi model quantize mine --to Q8_0 --as mine-8",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: o.completes(modelNames),
	}, func(c *cobra.Command, arguments []string, node *control.Client) error {
		r.Model = arguments[0]
		done, err := o.works(c, r.Model, func(show func(control.ModelProgress)) (control.ModelProgress, error) {
			return node.QuantizeModel(c.Context(), r, show)
		})
		if err != nil {
			return err
		}
		return o.showAdded(c, done.Model)
	})
	c.Flags().StringVar(&r.To, "to", "", "format: Q8_0, Q6_K, Q5_K, Q4_K, Q4_0, F16, BF16 or F32")
	c.Flags().StringVar(&r.As, "as", "", "what to call it (default the model's name and the format)")
	_ = c.MarkFlagRequired("to") // there is such a flag
	_ = c.RegisterFlagCompletionFunc("to", cobra.FixedCompletions([]string{"Q8_0", "Q6_K", "Q5_K", "Q4_K", "Q4_0", "F16", "BF16", "F32"}, cobra.ShellCompDirectiveNoFileComp))
	return c
}

func newModelVerify() *cobra.Command {
	var o nodeOptions
	return o.asks(&cobra.Command{
		Use:               "verify MODEL",
		Short:             "Read a model's file and compare it with its digest",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: o.completes(modelNames),
	}, func(c *cobra.Command, arguments []string, node *control.Client) error {
		done, err := o.works(c, arguments[0], func(show func(control.ModelProgress)) (control.ModelProgress, error) {
			return node.VerifyModel(c.Context(), arguments[0], show)
		})
		if err != nil {
			return err
		}
		return o.show(c, done.Model, func(w io.Writer) {
			say(w, "%s is as it was added (%s)\n", printable(done.Model.Name()), short(done.Model.Digest))
		})
	})
}

func newModelWhere() *cobra.Command {
	var o nodeOptions
	var r control.ModelSelectRequest
	c := o.asks(&cobra.Command{
		Use:               "where [MODEL]",
		Short:             "Say on which unit a model would run",
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: o.completes(modelNames),
	}, func(c *cobra.Command, arguments []string, node *control.Client) error {
		r.Model = strings.Join(arguments, "")
		choice, err := node.SelectUnit(c.Context(), r)
		if err != nil {
			return err
		}
		return o.show(c, choice, func(w io.Writer) {
			loaded := "it would be loaded first"
			if choice.Loaded {
				loaded = "it is loaded there"
			}
			say(w, "on %s (%s, %s): %s; the first token would come after about %s\n", printable(choice.Unit), choice.Kind,
				printable(choice.Device), loaded, lasting(choice.First))
		})
	})
	deviceFlags(c, &r.Device)
	return c
}

// deviceFlags are the flags that say where something may run.
func deviceFlags(c *cobra.Command, d *control.Device) {
	c.Flags().StringVar(&d.Unit, "unit", "", "only on this unit")
	c.Flags().StringVar(&d.Kind, "kind", "", "only on units of this kind: cpu, gpu, npu, remote")
	c.Flags().BoolVar(&d.Local, "local", false, "not on units that send data away")
	c.Flags().DurationVar(&d.Latency, "latency", 0, "only where the first token comes within this time")
}

// newModelRandom returns the verb that makes a file of random weights, for
// trying things out without a download.
func newModelRandom() *cobra.Command {
	architecture, preset, seed, asJSON := "llama", "tiny", uint64(1), false
	c := &cobra.Command{
		Use:   "random FILE",
		Short: "Write a model with random weights, to try things out",
		Long: `Writes a GGUF file whose weights are chance. What it says has no meaning, but it
does everything that a real model of its shape does, as fast. It asks no node.`,
		Example: "  phi model random tiny.gguf\n  phi model random speed.gguf --size 135m",
		Args:    cobra.ExactArgs(1),
		RunE: does(func(c *cobra.Command, arguments []string) error {
			spec, err := generate.Preset(preset, tensor.Q8_0, seed)
			if err != nil {
				return err
			}
			if preset == "tiny" {
				spec = generate.Tiny(architecture, tensor.Q8_0, seed)
			}
			return writeRandom(c, arguments[0], spec, asJSON)
		}),
	}
	c.Flags().StringVar(&architecture, "architecture", architecture, "of the tiny one: "+strings.Join(generate.Architectures(), ", "))
	c.Flags().StringVar(&preset, "size", preset, "tiny, 135m or 1.1b")
	c.Flags().Uint64Var(&seed, "seed", seed, "what the weights follow from")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func writeRandom(c *cobra.Command, name string, spec generate.Spec, asJSON bool) error { //nolint:revive // flag-parameter: what the user said
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // G304: the user says which file
	if err != nil {
		return fmt.Errorf("%w: name a file that is not there yet", err)
	}
	err = generate.Model(f, spec)
	info, statErr := f.Stat()
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = statErr
	}
	if err != nil {
		_ = os.Remove(name) // half of a model is of no use
		return err
	}
	if asJSON {
		return json.NewEncoder(c.OutOrStdout()).Encode(map[string]any{"file": name, "bytes": info.Size()})
	}
	say(c.OutOrStdout(), "%s holds a %s model of random weights (%s): 'phi model add %s'\n", name, spec.Architecture, size(uint64(info.Size())), quoted(name))
	return nil
}
