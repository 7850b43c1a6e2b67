package gateway

import (
	"encoding/base64"
	"encoding/binary"
	"math"

	"phios/api/inference"
)

// readEmbeddings reads the body of embeddings, and whether vectors are wanted
// as base64.
func readEmbeddings(body []byte) (r inference.EmbedRequest, packed bool, err error) {
	f, err := open(body)
	if err != nil {
		return r, false, err
	}
	r.Model = f.text("model")
	switch v := f.fields["input"]; {
	case v == nil:
		f.refuse("input", "input is missing", "give a string, or a list of them")
	case v[0] == '"':
		r.Texts = []string{f.text("input")}
	default:
		for _, e := range f.list("input", inference.EmbedTextsMax) {
			if e[0] != '"' {
				f.refuse("input", "input is not text; tokens differ from model to model", "give strings")
			}
			r.Texts = append(r.Texts, e.text())
		}
		if len(r.Texts) == 0 {
			f.refuse("input", "input is empty", "give a string, or a list of them")
		}
	}
	packed = f.oneOf("encoding_format", "float", "base64") == "base64"
	f.only("dimensions", "leave it out: a vector has the length that its model makes")
	f.ignore("user", "metadata")
	f.end()
	return r, packed, f.result()
}

type (
	vectorsAnswer struct {
		Object string       `json:"object"`
		Data   []vector     `json:"data"`
		Model  string       `json:"model"`
		Usage  vectorsUsage `json:"usage"`
	}
	vector struct {
		Object    string `json:"object"`
		Index     int    `json:"index"`
		Embedding any    `json:"embedding"` // numbers, or base64
	}
	vectorsUsage struct {
		Prompt int `json:"prompt_tokens"`
		Total  int `json:"total_tokens"`
	}
)

// embeddings answers POST /v1/embeddings.
func (x *exchange) embeddings(body []byte) error {
	r, packed, err := readEmbeddings(body)
	if err != nil {
		return err
	}
	got, err := x.g.c.Service.Embed(x.r.Context(), x.who, &r)
	if err != nil {
		return err
	}
	out := vectorsAnswer{Object: "list", Model: got.Model, Usage: vectorsUsage{got.Usage.PromptTokens, got.Usage.PromptTokens}}
	for i, v := range got.Vectors {
		one := vector{Object: "embedding", Index: i, Embedding: v}
		if packed {
			one.Embedding = pack(v)
		}
		out.Data = append(out.Data, one)
	}
	return x.write(200, out)
}

// pack is a vector as base64 of its little-endian floats, the form that clients
// ask for unless they are told otherwise.
func pack(v []float32) string {
	b := make([]byte, 0, 4*len(v))
	for _, f := range v {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(f))
	}
	return base64.StdEncoding.EncodeToString(b)
}
