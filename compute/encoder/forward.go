package encoder

import (
	"math"

	"phios/compute/cpu/simd"
)

// scratch is what one thread computes in. Its rows are the tokens of a chunk.
type scratch struct {
	input *simd.Input
	x     []float32 // what flows from layer to layer
	y     []float32 // normalised, then what attention found
	z     []float32 // queries, keys and values, then what feeds forward
	add   []float32 // what is added to x
	score [tokensMax]float32
}

func newScratch() *scratch {
	rows := func(columns int) []float32 { return make([]float32, chunkTokens*columns) }
	return &scratch{
		input: simd.NewInput(chunkTokens, hidden),
		x:     rows(width), y: rows(width), z: rows(hidden), add: rows(width),
	}
}

// compute runs the model on a chunk.
func (e *Encoder) compute(s *scratch, jobs []job) {
	w := e.weights
	tokens := 0
	for _, j := range jobs {
		for position, id := range j.tokens {
			w.place(s.x[tokens*widthFirst:][:widthFirst], id, position)
			tokens++
		}
	}
	for i := range w.layers {
		e.layer(s, &w.layers[i], jobs, tokens)
	}
	e.pool(s, jobs)
}

// place writes the embedding of a token at a position: twice the piece's, with
// the sines and cosines of the position.
func (w *weights) place(x []float32, id int32, position int) {
	w.embeddings.Row(int(id), x)
	for i, v := range w.positions[position*widthFirst:][:widthFirst] {
		x[i] = 2*x[i] + v
	}
}

// layer adds to each token what attention finds, then what feeds forward.
func (e *Encoder) layer(s *scratch, l *layer, jobs []job, tokens int) {
	in := l.width
	e.normalize(&l.attention, s.y, s.x, tokens)
	e.multiply(s, &l.qkv, s.z, s.y, tokens)
	row := 0
	for _, j := range jobs {
		e.attend(s.score[:len(j.tokens)], s.y[row*in:], s.z[row*3*in:], in)
		row += len(j.tokens)
	}
	e.multiply(s, &l.out, s.add, s.y, tokens)
	if in != width {
		e.multiply(s, &e.weights.widen, s.z, s.x, tokens)
		copy(s.x, s.z[:tokens*width])
	}
	e.kernels.Add(s.x[:tokens*width], s.add[:tokens*width])

	e.normalize(&l.feed, s.y, s.x, tokens)
	e.multiply(s, &l.up, s.z, s.y, tokens)
	e.kernels.Relu(s.z[:tokens*hidden])
	e.multiply(s, &l.down, s.add, s.z, tokens)
	e.kernels.Add(s.x[:tokens*width], s.add[:tokens*width])
}

// multiply computes out = x times the matrix, plus the bias.
func (e *Encoder) multiply(s *scratch, l *linear, out, x []float32, rows int) {
	m := &l.matrix
	e.kernels.Quantize(s.input, m.Format, x[:rows*m.Columns], rows, m.Columns)
	e.kernels.Multiply(m, s.input, out, m.Rows, 0, m.Rows)
	for r := range rows {
		e.kernels.Add(out[r*m.Rows:][:m.Rows], l.bias)
	}
}

// normalize is the layer normalisation of Ba et al. (2016) of each row.
func (e *Encoder) normalize(a *affine, out, x []float32, rows int) {
	const epsilon = 1e-6
	n := len(a.scale)
	for r := range rows {
		e.kernels.LayerNorm(out[r*n:][:n], x[r*n:][:n], a.scale, a.bias, epsilon)
	}
}

// attend lets each token of one text look at all of it: out of width in, from
// queries, keys and values side by side. There is a weight for each token.
func (e *Encoder) attend(weights, out, qkv []float32, in int) {
	size, tokens := in/heads, len(weights)
	scale := float32(1 / math.Sqrt(float64(size)))
	for t := range tokens {
		for h := range heads {
			query := qkv[t*3*in+h*size:][:size]
			e.kernels.ScoresFloat(weights, query, qkv[in+h*size:], tokens, 3*in, scale)
			e.kernels.Softmax(weights)
			to := out[t*in+h*size:][:size]
			clear(to)
			e.kernels.MixFloat(to, weights, qkv[2*in+h*size:], tokens, 3*in)
		}
	}
}

// pool takes the mean of each text's tokens through the last layer.
func (e *Encoder) pool(s *scratch, jobs []job) {
	row := 0
	for i, j := range jobs {
		mean := s.y[i*width:][:width]
		clear(mean)
		for range j.tokens {
			e.kernels.Add(mean, s.x[row*width:][:width])
			row++
		}
		for k := range mean {
			mean[k] /= float32(len(j.tokens))
		}
	}
	e.multiply(s, &e.weights.pool, s.add, s.y, len(jobs))
	for i, j := range jobs {
		for k, v := range s.add[i*width:][:width] {
			j.row[k] = float32(math.Tanh(float64(v)))
		}
		normalize(j.row)
	}
}
