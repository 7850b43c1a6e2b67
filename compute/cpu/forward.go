package cpu

import (
	"context"
	"math"

	"phios/compute/cpu/simd"
	"phios/compute/tensor"
)

// A piece of a job over tokens is at least so many of them: less is not worth
// waking a thread.
const rowGrain = 4

// forward takes rows through all layers and writes the logits that are wanted.
// Rows of one sequence follow each other by position.
func (m *model) forward(ctx context.Context, rows []row) error {
	m.embed(rows)
	last := len(m.weights.layers) - 1
	for i := range m.weights.layers {
		if err := ctx.Err(); err != nil {
			return err
		}
		l := &m.weights.layers[i]
		if i == 0 {
			m.norm(len(rows), l.vectors[roleAttentionNorm])
		}
		m.project(l, i, rows)
		if i == last {
			rows = m.wanted(rows)
		}
		if len(rows) == 0 {
			return nil // nobody wants logits, and all keys and values are there
		}
		m.attention(l, i, rows)
		m.join(len(rows), l.vectors[roleAttentionPostNorm], l.vectors[roleFeedNorm])
		m.feed(l, len(rows))
		next := m.weights.outputNorm
		if i < last {
			next = m.weights.layers[i+1].vectors[roleAttentionNorm]
		}
		m.join(len(rows), l.vectors[roleFeedPostNorm], next)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	m.head(rows)
	return nil
}

// embed looks up the tokens, and the angles of their positions.
func (m *model) embed(rows []row) {
	b, w := m.buffers, m.config.width
	m.pool.do(len(rows), rowGrain, func(_, lo, hi int) {
		for i := lo; i < hi; i++ {
			x := b.residual[i*w : (i+1)*w]
			m.weights.embedding.Row(int(rows[i].token), x)
			if s := m.config.embeddingScale; s != 1 {
				for j := range x {
					x[j] *= s
				}
			}
			n := m.config.rotated
			m.weights.rotations[0].angles(b.angles[0][i*n:(i+1)*n], rows[i].position)
			if m.config.arch.localBase > 0 {
				m.weights.rotations[1].angles(b.angles[1][i*n:(i+1)*n], rows[i].position)
			}
		}
	})
}

// norm writes the norm of the residual stream.
func (m *model) norm(rows int, weight []float32) {
	b, w := m.buffers, m.config.width
	m.pool.do(rows, rowGrain, func(_, lo, hi int) {
		for i := lo * w; i < hi*w; i += w {
			m.unit.kernels.RMSNorm(b.normed[i:i+w], b.residual[i:i+w], weight, m.config.epsilon)
		}
	})
}

// join adds what a part of a layer gave, normed where post says so, to the
// residual stream, and writes the norm for the next part.
func (m *model) join(rows int, post, next []float32) {
	b, w, k := m.buffers, m.config.width, m.unit.kernels
	m.pool.do(rows, rowGrain, func(_, lo, hi int) {
		for i := lo * w; i < hi*w; i += w {
			x, y := b.residual[i:i+w], b.normed[i:i+w]
			if post != nil {
				k.RMSNorm(y, y, post, m.config.epsilon)
			}
			k.Add(x, y)
			k.RMSNorm(y, x, next, m.config.epsilon)
		}
	})
}

// feed is the feed-forward network: down(f(gate) * up).
func (m *model) feed(l *layer, rows int) {
	b, c, k := m.buffers, &m.config, m.unit.kernels
	m.multiply(b.normed, rows, product{l.matrices[roleGate], b.gate}, product{l.matrices[roleUp], b.up})
	n := c.inner
	m.pool.do(rows, rowGrain, func(_, lo, hi int) {
		for i := lo * n; i < hi*n; i += n {
			gate, up := b.gate[i:i+n], b.up[i:i+n]
			m.bias(gate, l.vectors[roleGateBias])
			m.bias(up, l.vectors[roleUpBias])
			if c.arch.gate == gelu {
				k.GeluMul(gate, up)
			} else {
				k.SiluMul(gate, up)
			}
		}
	})
	m.multiply(b.gate, rows, product{l.matrices[roleDown], b.normed})
	m.biasRows(b.normed, rows, l.vectors[roleDownBias])
}

// bias adds a bias where there is one.
func (m *model) bias(x, bias []float32) {
	if bias != nil {
		m.unit.kernels.Add(x, bias)
	}
}

func (m *model) biasRows(x []float32, rows int, bias []float32) {
	if bias == nil {
		return
	}
	for i := range rows {
		m.bias(x[i*len(bias):(i+1)*len(bias)], bias)
	}
}

// product is a matrix and where the products of its rows go.
type product struct {
	matrix *simd.Matrix
	out    []float32
}

// multiply multiplies rows by several matrices. Those that read the input in the
// same form are one job.
func (m *model) multiply(x []float32, rows int, products ...product) {
	b, k := m.buffers, m.unit.kernels
	for len(products) > 0 {
		first := products[0].matrix
		n := 1
		for n < len(products) && sameInput(products[n].matrix.Format, first.Format) {
			n++
		}
		k.Quantize(b.input, first.Format, x, rows, first.Columns)
		m.multiplyAll(products[:n])
		products = products[n:]
	}
}

// multiplyAll is one job over the rows of all matrices, in blocks of the
// kernels' grain.
func (m *model) multiplyAll(products []product) {
	b, k := m.buffers, m.unit.kernels
	blocks := func(p *product) int { return (p.matrix.Rows + simd.Grain - 1) / simd.Grain }
	all := 0
	for i := range products {
		all += blocks(&products[i])
	}
	m.pool.do(all, 1, func(_, lo, hi int) {
		for i := range products {
			p := &products[i]
			n := blocks(p)
			if lo < n && hi > 0 {
				k.Multiply(p.matrix, b.input, p.out, p.matrix.Rows,
					max(lo, 0)*simd.Grain, min(hi*simd.Grain, p.matrix.Rows))
			}
			lo, hi = lo-n, hi-n
		}
	})
}

// sameInput says whether two formats are multiplied by the same form of input.
func sameInput(a, b tensor.Format) bool {
	return a == b || a.Elements() == 256 && b.Elements() == 256 || a.Elements() == 1 && b.Elements() == 1
}

// head computes the logits of the rows that want them, a few at a time.
func (m *model) head(rows []row) {
	b, w, v := m.buffers, m.config.width, m.config.vocabulary
	for len(rows) > 0 {
		n := min(len(rows), len(b.logits)/v)
		m.multiply(b.normed, n, product{m.weights.output, b.logits})
		for i := range n {
			copy(rows[i].logits, b.logits[i*v:(i+1)*v])
			if c := m.config.cappedLogits; c > 0 {
				bound(rows[i].logits, c)
			}
		}
		copy(b.normed, b.normed[n*w:len(rows)*w])
		rows = rows[n:]
	}
}

// bound presses numbers into (-limit, limit).
func bound(x []float32, limit float32) {
	for i, v := range x {
		x[i] = limit * float32(math.Tanh(float64(v/limit)))
	}
}
