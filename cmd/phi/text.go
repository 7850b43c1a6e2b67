package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// The codes of colours, by what they are called.
var colourTable = map[string]string{
	"red": "31", "green": "32", "yellow": "33", "blue": "34", "magenta": "35", "cyan": "36", "white": "37", "dim": "2", "bold": "1",
}

// painter writes in colour, where there is any.
type painter struct{ on bool }

// in returns a text in a colour. Names that are none leave it plain.
func (p painter) in(colour, text string) string {
	code := colourTable[colour]
	if !p.on || code == "" || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// cell is one place of a table.
type cell struct {
	text   string
	colour string
}

// table is printed with its columns aligned: those whose heading begins with
// ">" to the right.
type table struct {
	headings []string
	rows     [][]cell
}

// add appends a row; each value is text or a cell.
func (t *table) add(values ...any) {
	row := make([]cell, 0, len(values))
	for _, v := range values {
		if c, ok := v.(cell); ok {
			row = append(row, cell{printable(c.text), c.colour})
			continue
		}
		row = append(row, cell{text: printable(fmt.Sprint(v))})
	}
	t.rows = append(t.rows, row)
}

// print writes the table, each line behind an indent.
func (t *table) print(w io.Writer, p painter, indent string) {
	widths := make([]int, len(t.headings))
	heading := make([]cell, len(t.headings))
	for i, h := range t.headings {
		heading[i] = cell{strings.TrimPrefix(h, ">"), "bold"}
	}
	all := append([][]cell{heading}, t.rows...)
	for _, row := range all {
		for i, c := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(c.text))
		}
	}
	for _, row := range all {
		var line strings.Builder
		line.WriteString(indent)
		for i, c := range row {
			space := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(c.text))
			gap := "  "
			if i == len(row)-1 {
				gap = ""
			}
			if strings.HasPrefix(t.headings[i], ">") {
				line.WriteString(space + p.in(c.colour, c.text) + gap)
			} else {
				line.WriteString(p.in(c.colour, c.text) + space + gap)
			}
		}
		say(w, "%s\n", strings.TrimRight(line.String(), " "))
	}
}

// printable makes text of a program fit for a terminal: what would move its
// cursor, change its colours or hide text is written out.
func printable(text string) string {
	if strings.IndexFunc(text, func(r rune) bool { return !unicode.IsPrint(r) && r != '\t' }) < 0 && utf8.ValidString(text) {
		return text
	}
	var b strings.Builder
	for _, r := range strings.ToValidUTF8(text, "�") {
		if unicode.IsPrint(r) || r == '\t' {
			b.WriteRune(r)
			continue
		}
		b.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
	}
	return b.String()
}

// size writes a number of bytes for people.
func size(n uint64) string {
	const step = 1024
	if n < step {
		return strconv.FormatUint(n, 10) + " B"
	}
	v, unit := float64(n), 0
	for v >= step && unit < 4 {
		v, unit = v/step, unit+1
	}
	text := strconv.FormatFloat(v, 'f', 1, 64)
	return strings.TrimSuffix(text, ".0") + " " + []string{"B", "KiB", "MiB", "GiB", "TiB"}[unit]
}

// count writes a large number for people.
func count(n uint64) string {
	const step = 1000
	if n < 10*step {
		return strconv.FormatUint(n, 10)
	}
	v, unit := float64(n), 0
	for v >= step && unit < 4 {
		v, unit = v/step, unit+1
	}
	return strings.TrimSuffix(strconv.FormatFloat(v, 'f', 1, 64), ".0") + []string{"", "k", "M", "G", "T"}[unit]
}

// lasting writes a time for people, in at most two units.
func lasting(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d < 0:
		return "0s"
	case d < time.Microsecond:
		return d.String()
	case d < time.Millisecond:
		return d.Round(time.Microsecond / 10).String()
	case d < time.Second:
		return d.Round(time.Millisecond / 10).String()
	case d < time.Minute:
		return d.Round(time.Second / 10).String()
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", d/time.Minute, d%time.Minute/time.Second)
	case d < day:
		return fmt.Sprintf("%dh%02dm", d/time.Hour, d%time.Hour/time.Minute)
	default:
		return fmt.Sprintf("%dd%02dh", d/day, d%day/time.Hour)
	}
}

// quoted writes a word so that a shell reads it as one.
func quoted(word string) string {
	plain := func(r rune) bool {
		return r < utf8.RuneSelf && (unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("-_./:=,@%+", r))
	}
	if word != "" && strings.IndexFunc(word, func(r rune) bool { return !plain(r) }) < 0 {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// short is the beginning of a hash.
func short(hash string) string {
	const digits = 12
	return hash[:min(digits, len(hash))]
}

// orDash is "-" for nothing.
func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

// plural is a number with the right form of its noun.
func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
