package simd

import (
	"fmt"
	"testing"

	"phios/compute/tensor"
)

// BenchmarkDecode streams a matrix that is larger than any cache past one input
// row: what bounds it is memory.
func BenchmarkDecode(b *testing.B) {
	for _, f := range formatTable {
		benchmarkProduct(b, f, 65536, 2048, 1)
	}
}

// BenchmarkPrefill multiplies a matrix the size of a layer's with many rows.
func BenchmarkPrefill(b *testing.B) {
	for _, f := range formatTable {
		for _, inputs := range []int{4, 16, 128} {
			benchmarkProduct(b, f, 2048, 2048, inputs)
		}
	}
}

func benchmarkProduct(b *testing.B, f tensor.Format, rows, columns, inputs int) {
	b.Helper()
	for _, k := range All()[1:] {
		b.Run(fmt.Sprintf("%v/inputs=%d/%s", f, inputs, k.Name()), func(b *testing.B) {
			r := random(1)
			m := randomBlocks(b, k, r, f, rows, columns, false)
			in, out := NewInput(inputs, columns), make([]float32, inputs*rows)
			k.Quantize(in, f, normal(r, inputs*columns), inputs, columns)
			b.SetBytes(int64(len(m.Data)))
			for b.Loop() {
				for lo := 0; lo < rows; lo += 256 {
					k.Multiply(&m, in, out, rows, lo, lo+256)
				}
			}
			b.ReportMetric(float64(rows)*float64(columns)*float64(inputs)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GMAC/s")
		})
	}
}
