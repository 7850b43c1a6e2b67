package prefix

import (
	"bytes"
	"container/list"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// Bounds of a parking.
const (
	ParkingBytes    = 4 << 30 // of files, unless said otherwise
	PageBytesMax    = 256 << 20
	PageTokensMax   = 4096
	parkingFilesMax = 1 << 20
	queuedBytesMax  = 256 << 20
)

// parkingMagic begins each file.
const parkingMagic = "PHIPAGE1"

// Parking keeps pages as files, after they have left a cache and after the
// program has ended. A page is named by the layout of the cache, the label and
// the tokens before and in it; whoever asks for one shows all of these, and
// they are compared with what the file says. The files are nobody else's to
// read. What is damaged, or was made to look like a page, is counted and
// removed.
//
// Lock order: Parking.mu is the only lock; it is not held while files are read
// or written.
type Parking struct {
	dir  string
	most int64
	more chan struct{} // one place: there is something to write, or it is closed
	done chan struct{}

	mu      sync.Mutex
	idle    sync.Cond               // nothing is queued
	at      map[Chain]*list.Element // of *parked
	order   *list.List              // most recently used first
	bytes   int64
	queue   []*parked
	queued  int64
	closed  bool
	metrics ParkingMetrics
}

// ParkingMetrics count what a parking has done.
type ParkingMetrics struct {
	Saved, Dropped, Found, Missed, Damaged, Faults uint64
	Files                                          int
	Bytes                                          int64
}

// parked is a page in a file, or on its way there.
type parked struct {
	name  Chain
	size  int64
	bytes []byte // while it is not written
}

// OpenParking opens a folder of pages of at most so many bytes; zero is
// ParkingBytes.
func OpenParking(dir string, bytesMax int64) (*Parking, error) {
	if bytesMax <= 0 {
		bytesMax = ParkingBytes
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open parked pages: %w", err)
	}
	p := &Parking{
		dir: dir, most: bytesMax, more: make(chan struct{}, 1), done: make(chan struct{}),
		at: make(map[Chain]*list.Element), order: list.New(),
	}
	p.idle.L = &p.mu
	if err := p.scan(); err != nil {
		return nil, fmt.Errorf("open parked pages: %w", err)
	}
	go p.write()
	return p, nil
}

// scan finds the files of an earlier run, oldest last.
func (p *Parking) scan() error {
	entries, err := os.ReadDir(p.dir)
	if err != nil {
		return err
	}
	type file struct {
		name Chain
		size int64
		when int64
	}
	var files []file
	for _, e := range entries {
		var f file
		stem, ok := strings.CutSuffix(e.Name(), ".page")
		b, err := hex.DecodeString(stem)
		info, e2 := e.Info()
		if !ok || err != nil || len(b) != len(f.name) || e2 != nil || !info.Mode().IsRegular() || len(files) == parkingFilesMax {
			if ok || strings.HasSuffix(e.Name(), ".new") {
				_ = os.Remove(filepath.Join(p.dir, e.Name()))
			}
			continue
		}
		f.name, f.size, f.when = Chain(b), info.Size(), info.ModTime().UnixNano()
		files = append(files, f)
	}
	slices.SortFunc(files, func(a, b file) int {
		if a.when != b.when {
			return int(min(max(a.when-b.when, -1), 1))
		}
		return bytes.Compare(a.name[:], b.name[:])
	})
	for _, f := range files {
		p.at[f.name] = p.order.PushFront(&parked{name: f.name, size: f.size})
		p.bytes += f.size
	}
	for _, gone := range p.shrink() {
		_ = os.Remove(p.file(gone))
	}
	return nil
}

func (p *Parking) file(c Chain) string { return filepath.Join(p.dir, hex.EncodeToString(c[:])+".page") }

// shrink forgets the least recently used pages that are too many, and returns
// them. The caller holds mu and removes their files.
func (p *Parking) shrink() (gone []Chain) {
	for (p.bytes > p.most || p.order.Len() > parkingFilesMax) && p.order.Len() > 0 {
		name := p.order.Back().Value.(*parked).name
		p.forget(name)
		gone = append(gone, name)
	}
	return gone
}

func (p *Parking) forget(name Chain) {
	e := p.at[name]
	if e == nil {
		return
	}
	p.bytes -= p.order.Remove(e).(*parked).size
	delete(p.at, name)
}

// Wait waits until all that was saved is written.
func (p *Parking) Wait() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.queued > 0 {
		p.idle.Wait()
	}
}

// Close writes what is queued and takes no more.
func (p *Parking) Close() error {
	p.Wait()
	p.mu.Lock()
	was := p.closed
	p.closed = true
	p.mu.Unlock()
	if !was {
		close(p.more)
	}
	<-p.done
	return nil
}

// Metrics is a snapshot.
func (p *Parking) Metrics() ParkingMetrics {
	p.mu.Lock()
	defer p.mu.Unlock()
	m := p.metrics
	m.Files, m.Bytes = p.order.Len(), p.bytes
	return m
}

// write is the goroutine that writes files.
func (p *Parking) write() {
	defer close(p.done)
	for range p.more {
		for {
			p.mu.Lock()
			if len(p.queue) == 0 {
				p.mu.Unlock()
				break
			}
			next := p.queue[0]
			p.queue = p.queue[1:]
			p.mu.Unlock()
			err := put(p.file(next.name), next.bytes)
			p.written(next, err)
		}
	}
}

// written notes that a page is in its file, or cannot be.
func (p *Parking) written(page *parked, err error) {
	p.mu.Lock()
	p.queued -= page.size
	page.bytes = nil
	var gone []Chain
	if err != nil {
		p.metrics.Faults++
		p.forget(page.name)
	} else {
		p.metrics.Saved++
		gone = p.shrink()
		if p.at[page.name] == nil && !slices.Contains(gone, page.name) {
			gone = append(gone, page.name) // forgotten while it was being written
		}
	}
	if p.queued == 0 {
		p.idle.Broadcast()
	}
	p.mu.Unlock()
	for _, name := range gone {
		_ = os.Remove(p.file(name))
	}
}

// put writes a file under another name first, so that half of one is never taken
// for a page. It is not flushed: after a loss of power the checksum tells.
func put(at string, b []byte) error {
	f, err := os.OpenFile(at+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600) //nolint:gosec // G304: a file of our folder, named by a hash
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(at+".new", at)
	}
	if err != nil {
		_ = os.Remove(at + ".new")
	}
	return err
}

// Lot is the pages of one layout of a cache.
type Lot struct {
	p      *Parking
	layout [32]byte
}

// For returns the pages of a model with that CacheDigest.
func (p *Parking) For(cacheDigest [32]byte) *Lot { return &Lot{p: p, layout: cacheDigest} }

func (l *Lot) name(c Chain) Chain { return sha256.Sum256(append(l.layout[:], c[:]...)) }

// Wait waits until all that was saved is written.
func (l *Lot) Wait() { l.p.Wait() }

// Save takes a page that is about to leave the cache, unless it is here already
// or too much waits to be written. The file is written later.
func (l *Lot) Save(v Victim, content func(io.Writer) error) {
	name := l.name(v.Chain)
	l.p.mu.Lock()
	e := l.p.at[name]
	if e != nil {
		l.p.order.MoveToFront(e)
	}
	skip := e != nil || l.p.closed
	if !skip && l.p.queued >= queuedBytesMax {
		l.p.metrics.Dropped++
		skip = true
	}
	l.p.mu.Unlock()
	if skip {
		return
	}
	b, err := encode(l.layout, &v, content)
	l.p.mu.Lock()
	defer l.p.mu.Unlock()
	if err != nil || l.p.closed || l.p.at[name] != nil {
		if err != nil {
			l.p.metrics.Faults++
		}
		return
	}
	page := &parked{name: name, size: int64(len(b)), bytes: b}
	l.p.at[name] = l.p.order.PushFront(page)
	l.p.bytes += page.size
	l.p.queued += page.size
	l.p.queue = append(l.p.queue, page)
	select {
	case l.p.more <- struct{}{}:
	default:
	}
}

// Open finds the page of a chain, with these tokens, and returns what it holds;
// nil when it is not here. It may read a file.
func (l *Lot) Open(c Chain, tokens []int32) io.Reader {
	name := l.name(c)
	l.p.mu.Lock()
	e := l.p.at[name]
	if e == nil {
		l.p.metrics.Missed++
		l.p.mu.Unlock()
		return nil
	}
	l.p.order.MoveToFront(e)
	b := e.Value.(*parked).bytes
	l.p.mu.Unlock()
	var err error
	if b == nil {
		b, err = get(l.p.file(name))
	}
	var content []byte
	if err == nil {
		content, err = decode(b, l.layout, c, tokens)
	}
	l.p.mu.Lock()
	defer l.p.mu.Unlock()
	if err != nil {
		l.p.metrics.Damaged++
		l.p.forget(name)
		_ = os.Remove(l.p.file(name))
		return nil
	}
	l.p.metrics.Found++
	return bytes.NewReader(content)
}

// get reads a file that is not too large, whatever it has become meanwhile.
func get(at string) ([]byte, error) {
	f, err := os.Open(at) //nolint:gosec // G304: a file of our folder, named by a hash
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	b, err := io.ReadAll(io.LimitReader(f, PageBytesMax+1))
	if len(b) > PageBytesMax {
		err = errDamaged
	}
	return b, err
}

var errDamaged = errors.New("not a page, or of another text; it is removed")

// headBytes is what a file has before the checksum beside tokens and content:
// magic, layout, the chain before it, of which the label is the beginning, the
// number of tokens and the length of the content.
const headBytes = len(parkingMagic) + 32 + 32 + 4 + 8

func encode(layout [32]byte, v *Victim, content func(io.Writer) error) ([]byte, error) {
	var out bytes.Buffer
	out.WriteString(parkingMagic)
	out.Write(layout[:])
	head := append([]byte(nil), v.Parent[:]...)
	head = binary.LittleEndian.AppendUint32(head, uint32(len(v.Tokens)))
	for _, t := range v.Tokens {
		head = binary.LittleEndian.AppendUint32(head, uint32(t))
	}
	out.Write(head)
	length := out.Len()
	out.Write(make([]byte, 8))
	if err := content(&out); err != nil {
		return nil, err
	}
	b := out.Bytes()
	binary.LittleEndian.PutUint64(b[length:], uint64(len(b)-length-8))
	sum := sha256.Sum256(b)
	return append(b, sum[:]...), nil
}

// decode checks a file and returns what the page holds. The chain is computed
// from what the file says, so a file cannot stand for a text that it does not
// name.
func decode(b []byte, layout [32]byte, c Chain, tokens []int32) ([]byte, error) {
	if len(b) < headBytes+sha256.Size || string(b[:8]) != parkingMagic || !bytes.Equal(b[8:40], layout[:]) {
		return nil, errDamaged
	}
	body := b[:len(b)-sha256.Size]
	if sum := sha256.Sum256(body); !bytes.Equal(sum[:], b[len(body):]) {
		return nil, errDamaged
	}
	parent := Chain(body[40:72])
	n := int(binary.LittleEndian.Uint32(body[72:]))
	rest := body[76:]
	if n != len(tokens) || n > PageTokensMax || len(rest) < 4*n+8 {
		return nil, errDamaged
	}
	for i, t := range tokens {
		if binary.LittleEndian.Uint32(rest[4*i:]) != uint32(t) {
			return nil, errDamaged
		}
	}
	content := rest[4*n+8:]
	if binary.LittleEndian.Uint64(rest[4*n:]) != uint64(len(content)) || parent.Next(tokens) != c {
		return nil, errDamaged
	}
	return content, nil
}
