//go:build unix

package simd

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func randomBytes(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

func floatBytes(x []float32) []byte {
	b := make([]byte, 0, 4*len(x))
	for _, v := range x {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	return b
}

func randomQuery(r *rand.Rand, n int) (codes []int8, bias int32) {
	codes = make([]int8, n)
	for i := range codes {
		codes[i] = int8(r.Uint32())
		bias -= 128 * int32(codes[i])
	}
	return codes, bias
}

// TestSearchSetsAgree compares every set with plain Go, to the bit, with every
// operand before a page that must not be touched.
func TestSearchSetsAgree(t *testing.T) {
	r := random(20)
	for round := range 300 {
		size, n := 64*(1+r.IntN(20)), 1+r.IntN(70)
		codeBytes := 8 * (1 + r.IntN(24))
		if round%2 == 0 {
			codeBytes = size / 8
		}
		codes, bits, live := guardedCopyBytes(t, randomBytes(r, n*size)), guardedCopyBytes(t, randomBytes(r, n*codeBytes)), guardedCopyBytes(t, randomBytes(r, (n+7)/8))
		if round%3 == 0 {
			clear(live[:len(live)/2])
		}
		data := guardedCopyBytes(t, floatBytes(normal(r, n*size)))
		query, bias := randomQuery(r, size)
		query = guardedCopy(t, query)
		floats, bitQuery := guardedCopy(t, normal(r, size)), guardedCopyBytes(t, randomBytes(r, codeBytes))
		rows := make([]uint32, 1+r.IntN(40))
		for i := range rows {
			rows[i] = r.Uint32N(uint32(n))
		}
		limit := codeBytes*4 + r.IntN(20) - 10
		near, dots, products := make([]uint64, n+NearSlack), make([]int32, len(rows)), make([]float32, len(rows))
		near = near[:Plain().Near(near, bits, bitQuery, live, n, 77, limit)]
		Plain().Dots(dots, codes, query, bias, rows)
		Plain().Products(products, data, floats, rows)
		for _, k := range All()[1:] {
			gotNear, gotDots, gotProducts := make([]uint64, n+NearSlack), make([]int32, len(rows)), make([]float32, len(rows))
			gotNear = gotNear[:k.Near(gotNear, bits, bitQuery, live, n, 77, limit)]
			k.Dots(gotDots, codes, query, bias, rows)
			k.Products(gotProducts, data, floats, rows)
			if !slices.Equal(gotNear, near) {
				t.Fatalf("%s: near, %d rows of %d bytes, limit %d: %x, want %x", k.Name(), n, codeBytes, limit, gotNear, near)
			}
			if !slices.Equal(gotDots, dots) {
				t.Fatalf("%s: dots of %d: %v, want %v", k.Name(), size, gotDots, dots)
			}
			if !slices.EqualFunc(gotProducts, products, same) {
				t.Fatalf("%s: products of %d: %v, want %v", k.Name(), size, gotProducts, products)
			}
		}
	}
}

// TestPlainSearchIsRight compares the plain twins with sums in wider types.
func TestPlainSearchIsRight(t *testing.T) {
	r := random(21)
	const size, n = 192, 9
	codes, floats, x := randomBytes(r, n*size), normal(r, size), normal(r, n*size)
	query, bias := randomQuery(r, size)
	rows := []uint32{8, 0, 3}
	dots, products := make([]int32, 3), make([]float32, 3)
	Plain().Dots(dots, codes, query, bias, rows)
	Plain().Products(products, floatBytes(x), floats, rows)
	for i, row := range rows {
		whole, sum := 0, 0.0
		for j := range size {
			whole += int(query[j]) * (int(codes[int(row)*size+j]) - 128)
			sum += float64(floats[j]) * float64(x[int(row)*size+j])
		}
		if int(dots[i]) != whole || math.Abs(float64(products[i])-sum) > 1e-4 {
			t.Errorf("row %d: %d and %g, want %d and %g", row, dots[i], products[i], whole, sum)
		}
	}
	out := make([]uint64, 3+NearSlack)
	found := Plain().Near(out, []byte{0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 7, 7, 7, 0, 0, 0, 0, 0}, make([]byte, 8), []byte{0b101}, 3, 40, 8)
	if found != 1 || out[0] != 1<<32|40 {
		t.Errorf("found %d: %x", found, out[:found])
	}
}

func BenchmarkSearch(b *testing.B) {
	r := random(22)
	const size, n = 512, 4096
	codes, bits, live := randomBytes(r, n*size), randomBytes(r, n*size/8), make([]byte, n/8)
	for i := range live {
		live[i] = 255
	}
	data, floats := floatBytes(normal(r, n*size)), normal(r, size)
	query, bias := randomQuery(r, size)
	rows, out, dots, products := make([]uint32, n), make([]uint64, n+NearSlack), make([]int32, n), make([]float32, n)
	for i := range rows {
		rows[i] = uint32(i)
	}
	for _, k := range All() {
		for name, f := range map[string]func(){
			"Near/4096x512":     func() { k.Near(out, bits, bits[:size/8], live, n, 0, 200) },
			"Dots/4096x512":     func() { k.Dots(dots, codes, query, bias, rows) },
			"Products/4096x512": func() { k.Products(products, data, floats, rows) },
		} {
			b.Run(name+"/"+k.Name(), func(b *testing.B) {
				for b.Loop() {
					f()
				}
			})
		}
	}
}

// guardedCopyBytes returns a copy of x at the end of a page.
func guardedCopyBytes(tb testing.TB, x []byte) []byte {
	tb.Helper()
	b := guarded(tb, len(x))
	copy(b, x)
	return b
}
