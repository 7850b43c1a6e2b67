package cas

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
)

const (
	packBytesMax   = 256 << 20
	packsOpenMax   = 256
	frameHeadBytes = 48
	frameMagic     = 0x3163_6164 // "dac1"
	extentOffset   = 4096        // An extent starts on a page, on every machine with pages of 4 KiB.
	extentSuffix   = ".ext"
	extentMagic    = "phios extent 1\n"
)

// device is what a pack does to the disk; tests make it fail.
type device interface {
	write(f *os.File, b []byte, at int64) error
	sync(f *os.File) error //nolint:revive // import-shadowing: a method
}

// disk is the device that does what it is told.
type disk struct{}

func (disk) write(f *os.File, b []byte, at int64) error {
	_, err := f.WriteAt(b, at)
	return err
}

func (disk) sync(f *os.File) error { return f.Sync() }

// handle is one open pack.
type handle struct {
	file, mirror *os.File // mirror is nil without one.
	users        int      // Guarded by packs.mu.
	gone         bool     // Guarded by packs.mu: close with the last user.
}

// packs are the files that hold pieces. Packs are numbered from 1; the one
// that grows is the last that is no extent.
type packs struct {
	dirs   []string // The store's, then the mirror's.
	device device

	mu      sync.Mutex
	open    map[uint32]*handle // Guarded by mu.
	names   map[uint32]string  // Every pack there is; guarded by mu.
	writers map[uint32]int     // Batches with uncommitted pieces in it; guarded by mu.
	next    uint32             // Guarded by mu.
	current uint32             // The one that grows, 0 for none; guarded by mu.
	size    int64              // Its bytes, reserved ones as well; guarded by mu.
	created bool               // A file was made since the folders were synced; guarded by mu.
}

func packName(number uint32, extent bool) string { //nolint:revive // flag-parameter: the two kinds of packs
	name := fmt.Sprintf("%08d", number)
	if extent {
		name += extentSuffix
	}
	return name
}

// openPacks takes away what no commit knows: packs without a record, and bytes
// behind the recorded end. known maps numbers to records.
func openPacks(dirs []string, known map[uint32]packRecord, d device) (*packs, error) {
	p := &packs{dirs: dirs, device: d, open: map[uint32]*handle{}, names: map[uint32]string{}, writers: map[uint32]int{}, next: 1}
	for number, record := range known {
		p.names[number] = packName(number, record.extent)
		p.next = max(p.next, number+1)
		if !record.extent && number > p.current && record.size < packBytesMax/2 {
			p.current, p.size = number, int64(record.size)
		}
	}
	for _, dir := range dirs {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, full(err)
		}
		if err := tidy(dir, known); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// tidy removes unknown packs and cuts known ones to their recorded length. One
// that is shorter or missing does not stop the store: what lies elsewhere can
// be read, and scrub names what is lost.
func tidy(dir string, known map[uint32]packRecord) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		number, err := strconv.ParseUint(strings.TrimSuffix(e.Name(), extentSuffix), 10, 32)
		record, ok := known[uint32(number)]
		if err != nil || !ok || packName(uint32(number), record.extent) != e.Name() {
			if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
			continue
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		if info.Size() > int64(record.size) {
			if err := os.Truncate(filepath.Join(dir, e.Name()), int64(record.size)); err != nil {
				return err
			}
		}
	}
	return nil
}

// acquire opens a pack, or finds it open. Call release.
func (p *packs) acquire(number uint32) (*handle, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if h := p.open[number]; h != nil {
		h.users++
		return h, nil
	}
	name, ok := p.names[number]
	if !ok {
		return nil, fmt.Errorf("pack %d: %w", number, fs.ErrNotExist)
	}
	return p.openLocked(number, name)
}

func (p *packs) openLocked(number uint32, name string) (*handle, error) {
	p.evictLocked()
	file, err := os.OpenFile(filepath.Join(p.dirs[0], name), os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // G304: the folder of the store
	if err != nil {
		return nil, full(err)
	}
	h := &handle{file: file, users: 1}
	if len(p.dirs) > 1 {
		if h.mirror, err = os.OpenFile(filepath.Join(p.dirs[1], name), os.O_RDWR|os.O_CREATE, 0o600); err != nil { //nolint:gosec // G304: the folder of the copy
			return nil, errors.Join(full(err), file.Close())
		}
	}
	p.open[number] = h
	p.created = true
	return h, nil
}

// evictLocked closes idle packs when too many are open.
func (p *packs) evictLocked() {
	if len(p.open) < packsOpenMax {
		return
	}
	for number, h := range p.open {
		if h.users == 0 {
			_ = h.close() // Nothing unsynced that a commit relies on: batches hold theirs.
			delete(p.open, number)
		}
	}
}

func (h *handle) close() error {
	err := h.file.Close()
	if h.mirror != nil {
		err = errors.Join(err, h.mirror.Close())
	}
	return err
}

func (p *packs) release(h *handle) {
	p.mu.Lock()
	defer p.mu.Unlock()
	h.users--
	if h.gone && h.users == 0 {
		_ = h.close() // It is unlinked.
	}
}

// create begins a pack of its own for an extent. The caller holds it as writer
// and releases the handle.
func (p *packs) create() (uint32, *handle, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	number := p.next
	p.next++
	p.names[number] = packName(number, true)
	h, err := p.openLocked(number, p.names[number])
	if err != nil {
		delete(p.names, number)
		return 0, nil, err
	}
	p.writers[number]++
	return number, h, nil
}

// reserve takes room for n bytes at the end of the pack that grows, and makes
// the caller a writer of it once more.
func (p *packs) reserve(n int) (uint32, int64, *handle, error) { //nolint:revive // function-result-limit: a place is all of them
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.current == 0 || p.size+int64(n) > packBytesMax {
		p.current, p.size = p.next, 0
		p.names[p.current] = packName(p.current, false)
		p.next++
	}
	number := p.current
	h := p.open[number]
	if h == nil {
		var err error
		if h, err = p.openLocked(number, p.names[number]); err != nil {
			return 0, 0, nil, err
		}
	} else {
		h.users++
	}
	at := p.size
	p.size += int64(n)
	p.writers[number]++
	return number, at, h, nil
}

// giveBack undoes a reservation whose write failed, when nothing is behind it.
func (p *packs) giveBack(number uint32, at int64, n int, h *handle) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.current == number && p.size == at+int64(n) {
		p.size = at
		_ = h.file.Truncate(at) // Best effort: the bytes are nobody's.
	}
}

// leave ends count writerships of a pack.
func (p *packs) leave(number uint32, count int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.writers[number] -= count; p.writers[number] <= 0 {
		delete(p.writers, number)
	}
}

// busy reports whether a pack may still grow or has pieces of open batches.
func (p *packs) busy(number uint32) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return number == p.current || p.writers[number] > 0
}

// remove unlinks a pack. Who has it open, or mapped, keeps it.
func (p *packs) remove(number uint32) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	name := p.names[number]
	delete(p.names, number)
	if h := p.open[number]; h != nil {
		delete(p.open, number)
		h.gone = true
		if h.users == 0 {
			_ = h.close() // Its bytes are dead.
		}
	}
	var err error
	for _, dir := range p.dirs {
		if e := os.Remove(filepath.Join(dir, name)); e != nil && !errors.Is(e, fs.ErrNotExist) {
			err = errors.Join(err, e)
		}
	}
	return err
}

// writeTo writes to a pack and its mirror.
func (p *packs) writeTo(h *handle, b []byte, at int64) error {
	if err := p.device.write(h.file, b, at); err != nil {
		return full(err)
	}
	if h.mirror != nil {
		return full(p.device.write(h.mirror, b, at))
	}
	return nil
}

// syncAll makes packs durable, and the folders that name them.
func (p *packs) syncAll(numbers map[uint32]int) error {
	for number := range numbers {
		h, err := p.acquire(number)
		if err != nil {
			return err
		}
		err = p.device.sync(h.file)
		if h.mirror != nil && err == nil {
			err = p.device.sync(h.mirror)
		}
		p.release(h)
		if err != nil {
			return full(err)
		}
	}
	p.mu.Lock()
	created := p.created
	p.created = false
	p.mu.Unlock()
	if !created {
		return nil
	}
	for _, dir := range p.dirs {
		if err := syncDir(dir); err != nil {
			return err
		}
	}
	return nil
}

func syncDir(dir string) error {
	f, err := os.Open(dir) //nolint:gosec // G304: the folder of the store
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// closeAll closes every pack.
func (p *packs) closeAll() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var err error
	for number, h := range p.open {
		if h.gone = true; h.users == 0 {
			err = errors.Join(err, h.close())
		}
		delete(p.open, number)
	}
	return err
}

func (p *packs) name(number uint32) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if name, ok := p.names[number]; ok {
		return name
	}
	return packName(number, false)
}

// putHead writes the header of a piece over b[:0], from which an index can be
// made again.
func putHead(b []byte, id ID, p place) {
	b = binary.LittleEndian.AppendUint32(b, frameMagic)
	b = binary.LittleEndian.AppendUint32(b, p.raw)
	b = binary.LittleEndian.AppendUint32(b, p.stored)
	b = append(b, byte(p.codec), 0)
	b = binary.LittleEndian.AppendUint16(b, p.dict)
	copy(b[len(b):cap(b)], id[:])
}
