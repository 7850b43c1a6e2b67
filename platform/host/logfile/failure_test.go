package logfile

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"phios/abi"
)

var errDisk = errors.New("the disk refuses")

// fakeDisk is a disk that is full at room bytes when that is not zero, and
// fails as it is told.
type fakeDisk struct {
	mu        sync.Mutex // guards what follows
	content   []byte
	room      int
	syncFails int
	cutFails  int
	syncs     int
	// block, when not nil, holds every write until it is closed.
	block chan struct{}
}

// synced returns how often the disk was asked to sync.
func (d *fakeDisk) synced() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.syncs
}

// makeRoom ends the limit.
func (d *fakeDisk) makeRoom() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.room = 0
}

func (d *fakeDisk) WriteAt(b []byte, at int64) (int, error) {
	if d.block != nil {
		<-d.block
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	n := len(b)
	if d.room != 0 {
		n = min(n, max(d.room-int(at), 0))
	}
	d.content = append(d.content[:at], b[:n]...)
	if n < len(b) {
		return n, errDisk
	}
	return n, nil
}

func (d *fakeDisk) Truncate(size int64) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.cutFails > 0 {
		d.cutFails--
		return errDisk
	}
	d.content = d.content[:size]
	return nil
}

func (d *fakeDisk) Datasync() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.syncs++
	if d.syncFails > 0 {
		d.syncFails--
		// As Linux does, lose what could not be written.
		d.content = append(d.content[:0:0], make([]byte, len(d.content))...)
		return errDisk
	}
	return nil
}

func (d *fakeDisk) Close() error { return nil }

// records returns what is on the disk, and whether it ends at a whole record.
func (d *fakeDisk) records() (records []string, whole bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	from := strings.NewReader(string(d.content))
	frame := make([]byte, frameHeadBytes+RecordBytesMax)
	end := 0
	for {
		n, err := readFrame(from, frame)
		if n == 0 || err != nil {
			return records, end == len(d.content)
		}
		records = append(records, string(frame[frameHeadBytes:n]))
		end += n
	}
}

// TestDiskFull fills a disk, sees that records are refused while the file ends
// at a whole one, and that after room was made nothing that was accepted is
// missing.
func TestDiskFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &fakeDisk{room: 68}
		f := start("log", d, 0, IntervalDefault)
		appendAll(t, f, "first record", "second record")
		if f.Sync() != abi.StatusOK {
			t.Fatal("there was room")
		}
		appendAll(t, f, "third record", "fourth record") // accepted: nobody knows yet
		if got := f.Sync(); got != abi.StatusJournal {
			t.Fatalf("Sync on a full disk: got %v", got)
		}
		if got := f.Append([]byte("fifth record")); got != abi.StatusJournal || !errors.Is(f.Err(), errDisk) {
			t.Errorf("Append on a full disk: got %v, %v", got, f.Err())
		}
		if got, whole := d.records(); !whole || len(got) != 3 { // the fourth did not fit
			t.Errorf("on the disk: %q, whole: %v", got, whole)
		}
		before := d.synced()
		d.makeRoom()
		time.Sleep(retryInterval + 1)
		synctest.Wait()
		if d.synced() != before+1 || f.Err() != nil {
			t.Errorf("not tried again by itself: %v", f.Err())
		}
		appendAll(t, f, "sixth record")
		closeFile(t, f)
		want := []string{"first record", "second record", "third record", "fourth record", "sixth record"}
		if got, whole := d.records(); !whole || !slices.Equal(got, want) {
			t.Errorf("on the disk: %q, whole: %v", got, whole)
		}
	})
}

// TestSyncFails checks that a failed fdatasync is answered by writing again,
// also when not even the cut succeeds.
func TestSyncFails(t *testing.T) {
	for _, cutFails := range []int{0, 1} {
		synctest.Test(t, func(t *testing.T) {
			d := &fakeDisk{syncFails: 1, cutFails: cutFails}
			f := start("log", d, 0, IntervalDefault)
			appendAll(t, f, "one", "two")
			if got := f.Sync(); got != abi.StatusJournal {
				t.Errorf("got %v", got)
			}
			if got := f.Sync(); got != abi.StatusOK {
				t.Errorf("second attempt: got %v", got)
			}
			if got, whole := d.records(); !whole || !slices.Equal(got, []string{"one", "two"}) {
				t.Errorf("on the disk: %q, whole: %v", got, whole)
			}
			closeFile(t, f)
		})
	}
}

// TestCloseFails checks that Close says what it could not save.
func TestCloseFails(t *testing.T) {
	d := &fakeDisk{room: 1}
	f := start("log", d, 0, IntervalDefault)
	appendAll(t, f, "one")
	if err := f.Close(); !errors.Is(err, errDisk) || !strings.Contains(err.Error(), "11 bytes") {
		t.Errorf("got %v", err)
	}
	if f.Sync() != abi.StatusJournal {
		t.Error("Sync after Close confirms what is lost")
	}
}

// TestBackpressure fills the buffers while the disk does not answer: Append
// waits, and goes on when the disk does.
func TestBackpressure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &fakeDisk{block: make(chan struct{})}
		f := start("log", d, 0, IntervalDefault)
		record := make([]byte, RecordBytesMax)
		accepted := 0
		go func() {
			for range 3 * BufferBytesMax / BatchBytes {
				if f.Append(record) != abi.StatusOK {
					t.Error("refused")
				}
				accepted++
			}
		}()
		synctest.Wait()
		if most := 2 * BufferBytesMax / BatchBytes; accepted == 0 || accepted > most {
			t.Errorf("%d records accepted by a disk that does not answer, at most %d fit", accepted, most)
		}
		close(d.block)
		synctest.Wait()
		closeFile(t, f)
		if got, whole := d.records(); !whole || len(got) != 3*BufferBytesMax/BatchBytes {
			t.Errorf("%d records, whole: %v", len(got), whole)
		}
	})
}
