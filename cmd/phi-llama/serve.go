package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/hybridgroup/yzma/pkg/llama"

	"phios/compute/llama/wire"
)

// server answers phi. It has a model once it was asked to load one.
type server struct {
	library string
	bulk    []byte
	model   llama.Model
	vocab   llama.Vocab
	context llama.Context
	memory  llama.Memory
	batch   llama.Batch
	// batchTokens is how many tokens llama.cpp takes at once; vocabulary the
	// length of a row of logits.
	batchTokens, vocabulary int
}

// failure is an answer that is not what was asked for.
type failure struct {
	code wire.Code
	text string
}

func (f *failure) Error() string { return f.text }

func refuse(format string, arguments ...any) error {
	return &failure{code: wire.Refused, text: fmt.Sprintf(format, arguments...)}
}

// serve answers requests one after the other. A second goroutine reads them,
// so that the process ends at once when phi does, even in the middle of a step.
func (s *server) serve(socket *os.File) error {
	requests := make(chan wire.Frame)
	go func() {
		for {
			f, err := wire.Read(socket)
			if errors.Is(err, io.EOF) {
				os.Exit(0)
			}
			if err != nil {
				fmt.Fprintln(os.Stderr, "phi-llama:", err)
				os.Exit(1)
			}
			requests <- f
		}
	}()
	for f := range requests {
		payload, err := s.answer(f)
		if err != nil {
			answer := wire.Failure{Code: wire.Refused, Text: err.Error()}
			var known *failure
			if errors.As(err, &known) {
				answer.Code = known.code
			}
			f.Operation, payload = wire.Failed, answer.Append(nil)
		}
		f.Payload = payload
		if err := wire.Write(socket, f); err != nil {
			return err
		}
	}
	return nil
}

func (s *server) answer(f wire.Frame) ([]byte, error) {
	switch f.Operation {
	case wire.Hello:
		return s.greeting().Append(nil), nil
	case wire.Load:
		return s.load(f.Payload)
	}
	if s.context == 0 {
		return nil, refuse("no model is loaded")
	}
	switch f.Operation {
	case wire.Step:
		return nil, s.step(f.Payload)
	case wire.Copy, wire.Remove, wire.Export, wire.Import:
		var r wire.Range
		if err := r.Decode(f.Payload); err != nil {
			return nil, err
		}
		return s.cells(f.Operation, r)
	case wire.Tokenize, wire.Detokenize:
		var t wire.Text
		if err := t.Decode(f.Payload); err != nil {
			return nil, err
		}
		if f.Operation == wire.Tokenize {
			return s.tokenize(t)
		}
		return s.detokenize(t)
	}
	return nil, refuse("operation %d is not known", f.Operation)
}

// cells copies, removes and moves ranges of sequences.
func (s *server) cells(o wire.Operation, r wire.Range) ([]byte, error) {
	sequence, low, high := llama.SeqId(r.Sequence), llama.Pos(r.Low), llama.Pos(r.High)
	switch o {
	case wire.Copy:
		return nil, llama.MemorySeqCp(s.memory, llama.SeqId(r.From), sequence, low, high)
	case wire.Remove:
		if ok, err := llama.MemorySeqRm(s.memory, sequence, low, high); err != nil || !ok {
			return nil, refuse("llama.cpp cannot cut the state of this model")
		}
		return nil, nil
	case wire.Export:
		return s.export(sequence, low, high)
	default:
		return nil, s.take(r)
	}
}

// scratch is the sequence by which single pages go out and come in: llama.cpp
// saves whole sequences only.
const scratch = llama.SeqId(wire.SequencesMax - 1)

func (s *server) export(from llama.SeqId, low, high llama.Pos) ([]byte, error) {
	defer llama.MemorySeqRm(s.memory, scratch, -1, -1)
	if err := llama.MemorySeqCp(s.memory, from, scratch, low, high); err != nil {
		return nil, err
	}
	n := llama.StateSeqGetSize(s.context, scratch)
	if n == 0 || n > uint64(len(s.bulk)-wire.BulkStart) {
		return nil, refuse("a page of %d bytes does not fit in %d", n, len(s.bulk)-wire.BulkStart)
	}
	if got := llama.StateSeqGetData(s.context, s.bulk[wire.BulkStart:][:n], scratch); got != n {
		return nil, refuse("llama.cpp wrote %d bytes of %d", got, n)
	}
	return sizeOf(int(n)), nil
}

// take makes a range of what was exported. The bytes are copied first: llama.cpp
// looks at them more than once.
func (s *server) take(r wire.Range) error {
	defer llama.MemorySeqRm(s.memory, scratch, -1, -1)
	data := append([]byte(nil), s.bulk[wire.BulkStart:][:r.Bytes]...)
	if got := llama.StateSeqSetData(s.context, data, scratch); got != uint64(len(data)) {
		return refuse("not a page of this model, or the cache is full")
	}
	low, err := llama.MemorySeqPosMin(s.memory, scratch)
	if err != nil {
		return err
	}
	high, err := llama.MemorySeqPosMax(s.memory, scratch)
	if err != nil {
		return err
	}
	if low != llama.Pos(r.Low) || high != llama.Pos(r.High)-1 {
		return refuse("a page of the positions %d to %d, not %d to %d", low, high+1, r.Low, r.High)
	}
	return llama.MemorySeqCp(s.memory, scratch, llama.SeqId(r.Sequence), low, high+1)
}

func (s *server) tokenize(t wire.Text) ([]byte, error) {
	text := string(s.bulk[wire.BulkStart:][:t.Count])
	tokens := llama.Tokenize(s.vocab, text, false, t.Special)
	if len(tokens)*4 > len(s.bulk)-wire.BulkStart {
		return nil, refuse("%d tokens are too many", len(tokens))
	}
	copy(s.words(), tokens)
	return sizeOf(int(len(tokens))), nil
}

func (s *server) detokenize(t wire.Text) ([]byte, error) {
	if int(t.Count) > len(s.words()) {
		return nil, refuse("%d tokens are too many", t.Count)
	}
	tokens := append([]llama.Token(nil), s.words()[:t.Count]...)
	for _, token := range tokens {
		if token < 0 || int(token) >= s.vocabulary {
			return nil, refuse("token %d is not in the vocabulary", token)
		}
	}
	text := llama.Detokenize(s.vocab, tokens, false, t.Special)
	return sizeOf(int(copy(s.bulk[wire.BulkStart:], text))), nil
}

// sizeOf encodes a size.
func sizeOf(n int) []byte {
	size := wire.Size(n)
	return size.Append(nil)
}
