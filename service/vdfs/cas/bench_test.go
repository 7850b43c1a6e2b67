package cas

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// corpus is text as people write it: the source of Go, where it is installed.
func corpus(b *testing.B, n int) []byte {
	b.Helper()
	root, err := exec.CommandContext(b.Context(), "go", "env", "GOROOT").Output()
	if err != nil {
		b.Fatal(err)
	}
	var all bytes.Buffer
	_ = filepath.WalkDir(filepath.Join(strings.TrimSpace(string(root)), "src"), func(name string, d os.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && strings.HasSuffix(name, ".go") && all.Len() < n {
			data, _ := os.ReadFile(name)
			all.Write(data)
		}
		return nil
	})
	if all.Len() < n {
		b.Log("no source of Go here: made-up text")
		return text(1, n)
	}
	return all.Bytes()[:n]
}

// BenchmarkIngest is to disk, commit and all; one worker is one core.
func BenchmarkIngest(b *testing.B) {
	data := corpus(b, 64<<20)
	for _, t := range []struct {
		name string
		Temperature
	}{{"raw", Hot}, {"s2", Warm}, {"zstd", Cool}} {
		for workers := 1; workers <= 2; workers++ {
			b.Run(fmt.Sprintf("%s/workers=%d", t.name, workers), func(b *testing.B) {
				old := runtime.GOMAXPROCS(workers)
				defer runtime.GOMAXPROCS(old)
				b.SetBytes(int64(len(data)))
				for b.Loop() {
					b.StopTimer()
					s := open(b, b.TempDir(), Options{Temperature: t.Temperature, Workers: workers})
					b.StartTimer()
					put(b, s, "a", data, LayoutChunked)
					b.StopTimer()
					st, _ := s.Stats()
					b.ReportMetric(float64(st.RawBytes)/float64(st.LiveBytes), "ratio")
					_ = s.Close()
					b.StartTimer()
				}
			})
		}
	}
}

func BenchmarkIngestModel(b *testing.B) {
	data := random(1, 64<<20)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		b.StopTimer()
		s := open(b, b.TempDir(), Options{})
		b.StartTimer()
		put(b, s, "a", data, LayoutAuto)
		b.StopTimer()
		_ = s.Close()
		b.StartTimer()
	}
}

func BenchmarkRead(b *testing.B) {
	data := corpus(b, 64<<20)
	for _, t := range []struct {
		name string
		Temperature
	}{{"raw", Hot}, {"s2", Warm}, {"zstd", Cool}} {
		b.Run(t.name, func(b *testing.B) {
			s := open(b, b.TempDir(), Options{Temperature: t.Temperature})
			blob := put(b, s, "a", data, LayoutChunked)
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				if got := read(b, s, blob.ID); len(got) != len(data) {
					b.Fatal(len(got))
				}
			}
		})
	}
}

func BenchmarkCommitSmall(b *testing.B) {
	s := open(b, b.TempDir(), Options{})
	i := uint64(0)
	for b.Loop() {
		i++
		put(b, s, "a", text(i, 2000), LayoutAuto)
	}
}

// BenchmarkCollect has 100,000 pieces, of which half are dead.
func BenchmarkCollect(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		s := open(b, b.TempDir(), Options{Temperature: Hot})
		w := begin(b, s)
		for i := range 100_000 {
			id, err := w.PutObject(KindChunk, random(uint64(i), 256))
			if err != nil {
				b.Fatal(err)
			}
			if i%2 == 0 {
				_ = w.Set(fmt.Sprint(i), id[:])
			}
			if i%50_000 == 49_999 {
				commit(b, w)
				w = begin(b, s)
			}
		}
		commit(b, w)
		b.StartTimer()
		if c, err := s.Collect(context.Background(), roots(s), noLinks); err != nil || c.Swept == 0 {
			b.Fatal(c, err)
		}
		b.StopTimer()
		_ = s.Close()
		b.StartTimer()
	}
}
