package token

import (
	"unicode"
	"unicode/utf8"
)

// class says to which of Unicode's categories a character belongs, as far as the
// splitting of text asks for them.
type class uint16

const (
	classLetter class = 1 << iota // \p{L}
	classNumber                   // \p{N}
	classSpace                    // \s
	classMark                     // \p{M}
	classUpper                    // \p{Lu} \p{Lt}
	classLower                    // \p{Ll}
	classNoCase                   // \p{Lm} \p{Lo}
	classPunct                    // \p{P}
	classSymbol                   // \p{S}
	classBreak                    // \r and \n
	classSlash                    // /
)

// classes knows the class of each character. The first 65,536 lie in a table,
// as a search through Unicode's ranges takes longer than the rest of splitting.
type classes struct {
	plane [1 << 16]class
}

// ranges are the categories with the class of each.
func (*classes) ranges(f func(*unicode.RangeTable, class)) {
	f(unicode.L, classLetter)
	f(unicode.N, classNumber)
	f(unicode.White_Space, classSpace)
	f(unicode.M, classMark)
	f(unicode.Lu, classUpper)
	f(unicode.Lt, classUpper)
	f(unicode.Ll, classLower)
	f(unicode.Lm, classNoCase)
	f(unicode.Lo, classNoCase)
	f(unicode.P, classPunct)
	f(unicode.S, classSymbol)
}

func newClasses() *classes {
	c := new(classes)
	c.ranges(func(t *unicode.RangeTable, k class) {
		for _, r := range t.R16 {
			for at := int(r.Lo); at <= int(r.Hi); at += int(r.Stride) {
				c.plane[at] |= k
			}
		}
	})
	c.plane['\r'] |= classBreak
	c.plane['\n'] |= classBreak
	c.plane['/'] |= classSlash
	return c
}

// at is the class and the length of the character at a place. A byte that is
// not UTF-8 counts as U+FFFD.
func (c *classes) at(s string, i int) (k class, n int) {
	if i >= len(s) {
		return 0, 0
	}
	if b := s[i]; b < utf8.RuneSelf {
		return c.plane[b], 1
	}
	r, n := utf8.DecodeRuneInString(s[i:])
	return c.of(r), n
}

func (c *classes) of(r rune) (k class) {
	if int(r) < len(c.plane) {
		return c.plane[r]
	}
	c.ranges(func(t *unicode.RangeTable, of class) {
		if unicode.Is(t, r) {
			k |= of
		}
	})
	return k
}

// while is the end of the run of characters of any of the classes.
func (c *classes) while(s string, i int, of class) int {
	for {
		k, n := c.at(s, i)
		if n == 0 || k&of == 0 {
			return i
		}
		i += n
	}
}

// until is the end of the run of characters of none of the classes.
func (c *classes) until(s string, i int, none class) int {
	for {
		k, n := c.at(s, i)
		if n == 0 || k&none != 0 {
			return i
		}
		i += n
	}
}
