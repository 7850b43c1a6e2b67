package cpu

import "phios/compute/cpu/simd"

// buffers are the activations of a step, made once. Each holds a row for each
// token, but where it says otherwise.
type buffers struct {
	rows     []row
	residual []float32
	normed   []float32 // what goes into a part of a layer, and then what comes out
	queries  []float32
	keys     []float32
	values   []float32
	mixed    []float32 // of values, by attention
	gate, up []float32
	angles   [2][]float32 // of each rotation
	input    *simd.Input
	logits   []float32   // logitRowsMax rows
	scores   [][]float32 // of each thread, as long as the longest text so far
}

func newBuffers(c *config, rows, threads int) *buffers {
	each := func(n int) []float32 { return make([]float32, rows*n) }
	return &buffers{
		rows:     make([]row, 0, rows),
		residual: each(c.width),
		normed:   each(c.width),
		queries:  each(c.extent(extentQueries)),
		keys:     each(c.extent(extentKeys)),
		values:   each(c.extent(extentValues)),
		mixed:    each(c.extent(extentMixed)),
		gate:     each(c.inner),
		up:       each(c.inner),
		angles:   [2][]float32{each(c.rotated), each(c.rotated)},
		input:    simd.NewInput(rows, widest(c)),
		logits:   make([]float32, min(rows, logitRowsMax)*c.vocabulary),
		scores:   make([][]float32, threads),
	}
}

// widest is the longest row that is multiplied by a matrix.
func widest(c *config) int { return max(c.width, c.extent(extentMixed), c.inner) }

// bufferBytes is about what newBuffers takes. An input takes seven bytes an
// element.
func bufferBytes(c *config, rows, threads int) int {
	elements := 2*c.width + c.extent(extentQKV) + c.extent(extentMixed) + 2*c.inner + 2*c.rotated
	return rows*(4*elements+7*widest(c)) + 4*min(rows, logitRowsMax)*c.vocabulary + threads*4*scoresFirst
}

// scoresFirst is for how many tokens a thread has room at first.
const scoresFirst = 4096

// scoresOf is room for the scores of n tokens, of one thread.
func (b *buffers) scoresOf(thread, n int) []float32 {
	if len(b.scores[thread]) < n {
		b.scores[thread] = make([]float32, max(scoresFirst, n+n/2))
	}
	return b.scores[thread][:n]
}
