package generate

import (
	"fmt"
	"math"
)

// declared is a tensor to be made.
type declared struct {
	name    string
	shape   []int // fastest first
	weights weights
}

// tensors lists the tensors of the model.
func (s Spec) tensors() []declared {
	// The last norm makes vectors of length √Width, so this is the deviation of
	// logits: enough that some tokens are likely and none is certain.
	const logits = 3
	embedding := weights{deviation: logits / math.Sqrt(float64(s.Width))}
	all := []declared{{"token_embd.weight", []int{s.Width, s.Vocabulary}, embedding}}
	if s.Factors {
		all = append(all, s.factors()...)
	}
	for l := range s.Layers {
		for _, t := range s.layer() {
			t.name = fmt.Sprintf("blk.%d.%s", l, t.name)
			all = append(all, t)
		}
	}
	all = append(all, vector("output_norm.weight", s.Width))
	if !s.Tied && !s.gemma() {
		all = append(all, declared{"output.weight", []int{s.Width, s.Vocabulary}, embedding})
	}
	return all
}

// layer lists the tensors of one block, without the number of the block.
func (s Spec) layer() []declared {
	queries, values := s.Heads*s.HeadWidth, s.KVHeads*s.HeadWidth
	all := []declared{vector("attn_norm.weight", s.Width)}
	if s.Architecture == "phi3" {
		all = append(all, matrix("attn_qkv.weight", s.Width, queries+2*values))
	} else {
		all = append(all,
			matrix("attn_q.weight", s.Width, queries),
			matrix("attn_k.weight", s.Width, values),
			matrix("attn_v.weight", s.Width, values))
	}
	switch s.Architecture {
	case "qwen2":
		all = append(all, bias("attn_q.bias", queries), bias("attn_k.bias", values), bias("attn_v.bias", values))
	case "qwen3", "gemma3":
		all = append(all, vector("attn_q_norm.weight", s.HeadWidth), vector("attn_k_norm.weight", s.HeadWidth))
	}
	all = append(all, matrix("attn_output.weight", queries, s.Width))
	if s.gemma() {
		// The embeddings are multiplied by √Width and are the rows for the logits
		// too: if the layers did not add much more, each token would predict
		// itself.
		post := weights{mean: 8, deviation: 0.8}
		all = append(all, declared{"post_attention_norm.weight", []int{s.Width}, post},
			declared{"post_ffw_norm.weight", []int{s.Width}, post})
	}
	all = append(all, vector("ffn_norm.weight", s.Width))
	if s.Architecture == "phi3" {
		all = append(all, matrix("ffn_up.weight", s.Width, 2*s.Hidden))
	} else {
		all = append(all, matrix("ffn_gate.weight", s.Width, s.Hidden), matrix("ffn_up.weight", s.Width, s.Hidden))
	}
	return append(all, matrix("ffn_down.weight", s.Hidden, s.Width))
}

// factors lists the factors of the angles: from 1 for the fast ones up.
func (s Spec) factors() []declared {
	factor := func(name string) declared {
		return declared{name, []int{s.HeadWidth / 2}, weights{mean: 2, deviation: 0.3}}
	}
	switch s.Architecture {
	case "llama":
		return []declared{factor("rope_freqs.weight")}
	case "phi3":
		return []declared{factor("rope_factors_long.weight"), factor("rope_factors_short.weight")}
	}
	return nil
}

// matrix keeps the length of vectors as it is.
func matrix(name string, columns, rows int) declared {
	return declared{name, []int{columns, rows}, weights{deviation: 1 / math.Sqrt(float64(columns))}}
}

// vector is the weights of a norm.
func vector(name string, n int) declared {
	return declared{name, []int{n}, weights{mean: 1, deviation: 0.1}}
}

// bias is added to what a matrix gives.
func bias(name string, n int) declared {
	return declared{name, []int{n}, weights{deviation: 0.1}}
}
