package lexical

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
)

// view is one committed state. It is never changed.
type view struct {
	refs     atomic.Int64
	segments []member
	mark     uint64
	files    uint64 // numbers of files below it are taken
}

// member is a segment in a view, with what is gone from it.
type member struct {
	*segment
	dead     bitmap // nil is none
	gone     int    // documents
	deadFile uint64 // the number of the bitmap's file, 0 for none
}

func (m *member) living() int { return m.documents() - m.gone }

func (m *member) alive(document uint32) bool { return m.dead == nil || !m.dead.has(document) }

// newView makes a view of members whose references it takes over.
func newView(members []member, mark, files uint64) *view {
	v := &view{segments: members, mark: mark, files: files}
	v.refs.Store(1)
	return v
}

// release lets the view go.
func (v *view) release() {
	if v.refs.Add(-1) == 0 {
		for i := range v.segments {
			v.segments[i].segment.release()
		}
	}
}

// The manifest names what a view is made of:
//
//	magic, mark, files, members, then of each: number, bitmap's number; then the sum
const (
	manifestName  = "manifest"
	manifestMagic = "phiLEXm\x01"
	deadMagic     = "phiLEXd\x01"
)

func (v *view) manifest() []byte {
	b := []byte(manifestMagic)
	b = binary.LittleEndian.AppendUint64(b, v.mark)
	b = binary.LittleEndian.AppendUint64(b, v.files)
	b = binary.LittleEndian.AppendUint64(b, uint64(len(v.segments)))
	for i := range v.segments {
		b = binary.LittleEndian.AppendUint64(b, v.segments[i].number)
		b = binary.LittleEndian.AppendUint64(b, v.segments[i].deadFile)
	}
	return binary.LittleEndian.AppendUint32(b, checksum(b))
}

// parseManifest reads a manifest; the members have their numbers only.
func parseManifest(b []byte) (members [][2]uint64, mark, files uint64, err error) { //nolint:revive // function-result-limit: all that a manifest says
	const head = len(manifestMagic) + 24
	if len(b) < head+4 || string(b[:len(manifestMagic)]) != manifestMagic || binary.LittleEndian.Uint32(b[len(b)-4:]) != checksum(b[:len(b)-4]) {
		return nil, 0, 0, fmt.Errorf("%w: the manifest", ErrCorrupt)
	}
	mark, files = binary.LittleEndian.Uint64(b[8:]), binary.LittleEndian.Uint64(b[16:])
	rest := b[head : len(b)-4]
	if n := binary.LittleEndian.Uint64(b[24:]); n > 2*segmentsMax || uint64(len(rest)) != 16*n {
		return nil, 0, 0, fmt.Errorf("%w: the manifest's length", ErrCorrupt)
	}
	for ; len(rest) > 0; rest = rest[16:] {
		m := [2]uint64{binary.LittleEndian.Uint64(rest), binary.LittleEndian.Uint64(rest[8:])}
		if m[0] >= files || m[1] >= files {
			return nil, 0, 0, fmt.Errorf("%w: the manifest's numbers", ErrCorrupt)
		}
		members = append(members, m)
	}
	return members, mark, files, nil
}

// loadView opens what the manifest names; a folder without one is empty.
func loadView(folder *os.Root) (*view, error) {
	b, err := readWhole(folder, manifestName, manifestBytesMax)
	if errors.Is(err, os.ErrNotExist) {
		return newView(nil, 0, 1), nil
	}
	if err != nil {
		return nil, err
	}
	numbers, mark, files, err := parseManifest(b)
	if err != nil {
		return nil, err
	}
	v := newView(nil, mark, files)
	for _, n := range numbers {
		s, err := mapSegment(folder, n[0])
		if err != nil {
			v.release()
			return nil, err
		}
		m := member{segment: s, deadFile: n[1]}
		v.segments = append(v.segments, m)
		if n[1] == 0 {
			continue
		}
		if m.dead, err = loadDead(folder, n[1], s.documents()); err != nil {
			v.release()
			return nil, err
		}
		m.gone = m.dead.count()
		v.segments[len(v.segments)-1] = m
	}
	return v, nil
}

func deadName(number uint64) string { return fmt.Sprintf("%016x.dead", number) }

// writeDead writes a bitmap and makes it durable.
func writeDead(folder *os.Root, number uint64, dead bitmap) error {
	b := []byte(deadMagic)
	for _, word := range dead {
		b = binary.LittleEndian.AppendUint64(b, word)
	}
	return writeFile(folder, deadName(number), binary.LittleEndian.AppendUint32(b, checksum(b)))
}

// writeFile writes a new file and makes its bytes durable, not yet its name.
func writeFile(folder *os.Root, name string, b []byte) error {
	f, err := folder.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	return errors.Join(err, f.Sync(), f.Close())
}

// parseDead reads the bitmap of a segment of some documents.
func parseDead(b []byte, documents int) (bitmap, error) {
	dead := newBitmap(documents)
	if len(b) != len(deadMagic)+8*len(dead)+4 || string(b[:len(deadMagic)]) != deadMagic ||
		binary.LittleEndian.Uint32(b[len(b)-4:]) != checksum(b[:len(b)-4]) {
		return nil, fmt.Errorf("%w: a bitmap of what is gone", ErrCorrupt)
	}
	for i := range dead {
		dead[i] = binary.LittleEndian.Uint64(b[len(deadMagic)+8*i:])
	}
	if tail := documents & 63; tail != 0 && dead[len(dead)-1]>>tail != 0 {
		return nil, fmt.Errorf("%w: a bitmap of more than there is", ErrCorrupt)
	}
	return dead, nil
}

func loadDead(folder *os.Root, number uint64, documents int) (bitmap, error) {
	b, err := readWhole(folder, deadName(number), segmentDocsMax/8+64)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return parseDead(b, documents)
}
