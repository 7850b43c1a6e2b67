package lexical

import (
	"strings"
	"unicode"
)

// query is what was asked for.
type query struct {
	words    []string   // ranked by the terms they give
	prefixes []string   // folded
	required [][]string // phrases: the words of each
	excluded [][]string
}

// parseQuery reads a query. Its language has no errors: what is no phrase, no
// exclusion and no prefix is words.
func parseQuery(text string) query {
	var q query
	text = cutAt(text, queryBytesMax)
	for text != "" {
		text = strings.TrimLeftFunc(text, unicode.IsSpace)
		minus := strings.HasPrefix(text, "-")
		if minus {
			text = text[1:]
		}
		if strings.HasPrefix(text, `"`) {
			inside, rest, closed := strings.Cut(text[1:], `"`)
			text = rest
			if closed {
				q.phrase(inside, minus)
			} else {
				q.word(inside, minus)
			}
			continue
		}
		end := strings.IndexFunc(text, func(r rune) bool { return unicode.IsSpace(r) || r == '"' })
		if end < 0 {
			end = len(text)
		}
		q.word(text[:end], minus)
		text = text[end:]
	}
	return q
}

func (q *query) phrase(text string, minus bool) { //nolint:revive // flag-parameter: what the sign before it says
	if minus {
		q.exclude(text)
		return
	}
	q.words = append(q.words, text)
	if len(q.required) < queryClausesMax {
		q.required = append(q.required, []string{text})
	}
}

func (q *query) word(text string, minus bool) {
	switch head, starred := strings.CutSuffix(text, "*"); {
	case minus:
		q.exclude(text)
	case starred && head != "":
		if len(q.prefixes) < queryClausesMax {
			q.prefixes = append(q.prefixes, withoutAccents(cut(fold(foldWidth(head)))))
		}
	default:
		q.words = append(q.words, text)
	}
}

func (q *query) exclude(text string) {
	if len(q.excluded) < queryClausesMax && text != "" {
		q.excluded = append(q.excluded, []string{text})
	}
}

// wanted is a term of a query and how often the query says it.
type wanted struct {
	text  string
	times int
}

// terms gives the terms of the words in the languages that may be meant, the
// oftenest first; a single letter of a script without spaces is a prefix.
func (q *query) terms(tongues []Language) []wanted { //nolint:gocognit // each kind of term is told apart here
	at, all := map[string]int{}, []wanted{}
	say := func(term string) {
		if i, ok := at[term]; ok {
			all[i].times++
		} else if len(all) < prefixLookedMax {
			at[term] = len(all)
			all = append(all, wanted{term, 1})
		}
	}
	for _, word := range q.words {
		tokensOf(word, func(t token) {
			seen := map[string]bool{}
			for _, language := range tongues {
				for i, item := range termsOf(t, language) {
					if t.run && i > 0 && len([]rune(item.term)) == 1 {
						continue // the last letter is in the pair before
					}
					if t.run && len([]rune(item.term)) == 1 && len(q.prefixes) < queryClausesMax {
						q.prefixes = append(q.prefixes, item.term)
					}
					if !seen[item.term] {
						seen[item.term] = true
						say(item.term)
					}
				}
			}
		})
	}
	return all
}

// sequence gives the terms of a phrase, in order, in one language.
func sequence(text string, language Language) []string {
	var out []string
	tokensOf(text, func(t token) {
		items := termsOf(t, language)
		for i, item := range items {
			if item.step > 0 && len(out) < phraseWordsMax && (!t.run || i == 0 || i < len(items)-1) {
				out = append(out, item.term)
			}
		}
	})
	return out
}
