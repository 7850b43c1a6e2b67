package capability

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"phios/internal/mutant"
)

// MutantReport says whether one seeded bug was found.
type MutantReport struct {
	ID     mutant.ID `json:"id"`
	Name   string    `json:"name"`
	Caught bool      `json:"caught"`
	// In is the facet or scenario that found it, By the invariant that it
	// broke, and Trace the way there.
	In      string   `json:"in,omitempty"`
	By      string   `json:"by,omitempty"`
	Trace   []string `json:"trace,omitempty"`
	States  int      `json:"states"` // looked at until then
	Seconds float64  `json:"seconds"`
}

// ErrNoMutants is returned by a build without the tag mutants.
var ErrNoMutants = errors.New("this build has no mutants: run make verify (go run -tags mutants ./cmd/phi verify capability --mutant all)")

// The limits of a search under a mutant, which may loop or grow for ever.
const (
	mutantStatesMax  = 400_000
	mutantSecondsMax = 20.0
)

// effort is how far one round of a hunt goes. Most bugs are near, so that
// every place is looked at a little before any is looked at for long.
type effort struct{ states, schedules int }

func efforts() []effort {
	return []effort{{1_000, 50}, {10_000, 2_000}, {mutantStatesMax, schedulesMax}}
}

// Mutants switches on every seeded bug in its turn, or the one named, and
// looks whether it is found. It must run alone in its process.
func Mutants(c Config, name string) ([]MutantReport, error) {
	if !mutant.Enabled {
		return nil, ErrNoMutants
	}
	defer mutant.Select(mutant.None)
	var list []MutantReport
	for id := mutant.None + 1; int(id) < mutant.Count; id++ {
		if name != "all" && name != id.String() {
			continue
		}
		list = append(list, hunt(c.whole(), id))
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("there is no mutant %q", name)
	}
	return list, nil
}

// hunt looks for one seeded bug: first where a look costs least.
func hunt(c Config, id mutant.ID) MutantReport {
	mutant.Select(id)
	defer mutant.Select(mutant.None)
	begun := time.Now()
	found := make(chan MutantReport, 1) // one answer, also when nobody waits any more
	go func() { found <- c.search() }()
	var m MutantReport
	select {
	case m = <-found:
	case <-time.After(2 * mutantSecondsMax * time.Second):
		m = MutantReport{Caught: true, In: "all", By: "no end: the kernel loops"}
	}
	m.ID, m.Name, m.Seconds = id, id.String(), time.Since(begun).Seconds()
	return m
}

// search looks for the bug that is switched on, in rounds.
func (c Config) search() (m MutantReport) {
	for _, e := range efforts() {
		for _, s := range scenes() {
			if r := s.run(e.schedules); r.Violation != "" {
				m.Caught, m.In, m.By = true, r.Name, r.Violation
				return m
			}
		}
		c.StatesMax, c.SecondsMax = e.states, mutantSecondsMax
		for _, r := range rows(c) {
			f := guardedRow(c, r)
			m.States += f.States
			if f.Violation != "" {
				m.Caught, m.In, m.By, m.Trace = true, f.Name, f.Violation, f.Trace
				return m
			}
		}
	}
	return m
}

// guardedRow is exploreRow for a kernel that may not even survive the making
// of the world.
func guardedRow(c Config, r row) (f Facet) {
	defer func() {
		if cause := recover(); cause != nil {
			f.Name, f.Violation = r.name, "tree well-formed: "+panicText(cause)
		}
	}()
	return exploreRow(c, r)
}

// RunMutants hunts for the mutant named, or for all, prints a table and
// reports whether each was found.
func RunMutants(c Config, name string, w io.Writer) (ok bool, err error) {
	list, err := Mutants(c, name)
	if err != nil {
		return false, err
	}
	PrintMutants(list, w)
	for i := range list {
		if !list[i].Caught {
			return false, nil
		}
	}
	return true, nil
}

// PrintMutants writes what Mutants found as a table.
func PrintMutants(list []MutantReport, w io.Writer) {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "mutant\tcaught\tin\tsteps\tstates\tseconds\tby\t")
	caught, seconds := 0, 0.0
	for i := range list {
		m := &list[i]
		answer := "NO"
		if m.Caught {
			answer = "yes"
			caught++
		}
		seconds += m.Seconds
		by, _, _ := strings.Cut(m.By, "\n")
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%d\t%d\t%.2f\t%s\t\n", m.Name, answer, m.In, len(m.Trace), m.States, m.Seconds, by)
	}
	_, _ = fmt.Fprintf(table, "%d of %d caught\t\t\t\t\t%.1f\t\t\n", caught, len(list), seconds)
	table.Flush() //nolint:errcheck // what cannot be printed cannot be said
}
