package main

import (
	"io"
	"maps"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"phios/api/control"
)

func newMetrics() *cobra.Command {
	var o nodeOptions
	prometheus, health := false, false
	c := o.asks(&cobra.Command{
		Use:   "metrics",
		Short: "Show what inference did and takes",
		Long: `Shows the counters of inference since the node came up. --prometheus prints them as
Prometheus reads them, as the gateway does at /metrics. --health first lets each
loaded model generate a token, and unloads one that cannot.`,
		Args: cobra.NoArgs,
	}, func(c *cobra.Command, _ []string, node *control.Client) error {
		if health {
			h, err := node.Health(c.Context())
			if err != nil {
				return err
			}
			if h.Problem != "" {
				return &control.Error{Code: control.CodeFailed, Message: h.Problem, Remedy: "it is unloaded, and loaded anew with the next request"}
			}
		}
		m, err := node.Metrics(c.Context())
		if err != nil {
			return err
		}
		if prometheus {
			return m.WritePrometheus(c.OutOrStdout())
		}
		return o.show(c, m, func(w io.Writer) { sayMetrics(w, m) })
	})
	c.Flags().BoolVar(&prometheus, "prometheus", false, "print the text that Prometheus reads")
	c.Flags().BoolVar(&health, "health", false, "probe all loaded models first")
	c.MarkFlagsMutuallyExclusive("json", "prometheus")
	return c
}

func sayMetrics(w io.Writer, m control.Metrics) {
	say(w, "%s loaded (%s), %d loads in %s, %d failed, %d swaps; %d requests wait for a load; %s parked in %s\n",
		plural(m.Loaded, "model", "models"), size(m.Bytes), m.Loads, lasting(m.LoadTime), m.LoadFaults, m.Swaps, m.Waiting,
		size(uint64(max(m.ParkedBytes, 0))), plural(m.ParkedFiles, "file", "files"))
	if len(m.Models) == 0 {
		return
	}
	t := table{headings: []string{
		"MODEL", ">RUNNING", ">WAITING", ">DONE", ">FAILED", ">PREFILL", ">DECODE", ">CACHED", ">BATCH", ">STEP", ">QUEUE P50", ">FIRST P50", ">FIRST P99", ">JOULES",
	}}
	for _, name := range slices.Sorted(maps.Keys(m.Models)) {
		one := m.Models[name]
		e, batch, step := one.Ended, 0.0, time.Duration(0)
		if one.Steps > 0 {
			batch, step = float64(one.Works)/float64(one.Steps), one.StepTime/time.Duration(one.Steps)
		}
		t.add(name, one.Running, one.Waiting, e["stop"]+e["length"]+e["budget"]+e["deadline"]+e["cancelled"], e["failed"]+e["refused"],
			count(one.Tokens["prefill"]), count(one.Tokens["decode"]), count(one.Tokens["cached"]), of(batch, 0), lasting(step),
			lasting(one.Queue.P50), lasting(one.First.P50), lasting(one.First.P99), of(one.Joules, 0))
	}
	t.print(w, painter{colored(w)}, "")
}
