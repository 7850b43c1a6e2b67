// Package sample chooses tokens from logits: greedily or at random by
// temperature, min-p, top-k and top-p, with penalties, biases and masks. It
// also reports log-probabilities and finds stop strings in streamed text.
//
// The same parameters, seed and logits give the same tokens on every
// processor: random numbers come from a counter, exponentials from a polynomial
// of our own (package math has another one for each architecture), sums are
// taken in the order of token ids, and no multiply is fused with an add.
//
// A step does these things in this order, and allocates nothing once its lists
// have grown to what the model's distributions need:
//
//  1. log-probabilities are taken, when asked for, from the logits as they came
//  2. biases are added, then penalties are applied
//  3. tokens outside the mask, NaN and -Inf are dropped
//  4. temperature, then min-p, then top-k, then top-p
//
// That is vLLM's order. llama.cpp takes temperature last, so that top-p means
// something else there; OpenAI's interface does not say.
package sample

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
)

// Limits of the parameters.
const (
	TopLogprobsMax = 20
	BiasTokensMax  = 1024
	// NoLogprob stands for the log-probability of what cannot be, because JSON
	// has no infinity. It is OpenAI's value.
	NoLogprob = -9999.0
	// None is the token of a choice when nothing is allowed.
	None = int32(-1)
)

// ErrParams is wrapped by what [Params.Check] returns.
var ErrParams = errors.New("bad sampling parameters")

// Params say how tokens are chosen. The zero value is greedy.
type Params struct {
	// Temperature divides the logits; zero is greedy: the most likely token.
	Temperature float64
	// TopK keeps that many tokens; zero is all.
	TopK int
	// TopP keeps the most likely tokens that together reach this probability;
	// zero and one are all.
	TopP float64
	// MinP drops tokens less likely than this times the most likely one.
	MinP float64
	// RepetitionPenalty divides positive logits, and multiplies negative ones,
	// of tokens of the prompt and the text (Keskar et al., CTRL, 2019); zero and
	// one are none.
	RepetitionPenalty float64
	// PresencePenalty is taken once from tokens of the text, FrequencyPenalty as
	// often as they are in it. The prompt does not count, as at OpenAI.
	PresencePenalty  float64
	FrequencyPenalty float64
	// Seed begins the random numbers.
	Seed uint64
	// Bias is added to the logits of tokens. It is copied.
	Bias map[int32]float32
	// Logprobs asks for the log-probability of the chosen token, and
	// TopLogprobs for the most likely tokens beside it.
	//
	// They are of the model's own distribution, before bias, penalties, mask and
	// temperature. OpenAI documents only "the log probability of the token";
	// this is what its servers were seen to give, and vLLM's default. It makes
	// the numbers comparable between requests, which is what they are used for.
	Logprobs    bool
	TopLogprobs int
}

// Check reports the first parameter that is out of range.
func (p *Params) Check() error {
	for _, c := range []struct {
		name     string
		v        float64
		min, max float64
	}{
		{"temperature", p.Temperature, 0, 100},
		{"top_k", float64(p.TopK), 0, math.MaxInt32},
		{"top_p", p.TopP, 0, 1},
		{"min_p", p.MinP, 0, 1},
		{"repetition_penalty", p.RepetitionPenalty, 0, 100},
		{"presence_penalty", p.PresencePenalty, -100, 100},
		{"frequency_penalty", p.FrequencyPenalty, -100, 100},
		{"top_logprobs", float64(p.TopLogprobs), 0, TopLogprobsMax},
		{"the number of biases", float64(len(p.Bias)), 0, BiasTokensMax},
	} {
		if !(c.v >= c.min && c.v <= c.max) {
			return fmt.Errorf("%w: %s is %v; give a value from %v to %v", ErrParams, c.name, c.v, c.min, c.max)
		}
	}
	for id, b := range p.Bias {
		if math.IsNaN(float64(b)) || math.IsInf(float64(b), 1) {
			return fmt.Errorf("%w: the bias of token %d is %v; give a finite number, or -Inf to ban it", ErrParams, id, b)
		}
	}
	return nil
}

// Logprob is a token and its natural log-probability.
type Logprob struct {
	Token   int32
	Logprob float64
}

// Choice is what was chosen.
type Choice struct {
	// Token is the chosen one, or [None] when the mask allows nothing.
	Token int32
	// Logprob is the log-probability of Token, when it was asked for.
	Logprob float64
	// Top are the most likely tokens, best first. It is valid until the next
	// call of Sample.
	Top []Logprob
}

type bias struct {
	token int32
	value float32
}

// Sampler chooses the tokens of one text. It is not safe for several
// goroutines at once.
type Sampler struct {
	p          Params
	vocabulary int
	step       uint64
	bias       []bias
	seen       history
	raw        []float32 // the logits as they came, when they are asked for later
	kept       []candidate
	buckets    []float64
	edge       []uint64 // the candidates of one bucket
	top        []Logprob
}

// New makes a sampler for logits of a vocabulary of that many tokens. Values
// that [Params.Check] refuses are taken as the nearest that it does not refuse.
func New(p Params, vocabulary int) *Sampler {
	p = p.clamped()
	s := &Sampler{p: p, vocabulary: max(vocabulary, 0)}
	for id, b := range p.Bias {
		if id >= 0 && int(id) < vocabulary && b == b && len(s.bias) < BiasTokensMax {
			s.bias = append(s.bias, bias{id, b})
		}
	}
	s.p.Bias = nil
	if p.penalises() {
		s.seen = newHistory(s.vocabulary)
	}
	if p.Logprobs {
		s.top = make([]Logprob, 0, p.TopLogprobs)
		if len(s.bias) > 0 || p.penalises() {
			s.raw = make([]float32, s.vocabulary)
		}
	}
	if p.Temperature > 0 {
		s.buckets = make([]float64, bucketsMax)
	}
	return s
}

func (p *Params) penalises() bool {
	return p.RepetitionPenalty != 0 && p.RepetitionPenalty != 1 || p.PresencePenalty != 0 || p.FrequencyPenalty != 0
}

// clamped returns the parameters with each inside its range.
func (p *Params) clamped() Params {
	q := *p
	clamp := func(v, lo, hi float64) float64 {
		if v != v {
			return lo
		}
		return min(max(v, lo), hi)
	}
	q.Temperature = clamp(q.Temperature, 0, 100)
	if q.Temperature < temperatureMin {
		q.Temperature = 0
	}
	q.TopP = clamp(q.TopP, 0, 1)
	q.MinP = clamp(q.MinP, 0, 1)
	q.RepetitionPenalty = clamp(q.RepetitionPenalty, 0, 100)
	q.PresencePenalty = clamp(q.PresencePenalty, -100, 100)
	q.FrequencyPenalty = clamp(q.FrequencyPenalty, -100, 100)
	q.TopK = max(q.TopK, 0)
	q.TopLogprobs = min(max(q.TopLogprobs, 0), TopLogprobsMax)
	return q
}

// Below it a distribution is one token for any logits that float32 tells apart,
// and its reciprocal would leave float32.
const temperatureMin = 1e-6

// Sample chooses a token. The logits are the sampler's to change. The mask has
// a bit for each token, lowest first, set where the token is allowed; nil
// allows all, and what is behind its end is not allowed.
//
// NaN counts as -Inf, and +Inf as the largest number. When every allowed token
// is at -Inf the lowest of them is chosen: a mask is obeyed whatever the model
// says. Of equal logits the lower token is the more likely.
func (s *Sampler) Sample(logits []float32, mask []uint64) Choice {
	logits = logits[:min(len(logits), s.vocabulary)]
	var c Choice
	var norm float64
	raw := logits
	if s.p.Logprobs {
		norm = s.logNorm(logits)
		s.top = top(s.top[:0], logits, norm, s.p.TopLogprobs)
		c.Top = s.top
		if s.raw != nil {
			raw = s.raw[:copy(s.raw, logits)]
		}
	}
	s.adjust(logits)
	best, high := argmax(logits, mask)
	c.Token = best
	if best >= 0 && s.p.Temperature > 0 && high > -math.MaxFloat32 {
		c.Token = s.draw(logits, mask, high)
	}
	s.step++
	if s.p.Logprobs && c.Token >= 0 {
		c.Logprob = logprob(raw[c.Token], norm)
	}
	return c
}

// Accept adds a token to the text, for the penalties.
func (s *Sampler) Accept(token int32) { s.seen.accept(token) }

// Prompt adds tokens of the prompt, which only the repetition penalty counts.
func (s *Sampler) Prompt(tokens []int32) {
	for _, t := range tokens {
		s.seen.mark(t)
	}
}

// adjust adds the biases and applies the penalties.
func (s *Sampler) adjust(logits []float32) {
	for _, b := range s.bias {
		if int(b.token) < len(logits) {
			logits[b.token] += b.value
		}
	}
	repetition := float32(s.p.RepetitionPenalty)
	for _, t := range s.seen.distinct {
		if int(t) >= len(logits) {
			continue
		}
		x := logits[t]
		if repetition != 0 && repetition != 1 {
			if x > 0 {
				x /= repetition
			} else {
				x *= repetition
			}
		}
		if n := s.seen.count[t]; n > 1 {
			x -= float32(s.p.PresencePenalty)
			x -= float32(float64(n-1) * s.p.FrequencyPenalty)
		}
		logits[t] = x
	}
}

// argmax returns the lowest of the allowed tokens with the greatest logit, and
// that logit. Without an allowed token it returns None.
func argmax(logits []float32, mask []uint64) (int32, float32) {
	best, high := None, float32(math.Inf(-1))
	if mask == nil {
		for i, x := range logits {
			if x > high {
				best, high = int32(i), x
			}
		}
		if best < 0 && len(logits) > 0 {
			best = 0
		}
		return best, high
	}
	first := None
	for w := range min(len(mask), (len(logits)+63)/64) {
		for m := mask[w]; m != 0; m &= m - 1 {
			i := w<<6 + bits.TrailingZeros64(m)
			if i >= len(logits) {
				break
			}
			if first < 0 {
				first = int32(i)
			}
			if x := logits[i]; x > high {
				best, high = int32(i), x
			}
		}
	}
	if best < 0 {
		best = first
	}
	return best, high
}
