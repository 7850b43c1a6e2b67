package cpu

import (
	"fmt"
	"math"

	"phios/compute"
	"phios/compute/gguf"
)

// scaling is how the rotation is stretched to contexts longer than those of the
// training.
type scaling struct {
	yarn     bool
	factor   float64 // 1 is none
	original int     // tokens of the training, for yarn and long factors
	amount   float64 // multiplies sines and cosines
	fast     float64 // turns within the original context from which yarn stretches nothing
	slow     float64 // and up to which it stretches all
}

// readRotation reads the keys of RoPE.
func (c *config) readRotation(m *metadata) {
	c.base = m.real("rope.freq_base", 10_000)
	c.localBase = c.base
	if c.arch.localBase > 0 {
		c.localBase = m.real("rope.freq_base_swa", c.arch.localBase)
	}
	if c.base < 1 || c.localBase < 1 {
		m.fail("the base of the rotation is %g and %g, and must be at least 1: the file is damaged; fetch it again", c.base, c.localBase)
	}
	s := scaling{
		factor:   m.real("rope.scaling.factor", m.real("rope.scale_linear", 0)),
		original: m.count("rope.scaling.original_context_length", contextTokensMax, c.trained),
		amount:   m.real("rope.scaling.attn_factor", 1),
		fast:     m.real("rope.scaling.yarn_beta_fast", 32),
		slow:     m.real("rope.scaling.yarn_beta_slow", 1),
	}
	if s.factor == 0 {
		s.factor = 1
	}
	switch kind, ok := m.file.Text(m.arch + ".rope.scaling.type"); {
	case !ok || kind == "linear" || kind == "longrope":
	case kind == "none":
		s.factor = 1
	case kind == "yarn":
		s.yarn = true
	default:
		m.fail("%w: the rotation is scaled by %.64q, and this unit knows linear, yarn, longrope and none; %s",
			compute.ErrUnsupported, kind, elsewhere)
	}
	s.check(m)
	c.scaling = s
}

// check refuses what would give no number.
func (s *scaling) check(m *metadata) {
	const most = contextTokensMax
	if s.factor > most || 1/s.factor > most || s.amount > most {
		m.fail("the rotation is scaled by %g and %g: the file is damaged; fetch it again", s.factor, s.amount)
	}
	if s.yarn && (s.fast <= s.slow || s.slow <= 0) {
		m.fail("yarn stretches between %g and %g turns: the file is damaged; fetch it again", s.slow, s.fast)
	}
}

// rotation is RoPE (Su et al., arXiv 2104.09864): pairs of elements of queries
// and keys are turned by an angle that is the token's position times the pair's
// frequency.
type rotation struct {
	frequencies []float64
	amount      float64
}

// newRotation is the rotation with one base. factors, when there are, divide the
// frequencies one by one: Llama 3's, and those of longrope. scaled applies what
// the metadata says of longer contexts: yarn is Peng et al., arXiv 2309.00071.
func newRotation(base float64, rotated int, factors []float32, s scaling) rotation {
	r := rotation{frequencies: make([]float64, rotated/2), amount: s.amount}
	var low, high float64
	if s.yarn {
		low = max(0, math.Floor(turnsAt(s.fast, base, rotated, s.original)))
		high = min(float64(rotated-1), math.Ceil(turnsAt(s.slow, base, rotated, s.original)))
		if s.factor > 1 {
			r.amount *= 1 + 0.1*math.Log(s.factor)
		}
	}
	for i := range r.frequencies {
		f := math.Pow(base, -2*float64(i)/float64(rotated))
		if factors != nil {
			f /= float64(factors[i])
		}
		stretched := f / s.factor
		if s.yarn {
			kept := 1 - min(1, max(0, (float64(i)-low)/max(0.001, high-low)))
			stretched = stretched*(1-kept) + f*kept
		}
		r.frequencies[i] = stretched
	}
	return r
}

// turnsAt is at which pair, counted in fractions, the original context is so
// many turns.
func turnsAt(turns, base float64, rotated, original int) float64 {
	if base == 1 {
		return 0
	}
	return float64(rotated) * math.Log(float64(original)/(turns*2*math.Pi)) / (2 * math.Log(base))
}

// angles writes cosine and sine of each pair at a position, side by side.
func (r *rotation) angles(out []float32, position int) {
	for i, f := range r.frequencies {
		sin, cos := math.Sincos(float64(position) * f)
		out[2*i], out[2*i+1] = float32(cos*r.amount), float32(sin*r.amount)
	}
}

// rotate turns the first elements of a head.
func rotate(x, angles []float32, pairs pairing) {
	n := len(angles) / 2
	if pairs == neighbours {
		x = x[:2*n]
		for i := 0; i+1 < len(x) && i+1 < len(angles); i += 2 {
			a, b, cos, sin := x[i], x[i+1], angles[i], angles[i+1]
			x[i], x[i+1] = a*cos-b*sin, a*sin+b*cos
		}
		return
	}
	first, second := x[:n], x[n:2*n]
	for i, a := range first {
		b, cos, sin := second[i], angles[2*i], angles[2*i+1]
		first[i], second[i] = a*cos-b*sin, a*sin+b*cos
	}
}

// readFactors reads a vector that divides the frequencies; nil when there is
// none.
func (c *config) readFactors(f *gguf.File, name string) ([]float32, error) {
	if _, ok := f.Tensor(name); !ok {
		return nil, nil
	}
	factors, err := readVector(f, name, c.rotated/2)
	if err != nil {
		return nil, err
	}
	for i, x := range factors {
		if !(x > 1e-6 && x < 1e9) {
			return nil, fmt.Errorf("%s[%d] is %g, and must be positive: the file is damaged; fetch it again", name, i, x)
		}
	}
	return factors, nil
}
