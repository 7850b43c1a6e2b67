package sample

import "math"

// powerTable holds 2 to the power of i/32.
var powerTable = [32]float64{
	1.0, 1.0218971486541166, 1.0442737824274138, 1.0671404006768237,
	1.0905077326652577, 1.1143867425958924, 1.1387886347566916, 1.1637248587775775,
	1.189207115002721, 1.215247359980469, 1.241857812073484, 1.2690509571917332,
	1.2968395546510096, 1.3252366431597413, 1.3542555469368927, 1.383909881963832,
	1.4142135623730951, 1.4451808069770467, 1.4768261459394993, 1.5091644275934228,
	1.5422108254079407, 1.5759808451078865, 1.6104903319492543, 1.645755478153965,
	1.681792830507429, 1.718619298122478, 1.7562521603732995, 1.7947090750031072,
	1.8340080864093424, 1.8741676341103, 1.9152065613971474, 1.9571441241754002,
}

// exp is e to the power of x for x in [-708, 0], and zero below and for NaN,
// with a relative error under 1e-11. The conversions keep the compiler from
// fusing multiply and add, which some architectures have and others do not.
//
// x is split as n ln 2 / 32 + r with r at most half of a step; 2^(n/32) comes
// from the table and the exponent, e^r from its Taylor series.
func exp(x float64) float64 {
	if !(x >= -708) {
		return 0
	}
	const (
		high = 6.93147180369123816490e-01 / 32
		low  = 1.90821492927058770002e-10 / 32
	)
	n := int(float64(x*(32*math.Log2E)) - 0.5)
	r := x - float64(float64(n)*high)
	r -= float64(float64(n) * low)
	rr := float64(r * r)
	cubic := 0.5 + float64(r*(1.0/6)) + float64(rr*(1.0/24))
	p := 1 + r + float64(rr*cubic)
	scale := math.Float64frombits(uint64(n>>5+1023) << 52)
	return float64(p*powerTable[n&31]) * scale
}

// uniform is the random number of a step, in [0, 1): SplitMix64's finaliser
// (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014)
// over seed and counter. A counter instead of a state lets a text go on from
// any step, on another machine too.
func uniform(seed, step uint64) float64 {
	return float64(mix(mix(seed)+(step+1)*0x9E3779B97F4A7C15)>>11) * 0x1p-53
}

func mix(z uint64) uint64 {
	z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
	z = (z ^ z>>27) * 0x94D049BB133111EB
	return z ^ z>>31
}

// logNorm is the logarithm of the sum of the exponentials of all logits.
func (s *Sampler) logNorm(logits []float32) float64 {
	_, high := argmax(logits, nil)
	if high <= -math.MaxFloat32 {
		return math.Inf(-1)
	}
	top := float64(min(high, math.MaxFloat32))
	var sum float64
	for _, x := range logits {
		sum += exp(min(float64(x)-top, 0)) // NaN gives zero
	}
	return top + math.Log(sum)
}

func logprob(x float32, norm float64) float64 {
	p := min(float64(x), math.MaxFloat32) - norm
	if !(p >= NoLogprob) {
		return NoLogprob
	}
	return min(p, 0)
}

// top appends the n most likely tokens to an empty list that has the room.
func top(list []Logprob, logits []float32, norm float64, n int) []Logprob {
	if n == 0 {
		return list
	}
	least := float32(math.Inf(-1))
	for i, x := range logits {
		if !(x > least) {
			continue
		}
		if len(list) == n {
			list = list[:n-1]
		}
		at := len(list)
		list = append(list, Logprob{})
		for ; at > 0 && list[at-1].Logprob < float64(x); at-- {
			list[at] = list[at-1]
		}
		list[at] = Logprob{Token: int32(i), Logprob: float64(x)}
		if len(list) == n {
			least = float32(list[n-1].Logprob)
		}
	}
	for i := range list {
		list[i].Logprob = logprob(float32(list[i].Logprob), norm)
	}
	return list
}
