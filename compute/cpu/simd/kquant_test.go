package simd

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"testing"
	"time"

	"phios/compute/tensor"
)

// mineTable lists the formats whose tests are here: superblocks and floats.
var mineTable = [...]tensor.Format{
	tensor.Q4_K, tensor.Q5_K, tensor.Q6_K, tensor.F16, tensor.BF16, tensor.F32,
}

// randomMatrix has random bits as quantised values and float scales of a sane
// size. With extreme, all bits of the former are set (and the scales of Q6_K
// are −128), which makes every integer as large as it can be.
func randomMatrix(tb testing.TB, r *rand.Rand, f tensor.Format, rows, columns int, extreme bool) Matrix {
	tb.Helper()
	n, _ := f.RowBytes(columns)
	data := make([]byte, rows*n)
	small := func() uint16 { return tensor.FloatToHalf(float32(r.NormFloat64() * 0.01)) }
	for i := range data {
		data[i] = byte(r.Uint32())
		if extreme {
			data[i] = 0xff
			if f == tensor.Q6_K && i%210 >= 192 {
				data[i] = 0x80
			}
		}
	}
	for b := range len(data) / f.Bytes() {
		block := data[b*f.Bytes():]
		//exhaustive:ignore
		switch f {
		case tensor.Q6_K:
			binary.LittleEndian.PutUint16(block[208:], small())
		case tensor.Q4_K, tensor.Q5_K:
			binary.LittleEndian.PutUint16(block, small())
			binary.LittleEndian.PutUint16(block[2:], small())
		default:
			scale := 1.0
			if extreme {
				scale = 6e4
			}
			tensor.Quantize(f, []float32{float32(r.NormFloat64() * scale)}, block[:f.Bytes()])
		}
	}
	m, err := Plain().Matrix(f, rows, columns, data)
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

// randomInput is quantised random activations. With extreme, the codes are all
// −128, further than any quantiser goes.
func randomInput(r *rand.Rand, f tensor.Format, rows, columns int, extreme bool) *Input {
	in := NewInput(rows, columns)
	Plain().Quantize(in, f, normal(r, rows*columns), rows, columns)
	if extreme && in.kind == kindBlocks256 {
		for i := range in.codes {
			in.codes[i] = -128
		}
		for i := range in.sums16 {
			in.sums16[i] = -128 * 16
		}
	}
	return in
}

// multiplied multiplies all rows.
func multiplied(k *Kernels, m *Matrix, in *Input) []float32 {
	out := make([]float32, in.rows*m.Rows)
	k.Multiply(m, in, out, m.Rows, 0, m.Rows)
	return out
}

func sameBits(tb testing.TB, what string, got, want []float32) {
	tb.Helper()
	for i := range got {
		if math.Float32bits(got[i]) != math.Float32bits(want[i]) {
			tb.Fatalf("%s: result %d of %d is %v (%#x), want %v (%#x)", what, i, len(got),
				got[i], math.Float32bits(got[i]), want[i], math.Float32bits(want[i]))
		}
	}
}

// TestSetsAgree compares each set with the plain one, to the bit, over random
// shapes; the numbers of input rows pass the edges of all tiles.
func TestSetsAgree(t *testing.T) {
	t.Parallel()
	for _, k := range All()[1:] {
		for _, f := range mineTable {
			t.Run(fmt.Sprint(k.Name(), f), func(t *testing.T) {
				t.Parallel()
				r := random(uint64(f))
				for round := range 24 {
					rows, inputs := 1+r.IntN(40), 1+round
					columns := superblock * (1 + r.IntN(4))
					if f.Elements() == 1 {
						columns = 1 + r.IntN(300)
						if round%2 == 0 {
							columns = floatLanes * (1 + r.IntN(9))
						}
					}
					extreme := round%4 == 3
					m := randomMatrix(t, r, f, rows, columns, extreme)
					in := randomInput(r, f, inputs, columns, extreme)
					what := fmt.Sprintf("%s %v, %d×%d, %d inputs, extreme %v", k.Name(), f, rows, columns, inputs, extreme)
					sameBits(t, what, multiplied(k, &m, in), multiplied(Plain(), &m, in))
				}
			})
		}
	}
}

// TestBatchIsSingle multiplies a batch, in ranges of rows that are taken out of
// order, and compares each result with that of its row of input alone.
func TestBatchIsSingle(t *testing.T) {
	t.Parallel()
	const rows, columns, inputs = 75, 2 * superblock, 29
	for _, k := range All() {
		for _, f := range mineTable {
			r := random(uint64(f) + 100)
			m := randomMatrix(t, r, f, rows, columns, false)
			x := normal(r, inputs*columns)
			in, alone := NewInput(inputs, columns), NewInput(1, columns)
			k.Quantize(in, f, x, inputs, columns)
			out, want := make([]float32, inputs*rows), make([]float32, inputs*rows)
			for _, lo := range []int{48, 0, 32} {
				k.Multiply(&m, in, out, rows, lo, min(lo+2*Grain, rows))
			}
			for i := range inputs {
				k.Quantize(alone, f, x[i*columns:], 1, columns)
				k.Multiply(&m, alone, want[i*rows:], rows, 0, rows)
			}
			sameBits(t, fmt.Sprint(k.Name(), " ", f), out, want)
		}
	}
}

// inputAt is element i of row t as quantised, for the forms used here.
func inputAt(in *Input, t, i int) float64 {
	if in.kind == kindFloats {
		return float64(in.floats[t*in.columns+i])
	}
	return float64(in.codes[t*in.codeStride+i]) * float64(in.scales[t*in.scaleStride+i/superblock])
}

// TestErrorIsBounded compares with float64 over the widened weights and the
// input as quantised. Each of the n float operations of a product errs by at
// most 2⁻²⁴ of the numbers so far, which are at most Σ|w·x|; a K format has four
// a superblock, but their parts with and without least values may cancel, so
// that both are counted.
func TestErrorIsBounded(t *testing.T) {
	t.Parallel()
	const rows, columns, inputs = 16, 3 * superblock, 4
	for _, f := range mineTable {
		r := random(uint64(f) + 200)
		m := randomMatrix(t, r, f, rows, columns, false)
		in := randomInput(r, f, inputs, columns, false)
		out := multiplied(Best(), &m, in)
		w := make([]float32, columns)
		for row := range rows {
			m.Row(row, w)
			for i := range inputs {
				var want, size float64
				for c, v := range w {
					p := float64(v) * inputAt(in, i, c)
					want += p
					size += math.Abs(p)
				}
				if f.Elements() == superblock {
					size *= 8 // The least values, which are taken away again.
				}
				bound := size * (columns/floatLanes + 6) * 0x1p-24
				if got := float64(out[i*rows+row]); math.Abs(got-want) > bound {
					t.Errorf("%v row %d input %d: %v, want %v within %v", f, row, i, got, want, bound)
				}
			}
		}
	}
}

// TestFuseRoundsOnce checks the emulated multiply-add with exact arithmetic.
func TestFuseRoundsOnce(t *testing.T) {
	t.Parallel()
	r := random(3)
	for range 200000 {
		a, b := float32(r.NormFloat64()), float32(r.NormFloat64())
		// Close to halfway cases: a product cancelled, or far above the sum.
		c := float32(math.Ldexp(float64(-a*b), r.IntN(60)-30))
		if r.IntN(3) == 0 {
			c = -a * b
		}
		switch r.IntN(8) {
		case 0: // Among subnormal numbers.
			a, c = a*0x1p-130, float32(math.Ldexp(float64(c), -140))
		case 1: // The product is half of the last place of the sum, or nearly.
			a, b, c = 1, float32(math.Ldexp(1, -24)), 1+float32(r.IntN(4))*0x1p-23
			if r.IntN(2) == 0 {
				a += 0x1p-23
			}
		}
		exact := new(big.Float).SetPrec(300)
		exact.Mul(big.NewFloat(float64(a)), big.NewFloat(float64(b)))
		exact.Add(exact, big.NewFloat(float64(c)))
		want, _ := exact.Float32()
		lanes := [floatLanes]float32{c}
		fuseLanes(&lanes, []float32{a}, []float32{b})
		if got := fuseOdd(a, b, c); got != want || lanes[0] != want {
			t.Fatalf("%v·%v%+v = %v or %v, want %v", a, b, c, got, lanes[0], want)
		}
	}
}

func BenchmarkRows(b *testing.B) {
	for _, k := range All()[1:] {
		for _, f := range mineTable {
			for _, inputs := range []int{1, 4, 16, 128, 512} {
				b.Run(fmt.Sprintf("%s/%v/%d", k.Name(), f, inputs), func(b *testing.B) {
					r := random(1)
					rows, columns := 32768, 2048
					if inputs > 1 {
						rows = 2048
					}
					one := randomMatrix(b, r, f, 64, columns, false)
					m := one
					m.Rows, m.Data = rows, nil
					for range rows / 64 {
						m.Data = append(m.Data, one.Data...)
					}
					in := randomInput(r, f, inputs, columns, false)
					out := make([]float32, rows*inputs)
					// The fastest round, for the machine may be shared.
					best := time.Duration(math.MaxInt64)
					for b.Loop() {
						start := time.Now()
						k.Multiply(&m, in, out, rows, 0, rows)
						best = min(best, time.Since(start))
					}
					b.ReportMetric(float64(len(m.Data))/best.Seconds()/1e9, "GB/s")
					b.ReportMetric(float64(rows*columns*inputs)/best.Seconds()/1e9, "GMAC/s")
				})
			}
		}
	}
}
