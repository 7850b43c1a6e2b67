package tensor

import (
	"encoding/binary"
	"math"

	"phios/internal/invariant"
)

// Dequantize widens data, a whole number of blocks of format f, to out.
//
// Preconditions:
//   - f is known
//   - len(data) is a whole number of blocks, and len(out) is their elements
func Dequantize(f Format, data []byte, out []float32) {
	size, ok := f.RowBytes(len(out))
	invariant.Always(ok && size == len(data), "tensor.Dequantize: data and out are the same whole blocks")
	switch f {
	case F32:
		for i := range out {
			out[i] = math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:]))
		}
	case F16:
		for i := range out {
			out[i] = HalfToFloat(binary.LittleEndian.Uint16(data[2*i:]))
		}
	case BF16:
		for i := range out {
			out[i] = BrainToFloat(binary.LittleEndian.Uint16(data[2*i:]))
		}
	case Q4_0:
		eachBlock(f, data, out, widenQ4)
	case Q8_0:
		eachBlock(f, data, out, widenQ8)
	case Q4_K:
		eachBlock(f, data, out, widenQ4K)
	case Q5_K:
		eachBlock(f, data, out, widenQ5K)
	case Q6_K:
		eachBlock(f, data, out, widenQ6K)
	}
}

// Quantize narrows x to format f in out. Q8_0 and Q4_0 give the bits of GGML's
// reference; the K formats search for the scales with the least weighted error
// as GGML's reference does. The result depends on nothing but x: it is the same
// on every processor. Numbers that are not finite give a block without meaning.
//
// Preconditions:
//   - f is known
//   - len(x) is a whole number of blocks, and len(out) is their bytes
func Quantize(f Format, x []float32, out []byte) {
	size, ok := f.RowBytes(len(x))
	invariant.Always(ok && size == len(out), "tensor.Quantize: x and out are the same whole blocks")
	switch f {
	case F32:
		for i, v := range x {
			binary.LittleEndian.PutUint32(out[4*i:], math.Float32bits(v))
		}
	case F16:
		for i, v := range x {
			binary.LittleEndian.PutUint16(out[2*i:], FloatToHalf(v))
		}
	case BF16:
		for i, v := range x {
			binary.LittleEndian.PutUint16(out[2*i:], FloatToBrain(v))
		}
	case Q4_0:
		eachBlock(f, out, x, narrowQ4)
	case Q8_0:
		eachBlock(f, out, x, narrowQ8)
	case Q4_K:
		eachBlock(f, out, x, narrowQ4K)
	case Q5_K:
		eachBlock(f, out, x, narrowQ5K)
	case Q6_K:
		eachBlock(f, out, x, narrowQ6K)
	}
}

// eachBlock calls convert with each block and its elements.
func eachBlock(f Format, data []byte, x []float32, convert func(block []byte, x []float32)) {
	elements, size := f.Elements(), f.Bytes()
	for len(x) > 0 {
		convert(data[:size:size], x[:elements:elements])
		data, x = data[size:], x[elements:]
	}
}

// half reads the scale at the start of b.
func half(b []byte) float32 { return HalfToFloat(binary.LittleEndian.Uint16(b)) }

// putHalf stores a scale and returns what a reader will see.
func putHalf(b []byte, v float32) float32 {
	h := FloatToHalf(v)
	binary.LittleEndian.PutUint16(b, h)
	return HalfToFloat(h)
}

// nearest is the whole number nearest to v, ties to even, within [low, high].
// Whatever v is, even a NaN, the result is in the range.
func nearest(v float32, low, high int32) int32 {
	if !(v > float32(low)) {
		return low
	}
	if v >= float32(high) {
		return high
	}
	// Adding 1.5·2²³ leaves the whole number in the fraction: several times
	// faster than math.RoundToEven where the processor has no instruction. What v
	// is a product of must be rounded before: the conversion says so.
	const magic = 3 << 22
	return int32(math.Float32bits(float32(v)+magic)&(1<<23-1)) - 1<<22
}

// A block of Q8_0 is a half scale and 32 signed bytes.

func widenQ8(b []byte, x []float32) {
	d := half(b)
	for i := range x {
		x[i] = d * float32(int8(b[2+i]))
	}
}

func narrowQ8(b []byte, x []float32) {
	var most float32
	for _, v := range x {
		most = max(most, float32(math.Abs(float64(v))))
	}
	d := most / 127
	putHalf(b, d)
	inverse := reciprocal(d)
	for i, v := range x {
		// Ties away from zero, unlike every other format.
		b[2+i] = byte(int8(min(max(math.Round(float64(v*inverse)), -128), 127)))
	}
}

// A block of Q4_0 is a half scale and 32 nibbles, from which 8 is taken off:
// element i is in the low half of byte i, element 16+i in its high half.

func widenQ4(b []byte, x []float32) {
	d := half(b)
	for i, q := range b[2:] {
		x[i] = d * float32(int(q&15)-8)
		x[16+i] = d * float32(int(q>>4)-8)
	}
}

func narrowQ4(b []byte, x []float32) {
	// The element furthest from zero becomes -8, which has no opposite.
	d := furthest(x) / -8
	putHalf(b, d)
	inverse := reciprocal(d)
	nibble := func(v float32) byte {
		return byte(min(max(float32(v*inverse)+8.5, 0), 15))
	}
	for i := range b[2:] {
		b[2+i] = nibble(x[i]) | nibble(x[16+i])<<4
	}
}

// furthest is the element with the largest absolute value, the first of equals,
// with its sign.
func furthest(x []float32) float32 {
	var most, found float32
	for _, v := range x {
		if a := max(v, -v); a > most {
			most, found = a, v
		}
	}
	return found
}

// reciprocal is 1/d, and 0 where that is no number: the scale is then so small
// that its half is zero, and the elements do not matter.
func reciprocal(d float32) float32 {
	if r := 1 / d; max(r, -r) <= math.MaxFloat32 {
		return r
	}
	return 0
}
