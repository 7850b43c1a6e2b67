package prefix_test

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"phios/abi"
	"phios/compute"
	"phios/service/inference/prefix"
)

func TestMatch(t *testing.T) {
	var gone []compute.Page
	tree := prefix.New(prefix.Options{PageTokens: 2, PagesMax: 3, Evict: func(v prefix.Victim) { gone = append(gone, v.Page) }})
	a := abi.LabelBottom()
	b := abi.Label{Sources: 1, Readers: ^uint64(0)}

	lease, _ := tree.Match(a, nil, 9, nil)
	for i, page := range []compute.Page{10, 11, 12} {
		if !tree.Extend(&lease, []int32{int32(2 * i), int32(2*i + 1)}, page) {
			t.Fatalf("page %d was not taken", page)
		}
	}
	text := []int32{0, 1, 2, 3, 4, 5, 6}
	if got, _ := tree.Count(a, text, 9); got != 3 {
		t.Errorf("%d pages under the label, want 3", got)
	}
	if got, _ := tree.Count(b, text, 9); got != 0 {
		t.Errorf("%d pages under another label, want none", got)
	}
	if tree.Evict(3) != 0 {
		t.Error("pages in use were evicted")
	}

	other, _ := tree.Match(b, text, 9, nil)
	if tree.Extend(&other, text[:2], 20) {
		t.Error("a full tree of pages in use took another")
	}
	tree.Release(&lease)
	if !tree.Extend(&other, text[:2], 20) || !slices.Equal(gone, []compute.Page{12}) {
		t.Errorf("the deepest page should have gone, %v went", gone)
	}
	again, pages := tree.Match(a, text, 9, nil)
	if !slices.Equal(pages, []compute.Page{10, 11}) || again.Pages() != 2 {
		t.Errorf("matched %v, want 10 and 11", pages)
	}
	if tree.Extend(&again, []int32{8, 8}, 13) {
		t.Error("all three are in use, a fourth was taken")
	}
	tree.Release(&again)
	tree.Release(&other)
	if tree.Forget(a) != 2 || tree.Pages() != 1 || tree.Evict(9) != 1 || tree.Pages() != 0 || tree.Idle() != 0 {
		t.Errorf("the tree is not empty: %d pages", tree.Pages())
	}
}

// TestTreeIsAModelOfItself does random operations and compares each match with
// a plain map of all beginnings that are stored.
func TestTreeIsAModelOfItself(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	stored := map[string]compute.Page{}
	key := func(l abi.Label, tokens []int32) string { b, _ := json.Marshal([]any{l, tokens}); return string(b) }
	held := map[compute.Page]bool{}
	whole := map[compute.Page]string{}
	tree := prefix.New(prefix.Options{PageTokens: 2, PagesMax: 40, Evict: func(v prefix.Victim) {
		if !held[v.Page] {
			t.Fatalf("page %d left twice", v.Page)
		}
		delete(held, v.Page)
		delete(stored, whole[v.Page])
	}})
	type open struct {
		lease  prefix.Lease
		label  abi.Label
		tokens []int32
	}
	var leases []open
	next := compute.Page(0)
	for range 20000 {
		switch r.IntN(5) {
		case 0, 1:
			l := abi.Label{Sources: uint64(r.IntN(2))}
			text := make([]int32, 2*r.IntN(8))
			for i := range text {
				text[i] = int32(r.IntN(2))
			}
			lease, pages := tree.Match(l, text, 6, nil)
			for i, p := range pages {
				if stored[key(l, text[:2*i+2])] != p {
					t.Fatalf("page %d of %v is %d, want %d", i, text, p, stored[key(l, text[:2*i+2])])
				}
			}
			if n := 2*len(pages) + 2; len(pages) < 6 && n <= len(text) {
				if _, there := stored[key(l, text[:n])]; there {
					t.Fatalf("%v is stored and was not found", text[:n])
				}
			}
			leases = append(leases, open{lease, l, text[:2*len(pages)]})
		case 2, 3:
			if len(leases) == 0 {
				continue
			}
			o := &leases[r.IntN(len(leases))]
			page := []int32{int32(r.IntN(2)), int32(r.IntN(2))}
			next++
			held[next] = true
			before := o.lease.Pages()
			if tree.Extend(&o.lease, page, next) {
				text := append(slices.Clone(o.tokens), page...)
				stored[key(o.label, text)], whole[next] = next, key(o.label, text)
			} else {
				delete(held, next)
			}
			if o.lease.Pages() > before {
				o.tokens = append(slices.Clone(o.tokens), page...)
			}
		default:
			if len(leases) > 0 {
				i := r.IntN(len(leases))
				tree.Release(&leases[i].lease)
				leases = slices.Delete(leases, i, i+1)
			}
			if r.IntN(50) == 0 {
				tree.Evict(r.IntN(10))
			}
		}
		if tree.Pages() != len(held) || tree.Pages() > 40 {
			t.Fatalf("%d pages in the tree, %d held", tree.Pages(), len(held))
		}
	}
	for i := range leases {
		tree.Release(&leases[i].lease)
	}
	if tree.Idle() != tree.Pages() {
		t.Errorf("%d of %d idle after all leases", tree.Idle(), tree.Pages())
	}
	if tree.Evict(1000); tree.Pages() != 0 || len(held) != 0 {
		t.Errorf("%d pages left", tree.Pages())
	}
}

// trace reads the blocks of each request of the Mooncake trace, or says that it
// is not there.
func trace(tb testing.TB) [][]int32 {
	tb.Helper()
	f, err := os.Open("../../../../shared/data/traces/mooncake-conversation.jsonl.gz")
	if errors.Is(err, fs.ErrNotExist) {
		tb.Skip("the Mooncake trace is not at ../shared/data/traces: the hit rate was not measured")
	}
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	z, err := gzip.NewReader(f)
	if err != nil {
		tb.Fatal(err)
	}
	var all [][]int32
	lines := bufio.NewScanner(z)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var request struct {
			Blocks []int32 `json:"hash_ids"`
		}
		if err := json.Unmarshal(lines.Bytes(), &request); err != nil {
			tb.Fatal(err)
		}
		all = append(all, request.Blocks)
	}
	return all
}

// replay runs the requests one after the other, each block being a page of one
// token, which is the hash of the block.
func replay(requests [][]int32, pages int) prefix.Stats {
	tree := prefix.New(prefix.Options{PageTokens: 1, PagesMax: pages})
	for _, blocks := range requests {
		lease, _ := tree.Match(abi.LabelBottom(), blocks, len(blocks), nil)
		for i := lease.Pages(); i < len(blocks); i++ {
			tree.Extend(&lease, blocks[i:i+1], compute.Page(blocks[i]))
		}
		tree.Release(&lease)
	}
	return tree.Stats()
}

func TestTrace(t *testing.T) {
	requests := trace(t)
	s := replay(requests, 10000)
	rate := float64(s.Hit) / float64(s.Asked)
	t.Logf("%d requests, %d blocks of 512 tokens, %.2f %% hits at 10,000 blocks: %d tokens of prefill saved",
		len(requests), s.Asked, 100*rate, 512*s.Hit)
	if rate < 0.212 {
		t.Errorf("%.2f %% hits, want at least 21.2 %%", 100*rate)
	}
}

func BenchmarkTrace(b *testing.B) {
	requests := trace(b)
	b.ResetTimer()
	for b.Loop() {
		s := replay(requests, 10000)
		b.ReportMetric(100*float64(s.Hit)/float64(s.Asked), "%hits")
		b.ReportMetric(float64(s.Asked), "blocks/op")
	}
}
