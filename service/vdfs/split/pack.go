package split

import (
	"strings"
	"unicode/utf8"
)

// atomBytesMax is the longest atom; longer words are cut into several.
const atomBytesMax = 96

// words adds the words between two places of the text as atoms. A line break is
// a break of the given strength, an empty line a paragraph's.
func (d *document) words(begin, end int, line breaking) {
	for at := begin; at < end; {
		c := d.text[at]
		if c <= ' ' { // control characters too
			d.apart(breakSpace)
			if c == '\n' {
				d.newline(at, begin, line)
			}
			at++
			continue
		}
		from := at
		for at < end && d.text[at] > ' ' && at-from < atomBytesMax {
			at++
		}
		for at < end && at > from+1 && !utf8.RuneStart(d.text[at]) {
			at--
		}
		d.add(d.text[from:at], from, at, false)
		if sentenceEnds(d.text[from:at]) {
			d.apart(breakSentence)
		}
	}
}

// newline notes the end of a line; a second one ends a paragraph.
func (d *document) newline(at, begin int, line breaking) {
	d.apart(line)
	for i := at - 1; i >= begin; i-- {
		switch d.text[i] {
		case ' ', '\t', '\r':
			continue
		case '\n':
			d.apart(breakParagraph)
		}
		return
	}
}

// sentenceEnds says whether a word ends a sentence: a mark, perhaps in quotes.
func sentenceEnds(word string) bool {
	if len(word) < 3 { // initials, list marks
		return strings.HasSuffix(word, "。")
	}
	if c := word[len(word)-1]; c|0x20 >= 'a' && c|0x20 <= 'z' || c == ',' {
		return false
	}
	word = strings.TrimRight(word, `"')]»”`)
	return strings.HasSuffix(word, ".") || strings.HasSuffix(word, "!") || strings.HasSuffix(word, "?") ||
		strings.HasSuffix(word, "。") || strings.HasSuffix(word, "！") || strings.HasSuffix(word, "？")
}

// cost estimates the tokens of an atom for an encoder with subwords: a token for
// each five letters begun, each mark, each letter of scripts without spaces.
func cost(word string) int {
	tokens, letters := 0, 0
	for i := 0; i < len(word); {
		c := word[i]
		switch {
		case c >= utf8.RuneSelf:
			r, size := utf8.DecodeRuneInString(word[i:])
			i += size
			if r >= 0x0E00 {
				tokens++
			} else {
				letters++
			}
			continue
		case c|0x20 >= 'a' && c|0x20 <= 'z':
			letters++
		default:
			tokens++
		}
		i++
	}
	return max(1, tokens+(letters+4)/5)
}

// pack makes passages of atoms: as many as fit, ended at the strongest break in
// the second half of what fits.
func (d *document) pack(o Options) []Passage {
	most := o.Tokens
	if most == 0 {
		most = PassageTokensMax
	}
	var out []Passage
	for begin, from := 0, 0; begin < len(d.atoms) && len(out) < passagesMax; {
		end := d.fill(from, begin, most)
		out = append(out, d.passage(from, end))
		begin = end
		if from = begin; begin < len(d.atoms) && d.atoms[begin].before < breakSection {
			from = d.back(begin, min(o.Overlap, most/2))
		}
	}
	return out
}

// fill gives the end of a passage that begins at from and must hold begin.
func (d *document) fill(from, begin, most int) int {
	tokens, end := 0, from
	for end < len(d.atoms) && (end <= begin || d.atoms[end].before < breakSection) {
		tokens += int(d.atoms[end].tokens)
		if tokens > most && end > begin {
			break
		}
		end++
	}
	if end == len(d.atoms) || d.atoms[end].before == breakSection {
		return end
	}
	best, half := end, begin+(end-begin)/2
	for i := end; i > half && i > begin; i-- {
		if d.atoms[i].before > d.atoms[best].before {
			best = i
		}
	}
	return best
}

// back gives where an overlap of some tokens begins.
func (d *document) back(begin, tokens int) int {
	from := begin
	for from > 0 && d.atoms[from].before < breakSection {
		if tokens -= int(d.atoms[from-1].tokens); tokens < 0 {
			break
		}
		from--
	}
	return from
}

// passage makes one of some atoms.
func (d *document) passage(begin, end int) Passage {
	var b strings.Builder
	s := d.sections[d.atoms[begin].section]
	p := Passage{Begin: d.atoms[begin].begin, Path: s.path, Kind: s.kind, Title: d.title, Exact: true}
	for i := range d.atoms[begin:end] {
		a := &d.atoms[begin+i]
		switch {
		case i == 0 || a.before == breakNone:
		case a.before >= breakLine:
			b.WriteByte('\n')
		default:
			b.WriteByte(' ')
		}
		b.WriteString(a.text)
		p.Begin, p.End = min(p.Begin, a.begin), max(p.End, a.end)
		p.Exact = p.Exact && !a.changed
	}
	p.Text = strings.ToValidUTF8(b.String(), "�")
	return p
}
