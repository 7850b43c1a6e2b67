package main

import (
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"phios/api/control"
)

func newInfo() *cobra.Command {
	var o nodeOptions
	return o.asks(&cobra.Command{
		Use:   "info",
		Short: "Say which node runs, and what it can",
		Args:  cobra.NoArgs,
	}, func(c *cobra.Command, _ []string, node *control.Client) error {
		one, err := node.Info(c.Context())
		if err != nil {
			return err
		}
		models, err := node.Inference(c.Context())
		if err != nil {
			return err
		}
		all := struct {
			control.Info

			Inference control.Summary `json:"inference"`
		}{one, models}
		return o.show(c, all, func(w io.Writer) {
			say(w, "phi %s, process %d, up for %s\n", one.Version, one.PID, lasting(time.Since(one.Started)))
			say(w, "  data      %s\n  socket    %s\n  tiers     %s\n  capsules  %d\n  you may   %s\n",
				one.DataDir, node.Socket, strings.Join(one.Tiers, " "), one.Capsules, one.Rights)
			say(w, "  models    %s\n  units     %s\n  gateway   %s\n", modelsText(models), strings.Join(models.Units, " "), orDash(models.HTTP))
			if models.Problem != "" {
				say(w, "  trouble   %s\n", printable(models.Problem))
			}
			if one.Recovery != "" {
				say(w, "  recovery  %s\n", printable(one.Recovery))
			}
		})
	})
}

// modelsText says which models there are, in short.
func modelsText(s control.Summary) string {
	var text strings.Builder
	text.WriteString(strconv.Itoa(s.Models))
	if s.Default != "" {
		text.WriteString(", default " + printable(s.Default))
	}
	for _, m := range s.Loaded {
		text.WriteString(", " + printable(m.Name()) + " on " + m.Unit)
	}
	return text.String()
}
