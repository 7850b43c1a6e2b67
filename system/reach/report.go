package reach

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"phios/abi"
)

// Names say what the kernel's numbers are called; what has none is shown by
// its number.
type Names struct{ Tasks, Objects map[uint64]string }

// Row is what one task can do with one object.
type Row struct {
	Object string `json:"object"`
	Type   string `json:"type"`
	Task   string `json:"task"`
	// Holds are the rights that the task has now, Could those that it could
	// come to have besides if all helped.
	Holds []string `json:"holds"`
	Could []string `json:"could"`
	// Reaches says whether it can use the object now, and Potential whether it
	// ever could.
	Reaches   bool `json:"reaches"`
	Potential bool `json:"potential"`
}

// Report says of each object who can reach it, in the order of the objects'
// names. Tasks that never can have no row.
func Report(g *Graph, names Names) []Row {
	closure := g.Closure()
	var rows []Row
	for _, o := range closure.objects {
		for _, task := range closure.tasks {
			holds, could := g.Rights(task, o.ID), closure.Rights(task, o.ID)
			if could == 0 && !holdsAny(g, task, o.ID) {
				continue
			}
			rows = append(rows, Row{
				Object: called(names.Objects, o.ID, o.Type.String()), Type: o.Type.String(), Task: called(names.Tasks, task, "task"),
				Holds: list(holds), Could: list(could &^ holds),
				Reaches: g.Reaches(task, o.ID), Potential: closure.Reaches(task, o.ID),
			})
		}
	}
	slices.SortStableFunc(rows, func(a, b Row) int {
		return cmp.Or(cmp.Compare(a.Object, b.Object), cmp.Compare(a.Task, b.Task))
	})
	return rows
}

func holdsAny(g *Graph, task, object uint64) bool { return len(g.held[edge{task, object}]) > 0 }

func called(names map[uint64]string, id uint64, otherwise string) string {
	if name := names[id]; name != "" {
		return name
	}
	return otherwise + "-" + strconv.FormatUint(id, 10)
}

// list returns the names of rights; never nil, so that JSON has a list.
func list(r abi.Rights) []string {
	if r == 0 {
		return []string{}
	}
	return strings.Split(r.String(), "|")
}

// Print writes a report for people: each object, and below it who can reach
// it. A star marks who can use it now; a circle, who could if all helped; a
// dash, who holds something of it and can never use it.
func Print(w io.Writer, rows []Row) error {
	object := ""
	for _, r := range rows {
		if r.Object != object {
			object = r.Object
			if _, err := fmt.Fprintf(w, "%s (%s)\n", r.Object, r.Type); err != nil {
				return err
			}
		}
		mark, could := "-", ""
		switch {
		case r.Reaches:
			mark = "*"
		case r.Potential:
			mark = "o"
		}
		if len(r.Could) > 0 {
			could = "could: " + short(r.Could)
		}
		line := fmt.Sprintf("  %s %-12s %-30s %s", mark, r.Task, short(r.Holds), could)
		if _, err := fmt.Fprintln(w, strings.TrimRight(line, " ")); err != nil {
			return err
		}
	}
	return nil
}

// short writes rights so that a line holds them: what a maker has is "all but"
// what it lacks.
func short(rights []string) string {
	const many = 8
	switch {
	case len(rights) == 0:
		return "-"
	case len(rights) > many:
		return strconv.Itoa(len(rights)) + " rights"
	}
	return strings.Join(rights, " ")
}

// WriteJSON writes a report as one array.
func WriteJSON(w io.Writer, rows []Row) error {
	if rows == nil {
		rows = []Row{}
	}
	to := json.NewEncoder(w)
	to.SetIndent("", "  ")
	return to.Encode(rows)
}
