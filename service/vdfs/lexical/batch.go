package lexical

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"
)

// Batch gathers changes that become visible and durable together. One goroutine
// uses it; several batches may be open, and the one that commits last wins.
// Beyond four million words it keeps what it gathers in files.
type Batch struct {
	ix      *Index
	builder *builder
	touched map[uint64]struct{} // IDs put or deleted
	pending []member            // written, not yet in the manifest
	done    bool
	err     error
}

// Batch begins a batch. End it with Commit or Discard.
func (ix *Index) Batch() *Batch {
	return &Batch{ix: ix, builder: newBuilder(), touched: map[uint64]struct{}{}}
}

// Put adds a document, in place of any of the same ID. It keeps nothing of d.
func (b *Batch) Put(d Document) error {
	if err := b.open(); err != nil {
		return err
	}
	if len(d.Title)+len(d.Text) > textBytesMax || d.Language >= languages {
		return fmt.Errorf("%w: document %d: split it into passages of at most %d bytes, in a language that is known", ErrInput, d.ID, textBytesMax)
	}
	b.touch(d.ID)
	b.builder.put(&d)
	if len(b.builder.tokens) >= batchTokensMax || len(b.builder.docs) >= segmentDocsMax {
		b.err = b.flush()
	}
	return b.err
}

// Delete takes a document out; one that is not there is no error.
func (b *Batch) Delete(id uint64) error {
	if err := b.open(); err != nil {
		return err
	}
	b.touch(id)
	b.builder.drop(id)
	return nil
}

func (b *Batch) open() error {
	if b.done {
		return ErrClosed
	}
	return b.err
}

// touch notes an ID and takes what this batch wrote of it before out again.
func (b *Batch) touch(id uint64) {
	b.touched[id] = struct{}{}
	for i := range b.pending {
		b.pending[i].kill(id)
	}
}

// kill takes an ID out of a bitmap that nobody else sees.
func (m *member) kill(id uint64) {
	document, ok := m.find(id)
	if !ok || !m.alive(document) {
		return
	}
	if m.dead == nil {
		m.dead = newBitmap(m.documents())
	}
	m.dead.set(document)
	m.gone++
}

// flush writes what is in memory to a file.
func (b *Batch) flush() error {
	if len(b.builder.byID) == 0 {
		b.builder.reset()
		return nil
	}
	s, err := b.ix.create(b.builder.write)
	if err != nil {
		return err
	}
	b.pending = append(b.pending, member{segment: s})
	b.builder.reset()
	if len(b.pending) > segmentsMax {
		return b.compact()
	}
	return nil
}

// compact makes one segment of those a great batch has written so far.
func (b *Batch) compact() error {
	m, err := b.ix.mergeMembers(b.pending)
	if err != nil {
		return err
	}
	b.dropPending()
	b.pending = []member{m}
	return nil
}

// create writes a new segment and maps it; the caller holds its reference.
func (ix *Index) create(write func(*os.File) error) (*segment, error) {
	number := ix.files.Add(1) - 1
	f, err := ix.folder.OpenFile(segmentName(number), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	err = errors.Join(write(f), f.Close())
	var s *segment
	if err == nil {
		s, err = mapSegment(ix.folder, number)
	}
	if err != nil {
		_ = ix.folder.Remove(segmentName(number))
		return nil, fmt.Errorf("lexical: write a segment: %w", err)
	}
	return s, nil
}

// Commit makes the batch visible and durable, all of it or nothing; mark is kept
// with it for the caller. It blocks for three to five syncs of the disk. After
// an error the index is as it was; begin a new batch.
func (b *Batch) Commit(mark uint64) error {
	if err := b.open(); err != nil {
		b.Discard()
		return err
	}
	if err := b.flush(); err != nil {
		b.Discard()
		return err
	}
	b.ix.commits.Lock()
	err := b.commit(mark)
	b.ix.commits.Unlock()
	if err != nil {
		b.Discard()
		return err
	}
	b.done = true
	return b.ix.afterCommit()
}

// commit does so; ix.commits is held.
func (b *Batch) commit(mark uint64) error {
	v, err := b.ix.acquire()
	if err != nil {
		return err
	}
	defer v.release()
	ids := make([]uint64, 0, len(b.touched))
	for id := range b.touched {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	members := make([]member, 0, len(v.segments)+len(b.pending))
	for i := range v.segments {
		m, err := b.ix.without(v.segments[i], ids)
		if err != nil {
			return err
		}
		members = append(members, m)
	}
	fresh := make([]*segment, 0, len(b.pending))
	for _, m := range b.pending {
		if m.gone > 0 {
			if m.deadFile, err = b.ix.saveDead(m.dead); err != nil {
				return err
			}
		}
		members, fresh = append(members, m), append(fresh, m.segment)
	}
	slices.SortFunc(members, func(x, y member) int { return cmp.Compare(x.number, y.number) })
	return b.ix.install(members, fresh, mark)
}

// without gives a member less some IDs, which rise.
func (ix *Index) without(m member, ids []uint64) (member, error) {
	if m.documents() == 0 {
		return m, nil
	}
	low, _ := slices.BinarySearch(ids, m.id(0))
	next := m
	next.dead = slices.Clone(m.dead)
	for _, id := range ids[low:] {
		if id > m.id(uint32(m.documents()-1)) {
			break
		}
		next.kill(id)
	}
	if next.gone == m.gone {
		return m, nil
	}
	var err error
	next.deadFile, err = ix.saveDead(next.dead)
	return next, err
}

// saveDead writes a bitmap under a new number.
func (ix *Index) saveDead(dead bitmap) (uint64, error) {
	number := ix.files.Add(1) - 1
	return number, writeDead(ix.folder, number, dead)
}

// Discard forgets the batch. After Commit it does nothing.
func (b *Batch) Discard() {
	if !b.done {
		b.done = true
		b.dropPending()
	}
}

func (b *Batch) dropPending() {
	for i := range b.pending {
		_ = b.ix.folder.Remove(segmentName(b.pending[i].number))
		b.pending[i].release()
	}
	b.pending = nil
}
