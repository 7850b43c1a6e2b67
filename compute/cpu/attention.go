package cpu

// project computes queries, keys and values of rows, and stores the latter two.
func (m *model) project(l *layer, index int, rows []row) {
	b := m.buffers
	m.multiply(b.normed, len(rows),
		product{l.matrices[roleQuery], b.queries},
		product{l.matrices[roleKey], b.keys},
		product{l.matrices[roleValue], b.values})
	m.pool.do(len(rows), rowGrain, func(_, lo, hi int) {
		for i := lo; i < hi; i++ {
			m.place(l, index, i, &rows[i])
		}
	})
}

// attention mixes the values of what each row sees.
func (m *model) attention(l *layer, index int, rows []row) {
	b := m.buffers
	m.pool.do(m.config.heads*len(rows), 1, func(thread, lo, hi int) {
		for item := lo; item < hi; item++ {
			m.attend(l, index, thread, item, rows)
		}
	})
	m.multiply(b.mixed, len(rows), product{l.matrices[roleAttentionOutput], b.normed})
	m.biasRows(b.normed, len(rows), l.vectors[roleAttentionOutputBias])
}

// place finishes the queries of a row, and puts its keys and values into its
// page.
func (m *model) place(l *layer, index, i int, r *row) {
	b, c, k := m.buffers, &m.config, m.unit.kernels
	kw, vw := c.keyWidth, c.valueWidth
	queries := b.queries[i*c.heads*kw : (i+1)*c.heads*kw]
	keys := b.keys[i*c.keyHeads*kw : (i+1)*c.keyHeads*kw]
	values := b.values[i*c.keyHeads*vw : (i+1)*c.keyHeads*vw]
	m.bias(queries, l.vectors[roleQueryBias])
	m.bias(keys, l.vectors[roleKeyBias])
	m.bias(values, l.vectors[roleValueBias])
	angles := b.angles[l.turn][i*c.rotated : (i+1)*c.rotated]
	turn := func(heads, norm []float32) {
		for h := 0; h < len(heads); h += kw {
			if norm != nil {
				k.RMSNorm(heads[h:h+kw], heads[h:h+kw], norm, c.epsilon)
			}
			rotate(heads[h:h+kw], angles, c.arch.pairs)
		}
	}
	turn(queries, l.vectors[roleQueryNorm])
	turn(keys, l.vectors[roleKeyNorm])
	shape, slot := &m.cache.shape, r.position%pageTokens
	page := m.cache.data[r.sequence.pages[r.position/pageTokens]]
	for h := range c.keyHeads {
		at := shape.key(index, h) + slot*kw
		k.ToHalf(page[at:at+kw], keys[h*kw:(h+1)*kw])
		at = shape.value(index, h) + slot*vw
		k.ToHalf(page[at:at+vw], values[h*vw:(h+1)*vw])
	}
}

// wanted keeps the rows whose logits are wanted, and what belongs to them.
func (m *model) wanted(rows []row) []row {
	b, n := m.buffers, 0
	w, q := m.config.width, m.config.extent(extentQueries)
	for i := range rows {
		if rows[i].logits == nil {
			continue
		}
		if i != n {
			rows[n] = rows[i]
			copy(b.residual[n*w:(n+1)*w], b.residual[i*w:(i+1)*w])
			copy(b.queries[n*q:(n+1)*q], b.queries[i*q:(i+1)*q])
		}
		n++
	}
	return rows[:n]
}

// attend is attention of one head of one token, page by page. Items go head by
// head: the keys of one stay in the processor's cache for all tokens of a prompt.
// Pages begin at multiples of their size and a window at a position, so that the
// order of every sum depends on the position alone.
func (m *model) attend(l *layer, index, thread, item int, rows []row) {
	b, c, k, shape := m.buffers, &m.config, m.unit.kernels, &m.cache.shape
	kw, vw := c.keyWidth, c.valueWidth
	head, i := item/len(rows), item%len(rows)
	r := &rows[i]
	keyHead := head / (c.heads / c.keyHeads)
	end := r.position + 1
	from := 0
	if l.window > 0 {
		from = max(0, end-l.window)
	}
	q := b.queries[(i*c.heads+head)*kw : (i*c.heads+head+1)*kw]
	out := b.mixed[(i*c.heads+head)*vw : (i*c.heads+head+1)*vw]
	scores := b.scoresOf(thread, end-from)
	for at := from; at < end; {
		slot := at % pageTokens
		n := min(pageTokens-slot, end-at)
		page := m.cache.data[r.sequence.pages[at/pageTokens]]
		k.Scores(scores[at-from:at-from+n], q, page[shape.key(index, keyHead)+slot*kw:], n, kw, c.scale)
		at += n
	}
	if c.capped > 0 {
		bound(scores, c.capped)
	}
	k.Softmax(scores)
	clear(out)
	for at := from; at < end; {
		slot := at % pageTokens
		n := min(pageTokens-slot, end-at)
		page := m.cache.data[r.sequence.pages[at/pageTokens]]
		k.Mix(out, scores[at-from:at-from+n], page[shape.value(index, keyHead)+slot*vw:], n, vw)
		at += n
	}
}
