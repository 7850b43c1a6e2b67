package cpu

// qwen3Table is Qwen 3: no biases, and a norm of each head of queries and keys
// before the rotation.
var qwen3Table = architecture{
	name:  "qwen3",
	needs: append([]role{roleQueryNorm, roleKeyNorm}, separateTable...),
	pairs: halves,
	gate:  silu,
}
