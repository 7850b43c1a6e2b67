package cpu

// gemma2Table is Gemma 2: norms before and after each part of a layer, every
// other layer with a window, and scores and logits that are bounded. The norms'
// weights are stored with the one that Gemma adds to them.
var gemma2Table = architecture{
	name:            "gemma2",
	needs:           append([]role{roleAttentionPostNorm, roleFeedPostNorm}, separateTable...),
	pairs:           halves,
	gate:            gelu,
	embeddingScaled: true,
	window:          2,
	capped:          50,
	cappedLogits:    30,
	wideLayers:      46,
}
