package vector

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

const childDimensions = 64

// childRow is the vector of a name.
func childRow(id uint64) []float32 { return randomUnit(random(id), childDimensions) }

// childBatch is the batch of a mark: of five rows, one of which is of the batch
// before, which is deleted.
func childBatch(mark uint64) Batch {
	b := Batch{Mark: mark}
	for id := mark * 5; id < mark*5+5; id++ {
		b.IDs, b.Rows = append(b.IDs, id), append(b.Rows, childRow(id)...)
	}
	if mark > 1 {
		b.Delete = []uint64{mark*5 - 3}
	}
	return b
}

// TestMain is the child that is killed when it is told to be.
func TestMain(m *testing.M) {
	if dir := os.Getenv("PHI_VECTOR_CHILD"); dir != "" {
		if err := child(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// child commits batch after batch, compacts now and then, and says what it was
// told is done.
func child(dir string) error {
	s, err := Open(dir)
	if err != nil {
		return err
	}
	snap, err := s.Snapshot()
	if err != nil {
		return err
	}
	for mark := snap.Mark() + 1; ; mark++ {
		if err := s.Commit(childBatch(mark)); err != nil {
			return err
		}
		if _, err := fmt.Println(mark); err != nil {
			return err
		}
		if mark%7 == 0 {
			if err := s.Compact(); err != nil {
				return err
			}
		}
	}
}

// TestKilled kills a process that writes, again and again, and wants what it
// was told is committed, and nothing that is not whole.
func TestKilled(t *testing.T) {
	dir := t.TempDir()
	s, err := Create(dir, childDimensions, nil)
	must(t, err)
	must(t, s.Close())
	r := random(3)
	acknowledged := uint64(0)
	for range 15 {
		command := exec.CommandContext(t.Context(), os.Args[0])
		command.Env = append(os.Environ(), "PHI_VECTOR_CHILD="+dir)
		out, err := command.StdoutPipe()
		must(t, err)
		command.Stderr = os.Stderr
		must(t, command.Start())
		timer := time.AfterFunc(time.Duration(20+r.IntN(100))*time.Millisecond, func() { _ = command.Process.Kill() })
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if mark, err := strconv.ParseUint(lines.Text(), 10, 64); err == nil {
				acknowledged = mark
			}
		}
		_ = command.Wait() // It was killed.
		timer.Stop()
		acknowledged = checkChild(t, dir, acknowledged)
	}
	if acknowledged < 15 {
		t.Errorf("only %d commits were made: too few to say anything", acknowledged)
	}
}

// checkChild opens what a child left, compares it with what the child does, and
// returns the mark it reached.
func checkChild(tb testing.TB, dir string, atLeast uint64) uint64 {
	tb.Helper()
	s, err := Open(dir)
	must(tb, err)
	defer func() { must(tb, s.Close()) }()
	must(tb, s.Verify())
	snap, err := s.Snapshot()
	must(tb, err)
	defer func() { must(tb, snap.Close()) }()
	mark := snap.Mark()
	if mark < atLeast {
		tb.Fatalf("mark %d was committed and is lost: %d", atLeast, mark)
	}
	if want := int(mark)*5 - max(int(mark)-1, 0); snap.Live() != want {
		tb.Fatalf("%d rows at mark %d, want %d", snap.Live(), mark, want)
	}
	x := make([]float32, childDimensions)
	for id := uint64(5); id < mark*5+5; id++ {
		row, ok := snap.Row(id)
		if deleted := id%5 == 2 && id < mark*5; ok == deleted {
			tb.Fatalf("mark %d: row %d there: %v", mark, id, ok)
		}
		if ok {
			if snap.Vector(row, x); !slices.Equal(x, childRow(id)) {
				tb.Fatalf("vector of %d is another", id)
			}
		}
	}
	return mark
}

// copyFolder copies a folder of files.
func copyFolder(tb testing.TB, from string) string {
	tb.Helper()
	to := tb.TempDir()
	must(tb, os.CopyFS(to, os.DirFS(from)))
	return to
}

// TestTornWrites cuts the log at every byte of its last two records, and puts
// other bytes there, beyond what the slabs hold of whole commits.
func TestTornWrites(t *testing.T) {
	dir := t.TempDir()
	s, err := Create(dir, childDimensions, nil)
	must(t, err)
	var ends []int
	for mark := uint64(1); mark <= 6; mark++ {
		must(t, s.Commit(childBatch(mark)))
		ends = append(ends, s.state.bytes)
	}
	must(t, s.Close())
	r := random(4)
	log := fileName(1, logEnd)
	for cut := ends[3]; cut <= ends[5]; cut += 1 + r.IntN(4) {
		torn := copyFolder(t, dir)
		text, err := os.ReadFile(filepath.Join(torn, log))
		must(t, err)
		text = text[:cut]
		for range r.IntN(100) * r.IntN(2) {
			text = append(text, byte(r.Uint32()))
		}
		must(t, os.WriteFile(filepath.Join(torn, log), text, 0o600))
		want := uint64(4)
		for want < 6 && ends[want] <= cut {
			want++
		}
		if got := checkChild(t, torn, want); got != want {
			t.Fatalf("cut at %d: mark %d, want %d", cut, got, want)
		}
		s, err := Open(torn)
		must(t, err)
		must(t, s.Commit(childBatch(want+1)))
		must(t, s.Close())
		checkChild(t, torn, want+1)
	}
}

// TestDamage flips a byte anywhere and wants it noticed.
func TestDamage(t *testing.T) {
	dir := t.TempDir()
	s, err := Create(dir, childDimensions, nil)
	must(t, err)
	for mark := uint64(1); mark <= 6; mark++ {
		must(t, s.Commit(childBatch(mark)))
	}
	last := s.state.bytes - recordBytes - 8 - trailerBytes
	must(t, s.Close())
	r := random(5)
	entries, err := os.ReadDir(dir)
	must(t, err)
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), namePrefix) {
			continue
		}
		for range 6 {
			damaged := copyFolder(t, dir)
			name := filepath.Join(damaged, e.Name())
			b, err := os.ReadFile(name)
			must(t, err)
			n := len(b)
			if strings.HasSuffix(name, logEnd) {
				n = last // A damaged last record is a commit cut short.
			}
			b[r.IntN(n)] ^= 1 << r.IntN(8)
			must(t, os.WriteFile(name, b, 0o600))
			s, err := Open(damaged)
			if err == nil {
				err = errors.Join(s.Verify(), s.Close())
			}
			if !errors.Is(err, ErrCorrupt) {
				t.Fatalf("a flipped bit in %s: %v", e.Name(), err)
			}
		}
	}
	for _, e := range entries {
		short := copyFolder(t, dir)
		if strings.HasPrefix(e.Name(), namePrefix) {
			must(t, os.Truncate(filepath.Join(short, e.Name()), 5))
			if _, err := Open(short); !errors.Is(err, ErrCorrupt) {
				t.Errorf("%s of 5 bytes: %v", e.Name(), err)
			}
		}
	}
}

// TestHammer lets readers search while a writer commits, deletes, compacts and
// builds graphs: every snapshot stays what it was.
func TestHammer(t *testing.T) {
	s, err := Create(t.TempDir(), childDimensions, nil)
	must(t, err)
	must(t, s.Commit(childBatch(1)))
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for reader := range uint64(3) {
		readers.Go(func() {
			r := random(reader)
			for {
				select {
				case <-stop:
					return
				default:
				}
				if err := readOnce(s, 5+r.Uint64N(500)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for mark := uint64(2); mark <= 100; mark++ {
		must(t, s.Commit(childBatch(mark)))
		if mark%20 == 0 {
			must(t, s.Compact())
			snap, err := s.Snapshot()
			must(t, err)
			g, err := snap.BuildGraph(t.Context(), GraphOptions{})
			must(t, errors.Join(err, snap.Close()))
			must(t, s.UseGraph(g))
		}
	}
	close(stop)
	readers.Wait()
	must(t, s.Close())
}

// readOnce looks for a row in two ways at once.
func readOnce(s *Store, id uint64) error {
	snap, err := s.Snapshot()
	if err != nil {
		return err
	}
	_, there := snap.Row(id)
	query := childRow(id)
	first, err := snap.Search(query, 3, nil)
	if err != nil {
		return err
	}
	again, err := snap.Scan(query, 3, nil)
	if err != nil {
		return err
	}
	if found := len(again) > 0 && again[0].ID == id; found != there || there && (len(first) == 0 || first[0].ID != id) {
		return fmt.Errorf("row %d there: %v, found: %v and %v", id, there, first, again)
	}
	return snap.Close()
}

// FuzzLog reads any bytes as a log.
func FuzzLog(f *testing.F) {
	mean := make([]float32, 64)
	header := appendHeader(nil, 1, mean)
	f.Add(header)
	one := appendRecord(slices.Clone(header), &record{sequence: 1, rows: 7, lastID: 9})
	f.Add(one)
	f.Add(appendRecord(slices.Clone(one), &record{sequence: 2, rows: 9, lastID: 12, deleted: []uint32{3, 8, 1}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		const rows = 1000
		for _, text := range [][]byte{b, mended(b)} {
			s, err := replay(text, rows, nil)
			if err != nil {
				if !errors.Is(err, ErrCorrupt) {
					t.Fatal(err)
				}
				continue
			}
			if s.rows > rows || s.live == nil && s.rows > 0 || Bitmap(s.live).Count() != s.rows-s.dead || s.bytes > len(text) {
				t.Fatalf("%+v", s)
			}
		}
	})
}

// mended returns bytes with right sums, so that what is behind them is reached:
// the start is made a header of 64 dimensions and the rest one record.
func mended(b []byte) []byte {
	const end = headerBytes + 4*64
	b = slices.Clone(b)
	if len(b) < end+trailerBytes {
		return b
	}
	copy(b, appendHeader(nil, 1, make([]float32, 64)))
	rest := b[end+trailerBytes:]
	if len(rest) >= recordBytes+trailerBytes {
		binary.LittleEndian.PutUint32(rest, recordMagic)
		length := recordBytes + (4*int(binary.LittleEndian.Uint32(rest[4:]))+7)&^7
		if length+trailerBytes <= len(rest) && length > 0 {
			binary.LittleEndian.PutUint64(rest[length:], uint64(crcOf(rest[:length])))
		}
	}
	return b
}

// FuzzGraph reads any bytes as the file of a graph, and walks what it is given.
func FuzzGraph(f *testing.F) {
	s, err := Create(f.TempDir(), childDimensions, nil)
	must(f, err)
	f.Cleanup(func() { must(f, s.Close()) })
	for mark := uint64(1); mark < 20; mark++ {
		must(f, s.Commit(childBatch(mark)))
	}
	snap := snapshot(f, s)
	g, err := snap.BuildGraph(f.Context(), GraphOptions{Links: 4})
	must(f, err)
	whole := encodeGraph(g)
	f.Add(whole, 0, uint32(0))
	f.Add(whole[:60], 32, uint32(7))
	f.Add(whole, 50, uint32(5000))
	f.Fuzz(func(t *testing.T, b []byte, at int, value uint32) {
		b = slices.Clone(b)
		if len(b) >= graphHeader+trailerBytes {
			if at = max(at, 0) % (len(b) - trailerBytes); at+4 <= len(b)-trailerBytes {
				binary.LittleEndian.PutUint32(b[at:], value)
			}
			binary.LittleEndian.PutUint64(b[len(b)-trailerBytes:], uint64(crcOf(b[:len(b)-trailerBytes])))
		}
		g, err := parseGraph(b)
		if err != nil {
			if !errors.Is(err, ErrCorrupt) {
				t.Fatal(err)
			}
			return
		}
		if g.generation != snap.generation || g.rows > snap.rows {
			return
		}
		v := *snap.view
		v.graph = g
		if _, err := (Snapshot{&v}).Walk(childRow(1), 3, 0, nil); err != nil {
			t.Fatal(err)
		}
	})
}
