package generate

import (
	"fmt"
	"strings"

	"phios/compute/gguf"
	"phios/internal/prng"
)

// Types of tokens in a file.
const (
	typeNormal  = 1
	typeUnknown = 2
	typeControl = 3
	typeByte    = 6
)

// Specials of every vocabulary; the template uses them.
const (
	turnStart = "<|im_start|>"
	turnEnd   = "<|im_end|>"
)

// chatTemplate puts each message between the specials: the form called ChatML.
const chatTemplate = `{% for message in messages %}{{ '` + turnStart + `' + message['role'] + '\n' + message['content'] + '` +
	turnEnd + `' + '\n' }}{% endfor %}{% if add_generation_prompt %}{{ '` + turnStart + `assistant\n' }}{% endif %}`

// words are taken apart so that text in English meets tokens of some length.
const words = "the and of to in is that it for was on are with as his they be at one have this from or had by " +
	"hot but some what there we can out other were all your when up use word how said an each she which do " +
	"their time if will way about many then them would write like so these her long make thing see him two " +
	"has look more day could go come did my sound no most number who over know water than call first people " +
	"may down side been now find hello world once upon little girl named lily user assistant system"

// pair is a piece of two others.
type pair struct{ left, right string }

// pairs returns n pieces, each of two that come before it or are single
// characters; a space can only come first.
func pairs(n int, seed uint64) []pair {
	var all []pair
	known := map[string]bool{}
	add := func(p pair) {
		piece := p.left + p.right
		if len(all) < n && !known[piece] {
			known[piece] = true
			all = append(all, p)
		}
	}
	for word := range strings.FieldsSeq(words) {
		for i := 1; i <= len(word); i++ { // " t", " th", " the"
			add(pair{(" " + word)[:i], word[i-1 : i]})
		}
	}
	const vowels, consonants, pieceBytesMax = "aeiou", "bcdfghjklmnpqrstvwxyz", 14
	for _, c := range consonants {
		for _, v := range vowels {
			add(pair{string(c), string(v)})
			add(pair{string(v), string(c)})
		}
	}
	s := prng.New(seed)
	for len(all) < n {
		left, right := all[s.Below(uint64(len(all)))], all[s.Below(uint64(len(all)))]
		piece := right.left + right.right
		if len(left.left+left.right+piece) <= pieceBytesMax && !strings.HasPrefix(piece, " ") {
			add(pair{left.left + left.right, piece})
		}
	}
	return all
}

// list is a vocabulary in the making.
type list struct {
	tokens []string
	types  []int32
	scores []float32
}

// add adds a token and returns its number.
func (l *list) add(token string, kind int32, score float32) uint32 {
	l.tokens, l.types, l.scores = append(l.tokens, token), append(l.types, kind), append(l.scores, score)
	return uint32(len(l.tokens) - 1)
}

// vocabulary writes the keys of the tokenizer. It is the same for every seed,
// so that files of equal size have equal tokens.
func (s Spec) vocabulary(w *gguf.Writer) {
	const seed = 1
	w.Text("tokenizer.ggml.model", s.Tokenizer)
	if s.Tokenizer == "gpt2" {
		s.bytePairs(w, seed)
	} else {
		s.sentencePieces(w, seed)
	}
	w.Text("tokenizer.chat_template", chatTemplate)
}

// sentencePieces is the vocabulary of SentencePiece: specials, a piece of each
// byte, and pieces whose scores say which of them are joined first.
func (s Spec) sentencePieces(w *gguf.Writer, seed uint64) {
	l := &list{}
	unknown, begin, end := l.add("<unk>", typeUnknown, 0), l.add("<s>", typeControl, 0), l.add("</s>", typeControl, 0)
	for b := range 256 {
		l.add(fmt.Sprintf("<0x%02X>", b), typeByte, 0)
	}
	const characters = '~' - ' ' + 1
	made := pairs(s.Vocabulary-len(l.tokens)-characters-2, seed)
	for i, p := range made {
		l.add(strings.ReplaceAll(p.left+p.right, " ", "▁"), typeNormal, -float32(i))
	}
	for c := rune(' '); c <= '~'; c++ {
		l.add(strings.ReplaceAll(string(c), " ", "▁"), typeNormal, -float32(len(made))-float32(c))
	}
	l.add(turnStart, typeControl, 0)
	turn := l.add(turnEnd, typeControl, 0)
	w.Text("tokenizer.ggml.pre", "default")
	w.Texts("tokenizer.ggml.tokens", l.tokens)
	w.Float32s("tokenizer.ggml.scores", l.scores)
	w.Int32s("tokenizer.ggml.token_type", l.types)
	w.Uint32("tokenizer.ggml.bos_token_id", begin)
	w.Uint32("tokenizer.ggml.eos_token_id", end)
	w.Uint32("tokenizer.ggml.eot_token_id", turn)
	w.Uint32("tokenizer.ggml.unknown_token_id", unknown)
	w.Bool("tokenizer.ggml.add_bos_token", true)
	w.Bool("tokenizer.ggml.add_eos_token", false)
	w.Bool("tokenizer.ggml.add_space_prefix", !s.gemma())
}

// bytePairs is the vocabulary of byte-level pairs: a character for each byte,
// and merges in their order.
func (s Spec) bytePairs(w *gguf.Writer, seed uint64) {
	l := &list{}
	end := l.add("<|endoftext|>", typeControl, 0)
	l.add(turnStart, typeControl, 0)
	turn := l.add(turnEnd, typeControl, 0)
	for b := range 256 {
		l.add(string(visible(byte(b))), typeNormal, 0)
	}
	made := pairs(s.Vocabulary-len(l.tokens), seed)
	merges := make([]string, len(made))
	for i, p := range made {
		left, right := spell(p.left), spell(p.right)
		merges[i] = left + " " + right
		l.add(left+right, typeNormal, 0)
	}
	pre := map[string]string{"llama": "smollm"}[s.Architecture]
	if pre == "" {
		pre = "qwen2"
	}
	w.Text("tokenizer.ggml.pre", pre)
	w.Texts("tokenizer.ggml.tokens", l.tokens)
	w.Int32s("tokenizer.ggml.token_type", l.types)
	w.Texts("tokenizer.ggml.merges", merges)
	w.Uint32("tokenizer.ggml.bos_token_id", end)
	w.Uint32("tokenizer.ggml.eos_token_id", turn)
	w.Uint32("tokenizer.ggml.padding_token_id", end)
	w.Bool("tokenizer.ggml.add_bos_token", false)
	w.Bool("tokenizer.ggml.add_space_prefix", false)
}

// visible is the character that stands for a byte in byte-level vocabularies:
// itself where it can be seen in Latin-1, and the rest from U+0100 on in order.
func visible(b byte) rune {
	const gap1, gap2 = '~' - '!' + 1, 0xa1
	switch {
	case b >= '!' && b <= '~', b >= gap2 && b <= 0xac, b >= 0xae:
		return rune(b)
	case b < '!':
		return 0x100 + rune(b)
	case b < gap2:
		return 0x100 + rune(b) - gap1
	default: // 0xad, the soft hyphen
		return 0x100 + 0x43
	}
}

// spell writes ASCII text in the characters of visible.
func spell(text string) string {
	var out strings.Builder
	for i := range len(text) {
		out.WriteRune(visible(text[i]))
	}
	return out.String()
}
