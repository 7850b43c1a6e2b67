package cpu

// gemma3Table is the text part of Gemma 3: as Gemma 2, with norms of queries
// and keys in place of bounded scores, and five layers with a window, rotated
// with a base of their own, for each one without.
var gemma3Table = architecture{
	name:            "gemma3",
	needs:           append([]role{roleAttentionPostNorm, roleFeedPostNorm, roleQueryNorm, roleKeyNorm}, separateTable...),
	pairs:           halves,
	gate:            gelu,
	embeddingScaled: true,
	window:          6,
	localBase:       10_000,
	wideLayers:      62,
}
