package capability

import (
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// Config says how far to look.
type Config struct {
	// Capabilities and Tasks are the size of the derivation world: how many
	// capabilities there can be at a time, dead ones that are not cleared away
	// yet among them, and how many tasks. Zero stands for 4 and 2.
	Capabilities, Tasks int
	// Facets names those wanted; none stands for all.
	Facets []string
	// Workers is how many search at a time; zero stands for one a processor.
	Workers int
	// StatesMax ends the search of a facet that meets more states; zero stands
	// for DefaultStatesMax.
	StatesMax int
	// SecondsMax ends the search of a facet that takes longer; zero is no end.
	SecondsMax float64
}

// DefaultStatesMax bounds the memory of a search to about two gigabytes.
const DefaultStatesMax = 24 << 20

// Always is what is explored at every run; Long are the further sizes, for
// those who have hours.
func Always() Config { return Config{Capabilities: 4, Tasks: 2} }

// Long returns the sizes to explore when there is time.
func Long() []Config {
	derivation := []string{"derivation"}
	return []Config{
		Always(),
		{Capabilities: 5, Tasks: 2, Facets: derivation},
		{Capabilities: 4, Tasks: 3, Facets: derivation},
	}
}

func (c Config) whole() Config {
	if c.Capabilities == 0 {
		c.Capabilities = 4
	}
	if c.Tasks == 0 {
		c.Tasks = 2
	}
	if c.Workers == 0 {
		c.Workers = runtime.GOMAXPROCS(0)
	}
	if c.StatesMax == 0 {
		c.StatesMax = DefaultStatesMax
	}
	return c
}

func (c Config) wants(facet string) bool {
	if slices.Contains(c.Facets, facet) {
		return true
	}
	return len(c.Facets) == 0
}

// Report is what an exploration found.
type Report struct {
	Facets      []Facet    `json:"facets"`
	Scenarios   []Scenario `json:"scenarios,omitempty"`
	States      int        `json:"states"`
	Transitions int        `json:"transitions"`
	Seconds     float64    `json:"seconds"`
	// OK is true when every facet was explored to its end and nothing is
	// broken.
	OK bool `json:"ok"`
}

// row is a facet before it is explored.
type row struct {
	name, world string
	fresh       func() world
}

// rows lists the facets in the order in which they are explored, the small
// ones first.
func rows(c Config) []row {
	tree := func(a *alphabet, l limits) func() world {
		return func() world { return newTreeWorld(a, l) }
	}
	size := func(l limits) string {
		return fmt.Sprintf("%d capabilities, %d tasks of %d slots, %d generations", l.nodes, l.tasks, l.slots, l.generations)
	}
	var list []row
	addTree := func(name string, a *alphabet, l limits) {
		list = append(list, row{name, size(l), tree(a, l)})
	}
	list = append(list,
		row{"labels", "2 tasks, 4 doors, 2 sources", newLabelWorld},
		row{"messages", "8 capabilities, 2 tasks, 1 mailbox of 1", newMessageWorld},
		row{"tasks", "2 levels of tasks below 1", newTaskWorld})
	addTree("shares", shares(), limits{tasks: 2, slots: 3, nodes: 3, generations: 1})
	addTree("bounds", bounds(), limits{tasks: 2, slots: 3, nodes: 4, generations: 1})
	addTree("transit", transit(1), limits{tasks: 2, slots: 2, nodes: 4, generations: 1})
	addTree("transit of two", transit(2), limits{tasks: 2, slots: 2, nodes: 3, generations: 1})
	list = append(list, row{"budgets", "1 task of 5 slots, 1 generation, 3 tokens", newBudgetWorld})
	generations := uint64(2)
	if c.Capabilities*c.Tasks > 8 {
		generations = 1 // every slot is used once: that is days less
	}
	addTree("derivation", derivation(), limits{
		tasks: c.Tasks, slots: max(2, (c.Capabilities+1)/2), nodes: c.Capabilities, generations: generations,
	})
	return list
}

// Explore explores the facets to their ends, or to a limit of c.
func Explore(c Config) Report {
	c = c.whole()
	begun := time.Now()
	report := Report{OK: true}
	for _, r := range rows(c) {
		if !c.wants(r.name) {
			continue
		}
		f := exploreRow(c, r)
		report.Facets = append(report.Facets, f)
		report.States += f.States
		report.Transitions += f.Transitions
		report.OK = report.OK && f.Complete
	}
	if len(c.Facets) == 0 {
		report.Scenarios = runScenarios()
		for _, s := range report.Scenarios {
			report.OK = report.OK && s.Violation == ""
		}
	}
	report.Seconds = time.Since(begun).Seconds()
	return report
}

func exploreRow(c Config, r row) Facet {
	s := &search{fresh: r.fresh, limit: c.StatesMax, workers: c.Workers}
	if c.SecondsMax > 0 {
		s.deadline = time.Now().Add(time.Duration(c.SecondsMax * float64(time.Second)))
	}
	f := Facet{Name: r.name, World: r.world}
	s.explore(&f)
	return f
}

// Run explores as c says, prints a table, and reports whether all is well.
func Run(c Config, w io.Writer) (ok bool) {
	report := Explore(c)
	report.Print(w)
	return report.OK
}

// Print writes the report as a table, and the way to each violation below.
func (r *Report) Print(w io.Writer) {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "facet\tworld\tstates\ttransitions\tseconds\tresult\t")
	for i := range r.Facets {
		f := &r.Facets[i]
		_, _ = fmt.Fprintf(table, "%s\t%s\t%d\t%d\t%.1f\t%s\t\n", f.Name, f.World, f.States, f.Transitions, f.Seconds, f.result())
	}
	for _, s := range r.Scenarios {
		result := "holds"
		if s.Violation != "" {
			result = s.Violation
		}
		few := ""
		if s.Schedules >= schedulesMax {
			few = "first "
		}
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s%d schedules\t\t%.1f\t%s\t\n", "scenario", s.Name, few, s.Schedules, s.Seconds, result)
	}
	_, _ = fmt.Fprintf(table, "all\t\t%d\t%d\t%.1f\t\t\n", r.States, r.Transitions, r.Seconds)
	table.Flush() //nolint:errcheck // what cannot be printed cannot be said
	for i := range r.Facets {
		if f := &r.Facets[i]; f.Violation != "" {
			_, _ = fmt.Fprintf(w, "\n%s: %s, by:\n  %s\n", f.Name, f.Violation, strings.Join(f.Trace, "\n  "))
		}
	}
}

func (f *Facet) result() string {
	switch {
	case f.Violation != "":
		return f.Violation
	case !f.Complete:
		return "not explored to its end"
	default:
		return "explored to its end"
	}
}
