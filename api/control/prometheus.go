package control

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// WritePrometheus writes the counters in the text format that Prometheus and
// many others read.
func (m *Metrics) WritePrometheus(w io.Writer) error {
	var b strings.Builder
	one := func(name, kind, help string, value any) {
		fmt.Fprintf(&b, "# HELP phi_%s %s\n# TYPE phi_%s %s\nphi_%s %v\n", name, help, name, kind, name, value)
	}
	one("model_loads_total", "counter", "Models loaded.", m.Loads)
	one("model_load_faults_total", "counter", "Models that could not be loaded.", m.LoadFaults)
	one("model_swaps_total", "counter", "Loads that took another model out of memory.", m.Swaps)
	one("model_load_seconds_total", "counter", "Time spent loading models.", m.LoadTime.Seconds())
	one("models_loaded", "gauge", "Models in memory.", m.Loaded)
	one("models_bytes", "gauge", "Memory of models, weights and caches.", m.Bytes)
	one("requests_for_loads", "gauge", "Requests that wait for a model to be loaded.", m.Waiting)
	one("parked_bytes", "gauge", "Beginnings of texts on the disk.", m.ParkedBytes)
	names := slices.Sorted(maps.Keys(m.Models))
	each := func(name, kind, help string, lines func(model string, one ModelMetrics)) {
		fmt.Fprintf(&b, "# HELP phi_%s %s\n# TYPE phi_%s %s\n", name, help, name, kind)
		for _, model := range names {
			lines(model, m.Models[model])
		}
	}
	value := func(name string, of func(ModelMetrics) any) func(string, ModelMetrics) {
		return func(model string, one ModelMetrics) {
			fmt.Fprintf(&b, "phi_%s{model=\"%s\"} %v\n", name, escaped(model), of(one))
		}
	}
	by := func(name, label string, of func(ModelMetrics) map[string]uint64) func(string, ModelMetrics) {
		return func(model string, one ModelMetrics) {
			counts := of(one)
			for _, what := range slices.Sorted(maps.Keys(counts)) {
				fmt.Fprintf(&b, "phi_%s{model=\"%s\",%s=\"%s\"} %d\n", name, escaped(model), label, what, counts[what])
			}
		}
	}
	times := func(name string, of func(ModelMetrics) Times) func(string, ModelMetrics) {
		return func(model string, one ModelMetrics) {
			t, model := of(one), escaped(model)
			fmt.Fprintf(&b, "phi_%s{model=\"%s\",quantile=\"0.5\"} %v\nphi_%s{model=\"%s\",quantile=\"0.99\"} %v\nphi_%s_sum{model=\"%s\"} %v\nphi_%s_count{model=\"%s\"} %d\n",
				name, model, t.P50.Seconds(), name, model, t.P99.Seconds(), name, model, t.Sum.Seconds(), name, model, t.Count)
		}
	}
	each("requests_running", "gauge", "Requests that run.", value("requests_running", func(o ModelMetrics) any { return o.Running }))
	each("requests_waiting", "gauge", "Requests that wait.", value("requests_waiting", func(o ModelMetrics) any { return o.Waiting }))
	each("requests_total", "counter", "Requests that ended, by reason.", by("requests_total", "reason", func(o ModelMetrics) map[string]uint64 { return o.Ended }))
	each("tokens_total", "counter", "Tokens, by what they were.", by("tokens_total", "kind", func(o ModelMetrics) map[string]uint64 { return o.Tokens }))
	each("steps_total", "counter", "Steps of the model.", value("steps_total", func(o ModelMetrics) any { return o.Steps }))
	each("step_seconds_total", "counter", "Time of the steps.", value("step_seconds_total", func(o ModelMetrics) any { return o.StepTime.Seconds() }))
	each("step_texts_total", "counter", "Texts in all steps: over the steps it is the mean batch.", value("step_texts_total", func(o ModelMetrics) any { return o.Works }))
	each("joules_total", "counter", "Energy.", value("joules_total", func(o ModelMetrics) any { return o.Joules }))
	each("queue_seconds", "summary", "Time until a request runs.", times("queue_seconds", func(o ModelMetrics) Times { return o.Queue }))
	each("first_token_seconds", "summary", "Time until the first token.", times("first_token_seconds", func(o ModelMetrics) Times { return o.First }))
	_, err := io.WriteString(w, b.String())
	return err
}

// escaped is a value of a label.
func escaped(text string) string {
	return strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(text)
}
