package main

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"

	"github.com/ebitengine/purego"
	"github.com/hybridgroup/yzma/pkg/llama"

	"phios/compute/llama/wire"
)

// load loads the model of the inherited descriptor. llama.cpp maps it by the
// path that the kernel has for a descriptor, so nothing is copied, and phi need
// not give away where the file lies.
func (s *server) load(payload []byte) ([]byte, error) {
	var o wire.Loading
	if err := o.Decode(payload); err != nil {
		return nil, err
	}
	if s.model != 0 {
		return nil, refuse("a model is loaded already")
	}
	p := llama.ModelDefaultParams()
	p.LoadMode = llama.LoadModeMmap
	if o.Locked {
		p.LoadMode = llama.LoadModeMmapMlock
	}
	p.NGpuLayers = o.LayersOnDevice
	// Damage is found at the door, not in a step.
	p.CheckTensors = 1
	model, err := llama.ModelLoadFromFile(fmt.Sprintf("/proc/self/fd/%d", wire.ModelDescriptor), p)
	if err != nil {
		return nil, refuse("llama.cpp cannot load this file")
	}
	s.model, s.vocab = model, llama.ModelGetVocab(model)
	s.vocabulary = int(llama.VocabNTokens(s.vocab))
	return s.open(o)
}

// open makes the context: the cache and the buffers of a step.
func (s *server) open(o wire.Loading) ([]byte, error) {
	l := wire.Loaded{
		Parameters: llama.ModelNParams(s.model), FileType: uint32(llama.ModelFtype(s.model)),
		Vocabulary: uint32(s.vocabulary), Width: uint32(llama.ModelNEmbd(s.model)),
		Divisible: !llama.ModelIsRecurrent(s.model) && !llama.ModelIsHybrid(s.model),
	}
	l.Architecture, _ = llama.ModelMetaValStr(s.model, "general.architecture")
	heads, valueHeads := llama.ModelNHead(s.model), llama.ModelNHeadKV(s.model)
	if heads > 0 {
		l.CellBytes = uint32(2 * 2 * int64(llama.ModelNLayer(s.model)) * int64(llama.ModelNEmbd(s.model)) / int64(heads) * int64(valueHeads))
	}
	l.ContextTokens = uint32(llama.ModelNCtxTrain(s.model))
	if o.ContextTokens != 0 {
		l.ContextTokens = min(l.ContextTokens, o.ContextTokens)
	}
	c := llama.ContextDefaultParams()
	c.NCtx = o.CacheTokens
	if c.NCtx == 0 {
		c.NCtx = automatic(l.ContextTokens, l.CellBytes)
	}
	// llama.cpp aborts when there are fewer cells than sequences.
	c.NCtx = (c.NCtx + wire.SequencesMax - 1) / wire.SequencesMax * wire.SequencesMax
	c.NSeqMax, c.KVUnified, c.SwaFull = wire.SequencesMax, 1, 1
	c.NThreads, c.NThreadsBatch = int32(o.Threads), int32(o.Threads)
	c.NoPerf = 1
	if err := abortWith(&c, s.bulk); err != nil {
		return nil, err
	}
	context, err := llama.InitFromModel(s.model, c)
	if err != nil {
		return nil, &failure{code: wire.Memory, text: fmt.Sprintf("llama.cpp has no room for a cache of %d tokens of %d bytes", c.NCtx, l.CellBytes)}
	}
	s.context = context
	if s.memory, err = llama.GetMemory(context); err != nil || s.memory == 0 {
		return nil, refuse("this model keeps no cache of tokens; it does not generate text")
	}
	s.batchTokens = int(llama.NBatch(context))
	s.batch = llama.BatchInit(int32(s.batchTokens), 0, 1)
	l.CacheTokens = llama.NCtx(context)
	return l.Append(nil), nil
}

// abortWith lets phi end a step by writing into the shared memory. llama.cpp
// calls a function at each node of its graph, hundreds of times a step, with a
// pointer, and ends when it returns true. A callback into Go would cost a
// microsecond each time, which the peer would pay in every comparison; but
// strlen of a flag and a zero behind it is just that function, and is C.
func abortWith(c *llama.ContextParams, bulk []byte) error {
	strlen, err := purego.Dlsym(purego.RTLD_DEFAULT, "strlen")
	if err != nil {
		return refuse("no strlen in the C library: %v", err)
	}
	c.AbortCallback, c.AbortCallbackData = strlen, address(bulk[wire.CancelByte:])
	return nil
}

// automatic is four contexts of tokens, fewer when they would take more than
// half of the memory that is free, but a whole context at least.
func automatic(contextTokens, cellBytes uint32) uint32 {
	tokens := 4 * uint64(contextTokens)
	if free := available(); free > 0 && cellBytes > 0 {
		tokens = max(min(tokens, free/2/uint64(cellBytes)), uint64(contextTokens))
	}
	return uint32(min(tokens, 1<<24))
}

// available is the memory that can be taken without swapping; zero when the
// system does not say.
func available() uint64 {
	text, err := os.ReadFile(filepath.Join("/proc", "meminfo"))
	if err != nil {
		return 0
	}
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		var kib uint64
		if n, _ := fmt.Sscanf(lines.Text(), "MemAvailable: %d kB", &kib); n == 1 {
			return kib << 10
		}
	}
	return 0
}
