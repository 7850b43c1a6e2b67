package journal

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"testing"

	"phios/abi"
)

// TestEveryByte flips every byte of a journal, once by its low bit and once
// altogether, and expects each to be found no later than in the next record.
func TestEveryByte(t *testing.T) {
	_, log := written(t)
	for at := range log.bytes {
		for _, flip := range []byte{1, 0xff} {
			bad := bytes.Clone(log.bytes)
			bad[at] ^= flip
			end, fault := Verify(bad, Position{})
			if fault == FaultNone {
				t.Fatalf("byte %d, flipped by %#x: not found", at, flip)
			}
			whole, _ := slices.BinarySearch(log.ends, at+1)
			if end.Count != uint64(whole) {
				t.Fatalf("byte %d of record %d: found at %d: %v", at, whole, end.Count, fault)
			}
		}
	}
}

// TestRecordsMoved drops, doubles and exchanges records.
func TestRecordsMoved(t *testing.T) {
	_, log := written(t)
	n := len(log.ends)
	join := func(order []int) []byte {
		var out []byte
		for _, i := range order {
			out = append(out, log.record(i)...)
		}
		return out
	}
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	for i := range n - 1 { // dropping the last one is for the anchor to find
		if _, fault := Verify(join(slices.Delete(slices.Clone(order), i, i+1)), Position{}); fault != FaultSequence {
			t.Errorf("without record %d: %v", i, fault)
		}
		swapped := slices.Clone(order)
		swapped[i], swapped[i+1] = swapped[i+1], swapped[i]
		if _, fault := Verify(join(swapped), Position{}); fault != FaultSequence {
			t.Errorf("records %d and %d exchanged: %v", i, i+1, fault)
		}
	}
	for i := range n {
		if _, fault := Verify(join(slices.Insert(slices.Clone(order), i, i)), Position{}); fault != FaultSequence {
			t.Errorf("record %d twice: %v", i, fault)
		}
	}
}

func TestTruncation(t *testing.T) {
	j, log := written(t)
	for n := range log.bytes {
		end, fault := Verify(log.bytes[:n], j.Position())
		want := FaultTorn
		if n == 0 || slices.Contains(log.ends, n) {
			want = FaultTruncated
		}
		whole, _ := slices.BinarySearch(log.ends, n+1)
		if fault != want || end.Count != uint64(whole) {
			t.Fatalf("cut to %d bytes: %v after %d, want %v after %d", n, fault, end.Count, want, whole)
		}
		if _, fault := Verify(log.bytes[:n], Position{}); want == FaultTruncated && fault != FaultNone {
			t.Fatalf("cut to %d bytes without anchor: %v", n, fault)
		}
	}
}

// TestAnchor rewrites the whole journal with good hashes, which only the
// anchor can tell.
func TestAnchor(t *testing.T) {
	j, _ := written(t)
	log := &memoryLog{}
	forged, _ := New(log, new(tick), 42, Options{Node: 7})
	for _, r := range samples() {
		r.Task++
		mustAppend(t, forged, r)
	}
	if _, fault := Verify(log.bytes, Position{}); fault != FaultNone {
		t.Fatal(fault)
	}
	if end, fault := Verify(log.bytes, j.Position()); fault != FaultAnchor || end.Count != j.Count()-1 {
		t.Errorf("got %v after %d", fault, end.Count)
	}
}

// sign turns a body into a record that is right but for what is in it.
func sign(body []byte, sequence uint64, previous [HashBytes]byte) []byte {
	body = bytes.Clone(body)
	binary.LittleEndian.PutUint16(body[atLength:], uint16(len(body)+HashBytes))
	binary.LittleEndian.PutUint64(body[atSequence:], sequence)
	hash := sha256.Sum256(append(previous[:], body...))
	return append(body, hash[:]...)
}

func bodyOf(r Record) []byte {
	b := make([]byte, RecordBytesMax)
	return b[:encode(b, &r)]
}

// TestForged gives the verifier records with good hashes that no writer made.
func TestForged(t *testing.T) {
	change := func(b []byte, f func([]byte)) []byte { b = bytes.Clone(b); f(b); return b }
	task := bodyOf(Record{Kind: KindNote, Task: 1})
	note := bodyOf(Record{Kind: KindNote, Text: "abc"})
	header := Header{Version: FormatVersion}
	extra := header.record()
	extra.Task = 1
	tests := []struct {
		name string
		body []byte
		want Fault
	}{
		{"good", task, FaultNone},
		{"good header", bodyOf(header.record()), FaultNone},
		{"zero field", change(task, func(b []byte) { clear(b[headBytes:]) }), FaultEncoding},
		{"missing field", task[:headBytes], FaultEncoding},
		{"short field", task[:headBytes+7], FaultEncoding},
		{"bytes over", append(bytes.Clone(task), 0), FaultEncoding},
		{"unknown field", change(task, func(b []byte) { b[atFields+1] |= 0x80 }), FaultEncoding},
		{"first unused field", change(task, func(b []byte) {
			binary.LittleEndian.PutUint16(b[atFields:], uint16(fieldTask|fieldEnd))
		}), FaultEncoding},
		{"kind zero", change(task, func(b []byte) { b[atKind] = 0 }), FaultEncoding},
		{"kind unknown", change(task, func(b []byte) { b[atKind] = byte(kindEnd) }), FaultEncoding},
		{"text short", change(note, func(b []byte) { b[headBytes] = 4 }), FaultEncoding},
		{"text long", change(note, func(b []byte) { b[headBytes] = 2 }), FaultEncoding},
		{"text empty", change(note[:headBytes+1], func(b []byte) { b[headBytes] = 0 }), FaultEncoding},
		{"text over", append(change(note[:headBytes+1], func(b []byte) { b[headBytes] = TextBytesMax + 1 }),
			bytes.Repeat([]byte{'x'}, TextBytesMax+1)...), FaultEncoding},
		{"header with a task", bodyOf(extra), FaultHeader},
		{"header without magic", bodyOf(Record{Kind: KindHeader, Words: [WordsMax]uint64{1, 1}}), FaultHeader},
		{"header of tomorrow", bodyOf(Header{Version: FormatVersion + 1}.record()), FaultVersion},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			j, log := written(t)
			record := sign(test.body, j.Count(), j.Head())
			end, fault := Verify(append(log.bytes, record...), Position{})
			if fault != test.want {
				t.Errorf("got %v, want %v", fault, test.want)
			}
			if fault != FaultNone && end != j.Position() {
				t.Errorf("good until %d, want %d", end.Count, j.Count())
			}
		})
	}
	if _, fault := Verify(sign(task, 0, [HashBytes]byte{}), Position{}); fault != FaultHeader {
		t.Errorf("journal without header: %v", fault)
	}
}

// TestFaultStays checks that a verifier does not get over a fault, and that a
// torn end is not one as long as bytes may follow.
func TestFaultStays(t *testing.T) {
	_, log := written(t)
	var v Verifier
	var r Record
	first := log.record(0)
	if n, fault := v.Next(first[:10], &r); n != 0 || fault != FaultTorn {
		t.Errorf("got %d, %v", n, fault)
	}
	if n, fault := v.Next(first, &r); n != len(first) || fault != FaultNone {
		t.Errorf("got %d, %v", n, fault)
	}
	if fault := v.Feed(log.record(2), &r); fault != FaultSequence {
		t.Error(fault)
	}
	if fault := v.Feed(log.record(1), &r); fault != FaultSequence {
		t.Error(fault)
	}
	if n, fault := v.Next(nil, &r); n != 0 || fault != FaultSequence {
		t.Errorf("got %d, %v", n, fault)
	}
	for _, frame := range [][]byte{nil, first[:1], first[:len(first)-1], append(bytes.Clone(first), 0)} {
		var v Verifier
		if fault := v.Feed(frame, &r); fault != FaultLength || v.End() != FaultLength {
			t.Errorf("frame of %d bytes: %v", len(frame), fault)
		}
	}
}

func TestNames(t *testing.T) {
	for k := KindHeader; k < kindEnd; k++ {
		if got, ok := ParseKind(k.String()); !ok || got != k {
			t.Errorf("%d: name %q", k, k)
		}
	}
	for _, name := range []string{"", "none", "unknown"} {
		if _, ok := ParseKind(name); ok {
			t.Errorf("%q is a kind", name)
		}
	}
	seen := map[string]bool{kindEnd.String(): true, faultEnd.String(): true}
	for f := range faultEnd {
		if f.String() == "" || seen[f.String()] {
			t.Errorf("fault %d: text %q", f, f)
		}
		seen[f.String()] = true
	}
}

// FuzzDecode checks that what decodes is the one encoding of what it decodes
// to.
func FuzzDecode(f *testing.F) {
	for _, r := range samples() {
		f.Add(bodyOf(r))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if len(body) < headBytes || len(body) > RecordBytesMax-HashBytes {
			return
		}
		var r Record
		if !decode(body, &r) {
			return
		}
		binary.LittleEndian.PutUint16(body[atLength:], uint16(len(body)+HashBytes))
		if again := bodyOf(r); !bytes.Equal(again, body) {
			t.Errorf("%x decodes to %+v, which encodes as %x", body, r, again)
		}
	})
}

// FuzzVerify gives the verifier any bytes as what comes after a good header,
// once as they are and once with the hash made right.
func FuzzVerify(f *testing.F) {
	log := &memoryLog{}
	j, _ := New(log, new(tick), 42, Options{})
	at, header := j.Position(), bytes.Clone(log.bytes)
	for i, r := range samples() {
		mustAppend(f, j, r)
		f.Add(bytes.Clone(log.record(i + 1)))
	}
	f.Fuzz(func(t *testing.T, tail []byte) {
		if end, fault := Verify(tail, Position{}); fault == FaultNone && (end.Count == 0) != (len(tail) == 0) {
			t.Errorf("%d bytes have %d records", len(tail), end.Count)
		}
		if len(tail) < headBytes || len(tail) > RecordBytesMax-HashBytes {
			return
		}
		v := Verifier{at: at}
		var r Record
		if v.Feed(sign(tail, at.Count, at.Head), &r) != FaultNone {
			return
		}
		whole := append(bytes.Clone(header), sign(bodyOf(r), at.Count, at.Head)...)
		if end, fault := Verify(whole, v.Position()); fault != FaultNone {
			t.Errorf("written again: %v after %d", fault, end.Count)
		}
		if len(r.Text) > TextBytesMax || !r.Kind.valid() {
			t.Errorf("out of bounds: %+v", r)
		}
	})
}

func TestVerifyAllocs(t *testing.T) {
	log := &memoryLog{}
	j, _ := New(log, new(tick), 1, Options{})
	r := full()
	r.Text = ""
	mustAppend(t, j, r)
	n := testing.AllocsPerRun(100, func() { _, _ = Verify(log.bytes, Position{}) })
	if n > 2 { // the verifier and its record, whatever the length of the journal
		t.Errorf("Verify allocates %v times", n)
	}
	if status := j.Append(Record{Kind: KindNote, Text: string([]byte{0xff, 0})}); status != abi.StatusOK {
		t.Errorf("bytes that are no text: %v", status)
	}
}
