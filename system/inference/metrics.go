package inference

import (
	"phios/api/control"
	"phios/service/inference/schedule"
)

// metrics are the counters since the node came up: of models that were unloaded
// too, but not of engines before a change of the units.
func (n *Inference) metrics() control.Metrics {
	out := control.Metrics{Models: map[string]control.ModelMetrics{}}
	n.mu.Lock()
	e := n.engine
	n.mu.Unlock()
	if e == nil {
		return out
	}
	m := e.service.Metrics()
	out.Loads, out.LoadFaults, out.Swaps, out.LoadTime = m.Residency.Loads, m.Residency.LoadFaults, m.Residency.Swaps, m.Residency.LoadTime
	out.Loaded, out.Bytes, out.Waiting = m.Residency.Loaded, m.Residency.Bytes, m.Residency.Waiting
	out.ParkedFiles, out.ParkedBytes = m.Parking.Files, m.Parking.Bytes
	for name, one := range m.Models {
		out.Models[name] = modelMetrics(&one)
	}
	return out
}

func modelMetrics(m *schedule.Metrics) control.ModelMetrics {
	return control.ModelMetrics{
		Running: m.Running, Waiting: m.Waiting, FreePages: m.FreePages, IdlePages: m.IdlePages,
		Ended: map[string]uint64{
			"stop": m.Stop, "length": m.Length, "budget": m.Budget, "deadline": m.Deadline,
			"cancelled": m.Cancelled, "failed": m.Failed, "refused": m.Refused,
		},
		Tokens: map[string]uint64{
			"prefill": m.PrefillTokens, "decode": m.DecodeTokens, "cached": m.CachedTokens, "recomputed": m.RecomputedTokens,
		},
		Steps: m.Steps, StepTime: m.StepTime, Works: m.Works, WorksMax: m.WorksMax,
		Queue: times(&m.Queue), First: times(&m.FirstToken), Joules: m.Joules,
	}
}

func times(h *schedule.Histogram) control.Times {
	const median, last = 0.5, 0.99
	return control.Times{Count: h.Count(), Sum: h.Sum, P50: h.Quantile(median), P99: h.Quantile(last)}
}

// summary is what there is, in short. What cannot be read is said, and hides
// nothing else.
func (n *Inference) summary() control.Summary {
	s := control.Summary{HTTP: n.door.address()}
	trouble := func(err error) {
		if err != nil && s.Problem == "" {
			s.Problem = err.Error()
		}
	}
	list, err := n.modelList()
	trouble(err)
	for _, m := range list {
		switch {
		case m.Resident:
		case m.Loaded:
			s.Loaded = append(s.Loaded, m)
			fallthrough
		default:
			s.Models++
			if m.Default {
				s.Default = m.Name()
			}
		}
	}
	units, err := readUnits(n.unitsPath())
	trouble(err)
	for _, u := range units {
		s.Units = append(s.Units, u.Name)
	}
	s.Keys, err = n.keys.count()
	trouble(err)
	m := n.metrics()
	s.Waiting = m.Waiting
	for _, one := range m.Models {
		s.Running += one.Running
		s.Waiting += one.Waiting
	}
	return s
}
