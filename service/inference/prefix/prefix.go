// Package prefix remembers which pages of a model's cache hold which beginnings
// of texts, so that a request that begins as an earlier one did need not compute
// that beginning again.
//
// It is a radix tree whose every edge is a full page of tokens, with one root
// for each label: requests of different labels never meet in it, not even to
// learn by the time an answer takes that somebody else asked the same (the
// attack of Zheng et al., "InputSnatch", 2024). The radix tree is that of
// SGLang's RadixAttention (Zheng et al., "SGLang: Efficient Execution of
// Structured Language Model Programs", 2024); eviction is least recently used,
// leaves first, in two segments (Karedla, Love, Wherry, "Caching Strategies to
// Improve Disk System Performance", Computer 27(3), 1994): a fifth of the pages
// is kept for beginnings that were found again at least once, so that a burst
// of long prompts that never return does not wash the system prompts away. On
// the public trace of Mooncake, at 10,000 blocks of 512 tokens, plain LRU finds
// 21.16 %, this 21.87 %, SIEVE 13.2 %; a larger share finds less, because most
// conversations go on soon after they were left or never.
//
// A Tree is a pure data structure: no clock, no lock, no input or output. It is
// owned by whoever owns the pages, which is the goroutine that steps the model.
package prefix

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"

	"phios/abi"
	"phios/compute"
)

// PagesMax bounds the pages of one tree.
const PagesMax = 1 << 24

// Chain names a beginning of a text under a label: the hash of the label and of
// all its pages of tokens, one after the other.
type Chain [sha256.Size]byte

// Root is the chain of the empty beginning under a label.
func Root(l abi.Label) Chain {
	var b [16]byte
	binary.LittleEndian.PutUint64(b[:], l.Sources)
	binary.LittleEndian.PutUint64(b[8:], l.Readers)
	return sha256.Sum256(b[:])
}

// Next is the chain of c with one more page of tokens.
func (c Chain) Next(tokens []int32) Chain {
	var short [sha256.Size + 4*128]byte // no allocation for the usual page
	b := append(short[:0], c[:]...)
	for _, t := range tokens {
		b = binary.LittleEndian.AppendUint32(b, uint32(t))
	}
	return sha256.Sum256(b)
}

// Victim is a page that left the tree: the tree's hold on it is now the
// caller's, who saves it if it likes and then releases it.
type Victim struct {
	Page   compute.Page
	Label  abi.Label
	Parent Chain
	Chain  Chain
	// Tokens are valid until the tree is next changed.
	Tokens []int32
}

// Options are the bounds of a tree.
type Options struct {
	// PageTokens is how many tokens a page holds.
	PageTokens int
	// PagesMax is how many pages the tree holds at most.
	PagesMax int
	// Evict is called with each page that leaves the tree, from within the
	// method that made it leave. It must not call the tree.
	Evict func(Victim)
}

// Tree is a radix tree of pages.
type Tree struct {
	o      Options
	find   map[Chain]int32
	nodes  []node
	tokens []int32 // the tokens of node i at i*PageTokens
	free   int32   // list of nodes that are not in use, through next
	used   int
	idle   int
	kept   int // of them in the second segment
	stats  Stats
}

// Stats counts what a tree has done, in pages.
type Stats struct {
	// Asked and Hit are pages that were looked for and found by Match.
	Asked, Hit uint64
	// Stored, Evicted and Refused are pages that came, that left, and that were
	// not taken because everything was in use or the page was there already.
	Stored, Evicted, Refused uint64
}

// The heads of the lists of idle nodes, most recently used first: those that
// nobody has found again, and those that somebody has. Node 0 is also what is
// above the first page.
const (
	once  = 0
	again = 1
	heads = 2
)

// keptShare is which part of the pages, one in so many, is kept for those that
// were found again.
const keptShare = 5

// node is a page and its place.
//
// A node that is in use is in no list. Use of a node is use of all above it,
// nodes go back to a list deepest first, and what is pushed out of the second
// list goes to the front of the first, oldest first. So whatever is below a node
// of a list is nearer to the end of the same list or in the first, and the last
// of the first is always a leaf: leaf first and least recently used first are
// one order, and the victim is found at once.
type node struct {
	page       compute.Page
	label      abi.Label
	chain      Chain
	parent     int32
	prev, next int32
	users      int32
	list       int8 // the head of the list it is in, or will be
	found      bool // again, by a later Match
}

// Lease is the use of a beginning, that is of a node and all above it. What is
// in use is not evicted. The zero Lease is the use of the empty beginning.
type Lease struct {
	label abi.Label
	node  int32
	pages int32
}

// Pages is how many pages the beginning has.
func (l Lease) Pages() int { return int(l.pages) }

// New makes an empty tree.
//
// Preconditions:
//   - o.PageTokens ≥ 1, 1 ≤ o.PagesMax ≤ PagesMax
func New(o Options) *Tree {
	o.PageTokens = max(o.PageTokens, 1)
	o.PagesMax = min(max(o.PagesMax, 1), PagesMax)
	return &Tree{o: o, find: make(map[Chain]int32), nodes: []node{once: {}, again: {prev: again, next: again}}}
}

// Pages is how many pages the tree holds, and Idle how many of them nobody
// uses, which Evict would give back.
func (t *Tree) Pages() int { return t.used }

// Idle is how many pages Evict would give back.
func (t *Tree) Idle() int { return t.idle }

// Stats is what the tree has done.
func (t *Tree) Stats() Stats { return t.stats }

// Match finds the longest beginning of tokens that is stored under the label,
// of at most pagesMax pages, appends its pages to pages, and leases it.
func (t *Tree) Match(l abi.Label, tokens []int32, pagesMax int, pages []compute.Page) (Lease, []compute.Page) {
	lease := Lease{label: l}
	chain := Root(l)
	most := min(len(tokens)/t.o.PageTokens, pagesMax)
	t.stats.Asked += uint64(max(most, 0))
	for i := range most {
		page := tokens[i*t.o.PageTokens:][:t.o.PageTokens]
		chain = chain.Next(page)
		n := t.look(chain, lease, page)
		if n == 0 {
			break
		}
		lease.node, lease.pages = n, int32(i+1)
		pages = append(pages, t.nodes[n].page)
	}
	t.stats.Hit += uint64(lease.pages)
	t.use(lease.node)
	for n := lease.node; n != 0 && !t.nodes[n].found; n = t.nodes[n].parent {
		t.nodes[n].found = true
	}
	return lease, pages
}

// Count is how many pages Match would find, and how many of them nobody uses,
// without changing anything.
func (t *Tree) Count(l abi.Label, tokens []int32, pagesMax int) (pages, idle int) {
	at := Lease{label: l}
	chain := Root(l)
	for i := range min(len(tokens)/t.o.PageTokens, pagesMax) {
		page := tokens[i*t.o.PageTokens:][:t.o.PageTokens]
		chain = chain.Next(page)
		n := t.look(chain, at, page)
		if n == 0 {
			break
		}
		at.node = n
		pages++
		if t.nodes[n].users == 0 {
			idle++
		}
	}
	return pages, idle
}

// Extend puts the page that follows a leased beginning into the tree and moves
// the lease on to it. The caller's hold becomes the tree's. It reports false
// when the page was not taken: then the hold stays the caller's. The lease
// moves on nevertheless when an equal page was there already, and stays where
// it was when there is no room because all pages are in use.
//
// Preconditions:
//   - len(tokens) is PageTokens
func (t *Tree) Extend(l *Lease, tokens []int32, page compute.Page) bool {
	if len(tokens) != t.o.PageTokens {
		return false
	}
	chain := t.Chain(*l).Next(tokens)
	n := t.look(chain, *l, tokens)
	taken := false
	if n == 0 {
		if _, other := t.find[chain]; other {
			t.stats.Refused++
			return false // Two texts of one hash: the first keeps its place.
		}
		if n = t.room(); n == 0 {
			t.stats.Refused++
			return false
		}
		t.nodes[n] = node{page: page, label: l.label, chain: chain, parent: l.node}
		copy(t.tokensOf(n), tokens)
		t.find[chain] = n
		t.used++
		t.stats.Stored++
		taken = true
	} else {
		t.stats.Refused++
		t.leave(n)
	}
	t.nodes[n].users++
	l.node = n
	l.pages++
	return taken
}

// Release gives up a lease. The lease becomes that of the empty beginning.
func (t *Tree) Release(l *Lease) {
	for n := l.node; n != 0; n = t.nodes[n].parent {
		t.nodes[n].users--
		if t.nodes[n].users == 0 {
			t.enter(n)
		}
	}
	*l = Lease{label: l.label}
}

// Evict lets up to n pages go that nobody uses, least recently used first, and
// returns how many.
func (t *Tree) Evict(n int) int {
	done := 0
	for done < n && t.idle > 0 {
		if t.nodes[once].prev == once {
			t.demote()
		}
		t.drop(t.nodes[once].prev)
		done++
	}
	return done
}

// Forget lets all pages of a label go that nobody uses.
func (t *Tree) Forget(l abi.Label) int {
	done := 0
	for t.kept > 0 {
		t.demote()
	}
	for n := t.nodes[once].prev; n != once; {
		before := t.nodes[n].prev
		if t.nodes[n].label == l {
			t.drop(n)
			done++
		}
		n = before
	}
	return done
}

// look finds the node of a chain below a lease. Tokens and label are compared,
// because a hash is only a hint where a mistake would show one caller's text to
// another.
func (t *Tree) look(c Chain, below Lease, tokens []int32) int32 {
	n, ok := t.find[c]
	if !ok || t.nodes[n].parent != below.node || t.nodes[n].label != below.label ||
		!slices.Equal(t.tokensOf(n), tokens) {
		return 0
	}
	return n
}

// Chain names the beginning that is leased.
func (t *Tree) Chain(l Lease) Chain {
	if l.node == 0 {
		return Root(l.label)
	}
	return t.nodes[l.node].chain
}

func (t *Tree) tokensOf(n int32) []int32 {
	return t.tokens[int(n-heads)*t.o.PageTokens:][:t.o.PageTokens]
}

// room finds a node for a new page, if need be by letting another page go.
func (t *Tree) room() int32 {
	if t.used >= t.o.PagesMax && t.Evict(1) == 0 {
		return 0
	}
	if n := t.free; n != 0 {
		t.free = t.nodes[n].next
		return n
	}
	t.nodes = append(t.nodes, node{})
	t.tokens = append(t.tokens, make([]int32, t.o.PageTokens)...)
	return int32(len(t.nodes) - 1)
}

// use adds a user to a node and all above it.
func (t *Tree) use(n int32) {
	for ; n != 0; n = t.nodes[n].parent {
		t.leave(n)
		t.nodes[n].users++
	}
}

// leave takes a node from the list of idle ones, if it is there.
func (t *Tree) leave(n int32) {
	at := &t.nodes[n]
	if at.users != 0 {
		return
	}
	t.nodes[at.prev].next, t.nodes[at.next].prev = at.next, at.prev
	t.idle--
	if at.list == again {
		t.kept--
	}
}

// enter puts a node at the front of the list of idle ones where it belongs.
func (t *Tree) enter(n int32) {
	if !t.nodes[n].found {
		t.push(once, n)
		return
	}
	t.push(again, n)
	if t.kept > t.o.PagesMax/keptShare {
		t.demote()
	}
}

// demote moves the last of the second list to the front of the first.
func (t *Tree) demote() {
	n := t.nodes[again].prev
	t.leave(n)
	t.push(once, n)
}

func (t *Tree) push(head int8, n int32) {
	at, first := &t.nodes[n], t.nodes[head].next
	at.list, at.prev, at.next = head, int32(head), first
	t.nodes[first].prev = n
	t.nodes[head].next = n
	t.idle++
	if head == again {
		t.kept++
	}
}

// drop takes an idle leaf out of the tree.
func (t *Tree) drop(n int32) {
	t.leave(n)
	at := t.nodes[n]
	delete(t.find, at.chain)
	t.used--
	t.stats.Evicted++
	if t.o.Evict != nil {
		t.o.Evict(Victim{
			Page: at.page, Label: at.label, Tokens: t.tokensOf(n),
			Parent: t.Chain(Lease{label: at.label, node: at.parent}), Chain: at.chain,
		})
	}
	t.nodes[n] = node{next: t.free}
	t.free = n
}
