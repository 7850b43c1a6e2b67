// Package nn is the module wasi_ephemeral_nn: WASI-NN as programs import it,
// with the convention for language models that WasmEdge calls GGML, over a
// program's memory and a [capsule.Door]. It knows no engine, and no model: what
// it is asked, it asks of the capabilities to models that the program was
// granted, under their names.
//
// A graph is such a capability. load takes one builder, which is the name under
// which it was granted; load_by_name takes the name; the encoding is GGML or
// the one that finds out. Bytes of a model are refused: a program that brings
// its own model would load it on a budget that nobody gave for that, and the
// node has a registry for models. Any other encoding has no engine here.
//
// Input 0 is the prompt, as bytes, and input 1, which may be left out, options
// as JSON: n-predict, temp, top-k, top-p, min-p, repeat-penalty,
// presence-penalty, frequency-penalty, seed, reverse-prompt, and json-schema or
// grammar. Others mean something to one engine, such as n-gpu-layers, and are
// passed over. load_by_name_with_config sets options for all that follows.
// Output 0 is the text, output 1 says as JSON how many tokens were read and
// written.
//
// A prompt that does not fit into a message goes by a region that is made on
// the capability named "budget".
//
// Ledger: S13.
//
// Seed name: Cognitive unikernels.
package nn
