package generate

import (
	"encoding/binary"
	"hash/fnv"
	"io"
	"math"

	"phios/compute/gguf"
	"phios/compute/tensor"
	"phios/internal/prng"
)

// weights says what the numbers of a tensor are: random, with a mean (of F32
// only) and a deviation.
//
// Blocks of quantised formats are not rounded from numbers, which would take
// minutes for a large model, but made of random bits and of scales that give
// the deviation. So every code and every scale of a format comes up.
type weights struct {
	mean, deviation float64
}

// chunkBytes is about how much is made at a time.
const chunkBytes = 64 << 10

// write makes the bytes of t. They depend on the seed and the name only.
func (w weights) write(t *gguf.Tensor, out io.Writer, seed uint64) error {
	h := fnv.New64a()
	io.WriteString(h, t.Name) //nolint:errcheck // a hash takes everything
	s := prng.New(seed ^ h.Sum64())
	size := t.Format.Bytes()
	blocks := t.Elements() / t.Format.Elements()
	chunk := make([]byte, min(chunkBytes/size, blocks)*size)
	for blocks > 0 {
		n := min(blocks, len(chunk)/size)
		for b := chunk[:n*size]; len(b) > 0; b = b[size:] {
			w.block(t.Format, b[:size], s)
		}
		if _, err := out.Write(chunk[:n*size]); err != nil {
			return err
		}
		blocks -= n
	}
	return nil
}

// The deviations of codes that are all as likely as another: (n²-1)/12, square
// root, for n codes.
const (
	deviation15 = 4.6097722286
	deviation31 = 9.2330926142
	deviation63 = 18.472953201
	deviation8  = 73.323939
)

// block makes one block of format f.
func (w weights) block(f tensor.Format, b []byte, s *prng.Source) {
	switch f {
	case tensor.F32:
		binary.LittleEndian.PutUint32(b, math.Float32bits(float32(w.mean+float64(w.deviation*normal(s)))))
	case tensor.F16:
		binary.LittleEndian.PutUint16(b, tensor.FloatToHalf(float32(w.deviation*normal(s))))
	case tensor.BF16:
		binary.LittleEndian.PutUint16(b, tensor.FloatToBrain(float32(w.deviation*normal(s))))
	case tensor.Q8_0:
		fill(b, s)
		for i, c := range b {
			if c == 0x80 { // -128: no quantiser makes it
				b[i] = 0x81
			}
		}
		putHalf(b, w.deviation/deviation8*spread(s))
	case tensor.Q4_0:
		fill(b, s)
		// Codes are -8 to 7; either sign of the scale makes their mean zero.
		putHalf(b, w.deviation/deviation15*spread(s)*sign(s))
	case tensor.Q4_K:
		w.superblock(b, s, deviation15, 7.5)
	case tensor.Q5_K:
		w.superblock(b, s, deviation31, 15.5)
	case tensor.Q6_K:
		fill(b, s)
		const scalesAt, halfAt, scaleMean = 192, 208, 95.5
		for i := range b[scalesAt:halfAt] { // ±64 to ±127
			c := int8(b[scalesAt+i])
			scale := c&0x3f | 0x40
			if c < 0 {
				scale = -scale
			}
			b[scalesAt+i] = byte(scale)
		}
		putHalf(b[halfAt:], w.deviation/deviation63/scaleMean*spread(s))
	}
}

// superblock makes a block of Q4_K or Q5_K, whose codes have a deviation and a
// mean: scales from 32 to 63 and leasts near to them, with a factor that takes
// the mean off.
func (w weights) superblock(b []byte, s *prng.Source, deviation, mean float64) {
	fill(b, s)
	const scaleMean, scalesAt, scaleBytes = 47.5, 4, 12
	var scales, leasts [8]byte
	r := s.Uint64()
	for g := range scales {
		scales[g] = 32 | byte(r)&31
		leasts[g] = min(scales[g]+byte(r>>5)&3, 63)
		r >>= 8
	}
	packed := b[scalesAt:][:scaleBytes]
	for g := range 4 {
		packed[g] = scales[g] | scales[g+4]>>4<<6
		packed[g+4] = leasts[g] | leasts[g+4]>>4<<6
		packed[g+8] = scales[g+4]&15 | leasts[g+4]<<4
	}
	d := w.deviation / deviation / scaleMean * spread(s)
	const leastMean = scaleMean + 1.25 // leasts are 0 to 3 more, cut off at 63
	putHalf(b, d)
	putHalf(b[2:], d*mean*scaleMean/leastMean)
}

// fill sets b to random bytes.
func fill(b []byte, s *prng.Source) {
	for ; len(b) >= 8; b = b[8:] {
		binary.LittleEndian.PutUint64(b, s.Uint64())
	}
	for r := s.Uint64(); len(b) > 0; b, r = b[1:], r>>8 {
		b[0] = byte(r)
	}
}

// normal is nearly normal, deviation 1: the sum of four even numbers.
func normal(s *prng.Source) float64 {
	r := s.Uint64()
	sum := float64(r&0xffff+r>>16&0xffff+r>>32&0xffff+r>>48) / (1 << 16)
	return (sum - 2) * 1.7320508075688772 // √3
}

// spread is 0.75 to 1.25.
func spread(s *prng.Source) float64 { return 0.75 + float64(s.Uint64()>>11)/(1<<54) }

// sign is 1 or -1.
func sign(s *prng.Source) float64 { return float64(int64(s.Uint64()>>63)*2 - 1) }

func putHalf(b []byte, v float64) {
	binary.LittleEndian.PutUint16(b, tensor.FloatToHalf(float32(v)))
}
