// Package encoder turns English sentences into vectors whose angle says how
// alike they mean. It runs the Universal Sentence Encoder Lite, whose weights
// are part of the program (see [Resident]), so that search by meaning works on
// every node, at once and without a download.
//
// The model is that of Cer et al., "Universal Sentence Encoder" (2018), in the
// small form that was published for browsers: two transformer layers in front
// of a mean and one tanh layer, 7 million weights, at most 128 tokens of a
// vocabulary of 8,000 pieces, vectors of 512 numbers. The matrices are Q8_0.
// Against the float32 original the vectors keep a cosine above 0.999; the
// figures for STS-B are in docs/benchmarks.md.
package encoder

import (
	"context"
	"crypto/sha256"
	"fmt"
	"math"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"phios/compute"
	"phios/compute/cpu/simd"
	"phios/compute/gguf"
	"phios/compute/tensor"
)

// Architecture is the value of general.architecture in files of this model.
const Architecture = "use-lite"

// Name is the name of the resident model.
const Name = "use-lite"

// chunkTokens is how many tokens are multiplied at once: enough rows to use
// each weight many times, few enough that what is computed from them stays in
// the second-level cache.
const chunkTokens = 256

// Encoder is the model, ready to run. Its methods may be called by many
// goroutines at once.
type Encoder struct {
	weights *weights
	kernels *simd.Kernels
	threads int
	idle    sync.Pool // of *scratch
	busyNS  atomic.Int64
	digest  [sha256.Size]byte
}

var _ compute.Embedder = (*Encoder)(nil)

// New makes an encoder of a file, whose bytes it goes on reading. Zero threads
// are as many as there are processors.
func New(f *gguf.File, threads int) (*Encoder, error) {
	w, err := readWeights(f, simd.Best())
	if err != nil {
		return nil, fmt.Errorf("load the sentence encoder: %w", err)
	}
	if threads <= 0 {
		threads = runtime.GOMAXPROCS(0)
	}
	return &Encoder{weights: w, kernels: simd.Best(), threads: threads, digest: sha256.Sum256([]byte(Architecture))}, nil
}

// Describe says what the model is.
func (e *Encoder) Describe() compute.ModelDescription {
	return compute.ModelDescription{
		Architecture: Architecture, Parameters: e.weights.parameters, Format: tensor.Q8_0,
		Vocabulary: vocabulary, ContextTokens: tokensMax, Width: width, CacheDigest: e.digest,
	}
}

// Pin does nothing: 7 MB that are in use stay in memory by themselves.
func (*Encoder) Pin(bool) error { return nil }

// Close does nothing: the weights are the caller's.
func (*Encoder) Close() error { return nil }

// Busy is the time of processors that was spent.
func (e *Encoder) Busy() time.Duration { return time.Duration(e.busyNS.Load()) }

// Count returns how many tokens a text has, before it is cut.
func (e *Encoder) Count(text string) int { return len(e.weights.encode(nil, text)) }

// job is a text on its way.
type job struct {
	tokens []int32
	row    []float32
}

// Embed writes the vector of each text into the row of its index. Texts of more
// than 128 tokens are cut, and said to be in cut when that is not nil. The
// vector of a text does not depend on the others.
func (e *Encoder) Embed(ctx context.Context, texts []string, rows [][]float32, cut []bool) error {
	if len(rows) < len(texts) || cut != nil && len(cut) < len(texts) {
		return fmt.Errorf("embed %d texts into %d rows: give a row to each", len(texts), len(rows))
	}
	for _, row := range rows[:len(texts)] {
		if len(row) != width {
			return fmt.Errorf("a row of %d numbers for a vector: give rows of %d", len(row), width)
		}
	}
	jobs := make([]job, len(texts))
	err := e.share(ctx, (len(texts)+textsTogether-1)/textsTogether, func(_ *scratch, part int) {
		for i := part * textsTogether; i < min((part+1)*textsTogether, len(texts)); i++ {
			tokens := e.weights.encode(nil, texts[i])
			if cut != nil {
				cut[i] = len(tokens) > tokensMax
			}
			jobs[i] = job{tokens: tokens[:min(len(tokens), tokensMax)], row: rows[i]}
		}
	})
	if err != nil {
		return err
	}
	chunks := chunk(jobs)
	return e.share(ctx, len(chunks), func(s *scratch, i int) { e.compute(s, chunks[i]) })
}

// textsTogether is how many texts a thread cuts into tokens before it takes
// more.
const textsTogether = 16

// chunk cuts jobs into runs of at most chunkTokens tokens.
func chunk(jobs []job) [][]job {
	var chunks [][]job
	begin, tokens := 0, 0
	for i := range jobs {
		n := len(jobs[i].tokens)
		if tokens+n > chunkTokens {
			chunks = append(chunks, jobs[begin:i])
			begin, tokens = i, 0
		}
		tokens += n
	}
	return append(chunks, jobs[begin:])
}

// share does the parts of some work on the encoder's threads. They share nothing
// but the weights, so there is nothing to wait for between layers.
func (e *Encoder) share(ctx context.Context, parts int, do func(s *scratch, part int)) error {
	var next atomic.Int64
	var all sync.WaitGroup
	work := func() {
		begin := time.Now()
		s, _ := e.idle.Get().(*scratch)
		if s == nil {
			s = newScratch()
		}
		for ctx.Err() == nil {
			i := int(next.Add(1)) - 1
			if i >= parts {
				break
			}
			do(s, i)
		}
		e.idle.Put(s)
		e.busyNS.Add(int64(time.Since(begin)))
	}
	for range min(e.threads, parts) - 1 {
		all.Go(work)
	}
	work()
	all.Wait()
	return ctx.Err()
}

// normalize gives a vector unit length.
func normalize(v []float32) {
	sum := 0.0
	for _, x := range v {
		sum += float64(x) * float64(x)
	}
	if sum == 0 {
		return
	}
	scale := float32(1 / math.Sqrt(sum))
	for i := range v {
		v[i] *= scale
	}
}
