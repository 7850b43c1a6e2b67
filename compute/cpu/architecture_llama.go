package cpu

// llamaTable is Llama 1 to 3, Mistral, TinyLlama, SmolLM and whatever else is
// stored as llama. Llama 3's stretched rotation is a tensor of factors, and no
// switch.
var llamaTable = architecture{
	name:  "llama",
	needs: separateTable,
	may:   []role{roleQueryBias, roleKeyBias, roleValueBias, roleAttentionOutputBias, roleGateBias, roleUpBias, roleDownBias},
	pairs: neighbours,
	gate:  silu,
}
