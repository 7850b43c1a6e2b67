package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"phios/abi"
	"phios/api/control"
)

// errEnough ends a stream when as much was seen as was asked for.
var errEnough = errors.New("enough")

// topPause is how often a verb that waits looks.
const topPause = 200 * time.Millisecond

func newTop() *cobra.Command {
	var o nodeOptions
	every, looks := time.Second, 0
	c := o.asks(&cobra.Command{
		Use:   "top",
		Short: "Watch what the capsules take",
		Long:  "Shows the capsules, the busiest first, and again every second until Ctrl-C. In a pipe\nit prints two looks as plain text and ends; --looks says how many.",
		Args:  cobra.NoArgs,
	}, func(c *cobra.Command, _ []string, node *control.Client) error {
		w := c.OutOrStdout()
		live := terminal(w) && !o.asJSON && looks == 0
		if looks == 0 {
			looks = 2
		}
		var before control.Top
		seen := 0
		err := node.Top(c.Context(), control.TopRequest{Every: every}, func(now control.Top) error {
			models, err := node.Inference(c.Context())
			if err != nil {
				return err
			}
			below := modelsLine(models)
			switch {
			case o.asJSON:
				if err := json.NewEncoder(w).Encode(now); err != nil {
					return err
				}
			case live:
				say(w, "\x1b[H\x1b[2J%s%s", look(painter{colored(w)}, before, now), below)
			default:
				say(w, "%s%s\n", look(painter{colored(w)}, before, now), below)
			}
			before = now
			if seen++; !live && seen >= looks {
				return errEnough
			}
			return nil
		})
		if errors.Is(err, errEnough) {
			return nil
		}
		return leaving(err)
	})
	c.Flags().DurationVar(&every, "every", every, "how often, at least 100ms")
	c.Flags().IntVar(&looks, "looks", 0, "end after so many looks")
	return c
}

// look writes one look: what each capsule took of a processor since the one
// before, and what it has.
func look(p painter, before, now control.Top) string {
	earlier := map[string]control.Capsule{}
	for _, one := range before.Capsules {
		earlier[one.Name] = one
	}
	type row struct {
		control.Capsule

		share float64
		rate  float64
	}
	rows := make([]row, 0, len(now.Capsules))
	span := now.Time.Sub(before.Time).Seconds()
	for _, one := range now.Capsules {
		r := row{Capsule: one}
		if was, ok := earlier[one.Name]; ok && span > 0 && one.Task == was.Task && one.Usage.CPUNanoseconds >= was.Usage.CPUNanoseconds {
			r.share = float64(one.Usage.CPUNanoseconds-was.Usage.CPUNanoseconds) / 1e7 / span
			r.rate = float64(one.Usage.Served-min(was.Usage.Served, one.Usage.Served)) / span
		}
		rows = append(rows, r)
	}
	slices.SortFunc(rows, func(a, b row) int {
		return cmp.Or(cmp.Compare(b.share, a.share), cmp.Compare(b.Usage.MemoryBytes, a.Usage.MemoryBytes), cmp.Compare(a.Name, b.Name))
	})
	var b strings.Builder
	say(&b, "%s  %s; free: %s memory, %s slots\n", now.Time.Format("15:04:05"), plural(len(rows), "capsule", "capsules"),
		size(now.Free[abi.ResourceMemory]), count(now.Free[abi.ResourceSlots]))
	t := table{headings: []string{"NAME", "STATE", "TIER", ">CPU %", ">MEMORY", ">SERVED/S", ">CALLS", ">DENIED"}}
	for _, r := range rows {
		t.add(cell{r.Name, r.Colour}, stateCell(r.Capsule), r.Tier, fmt.Sprintf("%.1f", r.share), size(r.Usage.MemoryBytes),
			fmt.Sprintf("%.0f", r.rate), count(r.Usage.Calls), r.Denials)
	}
	t.print(io.Writer(&b), p, "")
	return b.String()
}

// modelsLine says what inference does, empty when there are no models.
func modelsLine(s control.Summary) string {
	if s.Models == 0 {
		return ""
	}
	return fmt.Sprintf("models: %s; units: %s; %d requests run, %d wait\n", modelsText(s), strings.Join(s.Units, " "), s.Running, s.Waiting)
}
