package cpu

// phi3Table is Phi 3, 3.5 and 4 mini: queries, keys and values in one tensor,
// gate and up in another, a window in all layers where the file names one, and
// factors of the rotation for short and for long contexts. llama.cpp reads the
// window and does not apply it: behind it the logits differ, and these are those
// of the model as it was trained.
var phi3Table = architecture{
	name:   "phi3",
	needs:  fusedTable,
	pairs:  halves,
	gate:   silu,
	window: 1,
}
