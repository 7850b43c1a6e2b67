package main

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"phios/abi"
	"phios/kernel/journal"
	"phios/platform/host/logfile"
	"phios/system/replay"
)

func newJournal() *cobra.Command {
	c := &cobra.Command{
		Use:   "journal",
		Short: "Verify, show, record and replay journals",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newJournalVerify(), newJournalShow(), newJournalRecord(), newJournalReplay())
	return c
}

// verdict is what verifying found.
type verdict struct {
	OK      bool   `json:"ok"`
	Records uint64 `json:"records"`
	Head    string `json:"head"`
	Torn    int64  `json:"torn_bytes"`
	Fault   string `json:"fault,omitempty"`
	Record  uint64 `json:"fault_record,omitempty"`
}

func newJournalVerify() *cobra.Command {
	asJSON, head := false, ""
	c := &cobra.Command{
		Use:   "verify FILE",
		Short: "Check a journal's chain from its first record",
		Long: `Checks each record of a journal against the one before it and prints how many
there are and the hash of the last, or the first that is not in order.

A journal cannot show that its end was cut off. Keep a hash that this command
printed where the journal's writer cannot reach, and give it with --head: the
chain must then pass through it.`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, arguments []string) error {
			anchor, err := parseHead(head)
			if err != nil {
				return err
			}
			return does(func(c *cobra.Command, arguments []string) error {
				return verifyJournal(c.OutOrStdout(), arguments[0], anchor, asJSON)
			})(c, arguments)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	c.Flags().StringVar(&head, "head", "", "a head hash that the chain must pass through, as printed earlier")
	return c
}

// parseHead reads an anchor; nil for none.
func parseHead(text string) ([]byte, error) {
	if text == "" {
		return nil, nil
	}
	head, err := hex.DecodeString(text)
	if err != nil || len(head) != journal.HashBytes {
		return nil, fmt.Errorf("--head %q is not a hash: give %d hexadecimal digits, as 'phi journal verify' prints them", text, 2*journal.HashBytes)
	}
	return head, nil
}

// errFault ends the reading of a journal at a bad record.
var errFault = errors.New("fault")

// verifyJournal checks the journal in a file and prints what it found.
func verifyJournal(w io.Writer, path string, anchor []byte, asJSON bool) error {
	var v journal.Verifier
	var r journal.Record
	passed := anchor == nil
	fault := journal.FaultNone
	found, err := logfile.Read(path, func(b []byte) error {
		if fault = v.Feed(b, &r); fault != journal.FaultNone {
			return errFault
		}
		at := v.Position()
		passed = passed || string(at.Head[:]) == string(anchor)
		return nil
	})
	if err != nil && !errors.Is(err, errFault) {
		return err
	}
	at := v.Position()
	if fault == journal.FaultNone {
		fault = v.End()
	}
	if fault == journal.FaultNone && at.Count == 0 {
		fault = journal.FaultHeader
	}
	whole := found.TornBytes <= tornBytesMax
	result := verdict{OK: fault == journal.FaultNone && passed && whole, Records: at.Count, Head: hex.EncodeToString(at.Head[:]), Torn: found.TornBytes}
	switch {
	case fault != journal.FaultNone:
		result.Fault, result.Record = fault.String(), at.Count
	case !whole:
		result.Fault, result.Record = "what follows is no record and too long for one that a crash cut short: it was changed, or a power cut left it; a node that opens the journal sets it aside", at.Count
	case !passed:
		result.Fault, result.Record = "the chain does not pass through --head: the journal was rewritten, or its end was cut off", at.Count
	}
	if err := result.print(w, asJSON); err != nil {
		return err
	}
	if !result.OK {
		return errReported
	}
	return nil
}

// tornBytesMax is less than one record and its frame: all that a process which
// dies while it writes can leave at the end. More has another cause, and an
// auditor must hear of it.
const tornBytesMax = journal.RecordBytesMax + 8 - 1

func (v verdict) print(w io.Writer, asJSON bool) error { //nolint:revive // flag-parameter: how to print
	if asJSON {
		return json.NewEncoder(w).Encode(v)
	}
	if v.OK {
		say(w, "OK: %d records, head %s\n", v.Records, v.Head)
	} else {
		say(w, "FAULT at record %d: %s\n%d records before it are in order, head %s\n", v.Record, v.Fault, v.Records, v.Head)
	}
	if v.OK && v.Torn > 0 {
		say(w, "note: %d bytes behind the last whole record: a crash, or a writer at work\n", v.Torn)
	}
	return nil
}

func newJournalShow() *cobra.Command {
	asJSON := false
	c := &cobra.Command{
		Use:   "show FILE",
		Short: "Print a journal, one line a record",
		Args:  cobra.ExactArgs(1),
		RunE: does(func(c *cobra.Command, arguments []string) error {
			var v journal.Verifier
			var r journal.Record
			_, err := logfile.Read(arguments[0], func(b []byte) error {
				if fault := v.Feed(b, &r); fault != journal.FaultNone {
					return fmt.Errorf("%v: 'phi journal verify' says more", fault)
				}
				if asJSON {
					return json.NewEncoder(c.OutOrStdout()).Encode(lineOf(&r))
				}
				say(c.OutOrStdout(), "%s\n", oneLine(&r))
				return nil
			})
			return err
		}),
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON object a line")
	return c
}

// line is a record as JSON.
type line struct {
	Sequence uint64     `json:"sequence"`
	Time     int64      `json:"time_ns"`
	Kind     string     `json:"kind"`
	Task     uint64     `json:"task,omitempty"`
	Actor    uint64     `json:"actor,omitempty"`
	Peer     uint64     `json:"peer,omitempty"`
	Call     string     `json:"call,omitempty"`
	Status   string     `json:"status,omitempty"`
	Type     string     `json:"type,omitempty"`
	Object   uint64     `json:"object,omitempty"`
	Rights   string     `json:"rights,omitempty"`
	Onward   string     `json:"may_pass_on,omitempty"`
	Badge    uint64     `json:"badge,omitempty"`
	Before   *abi.Label `json:"before,omitempty"`
	After    *abi.Label `json:"after,omitempty"`
	Words    []uint64   `json:"words,omitempty"`
	Digest   string     `json:"digest,omitempty"`
	Text     string     `json:"text,omitempty"`
}

func lineOf(r *journal.Record) line {
	l := line{
		Sequence: r.Sequence, Time: r.Time, Kind: r.Kind.String(), Task: r.Task, Actor: r.Actor, Peer: r.Peer,
		Object: r.Object, Badge: r.Badge, Text: r.Text,
	}
	if r.Call != 0 {
		l.Call = abi.Call(r.Call).String()
	}
	if r.Status != abi.StatusOK {
		l.Status = r.Status.Name()
	}
	if r.Type != abi.ObjectNone {
		l.Type = r.Type.String()
	}
	if r.Rights|r.Pass != 0 {
		l.Rights, l.Onward = r.Rights.String(), r.Pass.String()
	}
	if r.Before != (abi.Label{}) {
		l.Before = &r.Before
	}
	if r.After != (abi.Label{}) {
		l.After = &r.After
	}
	if r.Words != [journal.WordsMax]uint64{} {
		l.Words = r.Words[:]
	}
	if r.Digest != [journal.HashBytes]byte{} {
		l.Digest = hex.EncodeToString(r.Digest[:])
	}
	return l
}

// oneLine is a record for people: what is zero is left out, and what came from
// a program is quoted.
func oneLine(r *journal.Record) string {
	l := lineOf(r)
	parts := []string{fmt.Sprintf("%6d %12d %-11s", l.Sequence, l.Time, l.Kind)}
	add := func(name string, value any, given bool) {
		if given {
			parts = append(parts, fmt.Sprintf("%s=%v", name, value))
		}
	}
	add("task", l.Task, l.Task != 0)
	add("actor", l.Actor, l.Actor != 0)
	add("peer", l.Peer, l.Peer != 0)
	add("call", l.Call, l.Call != "")
	add("status", l.Status, l.Status != "")
	add(l.Type, l.Object, l.Type != "")
	add("rights", l.Rights, l.Rights != "")
	add("pass", l.Onward, l.Onward != "")
	add("badge", l.Badge, l.Badge != 0)
	if l.Before != nil {
		add("before", labelText(*l.Before), true)
	}
	if l.After != nil {
		add("after", labelText(*l.After), *l.After != abi.LabelTop())
	}
	if h, ok := r.Header(); ok {
		add("version", h.Version, true)
		add("seed", h.Seed, true)
		add("node", h.Node, true)
	} else {
		add("words", l.Words, l.Words != nil)
	}
	if l.Text != "" {
		add("text", fmt.Sprintf("%q", l.Text), true)
	}
	return strings.Join(parts, " ")
}

func labelText(l abi.Label) string {
	return fmt.Sprintf("{sources %#x, readers %#x}", l.Sources, l.Readers)
}

func newJournalRecord() *cobra.Command {
	seed := uint64(1)
	c := &cobra.Command{
		Use:   "record FILE",
		Short: "Run a scenario on the simulator and keep its journal",
		Long: `Runs a scenario of several tasks on the simulated machine, in record mode, so
that every call is in the journal. The seed decides everything: who runs when,
what the tasks do, how long it takes.`,
		Args: cobra.ExactArgs(1),
		RunE: does(func(c *cobra.Command, arguments []string) error {
			records, err := replay.Run(seed)
			if err != nil {
				return err
			}
			if err := replay.Write(arguments[0], records); err != nil {
				return err
			}
			say(c.OutOrStdout(), "%d records of seed %d in %s\n", len(records), seed, arguments[0])
			return nil
		}),
	}
	c.Flags().Uint64Var(&seed, "seed", seed, "what the run follows from")
	return c
}

func newJournalReplay() *cobra.Command {
	return &cobra.Command{
		Use:   "replay FILE",
		Short: "Run a recorded scenario again and compare byte for byte",
		Long: `Reads the seed from the header of a journal that 'phi journal record' made, runs
the scenario again, and compares the two journals byte for byte. It exits with
1 at the first difference. A journal of a node on a real machine cannot be
replayed: what made it is not in a seed.`,
		Args: cobra.ExactArgs(1),
		RunE: does(func(c *cobra.Command, arguments []string) error {
			records, err := replay.Read(arguments[0])
			if err != nil {
				return err
			}
			seed, difference, err := replay.Compare(records)
			if err != nil {
				return err
			}
			if difference >= 0 {
				say(c.OutOrStdout(), "DIFFERENT at record %d of the run of seed %d\n", difference, seed)
				return errReported
			}
			say(c.OutOrStdout(), "OK: %d records, the same to the byte as a new run of seed %d\n", len(records), seed)
			return nil
		}),
	}
}
