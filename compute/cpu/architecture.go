package cpu

// architecture is what makes one family of models differ from another, as data
// for the one forward pass that all share. Each is described in a file of its
// own.
type architecture struct {
	// name is what files say in general.architecture, and what the keys of the
	// metadata begin with.
	name string
	// needs are the tensors of a layer that must be there, and may those that
	// are used when they are.
	needs, may []role
	// pairs is which elements of a head are rotated together.
	pairs pairing
	// gate is the function between the two halves of the feed-forward network.
	gate activation
	// embeddingScaled multiplies the embeddings by the root of the width.
	embeddingScaled bool
	// window is of how many layers the last one sees the whole text and the
	// others a window of it; 1 means that all see the window, 0 that none does.
	window int
	// localBase is the base of the rotation in layers with a window; 0 is the
	// same as in the others.
	localBase float64
	// capped bounds the scores of attention; cappedLogits those of the tokens.
	// They are the values for files that do not say.
	capped, cappedLogits float64
	// wideLayers is the number of layers of the variant whose scores are scaled
	// by the width of the model over its heads and not by that of a head.
	wideLayers int
}

// pairing is which elements of a head are rotated together.
type pairing uint8

const (
	neighbours pairing = iota // 0 with 1, 2 with 3; the files' weights are permuted to it
	halves                    // i with i + half of the rotated width
)

// activation is the function between the halves of a feed-forward network.
type activation uint8

const (
	silu activation = iota
	gelu            // the tanh form
)

// role is what a tensor of a layer is for.
type role uint8

const (
	roleAttentionNorm role = iota
	roleQuery
	roleKey
	roleValue
	roleFusedQKV // the rows of query, key and value, one after the other
	roleAttentionOutput
	roleQueryBias
	roleKeyBias
	roleValueBias
	roleAttentionOutputBias
	roleQueryNorm
	roleKeyNorm
	roleAttentionPostNorm
	roleFeedNorm
	roleGate
	roleUp
	roleFusedGateUp // the rows of gate and up
	roleDown
	roleGateBias
	roleUpBias
	roleDownBias
	roleFeedPostNorm
	roles
)

// extent is a length that follows from the metadata.
type extent uint8

const (
	extentOne      extent = iota // a vector has one row
	extentWidth                  // of the residual stream
	extentQueries                // all heads of the queries
	extentKeys                   // all heads of the keys
	extentValues                 // all heads of the values
	extentQKV                    // the three together
	extentMixed                  // what attention gives: the heads of the queries, as wide as values
	extentInner                  // of the feed-forward network
	extentTwoInner               // gate and up together
	extentHead                   // one head of queries and keys
	extentVocabulary
)

// tensorRule is what a tensor of a layer is called, its shape, and for a tensor
// that holds several, what they are.
type tensorRule struct {
	name          string
	rows, columns extent
	parts         []role
}

// tensorsTable is the names of GGUF, by role.
var tensorsTable = [roles]tensorRule{
	roleAttentionNorm:       {"attn_norm.weight", extentOne, extentWidth, nil},
	roleQuery:               {"attn_q.weight", extentQueries, extentWidth, nil},
	roleKey:                 {"attn_k.weight", extentKeys, extentWidth, nil},
	roleValue:               {"attn_v.weight", extentValues, extentWidth, nil},
	roleFusedQKV:            {"attn_qkv.weight", extentQKV, extentWidth, []role{roleQuery, roleKey, roleValue}},
	roleAttentionOutput:     {"attn_output.weight", extentWidth, extentMixed, nil},
	roleQueryBias:           {"attn_q.bias", extentOne, extentQueries, nil},
	roleKeyBias:             {"attn_k.bias", extentOne, extentKeys, nil},
	roleValueBias:           {"attn_v.bias", extentOne, extentValues, nil},
	roleAttentionOutputBias: {"attn_output.bias", extentOne, extentWidth, nil},
	roleQueryNorm:           {"attn_q_norm.weight", extentOne, extentHead, nil},
	roleKeyNorm:             {"attn_k_norm.weight", extentOne, extentHead, nil},
	roleAttentionPostNorm:   {"post_attention_norm.weight", extentOne, extentWidth, nil},
	roleFeedNorm:            {"ffn_norm.weight", extentOne, extentWidth, nil},
	roleGate:                {"ffn_gate.weight", extentInner, extentWidth, nil},
	roleUp:                  {"ffn_up.weight", extentInner, extentWidth, nil},
	roleFusedGateUp:         {"ffn_up.weight", extentTwoInner, extentWidth, []role{roleGate, roleUp}},
	roleDown:                {"ffn_down.weight", extentWidth, extentInner, nil},
	roleGateBias:            {"ffn_gate.bias", extentOne, extentInner, nil},
	roleUpBias:              {"ffn_up.bias", extentOne, extentInner, nil},
	roleDownBias:            {"ffn_down.bias", extentOne, extentWidth, nil},
	roleFeedPostNorm:        {"post_ffw_norm.weight", extentOne, extentWidth, nil},
}

// separateTable and fusedTable are the tensors that every layer has, in the two
// ways in which files store them.
var (
	separateTable = []role{roleAttentionNorm, roleQuery, roleKey, roleValue, roleAttentionOutput, roleFeedNorm, roleGate, roleUp, roleDown}
	fusedTable    = []role{roleAttentionNorm, roleFusedQKV, roleAttentionOutput, roleFeedNorm, roleFusedGateUp, roleDown}
)

// architectures are all that the engine runs.
func architectures() []*architecture {
	return []*architecture{&llamaTable, &qwen2Table, &qwen3Table, &gemma2Table, &gemma3Table, &phi3Table}
}
