package token

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// Metadata is what is asked of a file: *gguf.File is one.
type Metadata interface {
	Text(key string) (string, bool)
	Texts(key string) ([]string, bool)
	Ints(key string) ([]int64, bool)
	Floats(key string) ([]float64, bool)
	Uint(key string) (uint64, bool)
	Bool(key string) (bool, bool)
}

// kind is the kind of a piece, with the numbers of GGUF.
type kind uint8

const (
	kindNormal      kind = 1
	kindUnknown     kind = 2
	kindControl     kind = 3
	kindUserDefined kind = 4
	kindUnused      kind = 5
	kindByte        kind = 6
)

// control reports whether the piece is no text.
func (k kind) control() bool { return k == kindControl || k == kindUnknown }

// ordinary reports whether plain text may become the piece.
func (k kind) ordinary() bool { return k == kindNormal || k == kindUserDefined || k == kindUnused }

// vocabulary is the part that all kinds of tokenizers share.
type vocabulary struct {
	texts  []string
	kinds  []kind
	scores []float32 // empty when the file has none

	bos, eos, unknown int32 // -1 is none
	addBOS, addEOS    bool
	ends              []int32 // sorted

	// What each token adds to the text, one after the other.
	arena   []byte
	offsets []uint32
}

// The keys of the metadata that are read.
const (
	keyModel  = "tokenizer.ggml.model"
	keyPre    = "tokenizer.ggml.pre"
	keyTokens = "tokenizer.ggml.tokens" //nolint:gosec // G101: it names tokens of text, not of access
	keyScores = "tokenizer.ggml.scores"
	keyTypes  = "tokenizer.ggml.token_type"
	keyMerges = "tokenizer.ggml.merges"
)

// damaged is an error of the vocabulary.
func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: %s; convert the model again, or load it with the llama unit",
		ErrVocabulary, fmt.Sprintf(format, args...))
}

// unsupported is an error that names what is not known here.
func unsupported(format string, args ...any) error {
	return fmt.Errorf("%w: %s; load the model with the llama unit", ErrUnsupported, fmt.Sprintf(format, args...))
}

// read takes the pieces, kinds, scores and special tokens from the metadata.
func (v *vocabulary) read(m Metadata, d defaults) error { //nolint:revive // cyclomatic: a flat list of cases, which reads best in one place
	texts, ok := m.Texts(keyTokens)
	if !ok || len(texts) == 0 {
		return damaged("it has no list %s", keyTokens)
	}
	if len(texts) > PiecesMax {
		return damaged("it has %d pieces, more than %d", len(texts), PiecesMax)
	}
	total := 0
	for id, text := range texts {
		total += len(text)
		if len(text) > PieceBytesMax || total > VocabularyBytesMax {
			return damaged("piece %d makes it larger than a piece of %d or a vocabulary of %d bytes may be",
				id, PieceBytesMax, VocabularyBytesMax)
		}
	}
	v.texts = texts
	v.kinds = slices.Repeat([]kind{kindNormal}, len(texts))
	if types, ok := m.Ints(keyTypes); ok {
		if len(types) != len(texts) {
			return damaged("%s has %d entries for %d pieces", keyTypes, len(types), len(texts))
		}
		for id, k := range types {
			if k >= int64(kindNormal) && k <= int64(kindByte) {
				v.kinds[id] = kind(k)
			}
		}
	}
	if scores, ok := m.Floats(keyScores); ok {
		if len(scores) != len(texts) {
			return damaged("%s has %d entries for %d pieces", keyScores, len(scores), len(texts))
		}
		v.scores = make([]float32, len(scores))
		for id, f := range scores {
			if math.IsNaN(f) {
				return damaged("the score of piece %d is not a number", id)
			}
			v.scores[id] = float32(f)
		}
	}
	v.specials(m, d)
	return nil
}

// defaults are what a kind of tokenizer has when the file does not say.
type defaults struct {
	bos, eos, unknown int32
	addBOS, addEOS    bool
}

// specials reads which tokens have a part to play. The defaults and the set of
// ends are those of llama.cpp (src/llama-vocab.cpp), which files rely on.
func (v *vocabulary) specials(m Metadata, d defaults) { //nolint:revive // cyclomatic: a flat list of cases, which reads best in one place
	id := func(name string, otherwise int32) int32 {
		n, ok := m.Uint("tokenizer.ggml." + name + "_token_id")
		switch {
		case ok && n < uint64(len(v.texts)):
			return int32(n)
		case ok || int(otherwise) >= len(v.texts):
			return -1
		default:
			return otherwise
		}
	}
	flag := func(name string, otherwise bool) bool {
		if b, ok := m.Bool("tokenizer.ggml.add_" + name); ok {
			return b
		}
		return otherwise
	}
	v.bos, v.eos, v.unknown = id("bos", d.bos), id("eos", d.eos), id("unknown", d.unknown)
	v.addBOS, v.addEOS = flag("bos_token", d.addBOS), flag("eos_token", d.addEOS)

	named := make(map[string]int32)
	for i, text := range v.texts {
		if slices.Contains(endTextsTable, text) || slices.Contains(padTextsTable, text) {
			named[text] = int32(i)
		}
	}
	for _, text := range endTextsTable {
		if i, ok := named[text]; ok {
			v.addEnd(i)
		}
	}
	for _, key := range []string{"fim_pad", "fim_rep", "fim_sep", "eot", "eom"} {
		if i := id(key, -1); i >= 0 {
			v.ends = append(v.ends, i)
		}
	}
	for _, text := range padTextsTable {
		if i, ok := named[text]; ok {
			v.addEnd(i)
		}
	}
	if v.eos >= 0 {
		v.ends = append(v.ends, v.eos)
	}
	v.exceptions(named)
	slices.Sort(v.ends)
	v.ends = slices.Compact(v.ends)
}

// addEnd makes a token one that ends the generation and that is no text.
func (v *vocabulary) addEnd(id int32) {
	v.ends = append(v.ends, id)
	v.kinds[id] = kindControl
}

// exceptions takes ends back: in the harmony format <|end|> ends a message and
// the turn goes on, and in Gemma 4 </s> is text.
func (v *vocabulary) exceptions(named map[string]int32) {
	has := func(text string) bool { _, ok := named[text]; return ok }
	drop := func(text string, k kind) {
		id, ok := named[text]
		if !ok {
			return
		}
		v.ends = slices.DeleteFunc(v.ends, func(e int32) bool { return e == id })
		v.kinds[id] = k
	}
	call := has("<|call|>") || has("<|calls|>")
	if call && (has("<|return|>") || has("<|flush|>")) {
		drop("<|end|>", kindUserDefined)
	}
	if has("<|tool_response>") {
		drop("</s>", kindNormal)
	}
}

// endTextsTable are the tokens with which known models end a turn, from
// llama.cpp's list. Files do not say it otherwise.
var endTextsTable = []string{
	"<|eot_id|>", "<|im_end|>", "<|end|>", "<|return|>", "<|call|>", "<|flush|>",
	"<|calls|>", "<end_of_turn>", "<|endoftext|>", "</s>", "<|eom_id|>", "<EOT>",
	"_<EOT>", "[EOT]", "[EOS]", "<|end_of_text|>", "<end_of_utterance>", "<eos>",
	"<turn|>", "<|tool_response>", "<｜end▁of▁sentence｜>", "[e~[",
}

// padTextsTable are the tokens of code models that stand between files: what
// follows is another file, so they end the answer.
var padTextsTable = []string{
	"<|fim_pad|>", "<fim-pad>", "<fim_pad>", "<PAD>", "[PAD]",
	"<|fim_repo|>", "<|repo_name|>", "<fim-repo>", "<REPO>", "<reponame>",
	"<|file_sep|>",
}

// render fills the arena with what each token adds to the text.
func (v *vocabulary) render(spell func(dst []byte, text string) []byte) {
	v.offsets = make([]uint32, len(v.texts)+1)
	for id, text := range v.texts {
		switch k := v.kinds[id]; {
		case k.control():
		case k == kindUserDefined:
			v.arena = append(v.arena, text...)
		case k == kindByte:
			if b, ok := byteText(text); ok {
				v.arena = append(v.arena, b)
			}
		default:
			v.arena = spell(v.arena, text)
		}
		v.offsets[id+1] = uint32(len(v.arena))
	}
}

// byteText reads the name of a byte: <0x0A>.
func byteText(text string) (byte, bool) {
	if len(text) != 6 || !strings.HasPrefix(text, "<0x") || text[5] != '>' {
		return 0, false
	}
	high, low := hexDigit(text[3]), hexDigit(text[4])
	if high < 0 || low < 0 {
		return 0, false
	}
	return byte(high<<4 | low), true
}

func hexDigit(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	default:
		return -1
	}
}

// bytePieces finds the piece of each byte, -1 where there is none.
func (v *vocabulary) bytePieces() (ids [256]int32) {
	for b := range ids {
		ids[b] = -1
	}
	for id, text := range v.texts {
		if b, ok := byteText(text); ok && v.kinds[id] == kindByte {
			ids[b] = int32(id)
		}
	}
	return ids
}
