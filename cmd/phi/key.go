package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"phios/api/control"
)

// newKey returns the verb about keys.
func newKey() *cobra.Command {
	c := &cobra.Command{
		Use:   "key",
		Short: "Make, list and revoke keys to the node's models",
		Long: `A key lets a program ask the node's models over HTTP. It is a capability: it opens
the models that you name, until its time is over or what it may spend is spent,
and not a moment after it is revoked.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newKeyNew(), newKeyList(), newKeyRevoke())
	return c
}

// keyNames lists the keys.
func keyNames(ctx context.Context, node *control.Client, _ []string) []string {
	var list []string
	all, _ := node.Keys(ctx)
	for _, one := range all {
		list = append(list, one.Name+"\t"+one.ID)
	}
	return list
}

func newKeyNew() *cobra.Command {
	var o nodeOptions
	var r control.KeyNewRequest
	tokens, rights := "", []string{}
	c := o.asks(&cobra.Command{
		Use:   "new",
		Short: "Make a key, and show its secret once",
		Long: `Makes a key and prints its secret, which is not kept and cannot be shown again.
Without limits it opens all models until it is revoked; what it spends is then the
node's own expense. A limit is carved out of what the node has.`,
		Example: "  phi key new --model mine --tokens 1e6 --expires 24h\n  phi key new --name laptop --seconds 600 --joules 5000",
		Args:    cobra.NoArgs,
	}, func(c *cobra.Command, _ []string, node *control.Client) error {
		if tokens != "" {
			n, err := strconv.ParseFloat(tokens, 64)
			if err != nil || n < 1 || n > 1e18 || n != float64(uint64(n)) {
				return fmt.Errorf("%q is no number of tokens: write it as 1000000 or 1e6", tokens)
			}
			r.Tokens = uint64(n)
		}
		r.Rights = rights
		k, err := node.NewKey(c.Context(), r)
		if err != nil {
			return err
		}
		return o.show(c, k, func(w io.Writer) {
			if terminal(w) {
				say(c.ErrOrStderr(), "%s opens %s%s; this is the only time that its secret is shown:\n", k.Name, keyModels(k.Key), keyLimits(k.Key, time.Now()))
			}
			say(w, "%s\n", k.Secret)
		})
	})
	flags := c.Flags()
	flags.StringVar(&r.Name, "name", "", "what to call it (default after its ID)")
	flags.StringSliceVar(&r.Models, "model", nil, "a model that it opens (default all); can be repeated")
	flags.StringVar(&tokens, "tokens", "", "how many tokens may be generated, such as 1e6")
	flags.Float64Var(&r.Seconds, "seconds", 0, "how much time of the units may be spent")
	flags.Float64Var(&r.Joules, "joules", 0, "how much energy may be spent")
	flags.DurationVar(&r.Expires, "expires", 0, "how long it holds, such as 24h")
	flags.StringSliceVar(&rights, "rights", []string{"RUN"}, "what may be done with the models")
	_ = c.RegisterFlagCompletionFunc("model", o.completesFlag(modelNames))
	return c
}

func keyModels(k control.Key) string {
	if len(k.Models) == 0 {
		return "all models"
	}
	return printable(strings.Join(k.Models, " "))
}

// keyLimits says what of its limits a key has spent, and how long it holds.
func keyLimits(k control.Key, now time.Time) string {
	text := ""
	if k.Limits.Tokens > 0 {
		text += fmt.Sprintf(", %s of %s tokens spent", count(k.Spent.Tokens), count(k.Limits.Tokens))
	}
	if k.Limits.Seconds > 0 {
		text += fmt.Sprintf(", %.1f of %g s spent", k.Spent.Seconds, k.Limits.Seconds)
	}
	if k.Limits.Joules > 0 {
		text += fmt.Sprintf(", %.1f of %g J spent", k.Spent.Joules, k.Limits.Joules)
	}
	switch {
	case k.Expires.IsZero():
	case now.Before(k.Expires):
		text += ", for " + lasting(k.Expires.Sub(now).Round(time.Second))
	default:
		text += ", expired"
	}
	return text
}

func newKeyList() *cobra.Command {
	var o nodeOptions
	return o.asks(&cobra.Command{
		Use:   "list",
		Short: "List the keys, and what was spent by each",
		Args:  cobra.NoArgs,
	}, func(c *cobra.Command, _ []string, node *control.Client) error {
		all, err := node.Keys(c.Context())
		if err != nil {
			return err
		}
		return o.show(c, all, func(w io.Writer) {
			if len(all) == 0 {
				say(w, "no keys: make one with 'phi key new'\n")
				return
			}
			now := time.Now()
			t := table{headings: []string{"NAME", "ID", "MODELS", "RIGHTS", ">TOKENS", ">SECONDS", ">JOULES", ">RUNNING", "EXPIRES", "USED"}}
			for _, k := range all {
				t.add(k.Name, k.ID, keyModels(k), k.Rights, of(float64(k.Spent.Tokens), float64(k.Limits.Tokens)), of(k.Spent.Seconds, k.Limits.Seconds),
					of(k.Spent.Joules, k.Limits.Joules), k.Running, expiry(k, now), ago(now, k.Used))
			}
			t.print(w, painter{colored(w)}, "")
		})
	})
}

// of writes what was spent of a limit.
func of(spent, limit float64) string {
	text := strconv.FormatFloat(spent, 'f', -1, 64)
	if spent != float64(int64(spent)) {
		text = strconv.FormatFloat(spent, 'f', 2, 64)
	}
	if limit > 0 {
		text += " of " + strconv.FormatFloat(limit, 'f', -1, 64)
	}
	return text
}

func expiry(k control.Key, now time.Time) string {
	switch {
	case k.Expires.IsZero():
		return "never"
	case now.Before(k.Expires):
		return "in " + lasting(k.Expires.Sub(now).Round(time.Second))
	default:
		return "expired"
	}
}

func newKeyRevoke() *cobra.Command {
	var o nodeOptions
	return o.asks(&cobra.Command{
		Use:               "revoke KEY",
		Short:             "End a key, and the requests that run by it, at once",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: o.completes(keyNames),
	}, func(c *cobra.Command, arguments []string, node *control.Client) error {
		k, err := node.RevokeKey(c.Context(), arguments[0])
		if err != nil {
			return err
		}
		return o.show(c, k, func(w io.Writer) { say(w, "%s is revoked\n", printable(k.Name)) })
	})
}
