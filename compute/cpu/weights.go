package cpu

import (
	"fmt"
	"strconv"

	"phios/compute"
	"phios/compute/cpu/simd"
	"phios/compute/gguf"
	"phios/compute/tensor"
)

// layer is the weights of a layer by their roles. Matrices are where the file
// is mapped; vectors, which are small, are copied to float32.
type layer struct {
	matrices [roles]*simd.Matrix
	vectors  [roles][]float32
	window   int // tokens that it sees; 0 is all
	turn     int // which of the rotations
}

// weights is all that a model has learnt.
type weights struct {
	embedding, output *simd.Matrix // the same where a file ties them
	outputNorm        []float32
	layers            []layer
	rotations         []rotation // the second is of layers with a window
	parameters        int64
	format            tensor.Format // of most elements
	streamed          int           // bytes that a token reads
}

// binder finds the tensors of a file, and remembers which it found.
type binder struct {
	file    *gguf.File
	config  *config
	kernels *simd.Kernels
	found   map[string]bool
}

// bind finds all weights of a model. The context decides which factors of a
// longrope are used.
func bind(f *gguf.File, c *config, k *simd.Kernels, context int) (*weights, error) {
	b := &binder{file: f, config: c, kernels: k, found: map[string]bool{}}
	w := &weights{layers: make([]layer, c.layers)}
	var err error
	if w.embedding, err = b.matrix("token_embd.weight", c.vocabulary, c.width); err != nil {
		return nil, err
	}
	w.output = w.embedding
	if _, ok := f.Tensor("output.weight"); ok {
		if w.output, err = b.matrix("output.weight", c.vocabulary, c.width); err != nil {
			return nil, err
		}
	}
	if w.outputNorm, err = b.vector("output_norm.weight", c.width); err != nil {
		return nil, err
	}
	if err := b.rotations(w, context); err != nil {
		return nil, err
	}
	for i := range w.layers {
		if err := b.layer(&w.layers[i], i); err != nil {
			return nil, err
		}
	}
	return w, b.count(w)
}

// count sums up the elements, and refuses a file with tensors that the forward
// pass does not use: it would run, and give text that is wrong.
func (b *binder) count(w *weights) error {
	by := map[tensor.Format]int64{}
	for i := range b.file.Tensors {
		t := &b.file.Tensors[i]
		if !b.found[t.Name] {
			return fmt.Errorf("%w: tensor %.64q is not one that this unit knows for %s; %s",
				compute.ErrUnsupported, t.Name, b.config.arch.name, elsewhere)
		}
		elements := int64(1)
		for _, n := range t.Shape {
			elements *= int64(n)
		}
		w.parameters += elements
		by[t.Format] += elements
		w.streamed += len(t.Data)
		if by[t.Format] > by[w.format] {
			w.format = t.Format
		}
	}
	if w.output != w.embedding {
		w.streamed -= len(w.embedding.Data) // of which it reads one row
	}
	return nil
}

// layer finds what a layer needs and may have.
func (b *binder) layer(l *layer, index int) error {
	l.window = b.config.windowOf(index)
	if l.window > 0 && b.config.arch.localBase > 0 {
		l.turn = 1
	}
	for _, r := range b.config.arch.needs {
		if err := b.role(l, index, r); err != nil {
			return err
		}
	}
	for _, r := range b.config.arch.may {
		if _, ok := b.file.Tensor(layerName(index, tensorsTable[r].name)); !ok {
			continue
		}
		if err := b.role(l, index, r); err != nil {
			return err
		}
	}
	return nil
}

func layerName(index int, name string) string { return "blk." + strconv.Itoa(index) + "." + name }

// role finds one tensor of a layer, and cuts one that holds several into them.
func (b *binder) role(l *layer, index int, r role) error {
	rule := &tensorsTable[r]
	name, columns := layerName(index, rule.name), b.config.extent(rule.columns)
	if rule.rows == extentOne {
		v, err := b.vector(name, columns)
		l.vectors[r] = v
		return err
	}
	t, err := findTensor(b.file, name, columns, b.config.extent(rule.rows))
	if err != nil {
		return err
	}
	b.found[name] = true
	parts := rule.parts
	if parts == nil {
		parts = []role{r}
	}
	rest := t.Data
	rowBytes, _ := t.Format.RowBytes(columns)
	for _, part := range parts {
		rows := b.config.extent(tensorsTable[part].rows)
		m, err := b.kernels.Matrix(t.Format, rows, columns, rest[:rows*rowBytes])
		if err != nil {
			return fmt.Errorf("%w: %s: %w; %s", compute.ErrUnsupported, name, err, elsewhere)
		}
		l.matrices[part], rest = &m, rest[rows*rowBytes:]
	}
	return nil
}

func (b *binder) matrix(name string, rows, columns int) (*simd.Matrix, error) {
	t, err := findTensor(b.file, name, columns, rows)
	if err != nil {
		return nil, err
	}
	b.found[name] = true
	m, err := b.kernels.Matrix(t.Format, rows, columns, t.Data)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w; %s", compute.ErrUnsupported, name, err, elsewhere)
	}
	return &m, nil
}

func (b *binder) vector(name string, n int) ([]float32, error) {
	b.found[name] = true
	return readVector(b.file, name, n)
}

// rotations makes the rotation of the whole text and that of windows.
func (b *binder) rotations(w *weights, context int) error {
	c := b.config
	factors, err := c.readFactors(b.file, "rope_freqs.weight")
	if err != nil {
		return err
	}
	name := "rope_factors_short.weight"
	if context > c.scaling.original {
		name = "rope_factors_long.weight"
	}
	chosen, err := c.readFactors(b.file, name)
	if err != nil {
		return err
	}
	if factors == nil {
		factors = chosen
	}
	for _, n := range []string{"rope_freqs.weight", "rope_factors_short.weight", "rope_factors_long.weight"} {
		b.found[n] = true
	}
	w.rotations = []rotation{
		newRotation(c.base, c.rotated, factors, c.scaling),
		newRotation(c.localBase, c.rotated, nil, scaling{factor: 1, amount: 1}),
	}
	return nil
}

// findTensor finds a tensor of a shape, the fastest extent first.
func findTensor(f *gguf.File, name string, shape ...int) (*gguf.Tensor, error) {
	t, ok := f.Tensor(name)
	if !ok {
		return nil, fmt.Errorf("%w: it has no tensor %s; %s", compute.ErrUnsupported, name, elsewhere)
	}
	same := len(t.Shape) >= len(shape)
	size := 1
	for i, n := range t.Shape {
		same = same && (i < len(shape) && n == shape[i] || i >= len(shape) && n == 1)
	}
	if !same {
		return nil, fmt.Errorf("tensor %s has the shape %v, and by the metadata it must be %v: the file is damaged, or a variant; %s",
			name, t.Shape, shape, elsewhere)
	}
	for _, n := range shape[1:] {
		size *= n
	}
	rowBytes, ok := t.Format.RowBytes(shape[0])
	if !ok {
		return nil, fmt.Errorf("%w: tensor %s is stored as %s with rows of %d elements; %s", compute.ErrUnsupported, name, t.Format, shape[0], elsewhere)
	}
	if len(t.Data) != size*rowBytes {
		return nil, fmt.Errorf("tensor %s has %d bytes for a shape of %d: the file is damaged; fetch it again", name, len(t.Data), size*rowBytes)
	}
	return t, nil
}

// readVector copies a tensor of one row.
func readVector(f *gguf.File, name string, n int) ([]float32, error) {
	t, err := findTensor(f, name, n)
	if err != nil {
		return nil, err
	}
	v := make([]float32, n)
	tensor.Dequantize(t.Format, t.Data, v)
	return v, nil
}
