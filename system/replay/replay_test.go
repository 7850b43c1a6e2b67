package replay_test

import (
	"bytes"
	"path/filepath"
	"testing"

	"phios/kernel/journal"
	"phios/system/replay"
)

func TestSameSeedSameBytes(t *testing.T) {
	var last [][]byte
	for seed := range uint64(12) {
		records, err := replay.Run(seed)
		if err != nil {
			t.Fatal(err)
		}
		if at, difference, err := replay.Compare(records); at != seed || difference != -1 || err != nil {
			t.Errorf("seed %d: differs at record %d of seed %d, %v", seed, difference, at, err)
		}
		if len(last) == len(records) && bytes.Equal(bytes.Join(last, nil), bytes.Join(records, nil)) {
			t.Errorf("seed %d gives the run of the seed before", seed)
		}
		last = records
	}
}

// TestScenarioIsWorthIt checks that the runs hold what a journal is for.
func TestScenarioIsWorthIt(t *testing.T) {
	var kinds [journal.KindCount]int
	for seed := range uint64(8) {
		records, err := replay.Run(seed)
		if err != nil {
			t.Fatal(err)
		}
		var v journal.Verifier
		var r journal.Record
		for _, b := range records {
			if fault := v.Feed(b, &r); fault != journal.FaultNone {
				t.Fatal(fault)
			}
			kinds[r.Kind]++
		}
	}
	for _, kind := range []journal.Kind{
		journal.KindHeader, journal.KindBoot, journal.KindCreate, journal.KindGrant, journal.KindRevoke,
		journal.KindDelete, journal.KindDeny, journal.KindCall, journal.KindReply,
	} {
		if kinds[kind] == 0 {
			t.Errorf("no record of kind %v", kind)
		}
	}
}

func TestCompareFindsTheFirstDifference(t *testing.T) {
	records, err := replay.Run(5)
	if err != nil {
		t.Fatal(err)
	}
	changed := append([][]byte(nil), records...)
	changed[9] = bytes.Clone(changed[9])
	changed[9][20] ^= 1
	if _, difference, err := replay.Compare(changed); difference != 9 || err != nil {
		t.Errorf("got %d, %v", difference, err)
	}
	if _, difference, err := replay.Compare(records[:20]); difference != 20 || err != nil {
		t.Errorf("got %d, %v", difference, err)
	}
	if _, _, err := replay.Compare(nil); err == nil {
		t.Error("nothing is a journal")
	}
}

func TestWriteRead(t *testing.T) {
	records, err := replay.Run(6)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "j")
	if err := replay.Write(path, records); err != nil {
		t.Fatal(err)
	}
	again, err := replay.Read(path)
	if err != nil || !bytes.Equal(bytes.Join(again, nil), bytes.Join(records, nil)) {
		t.Errorf("%d records, wrote %d: %v", len(again), len(records), err)
	}
	if err := replay.Write(path, records); err == nil {
		t.Error("wrote behind what was there")
	}
}
