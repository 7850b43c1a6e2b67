package cas

import (
	"encoding/binary"
	"fmt"
	"sync"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
)

// Temperature says how a piece is kept: the hotter, the cheaper to read; the
// colder, the smaller.
type Temperature uint8

// The temperatures, hottest first. Warm is what a new piece gets.
const (
	Warm Temperature = iota // S2: hundreds of MB/s in, a GB/s out.
	Hot                     // As it is.
	Cool                    // zstd at its default level.
	Cold                    // zstd at its best level, 30 times slower to make.
)

// codec is how the bytes of a piece are stored; part of the format.
type codec uint8

const (
	codecRaw  codec = 0
	codecS2   codec = 1
	codecZstd codec = 2
	codecLast       = codecZstd
)

const (
	pieceBytesMax  = 1 << 20   // A piece, before compression.
	windowBytes    = 1 << 20   // zstd never looks further back.
	dictSmallBytes = 8 << 10   // Pieces up to here are compressed with a dictionary.
	dictBytesMax   = 112 << 10 // What a dictionary may have.
	dictsMax       = 64        // Dictionaries in a store.
)

// codecs compresses and expands. It is safe for concurrent use: EncodeAll and
// DecodeAll of the library are.
type codecs struct {
	mu     sync.RWMutex
	plain  [2]*zstd.Encoder // Cool, Cold.
	decode *zstd.Decoder
	dicts  map[uint16]*dictionary // Guarded by mu.
	newest uint16                 // Guarded by mu; 0 is none.
}

// dictionary is a trained one, with an encoder a level.
type dictionary struct {
	encode [2]*zstd.Encoder
	decode *zstd.Decoder
}

func newCodecs() (*codecs, error) {
	c := &codecs{dicts: map[uint16]*dictionary{}}
	var err error
	if c.plain, err = encoders(); err != nil {
		return nil, err
	}
	c.decode, err = decoder()
	return c, err
}

func encoders(more ...zstd.EOption) (out [2]*zstd.Encoder, err error) {
	for i, level := range []zstd.EncoderLevel{zstd.SpeedDefault, zstd.SpeedBestCompression} {
		// The hash is checked anyway: no checksum. Concurrency bounds memory.
		options := append([]zstd.EOption{
			zstd.WithEncoderLevel(level), zstd.WithEncoderCRC(false),
			zstd.WithWindowSize(windowBytes), zstd.WithEncoderConcurrency(2),
		}, more...)
		if out[i], err = zstd.NewWriter(nil, options...); err != nil {
			return out, err
		}
	}
	return out, nil
}

func decoder(more ...zstd.DOption) (*zstd.Decoder, error) {
	return zstd.NewReader(nil, append([]zstd.DOption{
		zstd.WithDecoderMaxMemory(2 * pieceBytesMax), zstd.WithDecoderConcurrency(2),
		zstd.IgnoreChecksum(true),
	}, more...)...)
}

// add makes a dictionary known. The newest number is the one used from now on.
func (c *codecs) add(number uint16, dict []byte) error {
	d := &dictionary{}
	var err error
	if d.encode, err = encoders(zstd.WithEncoderDict(dict)); err != nil {
		return fmt.Errorf("cas: dictionary %d: %w", number, err)
	}
	if d.decode, err = decoder(zstd.WithDecoderDicts(dict)); err != nil {
		return fmt.Errorf("cas: dictionary %d: %w", number, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dicts[number] = d
	c.newest = max(c.newest, number)
	return nil
}

func (c *codecs) dict(number uint16) *dictionary {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.dicts[number]
}

// encode appends data as the temperature says to out, and reports how. What
// does not shrink by a sixteenth is stored as it is: reading it is then free.
func (c *codecs) encode(out, data []byte, t Temperature) ([]byte, codec, uint16) {
	start := len(out)
	how, number := codecRaw, uint16(0)
	//exhaustive:ignore
	switch t {
	case Hot:
	case Warm:
		how = codecS2
		out = appendS2(out, data)
	case Cool, Cold:
		how = codecZstd
		level := int(t - Cool)
		encoder := c.plain[level]
		c.mu.RLock()
		newest := c.newest
		c.mu.RUnlock()
		if d := c.dict(newest); d != nil && len(data) <= dictSmallBytes {
			encoder, number = d.encode[level], newest
		}
		out = encoder.EncodeAll(data, out)
	}
	if how == codecRaw || len(out)-start > len(data)-len(data)/16 {
		return append(out[:start], data...), codecRaw, 0
	}
	return out, how, number
}

// appendS2 compresses behind what is in out.
func appendS2(out, data []byte) []byte {
	start := len(out)
	room := s2.MaxEncodedLen(len(data))
	if cap(out)-start < room {
		grown := make([]byte, start, 2*(start+room))
		copy(grown, out)
		out = grown
	}
	return out[:start+len(s2.Encode(out[start:start+room], data))]
}

// expand returns the piece that was stored; the result may be stored itself.
// Hostile bytes cost at most raw bytes of memory, twice for zstd.
func (c *codecs) expand(stored []byte, p place) ([]byte, error) {
	switch p.codec {
	case codecRaw:
		return stored, nil
	case codecS2:
		if n, err := s2.DecodedLen(stored); err != nil || n != int(p.raw) {
			return nil, fmt.Errorf("%w: compressed length", ErrFormat)
		}
		return s2.Decode(make([]byte, p.raw), stored)
	case codecZstd:
		reader := c.decode
		if p.dict != 0 {
			d := c.dict(p.dict)
			if d == nil {
				return nil, fmt.Errorf("%w: no dictionary %d", ErrFormat, p.dict)
			}
			reader = d.decode
		}
		return reader.DecodeAll(stored, make([]byte, 0, p.raw))
	}
	return nil, fmt.Errorf("%w: codec %d", ErrFormat, p.codec)
}

// place says where a piece lies and how.
type place struct {
	pack   uint32
	offset uint64
	stored uint32 // Bytes on disk.
	raw    uint32 // Bytes of the piece.
	codec  codec
	dict   uint16
}

const placeBytes = 23

func (p place) encode() []byte {
	b := make([]byte, placeBytes)
	binary.LittleEndian.PutUint32(b, p.pack)
	binary.LittleEndian.PutUint64(b[4:], p.offset)
	binary.LittleEndian.PutUint32(b[12:], p.stored)
	binary.LittleEndian.PutUint32(b[16:], p.raw)
	b[20] = byte(p.codec)
	binary.LittleEndian.PutUint16(b[21:], p.dict)
	return b
}

func decodePlace(b []byte) (place, error) {
	if len(b) != placeBytes {
		return place{}, fmt.Errorf("%w: an index entry of %d bytes", ErrFormat, len(b))
	}
	p := place{
		pack:   binary.LittleEndian.Uint32(b),
		offset: binary.LittleEndian.Uint64(b[4:]),
		stored: binary.LittleEndian.Uint32(b[12:]),
		raw:    binary.LittleEndian.Uint32(b[16:]),
		codec:  codec(b[20]),
		dict:   binary.LittleEndian.Uint16(b[21:]),
	}
	switch {
	case p.raw > pieceBytesMax, p.stored > p.raw, p.offset > fileBytesMax, p.codec > codecLast:
		return place{}, fmt.Errorf("%w: an index entry out of bounds", ErrFormat)
	}
	return p, nil
}
