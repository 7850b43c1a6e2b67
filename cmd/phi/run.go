package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"phios/api/control"
)

// runOptions are what 'phi run' was asked.
type runOptions struct {
	nodeOptions

	grants           []string
	yes, gone, leave bool
	request          control.RunRequest
}

func newRun() *cobra.Command {
	var o runOptions
	c := &cobra.Command{
		Use:   "run NAME|DIR [-- ARGUMENT...]",
		Short: "Run a capsule that is installed, or install and run one",
		Long: `Runs a capsule. It owns nothing but what is granted here or later with 'phi
grant': what its manifest asks for is shown, with the reasons, and on a terminal
each is asked about. --grant decides beforehand, --yes grants all that is asked
for; the path of a folder must be said with --grant.

phi run shows what the program writes until it serves or ends, and exits with 1
when it fails. A capsule that serves goes on in the node; with --rm phi stays,
and Ctrl-C ends the capsule too.`,
		Example: `  phi run ./greeter
  phi run greeter --grant clock --grant notes=folder:/srv/notes:READ
  phi run ./report --rm --yes -- --month 11`,
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: o.completes(imageNames),
	}
	o.asks(c, o.run)
	flags := c.Flags()
	flags.StringArrayVar(&o.grants, "grant", nil, "grant NAME[=SPEC[:RIGHTS]], as 'phi grant' takes it; can be repeated")
	flags.BoolVarP(&o.yes, "yes", "y", false, "grant all that the manifest asks for")
	flags.BoolVar(&o.gone, "rm", false, "stay until it ends, and leave nothing behind")
	flags.BoolVarP(&o.leave, "detach", "d", false, "do not wait for it to serve or end")
	flags.StringVar(&o.request.As, "as", "", "what to call it (default its own name)")
	flags.Uint64Var(&o.request.Argument, "argument", 0, "a number that the program finds")
	c.MarkFlagsMutuallyExclusive("rm", "detach")
	return c
}

func (o *runOptions) run(c *cobra.Command, arguments []string, node *control.Client) error {
	image, err := installed(c, node, arguments[0])
	if err != nil {
		return err
	}
	o.request.Capsule, o.request.Arguments = image.Name, arguments[1:]
	if err := o.decide(c, image); err != nil {
		return err
	}
	one, err := node.Run(c.Context(), o.request)
	if err != nil {
		return err
	}
	if o.leave {
		return o.show(c, one, func(w io.Writer) { say(w, "%s is started\n", one.Name) })
	}
	if o.gone {
		defer func() { _ = node.Kill(context.WithoutCancel(c.Context()), one.Name) }()
	}
	return o.watch(c, node, one.Name)
}

// decide fills in what is granted: what was said, and of the rest what --yes or
// the user at the terminal says.
func (o *runOptions) decide(c *cobra.Command, image control.Image) error {
	for _, text := range o.grants {
		g, err := parseGrant(text)
		if err != nil {
			return err
		}
		o.request.Grants = append(o.request.Grants, g)
	}
	problems := c.ErrOrStderr()
	asked := bufio.NewReader(c.InOrStdin())
	for _, q := range image.Requests {
		if slices.ContainsFunc(o.request.Grants, func(g control.Grant) bool { return g.Name == q.Name }) {
			continue
		}
		text := fmt.Sprintf("%s asks for %s: %s", image.Name, requestText(q), printable(strings.TrimSuffix(q.Reason, ".")))
		g := control.Grant{Name: q.Name}
		switch {
		case q.Kind == "folder" && o.yes:
			return fmt.Errorf("%s\nwhich folder it gets is for you to say: add --grant %s=folder:PATH", text, q.Name)
		case o.yes:
			say(problems, "%s: granted\n", text)
		case !o.asJSON && terminal(problems) && interactive(c.InOrStdin()):
			granted, err := question(problems, asked, text, q)
			if err != nil {
				return err
			}
			if granted == nil {
				continue
			}
			g = *granted
		default:
			say(problems, "%s: not granted; '%s' does\n", text, command(control.Grant{Capsule: o.name(image), Name: q.Name, Spec: folderPlace(q)}))
			continue
		}
		o.request.Grants = append(o.request.Grants, g)
	}
	return nil
}

// name is what the capsule will be called.
func (o *runOptions) name(image control.Image) string {
	if o.request.As != "" {
		return o.request.As
	}
	return image.Name
}

// folderPlace holds the place of a path in a command that is shown.
func folderPlace(q control.Request) string {
	if q.Kind == "folder" {
		return "folder:PATH"
	}
	return ""
}

// interactive reports whether somebody can answer.
func interactive(r io.Reader) bool {
	file, ok := r.(*os.File)
	return ok && terminal(file)
}

// question asks the user about one request; nil is no.
func question(w io.Writer, answers *bufio.Reader, text string, q control.Request) (*control.Grant, error) {
	hint := "[y/N]"
	if q.Kind == "folder" {
		hint = "which folder? (nothing for none)"
	}
	say(w, "%s %s ", text, hint)
	line, err := answers.ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	line = strings.TrimSpace(line)
	switch {
	case q.Kind == "folder" && line != "":
		g, err := absolute(control.Grant{Name: q.Name}, line)
		return &g, err
	case q.Kind != "folder" && (strings.EqualFold(line, "y") || strings.EqualFold(line, "yes")):
		return &control.Grant{Name: q.Name}, nil
	default:
		return nil, nil //nolint:nilnil // no is not an error
	}
}

// watch shows what a capsule writes until it serves or has ended.
func (o *runOptions) watch(c *cobra.Command, node *control.Client, name string) error {
	ctx, cancel := context.WithCancel(c.Context())
	defer cancel()
	out, problems := c.OutOrStdout(), c.ErrOrStderr()
	var last control.LogLine
	tell := func(l control.LogLine) error { //nolint:unparam // as Client.Logs wants it
		last = l
		switch {
		case o.asJSON || l.Stream == 0:
		case l.Stream == 2:
			printLine(problems, painter{colored(problems)}, l)
		default:
			printLine(out, painter{colored(out)}, l)
		}
		return nil
	}
	followed := make(chan struct{})
	go func() {
		defer close(followed)
		_ = node.Logs(ctx, control.LogsRequest{Capsule: name, Follow: true}, tell)
	}()
	one, err := settled(ctx, node, name)
	if err == nil && o.gone && one.State == control.StateServing {
		say(problems, "%s serves; Ctrl-C ends it\n", name)
		one, err = served(ctx, node, name)
	}
	cancel()
	<-followed
	if err != nil {
		return leaving(err)
	}
	rest(c.Context(), node, name, last, tell)
	if err := o.show(c, one, func(w io.Writer) { o.sayState(w, one) }); err != nil {
		return err
	}
	if one.State == control.StateFailed {
		return fmt.Errorf("%s failed: %s: %s", name, failureText(one), remedyOf(one))
	}
	return nil
}

// sayState says what became of a capsule, where that is worth a line.
func (o *runOptions) sayState(w io.Writer, one control.Inspection) {
	if one.State == control.StateServing {
		say(w, "%s serves (%s, task %d): 'phi call %s TEXT'\n", one.Name, one.Tier, one.Task, one.Name)
	}
}

func failureText(one control.Inspection) string {
	if one.Exit == nil {
		return one.State
	}
	return exitText(*one.Exit)
}

// remedyOf says what to do about a capsule that failed.
func remedyOf(one control.Inspection) string {
	if one.Exit != nil && strings.Contains(one.Exit.Detail, `the wall "`) {
		return "its manifest allows that when 'walls-missing' lists the wall, see docs/capsules.md"
	}
	return "'phi logs " + one.Name + "' says more"
}

// served waits until a capsule serves no more.
func served(ctx context.Context, node *control.Client, name string) (control.Inspection, error) {
	var one control.Inspection
	err := node.Top(ctx, control.TopRequest{Every: topPause}, func(now control.Top) error {
		i := slices.IndexFunc(now.Capsules, func(c control.Capsule) bool { return c.Name == name })
		if i < 0 || now.Capsules[i].State != control.StateServing && now.Capsules[i].State != control.StateStarting && now.Capsules[i].State != control.StateWaiting {
			return errEnough
		}
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) {
		return one, err
	}
	return node.Inspect(ctx, name)
}

// rest shows the lines behind the last one that was shown: what a program wrote
// just before it ended is not lost.
func rest(ctx context.Context, node *control.Client, name string, last control.LogLine, show func(control.LogLine) error) {
	var all []control.LogLine
	_ = node.Logs(ctx, control.LogsRequest{Capsule: name}, func(l control.LogLine) error {
		if all = append(all, l); l.Time.Equal(last.Time) && l.Text == last.Text && l.Stream == last.Stream {
			all = nil
		}
		return nil
	})
	for _, l := range all {
		_ = show(l)
	}
}
