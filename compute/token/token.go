// Package token turns text into the tokens of a model and back. A tokenizer is
// made of the metadata of a GGUF file ([FromGGUF]): SentencePiece's two kinds
// (merges by score, and unigram), byte-level BPE, and WordPiece.
//
// The reference is what the model was trained with: SentencePiece, and the
// regular expressions of the published tokenizer files. Where llama.cpp differs
// on purpose or by accident the comments say so. Two rules are our own:
//
//   - Text never becomes a control token unless that is asked for, not even when
//     it spells one: a prompt is a stranger's.
//   - Bytes that are not UTF-8 are kept, where the vocabulary can spell any
//     byte, instead of becoming U+FFFD.
//
// A vocabulary is hostile: it is bounded, checked whole before it is used, and
// no text makes encoding take longer than O(n log n) in its length.
package token

import (
	"errors"
	"slices"
	"sync"
)

// Limits of a vocabulary. The largest known have 262,144 pieces (Gemma 3),
// 446,189 merges (GPT-4o) and pieces of 512 bytes.
const (
	PiecesMax          = 1 << 20
	MergesMax          = 1 << 21
	PieceBytesMax      = 4096
	VocabularyBytesMax = 64 << 20
	CharsmapBytesMax   = 4 << 20
)

// Errors of making a tokenizer, wrapped with what was found and the remedy.
var (
	// ErrVocabulary: the metadata is missing, damaged or over a limit.
	ErrVocabulary = errors.New("the vocabulary is not usable")
	// ErrUnsupported: the file is sound but of a kind that is not known here.
	ErrUnsupported = errors.New("the tokenizer is not supported")
)

// encoder splits text without special tokens. Each kind is one.
type encoder interface {
	// encode appends the tokens of text. first says that the text begins a
	// prompt or follows a special token.
	encode(dst []int32, s *scratch, text string, first bool) []int32
}

// Tokenizer turns text into tokens. It does not change once made, and any
// number of goroutines may use it.
type Tokenizer struct {
	vocabulary

	coder  encoder
	always matcher // pieces that are found in any text: those the user defined
	asked  matcher // those, and the control tokens

	scratches sync.Pool
}

// Encode appends the tokens of text to dst and returns it. Special tokens that
// text spells are recognised when special is set, and are plain text otherwise;
// pieces that the vocabulary calls user-defined are always recognised, as
// SentencePiece does. It adds neither BOS nor EOS.
func (t *Tokenizer) Encode(dst []int32, text string, special bool) []int32 {
	s, _ := t.scratches.Get().(*scratch)
	if s == nil {
		s = new(scratch)
	}
	dst = t.encode(dst, s, text, special)
	s.trim()
	t.scratches.Put(s)
	return dst
}

// encode is Encode with the memory for it.
func (t *Tokenizer) encode(dst []int32, s *scratch, text string, special bool) []int32 { //nolint:revive // flag-parameter: as in Encode
	m := &t.always
	if special {
		m = &t.asked
	}
	first, plain := true, 0
	for at := 0; at < len(text); {
		id, n := m.match(text, at)
		if n == 0 {
			at++
			continue
		}
		dst = t.plain(dst, s, text[plain:at], &first)
		dst = append(dst, id)
		at += n
		plain, first = at, true
	}
	return t.plain(dst, s, text[plain:], &first)
}

// plain encodes what lies between two special tokens.
func (t *Tokenizer) plain(dst []int32, s *scratch, text string, first *bool) []int32 {
	if text == "" {
		return dst
	}
	dst = t.coder.encode(dst, s, text, *first)
	*first = false
	return dst
}

// Piece is what a token adds to the text: nothing for control tokens and for
// ids out of range. The bytes are the tokenizer's own and must not be changed.
// They may end in the middle of a character; see [Stream].
func (t *Tokenizer) Piece(id int32) []byte {
	if id < 0 || int(id) >= t.Size() {
		return nil
	}
	a, b := t.offsets[id], t.offsets[id+1]
	return t.arena[a:b:b]
}

// Text is the name of a token as the file spells it, control tokens too. It is
// empty for an id out of range.
func (t *Tokenizer) Text(id int32) string {
	if id < 0 || int(id) >= t.Size() {
		return ""
	}
	return t.texts[id]
}

// ID is the token that the file spells so, such as "<|im_end|>".
func (t *Tokenizer) ID(text string) (int32, bool) {
	id := slices.Index(t.texts, text)
	return int32(id), id >= 0
}

// Size is how many tokens there are; ids are 0 to Size-1.
func (t *Tokenizer) Size() int { return len(t.texts) }

// BOS is the token that begins a text, if the model has one.
func (t *Tokenizer) BOS() (int32, bool) { return t.bos, t.bos >= 0 }

// EOS is the token that ends a text, if the model has one.
func (t *Tokenizer) EOS() (int32, bool) { return t.eos, t.eos >= 0 }

// AddBOS reports whether a prompt begins with BOS.
func (t *Tokenizer) AddBOS() bool { return t.addBOS && t.bos >= 0 }

// AddEOS reports whether a text ends with EOS, as encoders want it.
func (t *Tokenizer) AddEOS() bool { return t.addEOS && t.eos >= 0 }

// End reports whether a token ends the generation: EOS, or another that models
// end a turn with.
func (t *Tokenizer) End(id int32) bool {
	_, found := slices.BinarySearch(t.ends, id)
	return found
}

// Ends are all tokens for which End is true, in rising order.
func (t *Tokenizer) Ends() []int32 { return slices.Clone(t.ends) }

// Special reports whether a token is a control token: one that adds nothing to
// the text.
func (t *Tokenizer) Special(id int32) bool {
	return id >= 0 && int(id) < t.Size() && t.kinds[id].control()
}
