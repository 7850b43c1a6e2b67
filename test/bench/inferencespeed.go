package bench

import (
	"fmt"

	"phios/compute"
	"phios/compute/tensor"
)

// The targets of the engine, as times llama.cpp's speed or another's.
const (
	decodeTarget       = 1.0
	prefillTarget      = 1.0
	prefillTarget4     = 0.8 // of formats with 4 bits
	streamsTarget      = 1.0
	streamsAloneTarget = 3.0

	inferenceRounds = 7
	decodeSteps     = 8   // in a round
	prefillTokens   = 256 // in a round
	streams         = 16
	streamSteps     = 4
	contextTokens   = 1024
)

// speedFormatsTable are the formats whose speed has targets.
var speedFormatsTable = []tensor.Format{tensor.Q8_0, tensor.Q4_0, tensor.Q4_K}

// each runs a measurement for each size, format and number of threads.
func (i *inferenceRun) each(o compute.Options, measure func(r *rivals, name string, f tensor.Format) ([]Row, error)) ([]Row, error) {
	var rows []Row
	for _, size := range i.Sizes {
		for _, f := range speedFormatsTable {
			w, closes, err := i.weights(size, f)
			if err != nil {
				return rows, err
			}
			for threads := 1; threads <= 2 && err == nil; threads++ {
				var more []Row
				o.Threads = threads
				more, err = i.rival(w, o, func(r *rivals) ([]Row, error) {
					return measure(r, fmt.Sprintf("%s %s %s", size, f, threadsName(threads)), f)
				})
				rows = append(rows, more...)
			}
			closes()
			if err != nil {
				return rows, err
			}
		}
	}
	return rows, nil
}

// rival loads a file into both units for a measurement.
func (i *inferenceRun) rival(w compute.Weights, o compute.Options, measure func(r *rivals) ([]Row, error)) ([]Row, error) {
	r, err := i.load(w, o)
	if err != nil {
		return nil, err
	}
	defer r.close()
	return measure(r)
}

// prompt returns n tokens of no meaning.
func prompt(n, vocabulary int) []int32 {
	tokens := make([]int32, n)
	for i := range tokens {
		tokens[i] = int32(300 + (i*7919)%(vocabulary-300))
	}
	return tokens
}

// decodeRows measures one token after another, of one sequence.
func decodeRows(i *inferenceRun) ([]Row, error) {
	o := compute.Options{ContextTokens: contextTokens, CacheTokens: contextTokens, SequencesMax: 1}
	return i.each(o, func(r *rivals, name string, _ tensor.Format) ([]Row, error) {
		var works []func() error
		for _, s := range r.steppers() {
			sequence, err := s.Open()
			if err != nil {
				return nil, err //nolint:wrapcheck // it says all
			}
			defer sequence.Close()
			works = append(works, i.decode(s, []compute.Sequence{sequence}, decodeSteps))
		}
		took, err := i.turns(i.rounds, works...)
		if err != nil {
			return nil, err
		}
		return []Row{speed("decode: "+name, decodeSteps, took, decodeTarget)}, nil
	})
}

// decode appends tokens to sequences, one to each in a step.
func (i *inferenceRun) decode(s compute.Stepper, sequences []compute.Sequence, steps int) func() error {
	vocabulary := s.Describe().Vocabulary
	batch := make([]compute.Work, 0, len(sequences))
	for _, sequence := range sequences {
		batch = append(batch, compute.Work{Sequence: sequence, Tokens: make([]int32, 1), Logits: make([]float32, vocabulary)})
	}
	return func() error {
		for step := range steps {
			for k := range batch {
				batch[k].Tokens[0] = int32(300 + (step*31+k*17)%(vocabulary-300))
			}
			if err := s.Step(i.ctx, batch); err != nil {
				return err //nolint:wrapcheck // it says all
			}
		}
		return nil
	}
}

// prefillRows measures the reading of a prompt.
func prefillRows(i *inferenceRun) ([]Row, error) {
	o := compute.Options{ContextTokens: contextTokens, CacheTokens: contextTokens, SequencesMax: 1}
	return i.each(o, func(r *rivals, name string, f tensor.Format) ([]Row, error) {
		var works []func() error
		for _, s := range r.steppers() {
			works = append(works, i.prefill(s))
		}
		took, err := i.turns(max(1, i.rounds/2), works...)
		if err != nil {
			return nil, err
		}
		target := prefillTarget
		if f != tensor.Q8_0 {
			target = prefillTarget4
		}
		return []Row{speed(fmt.Sprintf("prefill: %d tokens %s", prefillTokens, name), prefillTokens, took, target)}, nil
	})
}

func (i *inferenceRun) prefill(s compute.Stepper) func() error {
	vocabulary := s.Describe().Vocabulary
	tokens, logits := prompt(prefillTokens, vocabulary), make([]float32, vocabulary)
	return func() error {
		sequence, err := s.Open()
		if err != nil {
			return err //nolint:wrapcheck // it says all
		}
		defer sequence.Close()
		return s.Step(i.ctx, []compute.Work{{Sequence: sequence, Tokens: tokens, Logits: logits}}) //nolint:wrapcheck // it says all
	}
}

// streamsRows measures many sequences in one batch, against the peer's batch and
// against one sequence of our own.
func streamsRows(i *inferenceRun) ([]Row, error) {
	var rows []Row
	for _, size := range i.Sizes {
		w, closes, err := i.weights(size, tensor.Q8_0)
		if err != nil {
			return rows, err
		}
		o := compute.Options{ContextTokens: contextTokens / 2, CacheTokens: (streams + 1) * contextTokens / 2, SequencesMax: streams + 1, Threads: 2}
		more, err := i.rival(w, o, func(r *rivals) ([]Row, error) { return i.streams(r, size) })
		closes()
		if err != nil {
			return rows, err
		}
		rows = append(rows, more...)
	}
	return rows, nil
}

// openMany opens sequences, which end with their model.
func openMany(s compute.Stepper, n int) ([]compute.Sequence, error) {
	sequences := make([]compute.Sequence, 0, n)
	for range n {
		sequence, err := s.Open()
		if err != nil {
			return nil, err //nolint:wrapcheck // it says all
		}
		sequences = append(sequences, sequence)
	}
	return sequences, nil
}

func (i *inferenceRun) streams(r *rivals, size string) ([]Row, error) {
	var works []func() error
	for _, s := range r.steppers() {
		sequences, err := openMany(s, streams)
		if err != nil {
			return nil, err
		}
		works = append(works, i.decode(s, sequences, streamSteps))
	}
	alone, err := r.own.Open()
	if err != nil {
		return nil, err //nolint:wrapcheck // it says all
	}
	defer alone.Close()
	works = append(works, i.decode(r.own, []compute.Sequence{alone}, streamSteps))
	took, err := i.turns(i.rounds, works...)
	if err != nil {
		return nil, err
	}
	last := len(took) - 1
	together := speed(fmt.Sprintf("streams: %d at once %s %s", streams, size, tensor.Q8_0), streams*streamSteps, took[:last], streamsTarget)
	gain := streams * took[last].over(took[0])
	return []Row{together, atLeast(fmt.Sprintf("streams: %d at once %s %s, against one", streams, size, tensor.Q8_0), "one stream", gain, streamsAloneTarget)}, nil
}
