package lexical

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/kljensen/snowball/english"
	"github.com/kljensen/snowball/french"
	"golang.org/x/text/unicode/norm"
)

// item is a term of a token: Step words after the one before, 0 beside it.
type item struct {
	term string
	step int
}

// expand gives the terms of one word of text. An identifier gives its parts one
// after the other and, beside the first, the whole; all else gives one term.
func expand(word string, language Language) []item {
	word = foldWidth(word)
	if language == French {
		word = withoutElision(word)
	}
	word = strings.TrimSuffix(strings.TrimSuffix(strings.ReplaceAll(word, "’", "'"), "'s"), "'S")
	if number, ok := plainNumber(word); ok {
		return []item{{term: cut(number), step: 1}}
	}
	parts := identifierParts(word)
	if len(parts) < 2 {
		if len(parts) == 1 {
			word = parts[0]
		}
		if term := stem(fold(word), language); term != "" {
			return []item{{term: term, step: 1}}
		}
		return nil
	}
	var items []item
	for _, part := range parts {
		if term := stem(fold(part), language); term != "" {
			items = append(items, item{term: term, step: 1})
		}
	}
	if len(items) < 2 {
		return items
	}
	whole := item{term: cut(fold(word)), step: 0}
	return append(items[:1:1], append([]item{whole}, items[1:]...)...)
}

// foldWidth brings compatible forms together (NFKC); a word longer than any
// term is cut first, so that a long one costs no more.
func foldWidth(word string) string {
	for i := range len(word) {
		if word[i] >= utf8.RuneSelf {
			return norm.NFKC.String(cutAt(word, 4*termBytesMax))
		}
	}
	return cutAt(word, 4*termBytesMax)
}

// fold makes case not matter. Only the folds to more than one letter that a
// reader of English, French or German meets are made; the others of Unicode's
// table would need the table.
func fold(word string) string {
	lower := strings.ToLower(word)
	if strings.ContainsAny(lower, "ßς\u0307") {
		lower = strings.NewReplacer("ß", "ss", "ς", "σ", "i\u0307", "i").Replace(lower)
	}
	return lower
}

// cut bounds a term.
func cut(term string) string { return cutAt(term, termBytesMax) }

// cutAt shortens a text to some bytes at most, between runes.
func cutAt(s string, bytesMax int) string {
	if len(s) <= bytesMax {
		return s
	}
	for bytesMax > 0 && !utf8.RuneStart(s[bytesMax]) {
		bytesMax--
	}
	return s[:bytesMax]
}

// stem brings a folded word to the term that is indexed. Accents go last: the
// stemmer of French needs them, who asks in haste leaves them out.
func stem(word string, language Language) string {
	word = cut(word)
	letters := strings.IndexFunc(word, func(r rune) bool { return r < 'a' || r > 'z' && r < 0xC0 || r > 0x24F && r != '\'' }) < 0
	if letters && len(word) > 2 {
		switch language {
		case French:
			word = french.Stem(word, true)
		case English:
			word = english.Stem(word, true)
		case Detect, Plain, languages:
		}
	}
	return withoutAccents(strings.Trim(word, "'_"))
}

// withoutAccents takes the marks from Latin letters and leaves other scripts'.
func withoutAccents(word string) string {
	if !strings.ContainsFunc(word, func(r rune) bool { return r >= 0xC0 && r <= 0x24F || r >= 0x1E00 && r <= 0x1EFF }) {
		return word
	}
	var b strings.Builder
	latin := false
	for _, r := range norm.NFD.String(word) {
		if latin && unicode.Is(unicode.Mn, r) {
			continue
		}
		latin = unicode.Is(unicode.Latin, r)
		b.WriteRune(r)
	}
	return norm.NFC.String(b.String())
}

// withoutElision takes the article from "l'avion" and "qu'on".
func withoutElision(word string) string {
	at := strings.IndexAny(word, "'’")
	if at < 1 || at > 7 || at+1 >= len(word) {
		return word
	}
	switch strings.ToLower(word[:at]) {
	case "l", "d", "j", "m", "n", "s", "t", "c", "qu", "jusqu", "lorsqu", "puisqu", "quoiqu":
		return strings.TrimPrefix(strings.TrimPrefix(word[at:], "'"), "’")
	}
	return word
}

// plainNumber is a number without the commas that group its digits.
func plainNumber(word string) (string, bool) {
	for i := range len(word) {
		if c := word[i]; (c < '0' || c > '9') && (i == 0 || c != '.' && c != ',') {
			return "", false
		}
	}
	return strings.ReplaceAll(word, ",", ""), word != ""
}

// class is what a rune is within an identifier.
type class uint8

const (
	classOther class = iota // separates: _ . : '
	classLower
	classUpper
	classDigit
)

func classOf(r rune) class {
	switch {
	case r >= 'a' && r <= 'z':
		return classLower
	case r >= 'A' && r <= 'Z':
		return classUpper
	case r >= '0' && r <= '9':
		return classDigit
	case r == '\'' || r >= utf8.RuneSelf && (unicode.IsLetter(r) || unicode.IsMark(r)):
		if unicode.IsUpper(r) {
			return classUpper
		}
		return classLower
	case unicode.IsDigit(r):
		return classDigit
	}
	return classOther
}

// identifierParts splits camelCase, HTTPServer, snake_case, utf8 and a.b. What
// lies beyond the last part allowed is left out: the whole is kept anyway.
func identifierParts(word string) []string {
	var parts []string
	begin, before, beforeAt := -1, classOther, 0
	for at, r := range word {
		now := classOf(r)
		if len(parts) == partsMax {
			return parts
		}
		switch {
		case begin >= 0 && now == classOther:
			parts, begin = append(parts, word[begin:at]), -1
		case begin < 0 && now != classOther:
			begin = at
		case begin < 0 || now == before:
		case before == classUpper && now == classLower:
			// The last capital belongs to what follows: HTTP, Server.
			if beforeAt > begin {
				parts, begin = append(parts, word[begin:beforeAt]), beforeAt
			}
		default:
			parts, begin = append(parts, word[begin:at]), at
		}
		before, beforeAt = now, at
	}
	if begin >= 0 && len(parts) < partsMax {
		parts = append(parts, word[begin:])
	}
	return parts
}
