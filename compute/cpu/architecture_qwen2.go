package cpu

// qwen2Table is Qwen 2 and 2.5: Llama with biases on queries, keys and values.
var qwen2Table = architecture{
	name:  "qwen2",
	needs: append([]role{roleQueryBias, roleKeyBias, roleValueBias}, separateTable...),
	may:   []role{roleAttentionOutputBias},
	pairs: halves,
	gate:  silu,
}
