package bench

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"runtime"
	"strconv"
	"strings"
	"text/tabwriter"
)

// Format is how rows are written.
type Format uint8

// The formats: for people, for programs, and for docs/benchmarks.md.
const (
	Table Format = iota
	JSON
	Markdown
)

// ErrMissed says that a row misses its target. The rows say which.
var ErrMissed = errors.New("a target is missed")

// Write writes the rows, and then returns [ErrMissed] when one misses its
// target.
func Write(w io.Writer, f Format, rows []Row) error {
	write := writeTable
	switch f {
	case JSON:
		write = writeJSON
	case Markdown:
		write = writeMarkdown
	case Table:
	}
	if err := write(w, rows); err != nil {
		return err
	}
	if len(Missed(rows)) > 0 {
		return ErrMissed
	}
	return nil
}

// writeJSON writes the rows as one JSON array of objects, one a line.
func writeJSON(w io.Writer, rows []Row) error {
	var b strings.Builder
	b.WriteString("[")
	for i, r := range rows {
		if i > 0 {
			b.WriteString(",")
		}
		text, err := json.Marshal(r)
		if err != nil {
			return fmt.Errorf("write row %q: %w", r.Name, err)
		}
		b.WriteString("\n")
		b.Write(text)
	}
	b.WriteString("\n]\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// writeTable writes the machine and the rows for people.
func writeTable(w io.Writer, rows []Row) error {
	var b strings.Builder
	b.WriteString(strings.Join(Machine(), "\n") + "\n\n")
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	_, _ = t.Write([]byte("what\tvalue\ttarget\tpeer\tratio\t\n")) // a Builder takes everything
	for _, r := range rows {
		_, _ = t.Write([]byte(strings.Join(r.cells(), "\t") + "\n"))
	}
	_ = t.Flush()
	if missed := Missed(rows); len(missed) > 0 {
		fmt.Fprintf(&b, "\n%d of %d rows miss their target.\n", len(missed), len(rows))
	} else {
		b.WriteString("\nAll targets are met.\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// writeMarkdown writes the machine and the rows for docs/benchmarks.md.
func writeMarkdown(w io.Writer, rows []Row) error {
	var b strings.Builder
	b.WriteString(strings.Join(Machine(), "; ") + ".\n\n")
	b.WriteString("| what | value | target | peer | ratio | |\n|---|---:|---:|---|---:|---|\n")
	for _, r := range rows {
		b.WriteString("| " + strings.Join(r.cells(), " | ") + " |\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// cells are the row's columns: what, value, target, peer, ratio, verdict.
func (r Row) cells() []string {
	target, peer, ratio, verdict := "", r.Peer, "", ""
	if r.Target != nil {
		sign := "≤ "
		if r.Better == Higher {
			sign = "≥ "
		}
		target, verdict = sign+quantity(*r.Target, r.Unit), "ok"
	}
	if !r.OK {
		verdict = "missed"
	}
	if r.PeerValue != nil && r.Unit != unitTimes {
		peer += " " + quantity(*r.PeerValue, r.Unit)
	}
	if r.Ratio != nil {
		ratio = quantity(*r.Ratio, unitTimes)
	}
	return []string{r.Name, quantity(r.Value, r.Unit), target, peer, ratio, verdict}
}

// quantity writes a value with its unit, to three digits.
func quantity(v float64, unit string) string {
	decimals := 0
	if whole := math.Abs(v); whole < 100 && v != math.Trunc(v) {
		decimals = 1
		if whole < 10 {
			decimals = 2
		}
	}
	text := strconv.FormatFloat(v, 'f', decimals, 64)
	if unit == unitTimes {
		return text + "×"
	}
	return text + " " + unit
}

// Machine describes where this runs: processor, Go, Linux.
func Machine() []string {
	return []string{
		fmt.Sprintf("processor: %s, %d cores", processor(), runtime.NumCPU()),
		fmt.Sprintf("%s %s/%s", runtime.Version(), runtime.GOOS, runtime.GOARCH),
		"Linux " + firstLine("/proc/sys/kernel/osrelease"),
	}
}

// processor returns the model that Linux names, or the architecture.
func processor() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return runtime.GOARCH
	}
	for line := range strings.Lines(string(text)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}

func firstLine(path string) string {
	text, err := os.ReadFile(path) //nolint:gosec // G304: a constant path of Linux's
	if err != nil {
		return "unknown"
	}
	line, _, _ := strings.Cut(string(text), "\n")
	return line
}
