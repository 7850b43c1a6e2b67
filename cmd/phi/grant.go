package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"phios/api/control"
)

func newGrant() *cobra.Command {
	var o nodeOptions
	var once, good bool
	var lasts time.Duration
	c := &cobra.Command{
		Use:   "grant CAPSULE NAME[=SPEC[:RIGHTS]]",
		Short: "Give a capsule one capability that it asks for",
		Long: `Gives a capsule a capability, in place of what it had under that name. It finds
it at its next call; it need not be restarted.

NAME is what the capsule's manifest calls the request. SPEC says what it gets:

  clock, random          the time, random numbers
  folder:PATH            the files below a folder of this machine
  endpoint:CAPSULE       calls to another capsule
  region:NAME[:BYTES]    memory that all have who are granted it

Without SPEC it gets what its manifest asks for; a folder's path must always be
said here. RIGHTS are names with commas between, such as READ,WRITE; without
them it gets those that it asks for, or else the kind's usual ones.`,
		Example:           "  phi grant greeter clock\n  phi grant greeter notes=folder:/srv/notes:READ --for 1h",
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: o.completes(capsuleNames, requestNames),
	}
	o.asks(c, func(c *cobra.Command, arguments []string, node *control.Client) error {
		g, err := parseGrant(arguments[1])
		if err != nil {
			return err
		}
		g.Capsule, g.Duration = arguments[0], control.DurationForever
		switch {
		case once:
			g.Duration = control.DurationOnce
		case lasts == time.Hour:
			g.Duration = control.DurationHour
		case c.Flags().Changed("for"):
			return errors.New("a grant lasts for 1h, until the next run ends (--once) or for good: say one of them")
		}
		if err := node.Grant(c.Context(), g); err != nil {
			return err
		}
		return o.show(c, g, func(w io.Writer) { say(w, "%s has %s %s\n", g.Capsule, grantText(g), durationText(g.Duration)) })
	})
	c.Flags().BoolVar(&once, "once", false, "until the capsule's run ends")
	c.Flags().DurationVar(&lasts, "for", 0, "for this long; the node knows 1h")
	c.Flags().BoolVar(&good, "for-good", false, "until it is revoked, over restarts too (the default)")
	c.MarkFlagsMutuallyExclusive("once", "for", "for-good")
	return c
}

// parseGrant reads NAME[=SPEC[:RIGHTS]].
func parseGrant(text string) (control.Grant, error) {
	name, spec, given := strings.Cut(text, "=")
	g := control.Grant{Name: name}
	if name == "" || given && spec == "" {
		return g, fmt.Errorf("%q is no grant: write NAME, or NAME=SPEC such as notes=folder:/srv/notes:READ", text)
	}
	g.Spec = spec
	if i := strings.LastIndexByte(spec, ':'); i >= 0 {
		list := strings.FieldsFunc(spec[i+1:], func(r rune) bool { return r == ',' || r == '|' })
		if _, err := control.Rights(list).Set(); err == nil && len(list) > 0 && strings.ToUpper(spec[i+1:]) == spec[i+1:] {
			g.Spec, g.Rights = spec[:i], list
		}
	}
	if kind, path, ok := strings.Cut(g.Spec, ":"); ok && kind == "folder" {
		return absolute(g, path)
	}
	return g, nil
}

// grantText writes a grant as a verb reads it.
func grantText(g control.Grant) string {
	text := g.Name
	if g.Spec != "" {
		text += "=" + g.Spec
		if len(g.Rights) > 0 {
			text += ":" + strings.Join(g.Rights, ",")
		}
	}
	return printable(text)
}

func durationText(duration string) string {
	switch duration {
	case control.DurationOnce:
		return "until its run ends"
	case control.DurationHour:
		return "for an hour"
	default:
		return "until it is revoked"
	}
}

// command writes the command that gives a grant.
func command(g control.Grant) string {
	text := "phi grant " + quoted(g.Capsule) + " " + quoted(grantText(g))
	switch g.Duration {
	case control.DurationOnce:
		text += " --once"
	case control.DurationHour:
		text += " --for 1h"
	}
	return text
}
