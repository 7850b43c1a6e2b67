package journal

import (
	"crypto/sha256"
	"strings"
	"sync"
	"testing"

	"phios/abi"
)

// memoryLog keeps records one after the other, which is a journal in its plain
// form, and refuses them while it is full.
type memoryLog struct {
	bytes []byte
	ends  []int
	full  bool
}

func (l *memoryLog) Append(record []byte) abi.Status {
	if l.full {
		return abi.StatusNoMemory
	}
	l.bytes = append(l.bytes, record...)
	l.ends = append(l.ends, len(l.bytes))
	return abi.StatusOK
}

// record returns the bytes of the record of the given number.
func (l *memoryLog) record(i int) []byte {
	if i == 0 {
		return l.bytes[:l.ends[0]]
	}
	return l.bytes[l.ends[i-1]:l.ends[i]]
}

// discard takes every record and keeps none.
type discard struct{}

func (discard) Append([]byte) abi.Status { return abi.StatusOK }

// tick is a clock that goes on by one at each look.
type tick int64

func (c *tick) Now() int64 { *c++; return int64(*c) }

// full returns a record with every field set.
func full() Record {
	return Record{
		Kind: KindCall, Type: abi.ObjectEndpoint, Call: 17, Status: abi.StatusRights,
		Rights: abi.RightSend | abi.RightGrant, Pass: abi.RightSend,
		Task: 1, Actor: 2, Object: 3, Badge: 4, Peer: 5,
		Before: abi.LabelBottom(), After: abi.Label{Sources: 6, Readers: 7},
		Words:  [WordsMax]uint64{8, 9, 10, 11},
		Digest: sha256.Sum256([]byte("payload")),
		Text:   strings.Repeat("x", TextBytesMax),
	}
}

// samples returns records that set the fields in many ways.
func samples() []Record {
	return []Record{
		{Kind: KindBoot, Task: 1, Object: 2, Type: abi.ObjectRegion, Rights: abi.RightsAll, Pass: abi.RightsAll},
		{Kind: KindNote},
		{Kind: KindNote, Text: "hello"},
		{Kind: KindGrant, Task: 1, Object: 2, Type: abi.ObjectEndpoint, Call: 3, Rights: 4, Pass: 5, Peer: 6},
		{Kind: KindDeny, Task: 9, Call: 12, Status: abi.StatusRights, Rights: ^abi.Rights(0)},
		{Kind: KindLabelRaise, Task: 9, Before: abi.LabelBottom(), After: abi.LabelTop()},
		{Kind: KindReply, Task: 1, Words: [WordsMax]uint64{0, 0, 0, 1}},
		{Kind: KindCall, Digest: [HashBytes]byte{31: 1}},
		full(),
	}
}

// written returns a journal of the samples and the log that it is in.
func written(tb testing.TB) (*Journal, *memoryLog) {
	tb.Helper()
	log := &memoryLog{}
	j, status := New(log, new(tick), 42, Options{Node: 7})
	if status != abi.StatusOK {
		tb.Fatal(status)
	}
	for _, r := range samples() {
		mustAppend(tb, j, r)
	}
	return j, log
}

func mustAppend(tb testing.TB, j *Journal, r Record) {
	tb.Helper()
	if status := j.Append(r); status != abi.StatusOK {
		tb.Fatal(status)
	}
}

func TestReadBack(t *testing.T) {
	j, log := written(t)
	v := NewVerifier(j.Position())
	want := append([]Record{Header{Version: FormatVersion, Seed: 42, Node: 7}.record()}, samples()...)
	for i := range want {
		var got Record
		if fault := v.Feed(log.record(i), &got); fault != FaultNone {
			t.Fatalf("record %d: %v", i, fault)
		}
		want[i].Sequence, want[i].Time = uint64(i), int64(i+1)
		if got != want[i] {
			t.Errorf("record %d: got %+v, want %+v", i, got, want[i])
		}
	}
	if v.Position() != j.Position() || v.End() != FaultNone || v.Offset() != uint64(len(log.bytes)) {
		t.Errorf("got %v, %v at %d", v.Position(), v.End(), v.Offset())
	}
	if j.Head() != j.Position().Head || j.Count() != uint64(len(want)) {
		t.Errorf("head or count differ from the position")
	}
	if n := len(log.record(len(want) - 1)); n != RecordBytesMax {
		t.Errorf("a full record has %d bytes, want %d", n, RecordBytesMax)
	}
	if n := len(log.record(2)); n != RecordBytesMin {
		t.Errorf("an empty record has %d bytes, want %d", n, RecordBytesMin)
	}
}

func TestHeader(t *testing.T) {
	_, log := written(t)
	var r Record
	var v Verifier
	if fault := v.Feed(log.record(0), &r); fault != FaultNone {
		t.Fatal(fault)
	}
	if h, ok := r.Header(); !ok || h != (Header{Version: FormatVersion, Seed: 42, Node: 7}) {
		t.Errorf("got %+v, %v", h, ok)
	}
	if string(log.bytes[headBytes:headBytes+8]) != "phi jrnl" {
		t.Errorf("magic is %q", log.bytes[headBytes:headBytes+8])
	}
	note := Record{Kind: KindNote, Words: r.Words}
	if _, ok := note.Header(); ok {
		t.Error("a note passes for a header")
	}
}

func TestAppendRefuses(t *testing.T) {
	j, log := written(t)
	before := j.Position()
	tests := []struct {
		name string
		r    Record
		want abi.Status
	}{
		{"no kind", Record{}, abi.StatusBadArgument},
		{"unknown kind", Record{Kind: kindEnd}, abi.StatusBadArgument},
		{"second header", Header{Version: 1}.record(), abi.StatusBadArgument},
		{"long text", Record{Kind: KindNote, Text: strings.Repeat("x", TextBytesMax+1)}, abi.StatusRange},
	}
	for _, test := range tests {
		if got := j.Append(test.r); got != test.want {
			t.Errorf("%s: got %v, want %v", test.name, got, test.want)
		}
	}
	log.full = true
	if got := j.Append(full()); got != abi.StatusJournal {
		t.Errorf("full log: got %v", got)
	}
	if j.Position() != before {
		t.Error("a refused record moved the chain")
	}
	log.full = false
	if got := j.Append(full()); got != abi.StatusOK {
		t.Fatal(got)
	}
	if _, fault := Verify(log.bytes, j.Position()); fault != FaultNone {
		t.Error(fault)
	}
	log.full = true
	if got, status := New(log, new(tick), 1, Options{}); got != nil || status != abi.StatusJournal {
		t.Errorf("New on a full log: got %v, %v", got, status)
	}
}

func TestResume(t *testing.T) {
	_, log := written(t)
	at, fault := Verify(log.bytes, Position{})
	if fault != FaultNone {
		t.Fatal(fault)
	}
	j, status := Resume(log, new(tick), 43, Options{Node: 7}, at)
	if status != abi.StatusOK {
		t.Fatal(status)
	}
	if status := j.Append(full()); status != abi.StatusOK {
		t.Fatal(status)
	}
	end, fault := Verify(log.bytes, at) // the old end still anchors it
	if fault != FaultNone || end != j.Position() || end.Count != at.Count+2 {
		t.Errorf("got %v at %d", fault, end.Count)
	}
}

func TestAppendAllocs(t *testing.T) {
	j, status := New(discard{}, new(tick), 1, Options{})
	if status != abi.StatusOK {
		t.Fatal(status)
	}
	r := full()
	if n := testing.AllocsPerRun(100, func() { _ = j.Append(r) }); n != 0 {
		t.Errorf("Append allocates %v times", n)
	}
}

// TestHammerAppend lets many append at a time and checks that the chain holds
// and that nothing is lost.
func TestHammerAppend(t *testing.T) {
	const writers, each = 8, 200
	log := &memoryLog{}
	j, status := New(log, new(tick), 1, Options{})
	if status != abi.StatusOK {
		t.Fatal(status)
	}
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				_ = j.Append(Record{Kind: KindNote, Task: uint64(w + 1), Object: uint64(i + 1)})
				_ = j.Position()
			}
		})
	}
	wg.Wait()

	v := NewVerifier(j.Position())
	var seen [writers + 1]uint64
	for i := range log.ends {
		var r Record
		if fault := v.Feed(log.record(i), &r); fault != FaultNone {
			t.Fatal(i, fault)
		}
		if r.Kind != KindNote {
			continue
		}
		if r.Object != seen[r.Task]+1 {
			t.Fatalf("writer %d: %d after %d", r.Task, r.Object, seen[r.Task])
		}
		seen[r.Task] = r.Object
	}
	if got := v.Position().Count; got != writers*each+1 || v.End() != FaultNone {
		t.Errorf("%d records, %v", got, v.End())
	}
}

func BenchmarkAppend(b *testing.B) {
	for _, c := range []struct {
		name string
		r    Record
	}{{"grant", samples()[3]}, {"full", full()}} {
		b.Run(c.name, func(b *testing.B) {
			j, _ := New(discard{}, new(tick), 1, Options{})
			b.ReportAllocs()
			for b.Loop() {
				_ = j.Append(c.r)
			}
		})
	}
}

func BenchmarkVerify(b *testing.B) {
	_, log := written(b)
	b.SetBytes(int64(len(log.bytes)))
	b.ReportAllocs()
	for b.Loop() {
		if _, fault := Verify(log.bytes, Position{}); fault != FaultNone {
			b.Fatal(fault)
		}
	}
}
