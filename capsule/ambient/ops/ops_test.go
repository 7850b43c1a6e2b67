package ops_test

import (
	"testing"

	"phios/abi"
	"phios/capsule/ambient/ops"
)

func TestParse(t *testing.T) {
	path := []byte("a/b")
	long := make([]byte, abi.MessageBytesMax)
	for _, test := range []struct {
		name    string
		request ops.Request
		want    abi.Status
	}{
		{"now", ops.Request{Operation: ops.ClockNow}, abi.StatusOK},
		{"nothing", ops.Request{}, abi.StatusBadCall},
		{"unknown", ops.Request{Operation: 1 << 40}, abi.StatusBadCall},
		{"sleep for ever", ops.Request{Operation: ops.ClockSleep, A: 1 << 63}, abi.StatusRange},
		{"random", ops.Request{Operation: ops.RandomBytes, A: 512}, abi.StatusOK},
		{"too much random", ops.Request{Operation: ops.RandomBytes, A: 513}, abi.StatusRange},
		{"open", ops.Request{Operation: ops.Open, A: uint64(ops.OpenRead), Data: path}, abi.StatusOK},
		{"open nothing", ops.Request{Operation: ops.Open}, abi.StatusBadArgument},
		{"open a zero byte", ops.Request{Operation: ops.Open, Data: []byte("a\x00b")}, abi.StatusBadArgument},
		{"open with unknown flags", ops.Request{Operation: ops.Open, A: 1 << 8, Data: path}, abi.StatusBadArgument},
		{"exclusive alone", ops.Request{Operation: ops.Open, A: uint64(ops.OpenExclusive), Data: path}, abi.StatusBadArgument},
		{"change a folder", ops.Request{Operation: ops.Open, A: uint64(ops.OpenFolder | ops.OpenCreate), Data: path}, abi.StatusBadArgument},
		{"read too much", ops.Request{Operation: ops.Read, B: 513}, abi.StatusRange},
		{"read too far", ops.Request{Operation: ops.Read, A: ops.FileBytesMax + 1}, abi.StatusRange},
		{"write to the limit", ops.Request{Operation: ops.Write, A: ops.FileBytesMax - 512, Data: long}, abi.StatusOK},
		{"write over it", ops.Request{Operation: ops.Write, A: ops.FileBytesMax - 511, Data: long}, abi.StatusRange},
		{"write far over it", ops.Request{Operation: ops.Write, A: 1<<64 - 1, Data: long}, abi.StatusRange},
		{"stat itself", ops.Request{Operation: ops.Stat}, abi.StatusOK},
		{"rename", ops.Request{Operation: ops.Rename, A: 1, Data: path}, abi.StatusOK},
		{"rename nothing", ops.Request{Operation: ops.Rename, Data: path}, abi.StatusBadArgument},
		{"rename to nothing", ops.Request{Operation: ops.Rename, A: 3, Data: path}, abi.StatusBadArgument},
		{"rename past the end", ops.Request{Operation: ops.Rename, A: 1 << 63, Data: path}, abi.StatusBadArgument},
		{"keep the times", ops.Request{Operation: ops.SetTimes, A: ops.TimeKeep, B: ops.TimeKeep, Data: path}, abi.StatusOK},
		{"an odd time", ops.Request{Operation: ops.SetTimes, A: ops.TimeKeep + 1, Data: path}, abi.StatusRange},
		{"list far", ops.Request{Operation: ops.List, A: ops.EntriesMax + 1}, abi.StatusRange},
	} {
		var m abi.Message
		if status := test.request.Put(&m); !status.OK() {
			t.Fatalf("%s: Put = %v", test.name, status)
		}
		var got ops.Request
		if status := ops.Parse(&m, &got); status != test.want {
			t.Errorf("%s: Parse = %v, want %v", test.name, status.Name(), test.want.Name())
		}
	}
	var m abi.Message
	if status := (&ops.Request{Operation: ops.Open, Data: make([]byte, 513)}).Put(&m); status != abi.StatusRange {
		t.Errorf("a path over the limit: %v", status)
	}
	m = abi.Message{HandleCount: 1}
	m.Words[ops.WordOperation] = uint64(ops.ClockNow)
	if status := ops.Parse(&m, &ops.Request{}); status != abi.StatusBadArgument {
		t.Errorf("a request with a capability: %v", status)
	}
}

func TestAnswers(t *testing.T) {
	var m abi.Message
	ops.Fail(&m, ops.ProblemNoSpace)
	if p := ops.ParseProblem(&m); p != ops.ProblemNoSpace {
		t.Errorf("the problem is %d", p)
	}
	m.Words[ops.WordProblem] = 1 << 50
	if p := ops.ParseProblem(&m); p != ops.ProblemInputOutput {
		t.Errorf("an unknown problem is %d", p)
	}
	info := ops.Info{Kind: ops.KindFolder, ID: 2, Links: 3, Size: 4, Accessed: 5, Modified: 6, Changed: 7}
	if got, ok := ops.ParseInfo(info.Put(nil)); !ok || got != info {
		t.Errorf("%+v became %+v", info, got)
	}
	e := ops.Entry{Kind: ops.KindFile, Name: "name"}
	b, ok := e.Put(nil, 7)
	if got, rest, parsed := ops.ParseEntry(b); !ok || !parsed || got != e || len(rest) != 0 {
		t.Errorf("%+v became %+v", e, got)
	}
	if _, ok := e.Put(nil, 6); ok {
		t.Error("an entry of 7 bytes fits in 6")
	}
}

func FuzzParse(f *testing.F) {
	for o := range uint64(20) {
		f.Add(o, uint64(1), uint64(2), []byte("a/b"), uint8(0))
	}
	f.Fuzz(func(t *testing.T, operation, a, b uint64, data []byte, handles uint8) {
		m := abi.Message{Words: [abi.MessageWords]uint64{a, b, operation, 0}, HandleCount: handles}
		if !m.SetPayload(data) {
			return
		}
		var r, again ops.Request
		if !ops.Parse(&m, &r).OK() {
			return
		}
		var back abi.Message
		if status := r.Put(&back); !status.OK() {
			t.Fatalf("what was parsed cannot be put: %v", status)
		}
		if back != m {
			t.Fatalf("%+v became %+v", m, back)
		}
		if status := ops.Parse(&back, &again); !status.OK() {
			t.Fatalf("what was put cannot be parsed: %v", status)
		}
	})
}

func FuzzEntries(f *testing.F) {
	e := ops.Entry{Kind: ops.KindFile, Name: "name"}
	b, _ := e.Put(nil, 100)
	f.Add(b)
	f.Add(append(b, b...))
	f.Fuzz(func(t *testing.T, b []byte) {
		if i, ok := ops.ParseInfo(b); ok && string(i.Put(nil)) != string(b) {
			t.Fatal("an Info has two encodings")
		}
		for len(b) > 0 {
			e, rest, ok := ops.ParseEntry(b)
			if !ok {
				return
			}
			again, ok := e.Put(nil, ops.EntryBytesMax)
			if !ok || string(again) != string(b[:len(b)-len(rest)]) {
				t.Fatalf("%+v has two encodings", e)
			}
			b = rest
		}
	})
}
