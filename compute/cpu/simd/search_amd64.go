//nolint:revive // kernels take their operands one by one, as many as there are
package simd

// useSearchAVX2 takes the operations of search for AVX2.
func useSearchAVX2(k *Kernels) {
	k.search = search{near: nearAVX2, dots: dotsAVX2, products: productsAVX2}
}

// useSearchVNNI takes the products for AVX-512 and VNNI.
func useSearchVNNI(k *Kernels) {
	k.search.dots, k.search.products = dotsVNNI, productsAVX512
}

// useSearchPopcount takes Near for processors that count the bits of 64 bytes
// in one instruction.
func useSearchPopcount(k *Kernels) { k.search.near = nearAVX512 }

// Below, what fills no whole step goes to the plain twin: a wide load past the
// last row could end on a page that is not mapped.

func nearAVX2(out []uint64, codes, query, live []byte, n int, first uint32, limit int) int {
	if len(query)%32 != 0 {
		return plainNear(out, codes, query, live, n, first, limit)
	}
	return near256(&out[0], &codes[0], &query[0], len(query), &live[0], n, first, limit)
}

func nearAVX512(out []uint64, codes, query, live []byte, n int, first uint32, limit int) int {
	whole, found := n&^7, 0
	if whole > 0 {
		found = near512(&out[0], &codes[0], &query[0], len(query), &live[0], whole, first, limit)
	}
	if whole < n {
		found += plainNear(out[found:], codes[whole*len(query):], query, live[whole/8:], n-whole, first+uint32(whole), limit)
	}
	return found
}

func dotsAVX2(out []int32, codes []byte, query []int8, bias int32, rows []uint32) {
	dots256(&out[0], &codes[0], &query[0], len(query), bias, &rows[0], len(rows))
}

func dotsVNNI(out []int32, codes []byte, query []int8, bias int32, rows []uint32) {
	dots512(&out[0], &codes[0], &query[0], len(query), bias, &rows[0], len(rows))
}

func productsAVX2(out []float32, data []byte, query []float32, rows []uint32) {
	products256(&out[0], &data[0], &query[0], len(query), &rows[0], len(rows))
}

func productsAVX512(out []float32, data []byte, query []float32, rows []uint32) {
	products512(&out[0], &data[0], &query[0], len(query), &rows[0], len(rows))
}

//go:noescape
func near256(out *uint64, codes, query *byte, size int, live *byte, n int, first uint32, limit int) (found int)

//go:noescape
func near512(out *uint64, codes, query *byte, size int, live *byte, n int, first uint32, limit int) (found int)

//go:noescape
func dots256(out *int32, codes *byte, query *int8, size int, bias int32, rows *uint32, n int)

//go:noescape
func dots512(out *int32, codes *byte, query *int8, size int, bias int32, rows *uint32, n int)

//go:noescape
func products256(out *float32, data *byte, query *float32, size int, rows *uint32, n int)

//go:noescape
func products512(out *float32, data *byte, query *float32, size int, rows *uint32, n int)
