package lexical

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// crashFolder tells the test's own program to write until it is killed.
const crashFolder = "PHI_LEXICAL_CRASH"

// TestKill kills a writer at random moments: each batch is there whole or not at
// all, and none that was acknowledged is missing.
func TestKill(t *testing.T) {
	if dir := os.Getenv(crashFolder); dir != "" {
		writeForEver(t, dir)
		return
	}
	dir, r := t.TempDir(), rand.New(rand.NewPCG(1, 9))
	for range 12 {
		c := exec.Command(os.Args[0], "-test.run=^TestKill$")
		c.Env = append(os.Environ(), crashFolder+"="+dir)
		var out strings.Builder
		c.Stdout = &out
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(60+r.IntN(200)) * time.Millisecond)
		_ = c.Process.Kill()
		_ = c.Wait() // it was killed
		acknowledged := uint64(strings.Count(out.String(), "committed"))
		ix, err := Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		mark, err := ix.Mark()
		if err != nil {
			t.Fatal(err)
		}
		stats, err := ix.Stats(nil)
		if err != nil || stats.Documents != int(10*mark) || mark < acknowledged {
			t.Fatalf("mark %d, %d acknowledged, %+v, %v", mark, acknowledged, stats, err)
		}
		if n := len(found(t, ix, fmt.Sprintf("\"batch%d\"", mark), nil)); mark > 0 && n != 10 {
			t.Fatalf("the last batch has %d documents", n)
		}
		if err := ix.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// writeForEver commits batches of ten and says so.
func writeForEver(t *testing.T, dir string) {
	t.Helper()
	ix, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	for {
		mark, err := ix.Mark()
		if err != nil {
			t.Fatal(err)
		}
		mark++
		b := ix.Batch()
		for i := range uint64(10) {
			if err := b.Put(Document{ID: 10*mark + i, Text: fmt.Sprintf("batch%d of words %d", mark, i), Language: Plain}); err != nil {
				t.Fatal(err)
			}
		}
		if err := b.Commit(mark); err != nil {
			t.Fatal(err)
		}
		fmt.Println("committed")
	}
}

// TestHammerIndex searches, puts, merges and closes at once.
func TestHammerIndex(t *testing.T) {
	ix := open(t, t.TempDir())
	reach := ix.Reach(func(id uint64) bool { return id%2 == 0 })
	var group sync.WaitGroup
	for seed := range uint64(4) {
		group.Go(func() {
			r := rand.New(rand.NewPCG(seed, 5))
			for step := range 15 {
				b := ix.Batch()
				for _, d := range corpus(r, 30, 2000) {
					if err := b.Put(d); err != nil {
						t.Error(err)
					}
				}
				if err := b.Commit(uint64(step)); err != nil {
					t.Error(err)
				}
				for range 10 {
					hits, err := ix.Search(word(r)+" "+word(r), 10, reach)
					if err != nil {
						t.Error(err)
					}
					for _, h := range hits {
						if h.ID%2 != 0 {
							t.Errorf("%d is outside the reach", h.ID)
						}
					}
				}
				if step%7 == 6 {
					if err := ix.Merge(); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	group.Wait()
}

// TestReachLeavesNoTrace compares scores within a reach with those of an index
// that never held anything else.
func TestReachLeavesNoTrace(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	inside, outside := corpus(r, 300, 1<<30), corpus(r, 3000, 1<<30)
	small, great := open(t, t.TempDir()), open(t, t.TempDir())
	for i := range inside {
		inside[i].ID *= 2
	}
	for i := range outside {
		outside[i].ID = 2*outside[i].ID + 1
		outside[i].Text += " wab wac secret"
	}
	put(t, small, inside...)
	put(t, great, inside...)
	put(t, great, outside...)
	reach, all := great.Reach(func(id uint64) bool { return id%2 == 0 }), small.Reach(func(uint64) bool { return true })
	for range 50 {
		query := word(r) + " " + word(r) + " secret w*"
		want, err := small.Search(query, 20, all)
		if err != nil {
			t.Fatal(err)
		}
		got, err := great.Search(query, 20, reach)
		if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("%q: %v, want %v, %v", query, got, want, err)
		}
	}
}

// TestCorruptIsFound flips a bit anywhere of each file.
func TestCorruptIsFound(t *testing.T) {
	dir, r := t.TempDir(), rand.New(rand.NewPCG(4, 4))
	ix, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	put(t, ix, corpus(r, 300, 200)...)
	put(t, ix, corpus(r, 300, 200)...)
	if err := ix.Close(); err != nil {
		t.Fatal(err)
	}
	names, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil || len(b) == 0 {
			continue
		}
		for range 20 {
			at := r.IntN(len(b))
			b[at] ^= 1
			if err := os.WriteFile(name, b, 0o600); err != nil {
				t.Fatal(err)
			}
			if ix, err := Open(dir); err == nil {
				t.Errorf("byte %d of %s is wrong and nobody sees it", at, filepath.Base(name))
				_ = ix.Close()
			}
			b[at] ^= 1
		}
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// FuzzSegment searches and merges segments of any bytes, their sums made right.
func FuzzSegment(f *testing.F) {
	b := newBuilder()
	for _, d := range corpus(rand.New(rand.NewPCG(1, 1)), 300, 250) {
		b.put(&d)
	}
	name := filepath.Join(f.TempDir(), "segment")
	file, err := os.Create(name)
	if err != nil {
		f.Fatal(err)
	}
	if err := b.write(file); err != nil {
		f.Fatal(err)
	}
	if err := file.Close(); err != nil {
		f.Fatal(err)
	}
	whole, err := os.ReadFile(name)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Fuzz(func(t *testing.T, content []byte) {
		s, err := parseSegment(mend(content))
		if err != nil {
			return
		}
		s.refs.Store(1)
		v := newView([]member{{segment: s}}, 0, 0)
		ix := &Index{current: v, pool: &sync.Pool{}}
		for _, query := range []string{"wa wb wc", `"wa wb" wa`, "w* -wc"} {
			if _, err := ix.Search(query, 10, nil); err != nil {
				t.Fatal(err)
			}
		}
		out, err := os.Create(filepath.Join(t.TempDir(), "merged"))
		if err != nil {
			t.Fatal(err)
		}
		if err := mergeInto(out, v.segments); err != nil {
			t.Fatal(err)
		}
		if err := out.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// mend makes the sums of a segment right, so that what they guard is reached.
func mend(content []byte) []byte {
	if len(content) < footerBytes {
		return content
	}
	b := append([]byte{}, content...)
	body, end := b[:len(b)-footerBytes], b[len(b)-footerBytes:]
	putSum(end[40:], checksum(body))
	putSum(end[52:], checksum(end[:52]))
	return b
}

func putSum(b []byte, sum uint32) {
	for i := range 4 {
		b[i] = byte(sum >> (8 * i))
	}
}

// FuzzQuery asks anything.
func FuzzQuery(f *testing.F) {
	ix, err := Open(f.TempDir())
	if err != nil {
		f.Fatal(err)
	}
	b := ix.Batch()
	for i, text := range []string{"the quick brown fox", "日本語の検索", "parseHTTP utf8 l'école"} {
		if err := b.Put(Document{ID: uint64(i), Text: text}); err != nil {
			f.Fatal(err)
		}
	}
	if err := b.Commit(1); err != nil {
		f.Fatal(err)
	}
	for _, q := range []string{`"quick brown" -fox par*`, "日", "l'école camelCase_x9 1,000.5", "\xff\""} {
		f.Add(q)
	}
	f.Fuzz(func(t *testing.T, query string) {
		if _, err := ix.Search(query, 10, nil); err != nil {
			t.Fatal(err)
		}
	})
}
