package cas

import (
	"encoding/binary"
	"fmt"
)

// A list object: version, level, number of entries, bytes below; then each
// entry's ID and bytes. Level 0 lists chunks, level n lists of level n-1.
const (
	listVersion    = 1
	listHeadBytes  = 12
	listEntryBytes = idBytes + 8
	listEntriesMin = 64
	listEntriesMax = 4096
	listLevelsMax  = 8
	fileBytesMax   = 1 << 44 // 16 TiB: lengths add up without overflow.
)

// entry is one piece of a file.
type entry struct {
	id   ID
	size uint64
}

type list struct {
	level   int
	size    uint64
	entries []entry
}

func encodeList(l list) []byte {
	b := make([]byte, listHeadBytes, listHeadBytes+len(l.entries)*listEntryBytes)
	b[0], b[1] = listVersion, byte(l.level)
	binary.LittleEndian.PutUint16(b[2:], uint16(len(l.entries)))
	binary.LittleEndian.PutUint64(b[4:], l.size)
	for _, e := range l.entries {
		b = append(b, e.id[:]...)
		b = binary.LittleEndian.AppendUint64(b, e.size)
	}
	return b
}

// decodeList reads hostile bytes: every length is checked, the sum as well.
func decodeList(b []byte) (list, error) { //nolint:revive // cyclomatic: one line a bound
	bad := func(what string) (list, error) { return list{}, fmt.Errorf("%w: list: %s", ErrFormat, what) }
	if len(b) < listHeadBytes || b[0] != listVersion {
		return bad("version")
	}
	n := int(binary.LittleEndian.Uint16(b[2:]))
	l := list{level: int(b[1]), size: binary.LittleEndian.Uint64(b[4:])}
	switch {
	case l.level >= listLevelsMax:
		return bad("level")
	case n == 0 || n > listEntriesMax || len(b) != listHeadBytes+n*listEntryBytes:
		return bad("length")
	}
	l.entries = make([]entry, n)
	sum := uint64(0)
	for i := range l.entries {
		at := b[listHeadBytes+i*listEntryBytes:]
		e := &l.entries[i]
		copy(e.id[:], at)
		e.size = binary.LittleEndian.Uint64(at[idBytes:])
		want := KindList
		if l.level == 0 {
			want = KindChunk
		}
		if e.id.Kind() != want {
			return bad("kind of an entry")
		}
		if e.size == 0 || e.size > fileBytesMax || (l.level == 0 && e.size > pieceBytesMax) {
			return bad("size of an entry")
		}
		sum += e.size
	}
	if sum != l.size || sum > fileBytesMax {
		return bad("sum of the sizes")
	}
	return l, nil
}

// lister builds the lists of a file while its pieces come. A list ends where
// the ID of its last entry says, so that the lists around an insertion stay.
type lister struct {
	put    func(Kind, []byte) (ID, error)
	levels [listLevelsMax][]entry
	sizes  [listLevelsMax]uint64
	top    int
}

func (l *lister) add(level int, e entry) error {
	if level >= listLevelsMax {
		return fmt.Errorf("%w: a file of more than %d levels of lists: split it", ErrLimit, listLevelsMax)
	}
	l.top = max(l.top, level)
	l.levels[level] = append(l.levels[level], e)
	l.sizes[level] += e.size
	if l.sizes[level] > fileBytesMax {
		return fmt.Errorf("%w: a file of more than %d bytes: split it", ErrLimit, int64(fileBytesMax))
	}
	n := len(l.levels[level])
	ends := e.id[idBytes-1] == 0 && e.id[idBytes-2]&1 == 0 // One in 512.
	if (ends && n >= listEntriesMin) || n == listEntriesMax {
		return l.flush(level)
	}
	return nil
}

func (l *lister) flush(level int) error {
	one := list{level: level, size: l.sizes[level], entries: l.levels[level]}
	id, err := l.put(KindList, encodeList(one))
	if err != nil {
		return err
	}
	l.levels[level], l.sizes[level] = l.levels[level][:0], 0
	return l.add(level+1, entry{id: id, size: one.size})
}

// finish returns the root. Preconditions: at least one entry was added.
func (l *lister) finish() (entry, error) {
	for level := range listLevelsMax {
		n := len(l.levels[level])
		if level >= l.top && n == 1 {
			return l.levels[level][0], nil
		}
		if n > 0 {
			if err := l.flush(level); err != nil {
				return entry{}, err
			}
		}
	}
	return entry{}, fmt.Errorf("%w: a file of more than %d levels of lists: split it", ErrLimit, listLevelsMax)
}
