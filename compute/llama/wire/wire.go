// Package wire is what the llama unit and its helper process say to each
// other: short frames over a socket, each request answered once, and the bulk
// of it (tokens, logits, pages, texts) in memory that both map.
//
// The helper runs foreign code over a stranger's file, so what it says is
// hostile: every length and count has a bound here, and a message that breaks
// one is an error. Encoding is fixed-width and little-endian: there is one way
// to write each message, and a decoder refuses what is left over.
package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Version is the version of the protocol; both ends must have the same.
const Version = 1

// Bounds of what is said.
const (
	// FrameBytesMax is the longest frame, without its length.
	FrameBytesMax = 64 << 10
	// DevicesMax is how many devices a helper may name.
	DevicesMax = 16
	// TextBytesMax is the longest name or error.
	TextBytesMax = 2 << 10
	// SequencesMax is how many numbers of sequences there are: llama.cpp's own
	// bound, which it keeps as a set of bits in each cell of its cache.
	SequencesMax = 256
	// WorksMax is how many sequences a step can serve.
	WorksMax = SequencesMax
	// BulkBytes is the size of the shared memory. It is made of pages that are
	// taken when they are first written, so its size costs nothing.
	BulkBytes = 512 << 20
	// BulkStart is where its data starts; the bytes before are flags.
	BulkStart = 4096
	// CancelByte is the flag that ends a step, when it is not zero. The byte
	// behind it is always zero: see the helper for why.
	CancelByte = 0
)

// The descriptors that a helper inherits.
const (
	SocketDescriptor = 3
	BulkDescriptor   = 4
	ModelDescriptor  = 5
)

// Operation says what a frame is.
type Operation uint8

// What the unit asks. The answer to each has the same operation, or is
// [Failed].
const (
	// Hello is the first: nothing is asked, a [Greeting] answers.
	Hello Operation = 1 + iota
	// Load asks with a [Loading], a [Loaded] answers.
	Load
	// Step asks with [Works]; the tokens lie in the bulk one after the other,
	// and the rows of logits lie there after it.
	Step
	// Copy makes a sequence share a [Range] of another.
	Copy
	// Remove forgets a [Range].
	Remove
	// Export writes a [Range] to the bulk, a [Size] answers.
	Export
	// Import makes a [Range] of Size bytes in the bulk.
	Import
	// Tokenize turns the text in the bulk, of [Text], into tokens there; a
	// [Size] answers with their number.
	Tokenize
	// Detokenize turns the tokens in the bulk into text there.
	Detokenize
	// Failed answers with a [Failure].
	Failed
)

// Code says how a request failed.
type Code uint8

// How requests fail.
const (
	// Refused: the text says why.
	Refused Code = 1 + iota
	// Full: no cell of the cache is free.
	Full
	// Memory: the machine or the device has not enough.
	Memory
	// Cancelled: the flag was set. Nothing was done.
	Cancelled
)

// ErrMalformed means that bytes are not a message of this protocol: the other
// end is broken or hostile. Restart it.
var ErrMalformed = errors.New("malformed message of the llama helper; is phi-llama of the same version as phi?")

// Frame is one message.
type Frame struct {
	Operation Operation
	// Number pairs an answer with its request.
	Number  uint32
	Payload []byte
}

// headerBytes is the length, the operation and the number.
const headerBytes = 4 + 1 + 4

// Write sends a frame in one write.
func Write(w io.Writer, f Frame) error {
	n := 5 + len(f.Payload)
	if n > FrameBytesMax {
		return fmt.Errorf("%w: %d bytes in a frame, %d are allowed", ErrMalformed, n, FrameBytesMax)
	}
	b := make([]byte, 0, 4+n)
	b = binary.LittleEndian.AppendUint32(b, uint32(n))
	b = append(b, byte(f.Operation))
	b = binary.LittleEndian.AppendUint32(b, f.Number)
	_, err := w.Write(append(b, f.Payload...))
	return err
}

// Read takes the next frame. It allocates at most FrameBytesMax.
func Read(r io.Reader) (Frame, error) {
	var h [headerBytes]byte
	if _, err := io.ReadFull(r, h[:]); err != nil {
		return Frame{}, err
	}
	n := binary.LittleEndian.Uint32(h[:])
	if n < 5 || n > FrameBytesMax {
		return Frame{}, fmt.Errorf("%w: a frame of %d bytes", ErrMalformed, n)
	}
	f := Frame{Operation: Operation(h[4]), Number: binary.LittleEndian.Uint32(h[5:])}
	if f.Operation < Hello || f.Operation > Failed {
		return Frame{}, fmt.Errorf("%w: operation %d", ErrMalformed, f.Operation)
	}
	f.Payload = make([]byte, n-5)
	if _, err := io.ReadFull(r, f.Payload); err != nil {
		return Frame{}, err
	}
	return f, nil
}
