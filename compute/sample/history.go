package sample

// history counts the tokens of a text. Its zero value counts nothing.
type history struct {
	// count is one more than how often a token is in the text, and zero for a
	// token that is in neither text nor prompt.
	count    []uint32
	distinct []int32
}

func newHistory(vocabulary int) history {
	return history{count: make([]uint32, vocabulary), distinct: make([]int32, 0, vocabulary)}
}

func (h *history) mark(t int32) {
	if t < 0 || int(t) >= len(h.count) || h.count[t] > 0 {
		return
	}
	h.count[t] = 1
	h.distinct = append(h.distinct, t)
}

func (h *history) accept(t int32) {
	if t < 0 || int(t) >= len(h.count) {
		return
	}
	h.mark(t)
	h.count[t]++
}
