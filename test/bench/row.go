package bench

import "math"

// The directions in which a value can be good.
const (
	Lower  = "lower"
	Higher = "higher"
)

// The units of values. Times is for a row that is a ratio: there the peer is 1.
const (
	unitNS      = "ns"
	unitUS      = "µs"
	unitBytes   = "B"
	unitAllocs  = "allocs"
	unitSamples = "samples"
	unitTimes   = "x"
)

// Row is one line of the results, and one object of the JSON array. Nothing
// may be added to it: programs read it.
type Row struct {
	// Name is unique in a run, and begins with the family and a colon.
	Name string `json:"name"`
	// Value is what was measured, in Unit.
	Value float64 `json:"value"`
	Unit  string  `json:"unit"`
	// Better is Lower or Higher.
	Better string `json:"better"`
	// Target is what Value must reach, in Unit; nil for a row that informs.
	Target *float64 `json:"target"`
	// Peer is what was measured in alternation, empty for nothing, and
	// PeerValue its value in Unit.
	Peer      string   `json:"peer"`
	PeerValue *float64 `json:"peer_value"`
	// Ratio is how many times better than the peer's the value is.
	Ratio *float64 `json:"ratio"`
	// OK is false when there is a target and the value misses it.
	OK bool `json:"ok"`
}

// inform returns a row without a target, of which less is better.
func inform(name string, value float64, unit string) Row {
	return Row{Name: name, Value: tidy(value), Unit: unit, Better: Lower, OK: true}
}

// atMost returns a row whose value must not exceed the target.
func atMost(name string, value float64, unit string, target float64) Row {
	r := inform(name, value, unit)
	r.Target, r.OK = &target, value <= target
	return r
}

// atLeast returns a row of a ratio to a peer, which must reach the target.
func atLeast(name, peer string, ratio, target float64) Row {
	r := Row{Name: name, Value: tidy(ratio), Unit: unitTimes, Better: Higher, Target: &target, OK: ratio >= target}
	return r.against(peer, 1, ratio)
}

// against adds what the peer did.
func (r Row) against(peer string, value, ratio float64) Row {
	value, ratio = tidy(value), tidy(ratio)
	r.Peer, r.PeerValue, r.Ratio = peer, &value, &ratio
	return r
}

// tidy rounds to a thousandth, which is finer than anything here is known, and
// replaces what JSON has no number for.
func tidy(v float64) float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return 0
	}
	return math.Round(v*1000) / 1000
}

// Missed returns the rows that miss their target.
func Missed(rows []Row) []Row {
	var missed []Row
	for _, r := range rows {
		if !r.OK {
			missed = append(missed, r)
		}
	}
	return missed
}
