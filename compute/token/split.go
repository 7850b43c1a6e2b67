package token

import (
	"strings"
	"unicode/utf8"
)

// The pre-tokenizers of byte-level BPE cut text into words, which are then
// merged each by itself. They are published as regular expressions with
// lookahead, which package regexp lacks; a backtracking engine would let a
// hostile text cost quadratic time. So each is a scanner by hand, and a test
// compares it with an independent engine running the expression that stands
// above it.

// finder returns the first match at or after a place, from < to; from is
// len(s) when there is none. s is not empty.
type finder func(c *classes, s string, i int) (from, to int)

// matches is a finder made of what tells where a match that begins exactly at a
// place ends; the place itself when there is none. It must take constant time
// when there is none, or else the search is quadratic.
func matches(end func(c *classes, s string, i int) int) finder {
	return func(c *classes, s string, i int) (from, to int) {
		for i < len(s) {
			if e := end(c, s, i); e > i {
				return i, e
			}
			_, n := c.at(s, i)
			i += n
		}
		return len(s), len(s)
	}
}

// gpt2 is 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+ .
func gpt2(c *classes, s string, i int) int {
	if e := contraction(s, i); e > i {
		return e
	}
	at := i
	if s[at] == ' ' {
		at++
	}
	switch k, n := c.at(s, at); {
	case n == 0 || k&classSpace != 0:
		return spaces(c, s, i)
	case k&classLetter != 0:
		return c.while(s, at, classLetter)
	case k&classNumber != 0:
		return c.while(s, at, classNumber)
	default:
		return c.until(s, at, classSpace|classLetter|classNumber)
	}
}

// spaces is \s+(?!\S)|\s+ : all spaces, but the last is left to the word behind.
func spaces(c *classes, s string, i int) int {
	last, e := i, i
	for {
		k, n := c.at(s, e)
		if n == 0 {
			return e
		}
		if k&classSpace == 0 {
			break
		}
		last = e
		e += n
	}
	if last > i {
		return last
	}
	return e
}

// contraction is 's|'t|'re|'ve|'m|'ll|'d .
func contraction(s string, i int) int {
	if s[i] != '\'' {
		return i
	}
	rest := s[i+1:]
	switch {
	case rest == "":
		return i
	case strings.IndexByte("stmd", rest[0]) >= 0:
		return i + 2
	case strings.HasPrefix(rest, "re"), strings.HasPrefix(rest, "ve"), strings.HasPrefix(rest, "ll"):
		return i + 3
	default:
		return i
	}
}

// contractionAnyCase is (?i:'s|'t|'re|'ve|'m|'ll|'d). The long s is an s then,
// as in the engines of the published tokenizers; llama.cpp forgets it.
func contractionAnyCase(s string, i int) int {
	if i >= len(s) || s[i] != '\'' {
		return i
	}
	rest := s[i+1:]
	if strings.HasPrefix(rest, "ſ") {
		return i + 1 + len("ſ")
	}
	switch {
	case rest == "":
		return i
	case strings.IndexByte("stmdSTMD", rest[0]) >= 0:
		return i + 2
	case len(rest) > 1 && foldedTwo(rest[0], rest[1]):
		return i + 3
	default:
		return i
	}
}

// foldedTwo is re, ve or ll in any case.
func foldedTwo(a, b byte) bool {
	a, b = a|0x20, b|0x20
	return (a == 'r' || a == 'v') && b == 'e' || a == 'l' && b == 'l'
}

// modern is the family that GPT-4 began, with what its members differ in:
//
//	(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?LETTER+|\p{N}{1,DIGITS}|
//	 ?[^\s LETTER \p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
//
// where LETTER is \p{L}, or [\p{L}\p{M}].
func modern(letter class, digits int) finder {
	return matches(func(c *classes, s string, i int) int {
		if e := contractionAnyCase(s, i); e > i {
			return e
		}
		k, n := c.at(s, i)
		switch {
		case k&letter != 0:
			return c.while(s, i, letter)
		case k&classNumber != 0:
			return numbers(c, s, i, digits)
		case k&classBreak == 0:
			if after, _ := c.at(s, i+n); after&letter != 0 {
				return c.while(s, i+n, letter)
			}
		}
		return others(c, s, i, letter|classNumber, classBreak)
	})
}

// numbers is \p{N}{1,most}.
func numbers(c *classes, s string, i, most int) int {
	for range most {
		k, n := c.at(s, i)
		if k&classNumber == 0 {
			break
		}
		i += n
	}
	return i
}

// others is ` ?[^\s WORD]+[TAIL]*|\s*[\r\n]+|\s+(?!\S)|\s+`.
func others(c *classes, s string, i int, word, tail class) int {
	at := i
	if s[at] == ' ' {
		at++
	}
	if k, n := c.at(s, at); n > 0 && k&(classSpace|word) == 0 {
		return c.while(s, c.until(s, at, classSpace|word), tail)
	}
	return breaks(c, s, i)
}

// breaks is \s*[\r\n]+|\s+(?!\S)|\s+ .
func breaks(c *classes, s string, i int) int {
	e := c.while(s, i, classSpace)
	if at := strings.LastIndexAny(s[i:e], "\r\n"); at >= 0 {
		return i + at + 1
	}
	return spaces(c, s, i)
}

// cased is the family that splits words before capitals, GPT-4o and Tekken:
//
//	[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+CONTRACTION|
//	[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*CONTRACTION|
//	\p{N}{1,DIGITS}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+
//
// where CONTRACTION is (?i:'s|'t|'re|'ve|'m|'ll|'d)? or nothing. (llama.cpp knows
// only ASCII's capitals here.)
func cased(digits int, tail func(s string, i int) int) finder {
	return matches(func(c *classes, s string, i int) int {
		k, n := c.at(s, i)
		if k&classNumber != 0 {
			return numbers(c, s, i, digits)
		}
		for _, word := range [...]func(*classes, string, int) int{endsLower, beginsUpper} {
			if k&(classBreak|classLetter) == 0 {
				if e := word(c, s, i+n); e > i+n {
					return tail(s, e)
				}
			}
			if e := word(c, s, i); e > i {
				return tail(s, e)
			}
		}
		return others(c, s, i, classLetter|classNumber, classBreak|classSlash)
	})
}

const (
	upperish = classUpper | classNoCase | classMark
	lowerish = classLower | classNoCase | classMark
)

// endsLower is [\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+ .
func endsLower(c *classes, s string, i int) int {
	at, back := i, i // back is the end of the last character that is both
	for {
		k, n := c.at(s, at)
		if k&upperish == 0 {
			break
		}
		at += n
		if k&lowerish != 0 {
			back = at
		}
	}
	if e := c.while(s, at, lowerish); e > at {
		return e
	}
	return back
}

// beginsUpper is [\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]* .
func beginsUpper(c *classes, s string, i int) int {
	at := c.while(s, i, upperish)
	if at == i {
		return i
	}
	return c.while(s, at, lowerish)
}

// noTail is the empty expression.
func noTail(_ string, i int) int { return i }

// digit is \p{N}, and digits \p{N}+ .
func digit(c *classes, s string, i int) int  { return numbers(c, s, i, 1) }
func digits(c *classes, s string, i int) int { return c.while(s, i, classNumber) }

// upTo3 is \p{N}{1,3}, and exactly3 [0-9][0-9][0-9].
func upTo3(c *classes, s string, i int) int { return numbers(c, s, i, 3) }

func exactly3(_ *classes, s string, i int) int {
	if i+3 > len(s) {
		return i
	}
	for _, b := range []byte(s[i : i+3]) {
		if b < '0' || b > '9' {
			return i
		}
	}
	return i + 3
}

// isolated is [set]+ of a few ASCII characters and a class.
func isolated(of class, set string) finder {
	return matches(func(c *classes, s string, i int) int {
		for i < len(s) {
			k, n := c.at(s, i)
			if k&of == 0 && strings.IndexByte(set, s[i]) < 0 {
				break
			}
			i += n
		}
		return i
	})
}

// spaced is \s?[...]+ of a class.
func spaced(of class) finder {
	return matches(func(c *classes, s string, i int) int {
		k, n := c.at(s, i)
		if k&of == 0 && k&classSpace != 0 {
			if e := c.while(s, i+n, of); e > i+n {
				return e
			}
		}
		return c.while(s, i, of)
	})
}

// within is [...]+ of ranges, after \s? where there is a space.
func within(space class, ranges string) finder {
	table := []rune(ranges) // pairs: first, last
	inside := func(r rune) bool {
		for j := 0; j+1 < len(table); j += 2 {
			if r >= table[j] && r <= table[j+1] {
				return true
			}
		}
		return false
	}
	run := func(s string, i int) int {
		for i < len(s) {
			r, n := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && n == 1 || !inside(r) {
				break
			}
			i += n
		}
		return i
	}
	return matches(func(c *classes, s string, i int) int {
		if k, n := c.at(s, i); k&space != 0 {
			if e := run(s, i+n); e > i+n {
				return e
			}
		}
		return run(s, i)
	})
}

// newline is [\r\n].
func newline(_ *classes, s string, i int) int {
	if s[i] == '\r' || s[i] == '\n' {
		return i + 1
	}
	return i
}

// trailing is \s+$ .
func trailing(c *classes, s string, i int) (from, to int) {
	from = len(s)
	for from > i {
		r, n := utf8.DecodeLastRuneInString(s[:from])
		if c.of(r)&classSpace == 0 {
			break
		}
		from -= n
	}
	return from, len(s)
}

// deepseek3 is the last expression of DeepSeek V3:
//
//	[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+|
//	 ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
func deepseek3(c *classes, s string, i int) int {
	const word = classLetter | classMark
	const sign = classPunct | classSymbol
	k, n := c.at(s, i)
	if k&sign != 0 && n == 1 {
		if e := asciiLetters(s, i+1); e > i+1 && s[i] < utf8.RuneSelf {
			return e
		}
	}
	if k&(classBreak|classLetter|sign) == 0 {
		if e := c.while(s, i+n, word); e > i+n {
			return e
		}
	}
	if k&word != 0 {
		return c.while(s, i, word)
	}
	at := i
	if s[at] == ' ' {
		at++
	}
	if e := c.while(s, at, sign); e > at {
		return c.while(s, e, classBreak)
	}
	if k&classSpace != 0 {
		return breaks(c, s, i)
	}
	return i
}

func asciiLetters(s string, i int) int {
	for i < len(s) && (s[i]|0x20 >= 'a' && s[i]|0x20 <= 'z') {
		i++
	}
	return i
}
