package simd

import (
	"encoding/binary"
	"math"
	"math/bits"

	"phios/internal/invariant"
)

// searchLanes is how many sums a product of float32 vectors is made of; the
// length of every vector that is searched is a multiple of it.
const searchLanes = 64

// NearSlack is how much longer than the number of rows the output of
// [Kernels.Near] is at least: what it stores is eight numbers wide.
const NearSlack = 8

// search are the operations of a search among vectors. What is searched is
// mapped from files, so all of them take it as bytes, little end first.
type search struct {
	near     func(out []uint64, codes, query, live []byte, n int, first uint32, limit int) int
	dots     func(out []int32, codes []byte, query []int8, bias int32, rows []uint32)
	products func(out []float32, data []byte, query []float32, rows []uint32)
}

func plainSearch() search {
	return search{near: plainNear, dots: plainDots, products: plainProducts}
}

// Near finds the rows whose code differs from query in at most limit bits.
// Row i, for i below n, has the code codes[i*len(query):(i+1)*len(query)] and is
// looked at when bit i%8 of live[i/8] is set. For each row found, in order, out
// gets the number of differing bits in its upper half and first+i in the lower;
// Near returns how many there are. Codes have a multiple of 8 bytes. out has at
// least n+[NearSlack] elements, and all of them may be written to.
func (k *Kernels) Near(out []uint64, codes, query, live []byte, n int, first uint32, limit int) int { //nolint:revive // the operands of one operation
	size := len(query)
	invariant.Always(size > 0 && size%8 == 0 && n >= 0 && len(codes) >= n*size && len(live) >= (n+7)/8 && len(out) >= n+NearSlack, "codes that are not there")
	if n == 0 || limit < 0 {
		return 0
	}
	return k.search.near(out, codes, query, live, n, first, limit)
}

// Dots sets out[i] to bias plus the product of query and row rows[i] of codes,
// which are unsigned bytes, len(query) of them a row. Codes that stand for
// c-128 want a bias of -128 times the sum of the query.
// The length of the query is a multiple of 64 and at most 1<<16.
func (k *Kernels) Dots(out []int32, codes []byte, query []int8, bias int32, rows []uint32) {
	size := len(query)
	invariant.Always(size > 0 && size%searchLanes == 0 && size <= 1<<16 && len(out) >= len(rows), "vectors of an unusable length")
	for _, r := range rows {
		invariant.Always((int(r)+1)*size <= len(codes), "a row that is not there")
	}
	if len(rows) > 0 {
		k.search.dots(out[:len(rows)], codes, query, bias, rows)
	}
}

// Products sets out[i] to the dot product of query and row rows[i] of data,
// which are float32, len(query) of them a row. The length of the query is a
// multiple of 64. The 64 sums of a product are added up in halves.
func (k *Kernels) Products(out []float32, data []byte, query []float32, rows []uint32) {
	size := len(query)
	invariant.Always(size > 0 && size%searchLanes == 0 && len(out) >= len(rows), "vectors of an unusable length")
	for _, r := range rows {
		invariant.Always((int(r)+1)*size*4 <= len(data), "a row that is not there")
	}
	if len(rows) > 0 {
		k.search.products(out[:len(rows)], data, query, rows)
	}
}

func plainNear(out []uint64, codes, query, live []byte, n int, first uint32, limit int) int { //nolint:revive // as Near
	size, found := len(query), 0
	for i := range n {
		if live[i/8]>>(i%8)&1 == 0 {
			continue
		}
		code, distance := codes[i*size:(i+1)*size], 0
		for at := 0; at+8 <= size; at += 8 {
			distance += bits.OnesCount64(binary.LittleEndian.Uint64(code[at:]) ^ binary.LittleEndian.Uint64(query[at:]))
		}
		if distance <= limit {
			out[found] = uint64(distance)<<32 | uint64(first+uint32(i))
			found++
		}
	}
	return found
}

func plainDots(out []int32, codes []byte, query []int8, bias int32, rows []uint32) {
	for i, r := range rows {
		sum := bias
		row := codes[int(r)*len(query):][:len(query)]
		for j, q := range query {
			sum += int32(q) * int32(row[j])
		}
		out[i] = sum
	}
}

func plainProducts(out []float32, data []byte, query []float32, rows []uint32) {
	for i, r := range rows {
		var lanes [searchLanes]float32
		row := data[int(r)*len(query)*4:][:len(query)*4]
		for j, q := range query {
			lanes[j%searchLanes] += float32(q * math.Float32frombits(binary.LittleEndian.Uint32(row[j*4:])))
		}
		for half := searchLanes / 2; half > 0; half /= 2 {
			for j := range half {
				lanes[j] += lanes[j+half]
			}
		}
		out[i] = lanes[0]
	}
}
