package logfile

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"phios/abi"
)

// open opens a log in the test's folder and returns it with the records that
// it has.
func open(t *testing.T, path string) (*File, Recovery, []string) {
	t.Helper()
	var records []string
	f, recovery, err := Open(path, Options{Record: func(r []byte) error {
		records = append(records, string(r))
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f, recovery, records
}

func appendAll(t *testing.T, f *File, records ...string) {
	t.Helper()
	for _, r := range records {
		if status := f.Append([]byte(r)); status != abi.StatusOK {
			t.Fatal(status)
		}
	}
}

func closeFile(t *testing.T, f *File) {
	t.Helper()
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestReadBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	f, recovery, _ := open(t, path)
	if want := (Recovery{Created: true, Bytes: 8}); recovery != want {
		t.Errorf("new file: got %+v", recovery)
	}
	longest := string(bytes.Repeat([]byte{'x'}, RecordBytesMax))
	appendAll(t, f, "one", "two", longest)
	if status := f.Sync(); status != abi.StatusOK {
		t.Fatal(status)
	}
	appendAll(t, f, "four")
	closeFile(t, f)
	if f.Append([]byte("five")) != abi.StatusJournal || f.Close() != nil {
		t.Error("a closed file takes records, or does not close twice")
	}

	_, recovery, got := open(t, path)
	if want := []string{"one", "two", longest, "four"}; !slices.Equal(got, want) {
		t.Errorf("got %.60q", got)
	}
	if want := (Recovery{Records: 4, Bytes: int64(8 + 4*8 + 3 + 3 + 4 + len(longest))}); recovery != want {
		t.Errorf("got %+v, want %+v", recovery, want)
	}
}

func TestAppendRange(t *testing.T) {
	f, _, _ := open(t, filepath.Join(t.TempDir(), "log"))
	for _, n := range []int{0, RecordBytesMax + 1} {
		if got := f.Append(make([]byte, n)); got != abi.StatusRange {
			t.Errorf("%d bytes: got %v", n, got)
		}
	}
}

func TestBusy(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	f, _, _ := open(t, path)
	if _, _, err := Open(path, Options{}); !errors.Is(err, ErrBusy) {
		t.Errorf("second open: got %v", err)
	}
	closeFile(t, f)
	f, _, _ = open(t, path)
	closeFile(t, f)
}

// TestTorn cuts a log off at every byte, and spoils every byte, as if all of
// it were one batch that a power cut interrupted.
func TestTorn(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "log")
	f, _, _ := open(t, path)
	records := []string{"one", "twotwo", "threethreethree"}
	appendAll(t, f, records...)
	closeFile(t, f)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	ends := []int{8, 19, 33, 56}
	check := func(t *testing.T, content []byte, at int) {
		t.Helper()
		path := filepath.Join(t.TempDir(), "log")
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		good := 0
		for _, end := range ends {
			if end <= at {
				good++
			}
		}
		f, recovery, got := open(t, path)
		if good == 0 { // nothing but a part of the beginning
			if !recovery.Created || len(got) != 0 {
				t.Fatalf("got %+v", recovery)
			}
			return
		}
		if !slices.Equal(got, records[:good-1]) || recovery.Bytes != int64(ends[good-1]) {
			t.Fatalf("got %+v with %q", recovery, got)
		}
		torn := content[ends[good-1]:]
		if recovery.TornBytes != int64(len(torn)) || (recovery.TornPath == "") != (len(torn) == 0) {
			t.Fatalf("got %+v, want %d torn bytes", recovery, len(torn))
		}
		if len(torn) > 0 {
			if saved, err := os.ReadFile(recovery.TornPath); err != nil || !bytes.Equal(saved, torn) {
				t.Fatalf("saved %q, %v, want %q", saved, err, torn)
			}
		}
		appendAll(t, f, "next")
		closeFile(t, f)
		if _, _, got := open(t, path); !slices.Equal(got, append(slices.Clone(records[:good-1]), "next")) {
			t.Fatalf("after going on: got %q", got)
		}
	}
	for n := range len(whole) + 1 {
		t.Run(fmt.Sprintf("cut %d", n), func(t *testing.T) { check(t, whole[:n], n) })
	}
	for n := len(fileHead); n < len(whole); n++ {
		spoiled := bytes.Clone(whole)
		spoiled[n] ^= 0x40
		t.Run(fmt.Sprintf("spoil %d", n), func(t *testing.T) { check(t, spoiled, n) })
	}
	t.Run("zeros", func(t *testing.T) { check(t, append(bytes.Clone(whole[:19]), make([]byte, 9000)...), 19) })
	t.Run("zeros alone", func(t *testing.T) { check(t, make([]byte, 8), 0) })
}

func TestTornNames(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	for n := 1; n <= 3; n++ {
		f, _, _ := open(t, path)
		closeFile(t, f)
		file, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		_, err = fmt.Fprintf(file, "tear %d", n)
		if err = errors.Join(err, file.Close()); err != nil {
			t.Fatal(err)
		}
		f, recovery, _ := open(t, path)
		closeFile(t, f)
		if want := fmt.Sprintf("%s.torn-%d", path, n); recovery.TornPath != want {
			t.Errorf("got %q, want %q", recovery.TornPath, want)
		}
	}
}

// TestRefused checks that what is no log, or is damaged where no crash can
// reach, is left as it is.
func TestRefused(t *testing.T) {
	frames := func(n int) []byte {
		b := []byte(fileHead)
		for range n {
			b = appendFrame(b, make([]byte, RecordBytesMax))
		}
		return b
	}
	damaged := frames(BufferBytesMax/(RecordBytesMax+frameHeadBytes) + 2)
	damaged[len(fileHead)+frameHeadBytes] = 1
	tests := []struct {
		name    string
		content []byte
		want    error
	}{
		{"short text", []byte("hello"), ErrFormat},
		{"long text", []byte("hello, this is not a log"), ErrFormat},
		{"other version", []byte("phi log\x02"), ErrFormat},
		{"zeros", make([]byte, 9), ErrFormat},
		{"damage far from the end", damaged, ErrDamaged},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "log")
			if err := os.WriteFile(path, test.content, 0o600); err != nil {
				t.Fatal(err)
			}
			_, _, err := Open(path, Options{})
			if !errors.Is(err, test.want) {
				t.Errorf("got %v, want %v", err, test.want)
			}
			if after, err := os.ReadFile(path); err != nil || !bytes.Equal(after, test.content) {
				t.Errorf("the file was changed: %v", err)
			}
			if _, err := Read(path, nil); !errors.Is(err, test.want) {
				t.Errorf("Read: got %v, want %v", err, test.want)
			}
		})
	}
	if _, _, err := Open(filepath.Join(t.TempDir(), "no", "log"), Options{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no folder: %v", err)
	}
	if _, err := Read(filepath.Join(t.TempDir(), "log"), nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

// TestCallback checks that an error of the caller's leaves the file as it is,
// torn end included.
func TestCallback(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	content := append(appendFrame([]byte(fileHead), []byte("one")), "torn"...)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	bad := errors.New("bad hash")
	if _, _, err := Open(path, Options{Record: func([]byte) error { return bad }}); !errors.Is(err, bad) {
		t.Errorf("got %v", err)
	}
	recovery, err := Read(path, func([]byte) error { return nil })
	if want := (Recovery{Records: 1, Bytes: 19, TornBytes: 4}); recovery != want || err != nil {
		t.Errorf("got %+v, %v", recovery, err)
	}
}

// TestInterval checks, in a bubble of virtual time, that a lone record waits
// for the interval, that a full batch and Sync do not, and that nothing runs
// when nothing waits.
func TestInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &fakeDisk{}
		f := start("log", d, 0, IntervalDefault)
		appendAll(t, f, "one")
		time.Sleep(IntervalDefault - time.Nanosecond)
		synctest.Wait()
		if d.synced() != 0 {
			t.Error("written before the interval was over")
		}
		time.Sleep(2 * time.Nanosecond)
		synctest.Wait()
		if n := d.synced(); n != 1 {
			t.Errorf("%d syncs after the interval", n)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if n := d.synced(); n != 1 {
			t.Errorf("%d syncs with nothing to do", n)
		}
		appendAll(t, f, "two")
		if f.Sync() != abi.StatusOK || d.synced() != 2 {
			t.Error("Sync waits for the interval")
		}
		for range 2 {
			appendAll(t, f, string(make([]byte, RecordBytesMax)))
		}
		synctest.Wait()
		if n := d.synced(); n != 3 && n != 4 {
			t.Errorf("%d syncs: a full batch waits for the interval", n)
		}
		closeFile(t, f)
	})
}

func TestAppendAllocs(t *testing.T) {
	f, _, _ := open(t, filepath.Join(t.TempDir(), "log"))
	record := make([]byte, 90)
	if n := testing.AllocsPerRun(1000, func() { _ = f.Append(record) }); n != 0 {
		t.Errorf("Append allocates %v times", n)
	}
}

// TestHammer lets many append and sync at a time and reads back that each
// one's records are all there, in order.
func TestHammer(t *testing.T) {
	const writers, each = 8, 300
	path := filepath.Join(t.TempDir(), "log")
	f, _, _ := open(t, path)
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				if f.Append([]byte{byte(w), byte(i >> 8), byte(i)}) != abi.StatusOK {
					t.Error("refused")
				}
				if i%100 == w && f.Sync() != abi.StatusOK {
					t.Error("not synced")
				}
			}
		})
	}
	wg.Wait()
	closeFile(t, f)
	_, _, records := open(t, path)
	var next [writers]int
	for _, r := range records {
		w, i := r[0], int(r[1])<<8|int(r[2])
		if i != next[w] {
			t.Fatalf("writer %d: %d instead of %d", w, i, next[w])
		}
		next[w]++
	}
	if len(records) != writers*each {
		t.Errorf("%d records", len(records))
	}
}

// FuzzOpen opens any bytes as a log: it must not panic, and what it keeps must
// open again as the same records without repair.
func FuzzOpen(f *testing.F) {
	f.Add([]byte(fileHead))
	f.Add(appendFrame([]byte(fileHead), []byte("record")))
	f.Add(append(appendFrame([]byte(fileHead), []byte("record")), 1, 2, 3))
	f.Fuzz(func(t *testing.T, content []byte) {
		path := filepath.Join(t.TempDir(), "log")
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		var first [][]byte
		log, recovery, err := Open(path, Options{Record: func(r []byte) error {
			first = append(first, bytes.Clone(r))
			return nil
		}})
		if err != nil {
			return
		}
		closeFile(t, log)
		var again [][]byte
		after, err := Read(path, func(r []byte) error { again = append(again, bytes.Clone(r)); return nil })
		if err != nil || after.TornBytes != 0 || after.Bytes != recovery.Bytes {
			t.Errorf("got %+v then %+v, %v", recovery, after, err)
		}
		if !slices.EqualFunc(first, again, bytes.Equal) {
			t.Errorf("got %q then %q", first, again)
		}
	})
}

func BenchmarkAppend(b *testing.B) {
	f, _, err := Open(filepath.Join(b.TempDir(), "log"), Options{})
	if err != nil {
		b.Fatal(err)
	}
	record := make([]byte, 90)
	b.SetBytes(int64(len(record)))
	b.ReportAllocs()
	for b.Loop() {
		_ = f.Append(record)
	}
	if err := f.Close(); err != nil {
		b.Fatal(err)
	}
}

func BenchmarkSync(b *testing.B) {
	f, _, err := Open(filepath.Join(b.TempDir(), "log"), Options{})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		_ = f.Append([]byte("record"))
		_ = f.Sync()
	}
	if err := f.Close(); err != nil {
		b.Fatal(err)
	}
}
