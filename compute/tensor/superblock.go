package tensor

// The K formats have blocks of 256 elements, each of several groups whose
// scales are themselves quantised. Q4_K and Q5_K have 8 groups of 32 elements,
//
//	x = d·scale·q - dmin·least
//
// with half d and dmin and 6-bit scale and least, packed into 12 bytes; Q6_K
// has 16 groups of 16 elements, x = d·scale·(q-32), with signed 8-bit scales.
const (
	group32 = 32
	group16 = 16
)

// Where the parts of a block begin.
const (
	scalesAt  = 4  // Q4_K and Q5_K, after d and dmin
	q4At      = 16 // Q4_K: 128 bytes of nibbles
	q5HighAt  = 16 // Q5_K: 32 bytes, a bit of each group in each
	q5At      = 48 // Q5_K: 128 bytes of nibbles
	q6HighAt  = 128
	q6ScaleAt = 192
	q6DAt     = 208
)

// scaleLeast unpacks the scale and the least of group g. The first four groups
// have the low six bits of a byte each; the top two bits of these bytes belong
// to the last four, whose low nibbles are in the last four bytes.
func scaleLeast(packed []byte, g int) (scale, least byte) {
	if g < 4 {
		return packed[g] & 63, packed[g+4] & 63
	}
	return packed[g+4]&15 | packed[g-4]>>6<<4, packed[g+4]>>4 | packed[g]>>6<<4
}

// packScales is the inverse of scaleLeast for all groups.
func packScales(packed []byte, scales, leasts *[8]byte) {
	for g := range 4 {
		packed[g] = scales[g] | scales[g+4]>>4<<6
		packed[g+4] = leasts[g] | leasts[g+4]>>4<<6
		packed[g+8] = scales[g+4]&15 | leasts[g+4]<<4
	}
}

func widenQ4K(b []byte, x []float32) {
	d, dmin := half(b), half(b[2:])
	for g := range 8 {
		scale, least := scaleLeast(b[scalesAt:], g)
		step, base := d*float32(scale), float32(dmin*float32(least))
		shift := g & 1 * 4 // Groups 2n and 2n+1 share their bytes.
		for i, q := range b[q4At+g/2*group32:][:group32] {
			x[g*group32+i] = float32(step*float32(q>>shift&15)) - base
		}
	}
}

func widenQ5K(b []byte, x []float32) {
	d, dmin := half(b), half(b[2:])
	high := b[q5HighAt:][:group32]
	for g := range 8 {
		scale, least := scaleLeast(b[scalesAt:], g)
		step, base := d*float32(scale), float32(dmin*float32(least))
		shift := g & 1 * 4
		for i, q := range b[q5At+g/2*group32:][:group32] {
			q = q>>shift&15 | high[i]>>g&1<<4
			x[g*group32+i] = float32(step*float32(q)) - base
		}
	}
}

// Half a block of Q6_K, 128 elements, is four runs of 32: their low nibbles are
// in the low halves of bytes 0 and 32 and then the high halves of the same; the
// high two bits of all four runs are in one byte.

func widenQ6K(b []byte, x []float32) {
	d := half(b[q6DAt:])
	for part := range 2 {
		low, high, scales := b[64*part:], b[q6HighAt+32*part:], b[q6ScaleAt+8*part:]
		for run := range 4 {
			out := x[128*part+32*run:][:32]
			for i := range out {
				q := low[run&1*32+i]>>(run/2*4)&15 | high[i]>>(2*run)&3<<4
				step := d * float32(int8(scales[2*run+i/group16]))
				out[i] = step * float32(int(q)-32)
			}
		}
	}
}
