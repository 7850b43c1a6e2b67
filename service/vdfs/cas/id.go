package cas

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"strconv"
	"sync"

	"github.com/zeebo/blake3"
)

// Kind says what an ID is the hash of. It keys the hash, so that bytes of one
// kind never answer for another.
type Kind uint8

// The kinds of this package. Callers use KindCaller and above.
const (
	KindChunk  Kind = 1  // Bytes of a file.
	KindList   Kind = 2  // A list of chunks or of lists.
	KindCaller Kind = 16 // The first that is the caller's.
)

// idBytes is the length of an ID.
const idBytes = 32

// ID names a piece: one byte of kind, then 248 bits of keyed BLAKE3. The zero
// ID names nothing.
type ID [idBytes]byte

// Kind returns what the ID is the hash of; 0 is nothing.
func (id ID) Kind() Kind { return Kind(id[0]) }

// IsZero reports whether the ID names nothing.
func (id ID) IsZero() bool { return id == ID{} }

// String returns the ID in 64 hexadecimal digits.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

// prefix is what the collector remembers of an ID. Two IDs that share one by
// chance keep a dead piece alive, and lose nothing.
func (id ID) prefix() uint64 { return binary.LittleEndian.Uint64(id[idBytes-8:]) }

// ParseID reads what String wrote.
func ParseID(s string) (ID, error) {
	var id ID
	if len(s) != 2*idBytes {
		return ID{}, errors.New("cas: an id has 64 hexadecimal digits: copy it whole")
	}
	if _, err := hex.Decode(id[:], []byte(s)); err != nil {
		return ID{}, errors.New("cas: an id has hexadecimal digits only: copy it whole")
	}
	return id, nil
}

// hasher hashes for one goroutine at a time. A keyed BLAKE3 state is nine KiB,
// so there is one a kind, made when needed, and hashers are pooled.
type hasher struct {
	kinds [256]*blake3.Hasher
}

func (h *hasher) sum(kind Kind, data []byte) ID {
	state := h.kinds[kind]
	if state == nil {
		state = blake3.NewDeriveKey("phios vdfs cas v1 kind " + strconv.Itoa(int(kind)))
		h.kinds[kind] = state
	}
	state.Reset()
	_, _ = state.Write(data) // Never fails.
	var out [idBytes]byte
	state.Sum(out[:0])
	id := ID{byte(kind)}
	copy(id[1:], out[:idBytes-1])
	return id
}

// hashers is a pool of hashers; the zero value is ready.
type hashers struct{ pool sync.Pool }

func (p *hashers) sum(kind Kind, data []byte) ID {
	h, _ := p.pool.Get().(*hasher)
	if h == nil {
		h = &hasher{}
	}
	id := h.sum(kind, data)
	p.pool.Put(h)
	return id
}
