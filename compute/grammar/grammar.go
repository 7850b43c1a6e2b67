// Package grammar makes a model write only texts that a JSON Schema, a regular
// expression or a grammar in GBNF allows, whatever the model is.
//
// A constraint is compiled to a [Grammar], once; with the pieces of a
// tokenizer, a [Vocabulary], it starts a [State] for each text. Before each
// step [State.Mask] says which tokens are allowed, and after it [State.Accept]
// takes the chosen one. A text that ends by an end token is always whole. One
// that runs out of tokens is made whole by adding [State.Finish].
//
// # How
//
// All three sources become rules over bytes, each a deterministic automaton
// whose edges read a byte or call a rule. A text stands in a set of stacks of
// states, kept as a graph with shared parts (Tomita 1986). Masks walk a tree of
// all pieces, as llguidance does, and what a state allows whatever is below it
// on the stack is found once, as in XGrammar (Dong et al. 2024).
//
// # No dead ends
//
// A token is allowed only when the text can still be finished after it: every
// state knows the bytes of its shortest end by single-byte tokens, and how deep
// it nests. States without one are cut when the grammar is compiled or started.
package grammar
