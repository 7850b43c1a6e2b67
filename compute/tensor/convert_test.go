package tensor_test

import (
	"bytes"
	"encoding/binary"
	"hash/fnv"
	"math"
	"testing"

	"phios/compute/tensor"
	"phios/internal/prng"
)

// formats returns every format that is known.
func formats() []tensor.Format {
	return []tensor.Format{
		tensor.F32, tensor.F16, tensor.BF16, tensor.Q8_0, tensor.Q4_0,
		tensor.Q4_K, tensor.Q5_K, tensor.Q6_K,
	}
}

// normal fills x with numbers of a normal distribution.
func normal(s *prng.Source, x []float32, deviation float64) {
	for i := range x {
		var sum float64
		for range 12 {
			sum += float64(s.Uint64()>>11) / (1 << 53)
		}
		x[i] = float32((sum - 6) * deviation)
	}
}

func TestHalvesAreExact(t *testing.T) {
	for i := range 1 << 16 {
		h := uint16(i)
		sign, exponent, fraction := 1-2*float64(h>>15), int(h>>10&31), float64(h&1023)
		var want float64
		switch exponent {
		case 0:
			want = sign * math.Ldexp(fraction, -24)
		case 31:
			want = sign * math.Inf(1)
		default:
			want = sign * math.Ldexp(1024+fraction, exponent-25)
		}
		got := tensor.HalfToFloat(h)
		if exponent == 31 && fraction != 0 {
			if back := tensor.FloatToHalf(got); got == got || back != h|0x200 {
				t.Fatalf("NaN %#04x came back as %#04x", h, back)
			}
			continue
		}
		if float64(got) != want || math.Signbit(float64(got)) != (h>>15 == 1) {
			t.Fatalf("half %#04x is %g, want %g", h, got, want)
		}
		if back := tensor.FloatToHalf(got); back != h {
			t.Fatalf("half %#04x came back as %#04x", h, back)
		}
	}
}

// TestHalvesRoundToEven tries, between each two neighbours, the middle and the
// numbers next to it.
func TestHalvesRoundToEven(t *testing.T) {
	for h := range uint16(0x7c00) {
		low := float64(tensor.HalfToFloat(h))
		high := float64(tensor.HalfToFloat(h + 1))
		if h == 0x7bff {
			high = 65536
		}
		middle := float32((low + high) / 2)
		even := h + h&1
		for _, c := range []struct {
			f    float32
			want uint16
		}{
			{math.Nextafter32(middle, 0), h},
			{middle, even},
			{math.Nextafter32(middle, 1e9), h + 1},
		} {
			if got := tensor.FloatToHalf(c.f); got != c.want {
				t.Fatalf("%g is half %#04x, want %#04x", c.f, got, c.want)
			}
			if got := tensor.FloatToHalf(-c.f); got != c.want|0x8000 {
				t.Fatalf("%g is half %#04x, want %#04x", -c.f, got, c.want|0x8000)
			}
		}
	}
	for _, f := range []float32{65536, 1e30, float32(math.Inf(1))} {
		if got := tensor.FloatToHalf(f); got != 0x7c00 {
			t.Errorf("%g is half %#04x, want infinity", f, got)
		}
	}
}

func TestBrainFloatsAreExactAndRoundToEven(t *testing.T) {
	for i := range 1 << 16 {
		b := uint16(i)
		f := tensor.BrainToFloat(b)
		if math.Float32bits(f) != uint32(b)<<16 {
			t.Fatalf("bfloat16 %#04x is %g", b, f)
		}
		if f != f {
			if back := tensor.FloatToBrain(f); back != b|0x40 {
				t.Fatalf("NaN %#04x came back as %#04x", b, back)
			}
			continue
		}
		if back := tensor.FloatToBrain(f); back != b {
			t.Fatalf("bfloat16 %#04x came back as %#04x", b, back)
		}
		if b&0x7fff >= 0x7f80 {
			continue
		}
		for _, c := range []struct {
			below uint32
			want  uint16
		}{{0x7fff, b}, {0x8000, b + b&1}, {0x8001, b + 1}} {
			f := math.Float32frombits(uint32(b)<<16 | c.below)
			if got := tensor.FloatToBrain(f); got != c.want {
				t.Fatalf("%g is bfloat16 %#04x, want %#04x", f, got, c.want)
			}
		}
	}
}

// TestErrorOfFormats bounds the error of each format on normal numbers, as a
// part of their deviation. The bounds of the K formats are what GGML's
// reference reaches, and 1 %.
func TestErrorOfFormats(t *testing.T) {
	bound := map[tensor.Format]float64{
		tensor.F32: 0, tensor.F16: 3e-4, tensor.BF16: 2e-3, tensor.Q8_0: 0.006,
		tensor.Q4_0: 0.095, tensor.Q4_K: 0.075, tensor.Q5_K: 0.038, tensor.Q6_K: 0.018,
	}
	const n = 256 * 256
	x, y := make([]float32, n), make([]float32, n)
	for _, deviation := range []float64{1, 0.02, 300} {
		normal(prng.New(1), x, deviation)
		for _, f := range formats() {
			size, _ := f.RowBytes(n)
			data := make([]byte, size)
			tensor.Quantize(f, x, data)
			tensor.Dequantize(f, data, y)
			var sum float64
			for i := range x {
				d := float64(x[i] - y[i])
				sum += d * d
			}
			got := math.Sqrt(sum/n) / deviation
			t.Logf("%s: error %.6f of deviation %g", f, got, deviation)
			if got > bound[f] {
				t.Errorf("%s: error %.5f of the deviation %g, want at most %.5f", f, got, deviation, bound[f])
			}
		}
	}
}

// goldens returns what the reference functions of GGML (ggml-quants.c) make of the input of
// TestBitsOfReference: the hash of each format's blocks, zero where the search
// need not be the same, and of the float32 numbers it reads from random blocks.
func goldens() map[tensor.Format][2]uint64 {
	return map[tensor.Format][2]uint64{
		tensor.F32:  {0x856e44a77ff4e213, 0xab7c832cfc4c3ccb},
		tensor.F16:  {0xbbbb6094696e5a74, 0x6d150cc1c63c03ba},
		tensor.BF16: {0x97f9231e2a1f3268, 0x576180d9185f29b0},
		tensor.Q8_0: {0x8189d3fb10885bba, 0x9674d3f1721fb37f},
		tensor.Q4_0: {0x4824abb9a3345388, 0x40323f2100ec9b1a},
		tensor.Q4_K: {0, 0xb3584ec4024df52d},
		tensor.Q5_K: {0, 0xea487e27b86aaaa4},
		tensor.Q6_K: {0, 0x19498cbe7da38410},
	}
}

func TestBitsOfReference(t *testing.T) {
	x := make([]float32, 1<<16)
	for i, deviation := range []float64{1, 0.02, 300, 1e-6} {
		normal(prng.New(uint64(i)), x[i<<14:][:1<<14], deviation)
	}
	copy(x, make([]float32, 256))
	for i, v := range x[:64] {
		x[256+i], x[320+i] = 5, -float32(i)+v
	}
	for _, f := range formats() {
		size, _ := f.RowBytes(len(x))
		data := make([]byte, size)
		tensor.Quantize(f, x, data)
		narrow := hash(data)
		randomBlocks(f, data)
		y := make([]float32, len(x))
		tensor.Dequantize(f, data, y)
		raw := make([]byte, 4*len(y))
		tensor.Quantize(tensor.F32, y, raw)
		wide := hash(raw)
		want := goldens()[f]
		if want[0] != 0 && narrow != want[0] {
			t.Errorf("%s: blocks hash to %#x, want %#x", f, narrow, want[0])
		}
		if wide != want[1] {
			t.Errorf("%s: numbers hash to %#x, want %#x", f, wide, want[1])
		}
	}
}

func hash(b []byte) uint64 {
	h := fnv.New64a()
	h.Write(b)
	return h.Sum64()
}

// randomBlocks fills data with random blocks whose scales are finite.
func randomBlocks(f tensor.Format, data []byte) {
	s := prng.New(uint64(f))
	for i := range data {
		data[i] = byte(s.Uint64())
	}
	scales := map[tensor.Format][]int{
		tensor.F16: {1}, tensor.BF16: {1}, tensor.F32: {3}, tensor.Q8_0: {1}, tensor.Q4_0: {1},
		tensor.Q4_K: {1, 3}, tensor.Q5_K: {1, 3}, tensor.Q6_K: {209},
	}
	for at := 0; at < len(data); at += f.Bytes() {
		for _, high := range scales[f] {
			data[at+high] &^= 0x40 // the top bit of the exponent
		}
	}
}

// TestOddBlocks narrows blocks on which scales vanish or overflow: nothing may
// panic, and finite small blocks come back near to what they were.
func TestOddBlocks(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	for name, fill := range map[string]func(i int) float32{
		"zeros":       func(int) float32 { return 0 },
		"ones":        func(int) float32 { return 1 },
		"minus ones":  func(int) float32 { return -1 },
		"one of many": func(i int) float32 { return float32(min(i, 1) - 1) },
		"subnormal":   func(i int) float32 { return math.Float32frombits(uint32(i)) },
		"tiny":        func(i int) float32 { return 1e-20 * float32(i) },
		"huge":        func(i int) float32 { return 1e38 * float32(i%3-1) },
		"infinite":    func(i int) float32 { return inf * float32(i%2*2-1) },
		"NaN":         func(int) float32 { return nan },
		"mixed":       func(i int) float32 { return []float32{nan, inf, -inf, 0, 1}[i%5] },
	} {
		x, y := make([]float32, 512), make([]float32, 512)
		for i := range x {
			x[i] = fill(i)
		}
		for _, f := range formats() {
			size, _ := f.RowBytes(len(x))
			data := make([]byte, size)
			tensor.Quantize(f, x, data)
			tensor.Dequantize(f, data, y)
			for i := range x {
				if a := math.Abs(float64(x[i])); a <= 1 && math.Abs(float64(x[i]-y[i])) > 0.13 && name != "mixed" {
					t.Fatalf("%s as %s: element %d is %g, want %g", name, f, i, y[i], x[i])
				}
			}
		}
	}
}

// TestAnyBytesWiden reads random bytes as each format: blocks are a stranger's.
func TestAnyBytesWiden(t *testing.T) {
	s := prng.New(7)
	out := make([]float32, 512)
	for _, f := range formats() {
		size, _ := f.RowBytes(len(out))
		data := make([]byte, size)
		for range 200 {
			for i := range data {
				data[i] = byte(s.Uint64())
			}
			tensor.Dequantize(f, data, out)
		}
	}
}

// TestBitsBelongToElements flips each bit of a block: every element must depend
// on several of them.
func TestBitsBelongToElements(t *testing.T) {
	for _, f := range formats() {
		n := max(f.Elements(), 32)
		size, _ := f.RowBytes(n)
		data := bytes.Repeat([]byte{0x11}, size)
		before, after := make([]float32, n), make([]float32, n)
		tensor.Dequantize(f, data, before)
		changed := make([]int, n)
		for bit := range 8 * size {
			data[bit/8] ^= 1 << (bit % 8)
			tensor.Dequantize(f, data, after)
			data[bit/8] ^= 1 << (bit % 8)
			for i := range before {
				if before[i] != after[i] {
					changed[i]++
				}
			}
		}
		for i, c := range changed {
			if c < 4 {
				t.Errorf("%s: element %d depends on %d bits", f, i, c)
			}
		}
	}
}

// FuzzQuantize narrows any numbers whose scales fit into halves: what comes back is near,
// measured by the largest of the block.
func FuzzQuantize(f *testing.F) {
	f.Add([]byte{0, 0, 128, 63})
	f.Fuzz(func(t *testing.T, b []byte) {
		x, y := make([]float32, 256), make([]float32, 256)
		var most float64
		for i := range x {
			if 4*i+4 <= len(b) {
				x[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
			}
			if a := math.Abs(float64(x[i])); !(a <= 1e5 && a >= 1e-3) {
				x[i] = 0
			}
			most = max(most, math.Abs(float64(x[i])))
		}
		for _, format := range formats() {
			size, _ := format.RowBytes(len(x))
			data := make([]byte, size)
			tensor.Quantize(format, x, data)
			tensor.Dequantize(format, data, y)
			if format == tensor.F16 && most > 65504 {
				continue
			}
			for i := range x {
				if d := math.Abs(float64(x[i] - y[i])); !(d <= 0.2*most) {
					t.Fatalf("%s: element %d of %g came back as %g, the largest is %g", format, i, x[i], y[i], most)
				}
			}
		}
	})
}

func BenchmarkDequantize(b *testing.B) {
	x := make([]float32, 4096)
	normal(prng.New(1), x, 1)
	for _, f := range formats() {
		size, _ := f.RowBytes(len(x))
		data := make([]byte, size)
		tensor.Quantize(f, x, data)
		b.Run("widen "+f.String(), func(b *testing.B) {
			b.SetBytes(int64(4 * len(x)))
			for b.Loop() {
				tensor.Dequantize(f, data, x)
			}
		})
		b.Run("narrow "+f.String(), func(b *testing.B) {
			b.SetBytes(int64(4 * len(x)))
			for b.Loop() {
				tensor.Quantize(f, x, data)
			}
		})
	}
}
