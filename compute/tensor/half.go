package tensor

import "math"

// HalfToFloat widens an IEEE 754 binary16 number. It is exact.
func HalfToFloat(h uint16) float32 {
	sign := uint32(h&0x8000) << 16
	exponent, fraction := uint32(h>>10)&0x1f, uint32(h&0x3ff)
	switch exponent {
	case 0: // Zero and subnormals: the fraction counts 2⁻²⁴.
		const ulp = 1.0 / (1 << 24)
		return math.Float32frombits(sign | math.Float32bits(float32(fraction)*ulp))
	case 0x1f: // Infinities and NaNs keep their payload.
		return math.Float32frombits(sign | 0x7f800000 | fraction<<13)
	default:
		return math.Float32frombits(sign | (exponent+127-15)<<23 | fraction<<13)
	}
}

// FloatToHalf narrows to IEEE 754 binary16, to the nearest, ties to even. What
// is too large becomes an infinity; a NaN stays one, quiet, with the top of its
// payload: this is what the instructions of processors do.
func FloatToHalf(f float32) uint16 {
	const (
		infinity   = 0x7f800000
		overflow   = (127 + 16) << 23 // 2¹⁶: beyond all that rounds to a half
		normal     = (127 - 14) << 23 // 2⁻¹⁴: the least that is no subnormal
		rebias     = (127 - 15) << 23
		beneath    = 1<<12 - 1 // one less than half of what is cut off
		subnormals = (127 - 24 + 23) << 23
	)
	b := math.Float32bits(f)
	sign := uint16(b >> 16 & 0x8000)
	b &= 1<<31 - 1
	switch {
	case b > infinity:
		return sign | 0x7e00 | uint16(b>>13&0x3ff)
	case b >= overflow:
		return sign | 0x7c00
	case b >= normal:
		// A carry out of the fraction goes into the exponent, as it should, up
		// to infinity.
		return sign | uint16((b-rebias+beneath+b>>13&1)>>13)
	default:
		// Adding a number whose last place is worth 2⁻²⁴ makes the processor
		// round the subnormal, and leaves it in the fraction.
		const magic = 0.5
		sum := math.Float32frombits(b) + magic
		return sign | uint16(math.Float32bits(sum)-subnormals)
	}
}

// BrainToFloat widens a bfloat16 number. It is exact.
func BrainToFloat(b uint16) float32 {
	return math.Float32frombits(uint32(b) << 16)
}

// FloatToBrain narrows to bfloat16, to the nearest, ties to even. A NaN stays
// one, quiet, with the top of its payload.
func FloatToBrain(f float32) uint16 {
	b := math.Float32bits(f)
	if b&(1<<31-1) > 0x7f800000 {
		return uint16(b>>16) | 0x40
	}
	return uint16((b + 0x7fff + b>>16&1) >> 16)
}
