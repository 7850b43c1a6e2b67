package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"time"
)

// RunMax bounds a whole run.
const RunMax = 60 * time.Second

// RoundsDefault is how many rounds a series has when nothing else is asked for.
const RoundsDefault = 21

// Options say what to run and how. The zero value runs everything but what
// needs another process.
type Options struct {
	// Rounds is the number of rounds of a series; zero is RoundsDefault.
	Rounds int
	// Only is the one family to run; empty is all of them.
	Only string
	// Peer is the command, without its last argument, that calls [Peer] in
	// another process.
	Peer []string
	// Progress is told which family runs; nil is silence.
	Progress io.Writer
}

// family is the rows that are measured in one world.
type family struct {
	name string
	run  func(*meter) ([]Row, error)
}

// familiesTable is in the order of the table of targets.
var familiesTable = []family{
	{"lookup", lookupRows},
	{"revoke", revokeRows},
	{"call", callRows},
	{"mailbox", mailboxRows},
	{"signal", signalRows},
	{"hook", hookRows},
	{"ring", ringRows},
	{"handover", handoverRows},
	{"mint", mintRows},
	{"grant", grantRows},
	{"queued", queuedRows},
	{"journal", journalRows},
	{"region", regionRows},
	{"task", taskRows},
	{"gc", gcRows},
}

// errRounds is the answer to a number of rounds that means nothing.
var errRounds = errors.New("rounds are from 1 to 1000")

// Families returns the names that [Options.Only] can have.
func Families() []string { return names(familiesTable) }

func names(families []family) []string {
	list := make([]string, 0, len(families))
	for _, f := range families {
		list = append(list, f.name)
	}
	return list
}

// Kernel measures the kernel on this machine and returns the rows, in the
// order of the table of targets. It takes up to [RunMax], both processors, and
// about a gigabyte of memory. Whether targets are met is in the rows; an error
// says that something could not be measured.
func Kernel(ctx context.Context, options Options) ([]Row, error) {
	return run(ctx, options, familiesTable)
}

// run is Kernel with the families given, so that tests can bring their own.
func run(ctx context.Context, options Options, families []family) ([]Row, error) {
	if options.Rounds == 0 {
		options.Rounds = RoundsDefault
	}
	if options.Rounds < 1 || options.Rounds > 1000 {
		return nil, errRounds
	}
	ctx, cancel := context.WithTimeout(ctx, RunMax)
	defer cancel()
	m := &meter{ctx: ctx, rounds: options.Rounds, peer: options.Peer}
	var rows []Row
	found := false
	for _, f := range families {
		if options.Only != "" && options.Only != f.name {
			continue
		}
		found = true
		start := time.Now()
		more, err := f.run(m)
		if err != nil {
			return rows, fmt.Errorf("measure %s: %w", f.name, err)
		}
		rows = append(rows, more...)
		if options.Progress != nil {
			// Progress that nobody can see is no reason to stop.
			_, _ = fmt.Fprintf(options.Progress, "%-10s %3d rows in %5.1f s\n", f.name, len(more), time.Since(start).Seconds())
		}
		runtime.GC() // the next family begins without the garbage of this one
	}
	if !found {
		return nil, fmt.Errorf("there is no family %q: choose one of %s", options.Only, strings.Join(names(families), ", "))
	}
	return rows, nil
}
