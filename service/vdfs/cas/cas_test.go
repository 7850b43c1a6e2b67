package cas

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
)

func open(tb testing.TB, dir string, o Options) *Store {
	tb.Helper()
	s, err := Open(dir, o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = s.Close() })
	return s
}

func begin(tb testing.TB, s *Store) *Batch {
	tb.Helper()
	b, err := s.Begin()
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(b.Discard)
	return b
}

func commit(tb testing.TB, b *Batch) {
	tb.Helper()
	if err := b.Commit(context.Background()); err != nil {
		tb.Fatal(err)
	}
}

// put stores a file, names it and commits.
func put(tb testing.TB, s *Store, name string, data []byte, layout Layout) Blob {
	tb.Helper()
	b := begin(tb, s)
	blob, err := b.Put(context.Background(), bytes.NewReader(data), layout)
	if err != nil {
		tb.Fatal(err)
	}
	if err := b.Set(name, blob.ID[:]); err != nil {
		tb.Fatal(err)
	}
	commit(tb, b)
	return blob
}

func random(seed uint64, n int) []byte {
	r := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)})
	b := make([]byte, n)
	_, _ = r.Read(b)
	return b
}

// text is compressible, and differs by seed.
func text(seed uint64, n int) []byte {
	r := rand.New(rand.NewPCG(seed, 1))
	words := make([]string, 2000)
	for i := range words {
		words[i] = fmt.Sprintf("%x", r.Uint32()>>(r.Uint32()%24))
	}
	var b bytes.Buffer
	for b.Len() < n {
		b.WriteString(words[r.IntN(len(words))])
		b.WriteByte(" \n"[r.IntN(8)/7])
	}
	return b.Bytes()[:n]
}

func read(tb testing.TB, s *Store, id ID) []byte {
	tb.Helper()
	r, err := s.Blob(id)
	if err != nil {
		tb.Fatal(err)
	}
	var out bytes.Buffer
	if n, err := r.WriteTo(&out); err != nil || n != r.Size() {
		tb.Fatal(n, err)
	}
	return out.Bytes()
}

// roots are the records of a store: each value is an ID.
func roots(s *Store) Roots {
	return func() (ids []ID, err error) {
		err = s.Records("", func(_ string, v []byte) error {
			ids = append(ids, ID(v))
			return nil
		})
		return ids, err
	}
}

func noLinks(ID, []byte, func(ID)) error { return nil }

func collect(tb testing.TB, s *Store) Collected {
	tb.Helper()
	c, err := s.Collect(context.Background(), roots(s), noLinks)
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

func TestFilesComeBack(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	files := map[ID][]byte{}
	for i, n := range []int{0, 1, 4095, 4096, 4097, 65535, 65536, 65537, 300_000, 4 << 20, 9<<20 + 17} {
		for _, data := range [][]byte{random(uint64(i), n), text(uint64(i), n)} {
			for _, layout := range []Layout{LayoutAuto, LayoutChunked, LayoutContiguous} {
				blob := put(t, s, fmt.Sprint(i, layout), data, layout)
				if blob.Size != int64(n) {
					t.Fatal(n, blob.Size)
				}
				files[blob.ID] = data
			}
		}
	}
	for range 2 {
		for id, want := range files {
			if !bytes.Equal(read(t, s, id), want) {
				t.Fatalf("%s: %d bytes differ", id, len(want))
			}
			checkReadAt(t, s, id, want)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = open(t, dir, Options{})
	}
	if out, err := s.Scrub(t.Context(), nil); err != nil || out.Corrupt != 0 || out.Pieces != out.Total {
		t.Fatal(out, err)
	}
}

func checkReadAt(t *testing.T, s *Store, id ID, want []byte) {
	t.Helper()
	r, err := s.Blob(id)
	if err != nil {
		t.Fatal(err)
	}
	whole := bytes.NewReader(want)
	rnd := rand.New(rand.NewPCG(uint64(len(want)), 2))
	for range 20 {
		p := make([]byte, rnd.IntN(100_000))
		q := make([]byte, len(p))
		at := rnd.Int64N(int64(len(want)) + 10)
		n, err := r.ReadAt(p, at)
		m, wantErr := whole.ReadAt(q, at)
		if n != m || !bytes.Equal(p, q) || (err == nil) != (wantErr == nil) && len(p) > 0 {
			t.Fatal(at, len(p), n, m, err, wantErr)
		}
	}
}

func TestSameBytesAreKeptOnce(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	data := random(1, 2<<20)
	first := put(t, s, "a", data, LayoutChunked)
	before, _ := s.Stats()
	if again := put(t, s, "b", data, LayoutChunked); again != first {
		t.Fatal("same bytes, other id")
	}
	after, _ := s.Stats()
	if after.Pieces != before.Pieces || after.DiskBytes != before.DiskBytes {
		t.Fatal(before, after)
	}
	// A byte in the middle costs some pieces, not half of them.
	put(t, s, "c", slices.Insert(slices.Clone(data), 1<<20, 'x'), LayoutChunked)
	last, _ := s.Stats()
	if n := last.Pieces - after.Pieces; n < 1 || n > 8 {
		t.Fatalf("%d of %d pieces are new", n, last.Pieces)
	}
}

func TestNothingShowsBeforeCommit(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	b := begin(t, s)
	data := text(1, 1<<20)
	blob, err := b.Put(t.Context(), bytes.NewReader(data), LayoutAuto)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Set("x", []byte("y")); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Blob(blob.ID); !errors.Is(err, ErrNotFound) {
		t.Fatal(err)
	}
	if _, err := s.Record("x"); !errors.Is(err, ErrNotFound) {
		t.Fatal(err)
	}
	r, err := b.Blob(blob.ID)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(io.NewSectionReader(r, 0, r.Size())); err != nil || !bytes.Equal(got, data) {
		t.Fatal("a batch reads what it has put", err)
	}
	b.Discard()
	if err := b.Commit(t.Context()); !errors.Is(err, ErrDone) {
		t.Fatal(err)
	}
	if _, err := s.Blob(blob.ID); !errors.Is(err, ErrNotFound) {
		t.Fatal(err)
	}
}

func TestRecordsAreComparedAndSet(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	set := func(expect []byte, value string) error {
		b := begin(t, s)
		b.Expect("head", expect)
		if err := b.Set("head", []byte(value)); err != nil {
			t.Fatal(err)
		}
		return b.Commit(t.Context())
	}
	if err := set(nil, "one"); err != nil {
		t.Fatal(err)
	}
	if err := set(nil, "two"); !errors.Is(err, ErrConflict) {
		t.Fatal(err)
	}
	if err := set([]byte("one"), "two"); err != nil {
		t.Fatal(err)
	}
	if v, err := s.Record("head"); err != nil || string(v) != "two" {
		t.Fatal(string(v), err)
	}
}

func TestOneProcessAtATime(t *testing.T) {
	dir := t.TempDir()
	open(t, dir, Options{})
	if _, err := Open(dir, Options{}); !errors.Is(err, ErrLocked) {
		t.Fatal(err)
	}
}

func TestExtentIsTheFile(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	model := random(3, 6<<20+100)
	blob := put(t, s, "model", model, LayoutAuto)
	e, err := s.Extent(blob.ID)
	if err != nil {
		t.Fatal(err)
	}
	defer e.File.Close() //nolint:errcheck // Read only.
	if e.Offset%4096 != 0 || e.Length != blob.Size {
		t.Fatal(e)
	}
	got := make([]byte, e.Length)
	if _, err := e.File.ReadAt(got, e.Offset); err != nil || !bytes.Equal(got, model) {
		t.Fatal("not the file", err)
	}
	if again := put(t, s, "again", model, LayoutAuto); again != blob {
		t.Fatal("same bytes, other id")
	}
	if st, _ := s.Stats(); st.Extents != 1 || st.DiskBytes > 7<<20 {
		t.Fatalf("kept twice: %+v", st)
	}
	plain := put(t, s, "text", text(1, 6<<20), LayoutAuto)
	if _, err := s.Extent(plain.ID); !errors.Is(err, ErrScattered) {
		t.Fatal(err)
	}
}

// spoil changes a byte of a piece on disk.
func spoil(t *testing.T, s *Store, dir string, id ID) {
	t.Helper()
	p, err := s.find(id)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "packs", s.packs.name(p.pack)), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // Checked by what is read.
	at := int64(p.offset) + int64(p.stored)/2
	b := make([]byte, 1)
	if _, err := f.ReadAt(b, at); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 0x40
	if _, err := f.WriteAt(b, at); err != nil {
		t.Fatal(err)
	}
}

func TestCorruptionIsNamed(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	blob := put(t, s, "a", random(1, 9000), LayoutChunked)
	var chunks []ID
	if err := s.eachChunk(blob.ID, -1, func(e entry) error { chunks = append(chunks, e.id); return nil }); err != nil {
		t.Fatal(err)
	}
	spoil(t, s, dir, chunks[0])
	var corrupt *CorruptError
	if _, err := s.Object(chunks[0]); !errors.As(err, &corrupt) || corrupt.ID != chunks[0] {
		t.Fatal(err)
	}
	out, err := s.Scrub(t.Context(), nil)
	if err != nil || out.Corrupt != 1 || len(out.Named) != 1 || out.Named[0].ID != chunks[0] {
		t.Fatal(out, err)
	}
}

func TestMirrorMends(t *testing.T) {
	dir, mirror := t.TempDir(), t.TempDir()
	s := open(t, dir, Options{Mirror: mirror})
	for i, layout := range []Layout{LayoutChunked, LayoutContiguous} {
		data := random(uint64(i), 3<<20)
		blob := put(t, s, fmt.Sprint(layout), data, layout)
		err := s.eachChunk(blob.ID, -1, func(e entry) error { spoil(t, s, dir, e.id); return nil })
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(read(t, s, blob.ID), data) {
			t.Fatal("not mended")
		}
		err = s.eachChunk(blob.ID, -1, func(e entry) error { spoil(t, s, mirror, e.id); return nil })
		if err != nil {
			t.Fatal(err)
		}
	}
	if out, err := s.Scrub(t.Context(), nil); err != nil || out.Corrupt != 0 || out.Mended == 0 {
		t.Fatal(out, err)
	}
	if out, err := s.Scrub(t.Context(), nil); err != nil || out.Mended != 0 {
		t.Fatal("mended twice", out, err)
	}
}

func TestCollectKeepsWhatIsReached(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	keep := map[string][]byte{}
	for i := range 40 {
		name, data := fmt.Sprint(i), random(uint64(i), 200_000)
		put(t, s, name, data, LayoutChunked)
		keep[name] = data
	}
	model := put(t, s, "model", random(99, 5<<20), LayoutAuto)
	pinned := put(t, s, "pinned", random(98, 100_000), LayoutChunked)
	release, err := s.Pin(pinned.ID)
	if err != nil {
		t.Fatal(err)
	}
	b := begin(t, s)
	for i := range 40 {
		if i%4 != 0 {
			_ = b.Delete(fmt.Sprint(i))
			delete(keep, fmt.Sprint(i))
		}
	}
	_ = b.Delete("model")
	_ = b.Delete("pinned")
	commit(t, b)
	s.packs.mu.Lock()
	s.packs.current = 0 // Else the only pack is the one that grows, and stays.
	s.packs.mu.Unlock()
	c := collect(t, s)
	if c.Swept == 0 || c.PacksRemoved < 2 || c.Moved == 0 {
		t.Fatalf("%+v", c)
	}
	if _, err := s.Extent(model.ID); !errors.Is(err, ErrScattered) {
		t.Fatal(err)
	}
	if _, err := s.Blob(pinned.ID); err != nil {
		t.Fatal(err)
	}
	release()
	collect(t, s)
	if _, err := s.Blob(pinned.ID); !errors.Is(err, ErrNotFound) {
		t.Fatal(err)
	}
	for name, want := range keep {
		id, err := s.Record(name)
		if err != nil || !bytes.Equal(read(t, s, ID(id)), want) {
			t.Fatal(name, err)
		}
	}
	if out, err := s.Scrub(t.Context(), nil); err != nil || out.Corrupt != 0 {
		t.Fatal(out, err)
	}
	if st, _ := s.Stats(); st.DiskBytes > 4<<20 {
		t.Fatalf("room was not given back: %+v", st)
	}
}

// Hammer: writers put files that others drop, while the collector runs.
func TestHammerCollectAndWrite(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	var wg sync.WaitGroup
	stop := make(chan struct{})
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			if _, err := s.Collect(context.Background(), roots(s), noLinks); err != nil {
				t.Error(err)
				return
			}
		}
	})
	var writers sync.WaitGroup
	for w := range 3 {
		writers.Go(func() {
			rnd := rand.New(rand.NewPCG(uint64(w), 7))
			for range 40 {
				name, data := fmt.Sprint(w), random(rnd.Uint64N(6), 150_000) // Often somebody else's garbage.
				blob := put(t, s, name, data, LayoutChunked)
				r, err := s.Blob(blob.ID)
				if err != nil {
					t.Error(err)
					return
				}
				got := make([]byte, len(data))
				if _, err := r.ReadAt(got, 0); err != nil || !bytes.Equal(got, data) {
					t.Error("lost", err)
					return
				}
			}
		})
	}
	writers.Wait()
	close(stop)
	wg.Wait()
	if out, err := s.Scrub(t.Context(), nil); err != nil || out.Corrupt != 0 {
		t.Fatal(out, err)
	}
}

func TestTemperatures(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	var ids []ID
	want := map[ID][]byte{}
	for i := range 200 {
		data := append(text(5, 1500), text(uint64(i), 200)...)
		blob := put(t, s, fmt.Sprint(i), data, LayoutChunked)
		ids, want[blob.ID] = append(ids, blob.ID), data
	}
	if ok, err := s.Train(t.Context()); err != nil || !ok {
		t.Fatal(ok, err)
	}
	before, _ := s.Stats()
	sizes := map[Temperature]int64{Warm: before.LiveBytes}
	for _, temperature := range []Temperature{Cool, Cold, Hot} {
		if n, err := s.Recode(t.Context(), slices.Values(ids), temperature); err != nil || n != len(ids) {
			t.Fatal(n, err)
		}
		st, _ := s.Stats()
		sizes[temperature] = st.LiveBytes
		for id, data := range want {
			if !bytes.Equal(read(t, s, id), data) {
				t.Fatal("changed by its temperature")
			}
		}
	}
	if sizes[Cold] > sizes[Warm]/3 || sizes[Hot] < sizes[Warm] {
		t.Fatalf("a dictionary should make small pieces much smaller: %v", sizes)
	}
}
