package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"phios/api/control"
)

// The limits of what is read for a request.
const (
	promptBytesMax     = 900 << 10 // it must fit one request to the node
	constraintBytesMax = 256 << 10
	// stopWaitMax is how long an answer that was stopped has to say what it took.
	stopWaitMax = 5 * time.Second
)

// askOptions are what 'phi ask' was told.
type askOptions struct {
	nodeOptions

	r                      control.GenerateRequest
	system                 string
	schema, regex, grammar string
	anyJSON, raw, quiet    bool
	seed                   uint64
}

func newAsk() *cobra.Command {
	var o askOptions
	c := o.asks(&cobra.Command{
		Use:   "ask PROMPT|-",
		Short: "Ask a model, and see the answer as it comes",
		Long: `Asks a model of the node and prints its answer as it comes; - reads the prompt from
standard input. Ctrl-C stops the answer; what it took is shown on standard error.

An answer can be made to be of a form: valid by a JSON Schema, by a regular
expression, by a grammar in GBNF. It then always is, whatever the model. Without
--temperature the likeliest token is taken each time.`,
		Example: "  phi ask 'Why is the sky blue?'\n  phi ask -m mine --system 'Answer in one word.' 'Capital of France?'\n  phi ask --regex '(yes|no)' 'Is water wet?'\n  cat letter.txt | phi ask --schema address.json -",
		Args:    cobra.MinimumNArgs(1),
	}, o.run)
	flags := c.Flags()
	flags.StringVarP(&o.r.Model, "model", "m", "", "the model (default the node's default)")
	flags.StringVar(&o.system, "system", "", "what the model is told first")
	flags.StringVar(&o.schema, "schema", "", "a file with a JSON Schema that the answer must be valid by")
	flags.StringVar(&o.regex, "regex", "", "a regular expression that the whole answer must match")
	flags.StringVar(&o.grammar, "grammar", "", "a file with a grammar in GBNF")
	flags.BoolVar(&o.anyJSON, "any-json", false, "the answer must be JSON")
	flags.BoolVar(&o.raw, "raw", false, "give the prompt as it is, without the model's template of a conversation")
	flags.BoolVarP(&o.quiet, "quiet", "q", false, "do not say what the answer took")
	flags.IntVar(&o.r.TokensMax, "max-tokens", 0, "end after so many tokens (default when the context is full)")
	flags.StringArrayVar(&o.r.Stop, "stop", nil, "end where the answer has this text; can be repeated")
	flags.Float64Var(&o.r.Temperature, "temperature", 0, "how much chance there is in it; 0 is none")
	flags.IntVar(&o.r.TopK, "top-k", 0, "choose among so many tokens; 0 is all")
	flags.Float64Var(&o.r.TopP, "top-p", 0, "choose among the likeliest that have this share together; 0 is all")
	flags.Float64Var(&o.r.MinP, "min-p", 0, "leave out what is less likely than this share of the likeliest")
	flags.Float64Var(&o.r.Repetition, "repetition", 0, "penalty of what was said before; 0 and 1 are none")
	flags.Uint64Var(&o.seed, "seed", 0, "make the chance the same each time")
	flags.BoolVar(&o.r.Deterministic, "deterministic", false, "the same bytes each time, whatever else runs")
	flags.IntVar(&o.r.Priority, "priority", 0, "before requests of lower priority")
	flags.DurationVar(&o.r.Within, "within", 0, "end after this time")
	deviceFlags(c, &o.r.Device)
	c.MarkFlagsMutuallyExclusive("schema", "regex", "grammar", "any-json")
	_ = c.RegisterFlagCompletionFunc("model", o.completesFlag(modelNames))
	_ = c.RegisterFlagCompletionFunc("unit", o.completesFlag(unitNames))
	return c
}

func (o *askOptions) run(c *cobra.Command, arguments []string, node *control.Client) error {
	if err := o.prepare(c, arguments); err != nil {
		return err
	}
	w := c.OutOrStdout()
	show := func(text string) error {
		if !o.asJSON {
			say(w, "%s", onTerminal(w, text))
		}
		return nil
	}
	// Ctrl-C asks the node to stop, and waits a little for what it took.
	stopped := c.Context()
	ctx, cancel := context.WithCancel(context.WithoutCancel(stopped))
	defer cancel()
	forget := context.AfterFunc(stopped, func() { time.AfterFunc(stopWaitMax, cancel) })
	defer forget()
	answer, err := node.Generate(ctx, o.r, stopped.Done(), show)
	if answer == nil {
		return err
	}
	if o.asJSON {
		return errors.Join(o.show(c, answer, nil), err)
	}
	if !strings.HasSuffix(answer.Text, "\n") {
		say(w, "\n")
	}
	if problems := c.ErrOrStderr(); !o.quiet && (terminal(problems) || stopped.Err() != nil || unfinished(answer.Reason)) {
		say(problems, "%s\n", tookText(answer))
	}
	return err
}

// unfinished reports whether an answer ended because something ran out, which
// whoever reads it should know.
func unfinished(reason string) bool {
	return reason == "budget" || reason == "deadline" || reason == "cancelled"
}

// onTerminal keeps a model from moving the cursor of whoever looks. Into a pipe
// it goes as it is.
func onTerminal(w io.Writer, text string) string {
	if !terminal(w) {
		return text
	}
	parts := strings.Split(text, "\n")
	for i, part := range parts {
		parts[i] = printable(part)
	}
	return strings.Join(parts, "\n")
}

// tookText says why an answer ended and what it took.
func tookText(a *control.Generate) string {
	s := a.Spent
	text := fmt.Sprintf("[%s on %s: %s; %d tokens of %d", printable(a.Model), printable(a.Unit), a.Reason, s.CompletionTokens, s.PromptTokens)
	if s.CachedTokens > 0 {
		text += fmt.Sprintf(" (%d cached)", s.CachedTokens)
	}
	text += fmt.Sprintf("; first after %s, %s in all", lasting(s.First), lasting(s.Total))
	if spent := (s.Total - s.First).Seconds(); spent > 0 && s.CompletionTokens > 1 {
		text += fmt.Sprintf(", %.1f tokens/s", float64(s.CompletionTokens-1)/spent)
	}
	return text + fmt.Sprintf(", %.1f J]", s.Joules)
}

// prepare makes the request of the command line.
func (o *askOptions) prepare(c *cobra.Command, arguments []string) error {
	prompt, err := promptOf(c, arguments)
	if err != nil {
		return err
	}
	if o.raw {
		o.r.Prompt = prompt
		if o.system != "" {
			return errors.New("--system is a part of a conversation: leave --raw out")
		}
	} else {
		if o.system != "" {
			o.r.Messages = append(o.r.Messages, control.Turn{Role: "system", Content: o.system})
		}
		o.r.Messages = append(o.r.Messages, control.Turn{Role: "user", Content: prompt})
	}
	if c.Flags().Changed("seed") {
		o.r.Seed = &o.seed
	}
	for _, form := range []struct{ kind, file string }{{"json_schema", o.schema}, {"gbnf", o.grammar}} {
		if form.file == "" {
			continue
		}
		text, err := readFile(form.file, constraintBytesMax)
		if err != nil {
			return err
		}
		if len(text) > constraintBytesMax {
			return fmt.Errorf("%s has more than %s: give a smaller one", form.file, size(constraintBytesMax))
		}
		o.r.Constraint, o.r.ConstraintText = form.kind, string(text)
	}
	switch {
	case o.regex != "":
		o.r.Constraint, o.r.ConstraintText = "regex", o.regex
	case o.anyJSON:
		o.r.Constraint = "json"
	}
	return nil
}

// promptOf is the prompt of the command line, or of standard input for "-".
func promptOf(c *cobra.Command, arguments []string) (string, error) {
	prompt := strings.Join(arguments, " ")
	if prompt == "-" {
		if terminal(os.Stdout) && isTerminal(c.InOrStdin()) {
			say(c.ErrOrStderr(), "reading the prompt; end it with Ctrl-D\n")
		}
		text, err := io.ReadAll(io.LimitReader(c.InOrStdin(), promptBytesMax+1))
		if err != nil {
			return "", err
		}
		prompt = string(text)
	}
	switch {
	case strings.TrimSpace(prompt) == "":
		return "", errors.New("the prompt is empty: write what to ask")
	case len(prompt) > promptBytesMax:
		return "", fmt.Errorf("the prompt has more than %s: ask over HTTP ('phi http'), where it may have 16 MiB", size(promptBytesMax))
	}
	return prompt, nil
}

// isTerminal reports whether somebody types.
func isTerminal(r io.Reader) bool {
	w, ok := r.(io.Writer)
	return ok && terminal(w)
}
