package tensor

import "math"

// The K formats are narrowed by search: for each group, some scales around the
// obvious one are tried, for each the scale (and the least) that are best for
// the rounded elements follow from least squares, and the try with the least
// weighted error wins. Ranges and weights are those of GGML's reference. All
// products are rounded before they are added, so that no processor fuses them.

// fit is a search for x ≈ scale·q - least, q from 0 to top.
type fit struct {
	top         int32
	tries       int
	first, step float32 // what is added to top in the first try, and by each next
}

const (
	q4Top  = 15
	q5Top  = 31
	q6Half = 32 // q from -32 to 31
	// negligible is the absolute value under which a group is all zeros.
	negligible = 1e-15
)

func narrowQ4K(b []byte, x []float32) {
	var q [256]byte
	narrowGroups(b, x, &q, fit{top: q4Top, tries: 21, first: -1, step: 0.1})
	for i := range 128 {
		at := i/group32*2*group32 + i%group32
		b[q4At+i] = q[at] | q[at+group32]<<4
	}
}

func narrowQ5K(b []byte, x []float32) {
	var q [256]byte
	narrowGroups(b, x, &q, fit{top: q5Top, tries: 16, first: -0.5, step: 0.1})
	for i := range 128 {
		at := i/group32*2*group32 + i%group32
		b[q5At+i] = q[at]&15 | q[at+group32]<<4
	}
	for i := range group32 {
		var high byte
		for g := range 8 {
			high |= q[g*group32+i] >> 4 << g
		}
		b[q5HighAt+i] = high
	}
}

// narrowGroups stores the scales of a block of Q4_K or Q5_K and gives its
// elements, one in a byte.
func narrowGroups(b []byte, x []float32, q *[256]byte, f fit) {
	var scales, leasts [8]float32
	var most, mostLeast float32
	for g := range scales {
		group := x[g*group32:][:group32]
		scales[g], leasts[g] = f.search((*[group32]float32)(group))
		most, mostLeast = max(most, scales[g]), max(mostLeast, leasts[g])
	}
	const scaleTop = 63
	d, dmin := putHalf(b, most/scaleTop), putHalf(b[2:], mostLeast/scaleTop)
	perScale, perLeast := inverse(scaleTop, most), inverse(scaleTop, mostLeast)
	var scaleBits, leastBits [8]byte
	for g := range scales {
		scaleBits[g] = byte(nearest(perScale*scales[g], 0, scaleTop))
		leastBits[g] = byte(nearest(perLeast*leasts[g], 0, scaleTop))
		step, base := d*float32(scaleBits[g]), float32(dmin*float32(leastBits[g]))
		if step == 0 {
			continue
		}
		for i, v := range x[g*group32:][:group32] {
			q[g*group32+i] = byte(nearest((v+base)/step, 0, f.top))
		}
	}
	packScales(b[scalesAt:], &scaleBits, &leastBits)
}

// inverse is top/most, and 0 when most is 0.
func inverse(top, most float32) float32 {
	if !(most > 0) {
		return 0
	}
	return top / most
}

// search returns the scale and the least (which is not negative) of a group.
func (f fit) search(x *[group32]float32) (scale, least float32) {
	low, high, weights := weigh(x)
	if !(high > low) {
		return 0, -low
	}
	var sumW, sumX float32
	for i, v := range x {
		sumW += weights[i]
		sumX += float32(weights[i] * v)
	}
	per := float32(f.top) / (high - low)
	scale = 1 / per
	var q [group32]float32
	f.round(x, &q, per, low)
	best := miss(x, &weights, &q, scale, low)
	// As in the reference, the next try rounds from the least that was found,
	// over the width that the group had at first.
	found := low
	for try := range f.tries {
		per := (f.first + float32(f.step*float32(try)) + float32(f.top)) / (high - low)
		f.round(x, &q, per, found)
		var sumQ, sumQQ, sumXQ float32
		for i, v := range x {
			wq := float32(weights[i] * q[i])
			sumQ += wq
			sumQQ += float32(wq * q[i])
			sumXQ += float32(wq * v)
		}
		det := float32(sumW*sumQQ) - float32(sumQ*sumQ)
		if !(det > 0) {
			continue
		}
		s := (float32(sumW*sumXQ) - float32(sumX*sumQ)) / det
		l := (float32(sumQQ*sumX) - float32(sumQ*sumXQ)) / det
		if l > 0 { // Elements are never offset upwards.
			s, l = sumXQ/sumQQ, 0
		}
		if m := miss(x, &weights, &q, s, l); m < best {
			best, scale, found = m, s, l
		}
	}
	return scale, -found
}

// weigh gives the range of a group, widened to hold zero, and the weight of
// each element in the error: large elements matter more.
func weigh(x *[group32]float32) (low, high float32, weights [group32]float32) {
	var sum float32
	high = x[0]
	for _, v := range x {
		low, high = min(low, v), max(high, v)
		sum += float32(v * v)
	}
	mean := float32(math.Sqrt(float64(sum / group32)))
	for i, v := range x {
		weights[i] = mean + max(v, -v)
	}
	return low, high, weights
}

// round sets q to x in steps of 1/per from low on.
func (f fit) round(x, q *[group32]float32, per, low float32) {
	for i, v := range x {
		q[i] = float32(nearest(per*(v-low), 0, f.top))
	}
}

// miss is the weighted squared error of q.
func miss(x, weights, q *[group32]float32, scale, low float32) float32 {
	var sum float32
	for i, v := range x {
		d := float32(scale*q[i]) + low - v
		sum += float32(float32(weights[i]*d) * d)
	}
	return sum
}

func narrowQ6K(b []byte, x []float32) {
	var scales [16]float32
	for g := range scales {
		scales[g] = searchSigned((*[group16]float32)(x[g*group16:]))
	}
	most := furthest(scales[:])
	clear(b)
	if !(max(most, -most) >= negligible) {
		return
	}
	// The scale furthest from zero becomes -128, which has no opposite.
	per := -128 / most
	d := putHalf(b[q6DAt:], 1/per)
	var q [256]byte
	for g, s := range scales {
		scale := nearest(per*s, -128, 127)
		b[q6ScaleAt+g] = byte(scale)
		step := d * float32(scale)
		if step == 0 {
			continue
		}
		for i, v := range x[g*group16:][:group16] {
			q[g*group16+i] = byte(nearest(v/step, -q6Half, q6Half-1) + q6Half)
		}
	}
	for part := range 2 {
		from, low, high := q[128*part:], b[64*part:], b[q6HighAt+32*part:]
		for i := range 32 {
			q0, q1, q2, q3 := from[i], from[i+32], from[i+64], from[i+96]
			low[i], low[i+32] = q0&15|q2<<4, q1&15|q3<<4
			high[i] = q0>>4 | q1>>4<<2 | q2>>4<<4 | q3>>4<<6
		}
	}
}

// searchSigned returns the scale of a group for x ≈ scale·q, q from -32 to 31,
// weighted by the squares of the elements.
func searchSigned(x *[group16]float32) float32 {
	peak := furthest(x[:])
	if !(max(peak, -peak) >= negligible) {
		return 0
	}
	var scale, best float32
	const tries = 9 // to each side
	for try := -tries - 1; try <= tries; try++ {
		off := float32(0) // The plain scale comes first and wins ties.
		if try >= -tries {
			off = float32(0.1) * float32(try)
		}
		per := -(q6Half + off) / peak
		var sumXQ, sumQQ float32
		for _, v := range x {
			q := float32(nearest(per*v, -q6Half, q6Half-1))
			w := float32(v * v)
			sumXQ += float32(float32(w*v) * q)
			sumQQ += float32(float32(w*q) * q)
		}
		if sumQQ > 0 && (try < -tries || float32(sumXQ*sumXQ) > float32(best*sumQQ)) {
			scale = sumXQ / sumQQ
			best = scale * sumXQ
		}
	}
	return scale
}
