package main

import (
	"encoding/json"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"phios/api/control"
)

func newLogs() *cobra.Command {
	var o nodeOptions
	var r control.LogsRequest
	stamps := false
	c := o.asks(&cobra.Command{
		Use:   "logs CAPSULE",
		Short: "Print what a capsule wrote",
		Long: `Prints the last lines that a capsule's program wrote, and between them, marked
"--", what the node has to say about it: how it ended, when it is restarted.

A program's text is shown without control characters: it cannot repaint the
terminal of who looks at it.`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: o.completes(capsuleNames),
	}, func(c *cobra.Command, arguments []string, node *control.Client) error {
		r.Capsule = arguments[0]
		w := c.OutOrStdout()
		p := painter{colored(w)}
		return leaving(node.Logs(c.Context(), r, func(l control.LogLine) error {
			if o.asJSON {
				return json.NewEncoder(w).Encode(l)
			}
			if stamps {
				say(w, "%s ", p.in("dim", l.Time.Format("2006-01-02 15:04:05.000")))
			}
			printLine(w, p, l)
			return nil
		}))
	})
	c.Flags().BoolVarP(&r.Follow, "follow", "f", false, "go on with new lines until Ctrl-C")
	c.Flags().IntVarP(&r.Tail, "tail", "n", 0, "begin with the last N lines (default all that are kept)")
	c.Flags().BoolVarP(&stamps, "timestamps", "t", false, "print when each line was written")
	return c
}

// printLine prints one line of a program's output, or a remark.
func printLine(w io.Writer, p painter, l control.LogLine) {
	if l.Lost > 0 {
		say(w, "%s\n", p.in("dim", "-- "+count(l.Lost)+" lines were lost here: read faster, or write less"))
	}
	switch l.Stream {
	case 0:
		say(w, "%s\n", p.in("dim", "-- "+printable(l.Text)))
	case 2:
		say(w, "%s\n", p.in("yellow", printable(l.Text)))
	default:
		say(w, "%s\n", printable(l.Text))
	}
}

// lines is printable for a text of several lines.
func lines(text string) string {
	parts := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	for i, part := range parts {
		parts[i] = printable(part)
	}
	return strings.Join(parts, "\n")
}
