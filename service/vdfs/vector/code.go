package vector

import (
	"encoding/binary"
	"fmt"
	"math"
)

// unitTolerance is how far from one the square of a row's length may be.
const unitTolerance = 1e-3

// codesZero is the byte that stands for zero in a row of codes.
const codesZero = 128

// checkDimensions returns an error unless vectors may have this length.
func checkDimensions(dimensions int) error {
	if dimensions < DimensionsGrain || dimensions > DimensionsMax || dimensions%DimensionsGrain != 0 {
		return fmt.Errorf("%w: vectors of %d dimensions: use a multiple of %d up to %d, padded with zeros", ErrInput, dimensions, DimensionsGrain, DimensionsMax)
	}
	return nil
}

// squaredLength is not a number, or infinite, when an element is.
func squaredLength(x []float32) float64 {
	sum := 0.0
	for _, v := range x {
		sum += float64(v) * float64(v)
	}
	return sum
}

// signs writes one bit an element: whether it is above the mean's.
//
// A random rotation of the vectors before was measured, on sentences and on
// clusters, and made recall no better than the mean alone does; see the
// benchmark of recall.
func signs(out []byte, x, mean []float32) {
	clear(out)
	for i, v := range x {
		if v > mean[i] {
			out[i/8] |= 1 << (i % 8)
		}
	}
}

// quantum is the scale of a vector's codes: what a code of one stands for.
func quantum(x []float32) float32 {
	largest := float32(0)
	for _, v := range x {
		largest = max(largest, v, -v)
	}
	return largest / 127
}

// code is the nearest whole multiple of the scale, from -127 to 127.
func code(v, inverse float32) int {
	return int(math.RoundToEven(float64(v * inverse)))
}

// inverse of a scale; zero for the zero vector, whose codes are zero.
func inverse(scale float32) float32 {
	if scale == 0 {
		return 0
	}
	return 1 / scale
}

// encoded is rows in every form they are stored in, slab by slab.
type encoded struct {
	slabs [slabKinds][]byte
	rows  int
}

// encode makes the stored forms of rows with their names.
func encode(ids []uint64, rows, mean []float32) encoded {
	d := len(mean)
	e := encoded{rows: len(ids)}
	for kind := range e.slabs {
		e.slabs[kind] = make([]byte, 0, len(ids)*slabKind(kind).stride(d))
	}
	bits := make([]byte, d/8)
	for i, id := range ids {
		x := rows[i*d : (i+1)*d]
		signs(bits, x, mean)
		e.slabs[slabBits] = append(e.slabs[slabBits], bits...)
		scale := quantum(x)
		reciprocal := inverse(scale)
		for _, v := range x {
			e.slabs[slabCodes] = append(e.slabs[slabCodes], byte(code(v, reciprocal)+codesZero))
			e.slabs[slabFloats] = binary.LittleEndian.AppendUint32(e.slabs[slabFloats], math.Float32bits(v))
		}
		e.slabs[slabScales] = binary.LittleEndian.AppendUint32(e.slabs[slabScales], math.Float32bits(scale))
		e.slabs[slabIDs] = binary.LittleEndian.AppendUint64(e.slabs[slabIDs], id)
	}
	return e
}

// decodeFloats reads a row of float32 into x.
func decodeFloats(x []float32, row []byte) {
	for i := range x {
		x[i] = math.Float32frombits(binary.LittleEndian.Uint32(row[4*i:]))
	}
}
