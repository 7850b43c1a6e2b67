package encoder

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"

	"golang.org/x/text/unicode/norm"

	"phios/compute/cpu/simd"
	"phios/compute/gguf"
	"phios/compute/tensor"
	"phios/compute/token"
)

// The shape of the model. A file of another shape is another model.
const (
	layers     = 2
	heads      = 4
	width      = 512 // of all but the first layer's input, and of the vector
	widthFirst = 256
	hidden     = 1536
	tokensMax  = 128
	vocabulary = 8000 // pieces; the embeddings have two rows more, which nothing names
	embedded   = 8002
	reserved   = 6 // the first pieces are marks, and never match text
)

// linear is a matrix with its bias.
type linear struct {
	matrix simd.Matrix
	bias   []float32
}

// affine is the scale and the bias of a layer normalisation.
type affine struct{ scale, bias []float32 }

// layer is one layer of the transformer.
type layer struct {
	width           int // of its input
	attention, feed affine
	qkv, out        linear
	up, down        linear
}

// weights are the model's, read in place.
type weights struct {
	pieces     *token.Unigram
	blank      int32 // the piece of a single separator
	embeddings simd.Matrix
	// positions are what positions are told apart by, tokensMax times widthFirst.
	positions []float32
	layers    [layers]layer
	// widen takes what goes around the first layer's attention to its width.
	widen      linear
	pool       linear
	parameters int64
}

// reader reads tensors and keeps the first error.
type reader struct {
	f          *gguf.File
	kernels    *simd.Kernels
	parameters int64
	err        error
}

func readWeights(f *gguf.File, k *simd.Kernels) (*weights, error) {
	if a, _ := f.Text("general.architecture"); a != Architecture {
		return nil, fmt.Errorf("the file is of the architecture %q, not %q", a, Architecture)
	}
	w := &weights{}
	if err := w.readPieces(f); err != nil {
		return nil, err
	}
	r := &reader{f: f, kernels: k}
	w.embeddings = r.matrix("token_embd.weight", embedded, widthFirst)
	w.positions = positions(r.vector("position_freq.weight", widthFirst/2))
	for i := range w.layers {
		in := width
		if i == 0 {
			in = widthFirst
		}
		w.layers[i] = r.layer(fmt.Sprintf("blk.%d.", i), in)
	}
	w.widen = r.linear("blk.0.attn_widen", width, widthFirst)
	w.pool = r.linear("pool", width, width)
	w.parameters = r.parameters
	return w, r.err
}

// positions are the sines, then the cosines, of each position by the angles of
// one step.
func positions(angles []float32) []float32 {
	all := make([]float32, tokensMax*widthFirst)
	for position := range tokensMax {
		sines := all[position*widthFirst:][:widthFirst/2]
		cosines := all[position*widthFirst+widthFirst/2:][:widthFirst/2]
		for i, angle := range angles {
			sin, cos := math.Sincos(float64(position) * float64(angle))
			sines[i], cosines[i] = float32(sin), float32(cos)
		}
	}
	return all
}

func (r *reader) layer(prefix string, in int) layer {
	return layer{
		width:     in,
		attention: affine{r.vector(prefix+"attn_norm.weight", in), r.vector(prefix+"attn_norm.bias", in)},
		feed:      affine{r.vector(prefix+"ffn_norm.weight", width), r.vector(prefix+"ffn_norm.bias", width)},
		qkv:       r.linear(prefix+"attn_qkv", 3*in, in),
		out:       r.linear(prefix+"attn_output", width, in),
		up:        r.linear(prefix+"ffn_up", hidden, width),
		down:      r.linear(prefix+"ffn_down", width, hidden),
	}
}

func (r *reader) linear(name string, rows, columns int) linear {
	return linear{r.matrix(name+".weight", rows, columns), r.vector(name+".bias", rows)}
}

// find returns a tensor of a shape, slowest dimension first.
func (r *reader) find(name string, shape ...int) *gguf.Tensor {
	if r.err != nil {
		return nil
	}
	t, ok := r.f.Tensor(name)
	if !ok {
		r.err = fmt.Errorf("the file lacks the tensor %s: convert the model again", name)
		return nil
	}
	same := len(t.Shape) == len(shape)
	elements := int64(1)
	for i := range shape {
		same = same && t.Shape[len(shape)-1-i] == shape[i]
		elements *= int64(shape[i])
	}
	if !same {
		r.err = fmt.Errorf("the tensor %s has the shape %v, which is not this model's: convert the model again", name, t.Shape)
		return nil
	}
	r.parameters += elements
	return t
}

func (r *reader) matrix(name string, rows, columns int) simd.Matrix {
	t := r.find(name, rows, columns)
	if t == nil {
		return simd.Matrix{}
	}
	m, err := r.kernels.Matrix(t.Format, rows, columns, t.Data)
	if err != nil {
		r.err = fmt.Errorf("the tensor %s: %w", name, err)
	}
	return m
}

func (r *reader) vector(name string, n int) []float32 {
	t := r.find(name, n)
	if t == nil {
		return nil
	}
	if t.Format != tensor.F32 || len(t.Data) < 4*n {
		r.err = fmt.Errorf("the tensor %s is not F32: convert the model again", name)
		return nil
	}
	v := make([]float32, n)
	for i := range v {
		v[i] = math.Float32frombits(binary.LittleEndian.Uint32(t.Data[4*i:]))
	}
	return v
}

// separator stands for a space, and before a text.
const separator = "\u2581"

func (w *weights) readPieces(f *gguf.File) error {
	pieces, ok := f.Texts("tokenizer.ggml.tokens")
	scores, ok2 := f.Floats("tokenizer.ggml.scores")
	if !ok || !ok2 || len(pieces) != vocabulary || len(scores) != vocabulary {
		return errors.New("the file lacks the pieces of its tokenizer: convert the model again")
	}
	known := make([]string, vocabulary)
	copy(known[reserved:], pieces[reserved:])
	var err error
	if w.pieces, err = token.NewUnigram(known, scores, 0); err != nil {
		return err
	}
	for i, piece := range known {
		if piece == separator {
			w.blank = int32(i)
		}
	}
	return nil
}

// encode cuts a text into pieces. It has at least one, so that an empty text has
// a vector too.
func (w *weights) encode(to []int32, text string) []int32 {
	text = norm.NFKC.String(strings.ToValidUTF8(text, "\ufffd"))
	begin := len(to)
	if to = w.pieces.Encode(to, separator+strings.ReplaceAll(text, " ", separator)); len(to) == begin {
		to = append(to, w.blank)
	}
	return to
}
