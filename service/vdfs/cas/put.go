package cas

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	chunkers "github.com/PlakarKorp/go-cdc-chunkers"
	_ "github.com/PlakarKorp/go-cdc-chunkers/chunkers/fastcdc" // The cutter.
	"github.com/klauspost/compress/s2"
)

const (
	chunkBytesMin   = 4 << 10
	chunkBytesMean  = 16 << 10
	chunkBytesMax   = 64 << 10
	headBytes       = chunkBytesMax // Read before anything is decided.
	contiguousBytes = 4 << 20       // Files from here on may be kept in one piece.
	partBytes       = 1 << 20       // What an extent is hashed in.
	jobBytes        = 512 << 10     // What a worker takes at once.
	jobsAhead       = 8             // Jobs between reader and list.
	probeBytes      = 64 << 10
	probes          = 4
)

// Layout says how a file is laid down.
type Layout uint8

// The layouts.
const (
	LayoutAuto       Layout = iota // Contiguous from 4 MiB on if it does not compress.
	LayoutChunked                  // Cut, shared, compressed.
	LayoutContiguous               // A file of its own that can be mapped.
)

// Blob is a file in the store.
type Blob struct {
	ID   ID
	Size int64
}

// Put stores what r gives until io.EOF, with 16 MiB of memory at most whatever
// its length. The same bytes in the same layout give the same ID. It hashes and
// compresses on Options.Workers goroutines, which end before it returns.
func (b *Batch) Put(ctx context.Context, r io.Reader, layout Layout) (Blob, error) {
	scratch := b.store.pools.stored()
	defer b.store.pools.putStored(scratch)
	head := (*scratch)[:headBytes]
	n, err := io.ReadFull(r, head)
	head = head[:n]
	whole := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
	if err != nil && !whole {
		return Blob{}, fmt.Errorf("cas: read: %w", err)
	}
	if whole {
		r = bytes.NewReader(head)
	} else if layout == LayoutAuto {
		if head, err = lookAhead(r, head); err != nil {
			return Blob{}, err
		}
		r = io.MultiReader(bytes.NewReader(head), r)
		layout = LayoutChunked
		if len(head) >= contiguousBytes && !shrinks(head) {
			layout = LayoutContiguous
		}
	} else {
		r = io.MultiReader(bytes.NewReader(head), r)
	}
	if layout == LayoutContiguous && len(head) > 0 {
		return b.putContiguous(ctx, r)
	}
	return b.putChunked(ctx, r, whole)
}

// lookAhead reads on until a file is long enough to be contiguous.
func lookAhead(r io.Reader, head []byte) ([]byte, error) {
	all := bytes.NewBuffer(bytes.Clone(head))
	_, err := io.CopyN(all, r, int64(contiguousBytes-len(head)))
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("cas: read: %w", err)
	}
	return all.Bytes(), nil
}

// shrinks reports whether samples of data lose an eighth to the fast
// compressor. Weights in 4 to 8 bits do not; those in 16 lose about that, and
// being mapped is worth more.
func shrinks(data []byte) bool {
	var out []byte
	packed := 0
	for i := range probes {
		at := i * (len(data) - probeBytes) / (probes - 1)
		out = s2.Encode(out[:cap(out)], data[at:at+probeBytes])
		packed += len(out)
	}
	return packed < probes*probeBytes*7/8
}

// cutter returns the next piece of a file, good until the next call, and io.EOF
// behind the last.
type cutter func() ([]byte, error)

// chunker is FastCDC over any reader, with its buffer.
type chunker struct{ *chunkers.Chunker }

func (p *pools) chunker(r io.Reader) (*chunker, error) {
	if c, ok := p.chunkers.Get().(*chunker); ok {
		c.Reset(r)
		return c, nil
	}
	// This name is the library's version whose masks follow the mean.
	c, err := chunkers.NewChunker("fastcdc-v1.0.0", r, &chunkers.ChunkerOpts{
		MinSize: chunkBytesMin, NormalSize: chunkBytesMean, MaxSize: chunkBytesMax,
	})
	if err != nil {
		return nil, fmt.Errorf("cas: cutter: %w", err)
	}
	return &chunker{c}, nil
}

// next hides that the library returns the last chunk with io.EOF or without.
func (c *chunker) next() ([]byte, error) {
	data, err := c.Next()
	if len(data) > 0 && errors.Is(err, io.EOF) {
		return data, nil
	}
	return data, err
}

func (b *Batch) putChunked(ctx context.Context, r io.Reader, small bool) (Blob, error) { //nolint:revive // flag-parameter: which bounds of chunks
	c, err := b.store.pools.chunker(r)
	if err != nil {
		return Blob{}, err
	}
	defer func() {
		c.Reset(bytes.NewReader(nil)) // Keep the buffer, not the caller's reader.
		b.store.pools.chunkers.Put(c)
	}()
	l := &lister{put: b.PutObject}
	store := func(piece []byte, _ int64) (ID, error) { return b.PutObject(KindChunk, piece) }
	if small {
		err = b.inline(c.next, store, l)
	} else {
		err = b.pipeline(ctx, c.next, store, l)
	}
	if err != nil {
		return Blob{}, err
	}
	return b.root(l)
}

// root ends a file; one of no bytes is a chunk of none.
func (b *Batch) root(l *lister) (Blob, error) {
	if l.top == 0 && len(l.levels[0]) == 0 {
		id, err := b.PutObject(KindChunk, nil)
		return Blob{ID: id}, err
	}
	e, err := l.finish()
	return Blob{ID: e.id, Size: int64(e.size)}, err
}

// inline stores a small file on the caller's goroutine.
func (b *Batch) inline(next cutter, store func([]byte, int64) (ID, error), l *lister) error {
	for at := int64(0); ; {
		piece, err := next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("cas: read: %w", err)
		}
		id, err := store(piece, at)
		if err != nil {
			return err
		}
		if err := l.add(0, entry{id, uint64(len(piece))}); err != nil {
			return err
		}
		at += int64(len(piece))
	}
}

// job is what a worker takes: pieces one behind the other.
type job struct {
	data    []byte
	ends    []int
	at      int64 // Of the first, in the file.
	entries []entry
	err     error
	done    chan struct{} // Closed by the worker.
}

func (j *job) run(store func([]byte, int64) (ID, error)) {
	defer close(j.done)
	start := 0
	for _, end := range j.ends {
		id, err := store(j.data[start:end], j.at+int64(start))
		if err != nil {
			j.err = err
			return
		}
		j.entries = append(j.entries, entry{id, uint64(end - start)})
		start = end
	}
}

// pipeline stores a file with workers: this goroutine reads and cuts, they hash
// and compress, and this one lists what they return, in order.
func (b *Batch) pipeline(ctx context.Context, next cutter, store func([]byte, int64) (ID, error), l *lister) error {
	work := make(chan *job, jobsAhead) // Never blocks: at most jobsAhead are out.
	var workers sync.WaitGroup
	defer workers.Wait()
	defer close(work)
	for range b.store.options.Workers {
		workers.Go(func() {
			for j := range work {
				j.run(store)
			}
		})
	}
	var out []*job
	finish := func() error {
		j := out[0]
		out = out[1:]
		<-j.done
		for _, e := range j.entries {
			if err := l.add(0, e); err != nil {
				return err
			}
		}
		b.store.pools.putStored(&j.data)
		return j.err
	}
	at := int64(0)
	for ended := false; !ended; {
		if err := ctx.Err(); err != nil {
			return err
		}
		j := &job{data: (*b.store.pools.stored())[:0], at: at, done: make(chan struct{})}
		var err error
		if ended, err = j.fill(next); err != nil {
			return err
		}
		at += int64(len(j.data))
		work <- j
		if out = append(out, j); len(out) == jobsAhead {
			if err := finish(); err != nil {
				return err
			}
		}
	}
	for len(out) > 0 {
		if err := finish(); err != nil {
			return err
		}
	}
	return nil
}

// fill copies pieces until the job is large enough, and reports the end.
func (j *job) fill(next cutter) (ended bool, err error) {
	for len(j.data) < jobBytes {
		piece, err := next()
		if errors.Is(err, io.EOF) {
			return true, nil
		}
		if err != nil {
			return false, fmt.Errorf("cas: read: %w", err)
		}
		j.data = append(j.data, piece...)
		j.ends = append(j.ends, len(j.data))
	}
	return false, nil
}

// putContiguous writes a file as it is into a pack of its own.
func (b *Batch) putContiguous(ctx context.Context, r io.Reader) (Blob, error) {
	packs := b.store.packs
	number, h, err := packs.create()
	if err != nil {
		return Blob{}, err
	}
	defer packs.release(h)
	blob, err := b.writeExtent(ctx, r, number, h)
	if err == nil {
		var kept bool
		if kept, err = b.keepExtent(blob, number); kept {
			return blob, err
		}
	}
	b.mu.Lock()
	for id, p := range b.pending {
		if p.pack == number {
			delete(b.pending, id) // Only after a failure: a twin has all parts.
		}
	}
	if err != nil && b.err == nil {
		b.err = err // Its parts may have been found by other files of the batch.
	}
	b.mu.Unlock()
	packs.leave(number, 1)
	return blob, errors.Join(err, packs.remove(number))
}

func (b *Batch) writeExtent(ctx context.Context, r io.Reader, number uint32, h *handle) (Blob, error) {
	head := make([]byte, extentOffset)
	copy(head, extentMagic)
	if err := b.store.packs.writeTo(h, head, 0); err != nil {
		return Blob{}, err
	}
	buffer := b.store.pools.stored()
	defer b.store.pools.putStored(buffer)
	next := func() ([]byte, error) {
		n, err := io.ReadFull(r, (*buffer)[:partBytes])
		if errors.Is(err, io.ErrUnexpectedEOF) {
			err = nil
		}
		return (*buffer)[:n], err
	}
	store := func(part []byte, at int64) (ID, error) {
		if at+int64(len(part)) > fileBytesMax {
			return ID{}, fmt.Errorf("%w: a file of more than %d bytes: split it", ErrLimit, int64(fileBytesMax))
		}
		id := b.store.hashes.sum(KindChunk, part)
		if err := b.store.packs.writeTo(h, part, extentOffset+at); err != nil {
			return ID{}, err
		}
		fresh, err := b.notice(id, uint64(len(part)))
		if err != nil || !fresh {
			return id, err
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		n := uint32(len(part))
		if _, twice := b.pending[id]; !twice {
			b.pending[id] = place{pack: number, offset: uint64(extentOffset + at), stored: n, raw: n}
		}
		return id, b.err
	}
	l := &lister{put: b.PutObject}
	if err := b.pipeline(ctx, next, store, l); err != nil {
		return Blob{}, err
	}
	e, err := l.finish()
	return Blob{ID: e.id, Size: int64(e.size)}, err
}

// keepExtent enters the file of a list, unless the list has one.
func (b *Batch) keepExtent(blob Blob, number uint32) (bool, error) {
	record, err := b.store.extent(blob.ID)
	if err == nil && record.length == uint64(blob.Size) {
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, p := range b.pending {
			if p.pack == number { // The twin lost parts; this is the better one.
				return b.enterExtentLocked(blob, number), nil
			}
		}
		return false, nil
	}
	if err != nil && !errors.Is(err, ErrNotFound) {
		return false, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, twice := b.extents[blob.ID]; twice {
		return false, b.err
	}
	return b.enterExtentLocked(blob, number), b.err
}

func (b *Batch) enterExtentLocked(blob Blob, number uint32) bool {
	b.extents[blob.ID] = extentRecord{number, uint64(blob.Size)}
	b.writing[number]++
	b.ends[number] = extentOffset + uint64(blob.Size)
	return true
}
