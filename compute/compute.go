// Package compute is the contract between the system and what runs models: a
// CPU, a GPU, an NPU or TPU, a remote server, a quantum processor. Each is a
// [Unit]. A unit loads models; a [Model] that runs token by token is a
// [Stepper], one that answers whole requests a [Completer], one that turns text
// into vectors an [Embedder]. A new kind of unit is one package with one
// [Registration], and passes the suite of compute/unittest.
//
// Everything above (batching, sharing of prefixes, budgets, sampling) is the
// service's; a unit only computes. Units are called by Go code of the system,
// never by a capsule, and need not defend themselves against their callers,
// but must against the weights: they are a stranger's bytes.
//
// Seed name: Universal HAL.
// Seed name: GPU/TPU abstraction.
package compute

import (
	"context"
	"errors"
	"io"
	"os"
	"time"

	"phios/compute/tensor"
)

// Kind is the kind of a unit.
type Kind string

// The kinds of units.
const (
	KindCPU    Kind = "cpu"
	KindGPU    Kind = "gpu"
	KindNPU    Kind = "npu" // TPUs are of this kind
	KindRemote Kind = "remote"
	KindQPU    Kind = "qpu"
)

// Errors of units. They are wrapped with what was asked and the remedy.
var (
	// ErrUnsupported: the unit cannot run this model; the text says what is
	// missing and which unit can.
	ErrUnsupported = errors.New("not supported by this unit")
	// ErrMemory: the model or its cache does not fit; the text gives both
	// figures.
	ErrMemory = errors.New("not enough memory")
	// ErrLost: the unit went away in the middle, such as a helper process that
	// was killed. Everything opened on it is gone; the unit can load again.
	ErrLost = errors.New("the unit was lost")
	// ErrFull: no page of the cache is free. The caller releases pages or ends
	// sequences, and tries again.
	ErrFull = errors.New("the cache is full")
	// ErrContext: the sequence would be longer than the model's context.
	ErrContext = errors.New("longer than the context of the model")
)

// Unit is something that runs models. Its methods may be called by many
// goroutines at once.
type Unit interface {
	// Describe says what the unit is. It does not block.
	Describe() Description
	// Load makes a model ready to run. It may take long and ends early with the
	// context. The weights are mapped, not copied, where the unit can reach
	// them; the caller keeps them open until the model is closed.
	Load(ctx context.Context, w Weights, o Options) (Model, error)
	// Report says what the unit does at this moment and has done. It does not
	// block.
	Report() Report
	// Close unloads every model and ends the unit.
	Close() error
}

// Registration is how a kind of unit is known to the system.
type Registration struct {
	// Name is the name in 'phi unit add NAME'.
	Name string
	// Open makes a unit of the settings that were given to it, such as the
	// folder of a library or the address of a server.
	Open func(settings map[string]string) (Unit, error)
	// Settings are the settings it knows, each with a line that explains it.
	Settings map[string]string
}

// Description is what a unit says of itself.
type Description struct {
	Name string
	Kind Kind
	// Device is the machine's name for it, such as the CPU's model.
	Device string
	// Features are what of the device is used, such as avx512-vnni.
	Features []string
	// MemoryBytes is how much memory models may take; zero is not known.
	MemoryBytes uint64
	// Formats are the formats of weights that it runs; nil when it does not
	// say.
	Formats []tensor.Format
	// Architectures are the architectures that it runs; nil when it does not
	// say.
	Architectures []string
	// Deterministic says that every model is as if it were loaded with
	// Options.Deterministic, so that one copy serves all.
	Deterministic bool
	// BytesPerSecond and OperationsPerSecond are its measured speed: streaming
	// of weights and multiply-adds of 8-bit integers. Zero is not measured.
	BytesPerSecond, OperationsPerSecond float64
}

// Report is the load of a unit and what it has spent since it was opened.
type Report struct {
	// Running is how many steps or requests run at this moment.
	Running int
	// Busy is the time of processors spent, over all of them.
	Busy time.Duration
	// Joules is the energy spent. Measured says that it comes from a meter of
	// the machine; otherwise it is estimated from Busy and a stated power.
	Joules   float64
	Measured bool
	// ResidentBytes is the memory of models and caches that is the unit's own:
	// mapped weights do not count.
	ResidentBytes uint64
}

// Weights are a model's file. Units read either of the two.
type Weights struct {
	// Name is for messages.
	Name string
	// Digest is the SHA-256 of the bytes.
	Digest [32]byte
	// Bytes is the whole file, mapped for reading.
	Bytes []byte
	// File is the open file, for a unit in another process. It may be nil when
	// there is none, and then only a unit of this process can load.
	File *os.File
}

// Options say how a model is loaded. The zero value is what most want.
type Options struct {
	// ContextTokens bounds a sequence; zero is what the model was made for.
	ContextTokens int
	// CacheTokens is how many tokens all sequences together may hold; zero is
	// four times the context, at most what memory allows.
	CacheTokens int
	// SequencesMax is how many sequences may be open at once; zero is 64.
	SequencesMax int
	// Threads is on how many processors a step runs; zero is all.
	Threads int
	// Deterministic makes the results of a step depend on nothing but the
	// sequence's own tokens: not on its batch mates, nor the number of threads.
	// A unit that cannot refuses with ErrUnsupported.
	Deterministic bool
	// Pinned keeps the weights in physical memory from the start.
	Pinned bool
}

// Model is a model that was loaded.
type Model interface {
	// Describe says what was loaded. It does not block.
	Describe() ModelDescription
	// Pin keeps the weights in physical memory, or lets them go again.
	Pin(pinned bool) error
	// Close unloads it. Nothing of it may be running.
	Close() error
}

// ModelDescription is what a loaded model says of itself.
type ModelDescription struct {
	Architecture string
	// Parameters is the number of weights.
	Parameters int64
	// Format is the format of most weights.
	Format tensor.Format
	// Vocabulary is the number of tokens; ContextTokens the longest sequence;
	// Width the length of an embedding.
	Vocabulary, ContextTokens, Width int
	// PageTokens is how many tokens a page of the cache holds, and Pages how
	// many pages there are.
	PageTokens, Pages int
	// PageBytes is the memory of a page.
	PageBytes uint64
	// CacheDigest names the layout of pages: a page exported by a model may be
	// imported into another whose CacheDigest is equal.
	CacheDigest [32]byte
}

// Stepper is a model that runs token by token. One goroutine steps at a time;
// sequences and pages are opened and released by that same one.
type Stepper interface {
	Model
	// Open makes an empty sequence; ErrFull when there are too many.
	Open() (Sequence, error)
	// Step runs a batch: the tokens of each work are appended to its sequence,
	// and the logits that it wants are written. Works name different sequences.
	// It either does all of it or, with an error, none that can be seen: the
	// sequences are as long as before. The context is looked at between layers.
	Step(ctx context.Context, batch []Work) error
	// FreePages is how many pages no sequence and no holder has.
	FreePages() int
	// Release gives up one hold of a page that Share or Import returned.
	Release(p Page)
	// Export writes what a page holds; Import makes a page of it, held once by
	// the caller. What is imported is a stranger's bytes: wrong lengths are an
	// error, and wrong values give wrong text and nothing worse.
	Export(p Page, w io.Writer) error
	Import(r io.Reader) (Page, error)
}

// Page is a full page of a stepper's cache: the keys and values of PageTokens
// tokens at the positions at which they were computed.
type Page int32

// Sequence is a text under way: the tokens that a stepper has seen, as keys and
// values in pages.
type Sequence interface {
	// Len is the number of tokens.
	Len() int
	// Adopt begins an empty sequence with pages that were shared at the same
	// positions, without computing them again. The sequence has a hold of its
	// own on each; the caller keeps his.
	Adopt(pages []Page) error
	// Share returns the i-th page, which must be full, with one more hold on
	// it. It stays when the sequence is closed.
	Share(i int) (Page, error)
	// Trim forgets the tokens from n on.
	Trim(n int) error
	// Close ends the sequence and gives up its pages.
	Close()
}

// Work is what a step does for one sequence.
type Work struct {
	Sequence Sequence
	// Tokens are appended; at least one.
	Tokens []int32
	// Logits receives the logits of the last tokens: its length is a multiple of
	// the vocabulary, at most one row for each token. Nil wants none.
	Logits []float32
}

// Embedder is a model that turns texts into vectors of unit length.
type Embedder interface {
	Model
	// Embed writes the vector of each text, of Width numbers, to the row of the
	// same index. A text that is too long is cut, and its row of cut is set.
	Embed(ctx context.Context, texts []string, rows [][]float32, cut []bool) error
}

// Completer is a model that answers whole requests, such as one of a remote
// server. The body and the answers are those of OpenAI's chat completions,
// whose JSON is the one that such servers share.
type Completer interface {
	Model
	// Complete sends the body and hands over each chunk of the answer as it
	// comes. An error of emit ends it.
	Complete(ctx context.Context, body []byte, emit func(chunk []byte) error) error
}

// Lister is a unit that has models of its own, such as a server. They are loaded
// by their name alone.
type Lister interface {
	Unit
	// Models asks for the names of its models. It may block, and ends early with
	// the context.
	Models(ctx context.Context) ([]string, error)
}
