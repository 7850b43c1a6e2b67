package sample

import (
	"math"
	"math/bits"
	"slices"
)

// candidate is a token that may still be drawn.
type candidate struct {
	logit float32
	token int32
	// weight is its probability as a share of that of the best, and bucket its
	// place in a histogram over the distance from the best.
	weight float32
	bucket int32
}

// before is the order of likelihood: a greater logit, then a lower token.
func (c *candidate) before(d *candidate) bool {
	return c.logit > d.logit || c.logit == d.logit && c.token < d.token
}

const (
	// Tokens further below the best than this are never drawn: 2^18 of them
	// together have a probability under 2^-39.
	belowMax = 40
	// Up to this top-k a heap keeps the best while scanning; above it the
	// scan keeps all and a histogram finds the limit.
	heapTokensMax = 256
	bucketsMax    = 2048
)

func (s *Sampler) heaps() bool { return s.p.TopK > 0 && s.p.TopK <= heapTokensMax }

// draw chooses at random; high is the greatest allowed logit. Candidates stand
// in the order of tokens whenever their weights are summed.
func (s *Sampler) draw(logits []float32, mask []uint64, high float32) int32 {
	high = min(high, math.MaxFloat32)
	far := float64(belowMax)
	if s.p.MinP > 0 {
		far = min(far, -math.Log(s.p.MinP))
	}
	cut := float64(high) - float64(far*s.p.Temperature)
	s.gather(logits, mask, float32(max(cut, -math.MaxFloat32)))
	if s.heaps() {
		slices.SortFunc(s.kept, func(a, b candidate) int { return int(a.token) - int(b.token) })
	}
	var sum float64
	for i := range s.kept {
		c := &s.kept[i]
		below := min((float64(high)-float64(c.logit))/s.p.Temperature, belowMax)
		c.weight = float32(exp(-below))
		c.bucket = int32(min(below*(bucketsMax/belowMax), bucketsMax-1))
		sum += float64(c.weight)
	}
	if k := s.p.TopK; k > 0 && k < len(s.kept) {
		sum = s.keep(float64(k), byCount)
	}
	if p := s.p.TopP; p > 0 && p < 1 {
		sum = s.keep(float64(p*sum), byWeight)
	}
	u := uniform(s.p.Seed, s.step) * sum
	for i := range s.kept {
		u -= float64(s.kept[i].weight)
		if u < 0 {
			return s.kept[i].token
		}
	}
	return s.kept[len(s.kept)-1].token // what rounding left over
}

// gather collects the allowed tokens with a logit of at least cut, in the order
// of tokens; or, with a small top-k, a heap of the best, worst first.
func (s *Sampler) gather(logits []float32, mask []uint64, cut float32) {
	s.kept = s.kept[:0]
	heap := s.heaps()
	for base := 0; base < len(logits); base += 64 {
		word := ^uint64(0)
		if mask != nil {
			if base>>6 >= len(mask) {
				return
			}
			word = mask[base>>6]
		}
		block := logits[base:min(base+64, len(logits))]
		if word == 0 {
			continue
		}
		if word == ^uint64(0) {
			for i, x := range block {
				if x >= cut {
					cut = s.offer(base+i, x, cut, heap)
				}
			}
			continue
		}
		for ; word != 0; word &= word - 1 {
			i := bits.TrailingZeros64(word)
			if i >= len(block) {
				break
			}
			if x := block[i]; x >= cut {
				cut = s.offer(base+i, x, cut, heap)
			}
		}
	}
}

// offer adds a candidate and returns the new least logit of use.
//
//nolint:revive // flag-parameter: the caller hoists what does not change out of its loop
func (s *Sampler) offer(token int, logit, cut float32, heap bool) float32 {
	c := candidate{logit: min(logit, math.MaxFloat32), token: int32(token)}
	switch {
	case !heap:
		s.kept = append(s.kept, c)
	case len(s.kept) < s.p.TopK:
		s.kept = append(s.kept, c)
		for i := len(s.kept) - 1; i > 0; {
			up := (i - 1) / 2
			if !s.kept[up].before(&s.kept[i]) {
				break
			}
			s.kept[up], s.kept[i] = s.kept[i], s.kept[up]
			i = up
		}
	case c.before(&s.kept[0]):
		s.kept[0] = c
		s.sink()
	}
	if heap && len(s.kept) == s.p.TopK {
		return max(cut, s.kept[0].logit)
	}
	return cut
}

// sink restores the heap below a new first candidate.
func (s *Sampler) sink() {
	for i := 0; ; {
		low := i
		for _, child := range [2]int{2*i + 1, 2*i + 2} {
			if child < len(s.kept) && s.kept[low].before(&s.kept[child]) {
				low = child
			}
		}
		if low == i {
			return
		}
		s.kept[low], s.kept[i] = s.kept[i], s.kept[low]
		i = low
	}
}

func byCount(candidate) float64    { return 1 }
func byWeight(c candidate) float64 { return float64(c.weight) }

// keep drops all but the most likely candidates that together reach an amount,
// and returns the weight of those left. It never sorts all of them: a histogram
// over the distance from the best finds the bucket in which the limit lies, and
// only that bucket is sorted.
func (s *Sampler) keep(amount float64, measure func(candidate) float64) float64 {
	clear(s.buckets)
	for i := range s.kept {
		s.buckets[s.kept[i].bucket] += measure(s.kept[i])
	}
	limit, sum := int32(0), 0.0
	for limit < bucketsMax-1 && sum+s.buckets[limit] < amount {
		sum += s.buckets[limit]
		limit++
	}
	s.edge = s.edge[:0]
	for i := range s.kept {
		if s.kept[i].bucket == limit {
			s.edge = append(s.edge, uint64(^ordered(s.kept[i].logit))<<32|uint64(i))
		}
	}
	slices.Sort(s.edge)
	var last candidate // the least likely one to keep
	for _, e := range s.edge {
		last = s.kept[uint32(e)]
		if sum += measure(last); sum >= amount {
			break
		}
	}
	n, left := 0, 0.0
	for _, c := range s.kept {
		if c.bucket < limit || c.bucket == limit && !last.before(&c) {
			s.kept[n] = c
			n++
			left += float64(c.weight)
		}
	}
	s.kept = s.kept[:n]
	return left
}

// ordered maps a logit to an integer of the same order, so that a plain sort of
// integers orders by logit, then by place.
func ordered(x float32) uint32 {
	b := math.Float32bits(x + 0) // no negative zero
	if b>>31 == 1 {
		return ^b
	}
	return b | 1<<31
}
