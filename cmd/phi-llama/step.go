package main

import (
	"fmt"
	"os"

	"github.com/hybridgroup/yzma/pkg/llama"

	"phios/compute/llama/wire"
)

// row is where the logits of a token of the batch go.
type row struct{ index, to int }

// step runs the works of a batch, at most batchTokens tokens at a time. When
// any part fails, all are cut back to where they were.
func (s *server) step(payload []byte) error {
	var works wire.Works
	if err := works.Decode(payload); err != nil {
		return err
	}
	tokens, rows := uint64(0), uint64(0)
	for _, w := range works {
		if w.Rows > w.Tokens || w.Tokens == 0 {
			return refuse("%d rows of %d tokens", w.Rows, w.Tokens)
		}
		tokens, rows = tokens+uint64(w.Tokens), rows+uint64(w.Rows)
	}
	if (tokens+rows*uint64(s.vocabulary))*4 > uint64(len(s.bulk)-wire.BulkStart) {
		return refuse("a step of %d tokens with %d rows of logits does not fit in %d bytes of shared memory; make it smaller",
			tokens, rows, len(s.bulk)-wire.BulkStart)
	}
	if err := s.run(works, int(tokens)); err != nil {
		for _, w := range works {
			if ok, cut := llama.MemorySeqRm(s.memory, llama.SeqId(w.Sequence), llama.Pos(w.Position), -1); cut != nil || !ok {
				// What phi believes of the sequences is no longer so.
				fmt.Fprintf(os.Stderr, "phi-llama: %v; and the sequences could not be cut back\n", err)
				os.Exit(1)
			}
		}
		return err
	}
	return nil
}

func (s *server) run(works wire.Works, total int) error {
	input := append([]llama.Token(nil), s.words()[:total]...)
	output := s.floats()[total:]
	if err := s.batch.Clear(); err != nil {
		return err
	}
	var rows []row
	next := 0
	for _, w := range works {
		for i := range w.Tokens {
			token := input[0]
			input = input[1:]
			if token < 0 || int(token) >= s.vocabulary {
				return refuse("token %d is not in the vocabulary", token)
			}
			wanted := i >= w.Tokens-w.Rows
			if wanted {
				rows = append(rows, row{index: int(s.batch.NTokens), to: next})
				next++
			}
			if err := s.batch.Add(token, llama.Pos(w.Position+i), []llama.SeqId{llama.SeqId(w.Sequence)}, wanted); err != nil {
				return err
			}
			if int(s.batch.NTokens) < s.batchTokens {
				continue
			}
			if err := s.decode(rows, output); err != nil {
				return err
			}
			rows = rows[:0]
		}
	}
	return s.decode(rows, output)
}

// decode runs what is in the batch and copies its rows out.
func (s *server) decode(rows []row, output []float32) error {
	if s.batch.NTokens == 0 {
		return nil
	}
	status, err := llama.Decode(s.context, s.batch)
	switch {
	case err != nil:
		return err
	case status == 1:
		return &failure{code: wire.Full, text: "no cell of the cache is free"}
	case status == 2:
		return &failure{code: wire.Cancelled, text: "cancelled"}
	case status != 0:
		return refuse("llama.cpp could not decode: %d", status)
	}
	for _, r := range rows {
		logits, err := llama.GetLogitsIth(s.context, int32(r.index), s.vocabulary)
		if err != nil || logits == nil {
			return refuse("llama.cpp gave no logits")
		}
		copy(output[r.to*s.vocabulary:][:s.vocabulary], logits)
	}
	// Without rows nothing has waited for the end of the work.
	if len(rows) == 0 {
		if err := llama.Synchronize(s.context); err != nil {
			return err
		}
	}
	return s.batch.Clear()
}
