package tour

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"phios/abi"
)

// The widths of the columns.
const (
	whoWidth  = 12
	whatWidth = 47
)

// paper is what the tour is written on. It remembers the first error of writing.
type paper struct {
	to    io.Writer
	color bool
	told  [abi.StatusCount]bool // refusals whose text was printed
	err   error
}

func (p *paper) line(format string, values ...any) {
	text := strings.TrimRight(fmt.Sprintf(format, values...), " ")
	if _, err := fmt.Fprintln(p.to, text); err != nil && p.err == nil {
		p.err = err
	}
}

// answer prints a call and its status; a refusal, the first time, with its
// text, which says the remedy.
func (p *paper) answer(who, what string, status abi.Status) {
	if status == abi.StatusOK {
		p.result(who, what, p.paint("32", "ok"))
		return
	}
	p.result(who, what, p.paint("31", status.Name()))
	if p.told[status] {
		return
	}
	p.told[status] = true
	p.line("%s%s", strings.Repeat(" ", whoWidth+1), p.faint("  "+status.Error()))
}

// result prints one thing that was done and what came of it.
func (p *paper) result(who, what, result string) {
	p.line("%s %s → %s", pad(who, whoWidth), pad(what, whatWidth), result)
}

// note prints what came back beside the status.
func (p *paper) note(format string, values ...any) {
	p.line("%s  %s", strings.Repeat(" ", whoWidth), fmt.Sprintf(format, values...))
}

// paint uses a colour of the terminal, by its number.
func (p *paper) paint(number, text string) string {
	if !p.color {
		return text
	}
	return "\x1b[" + number + "m" + text + "\x1b[0m"
}

func (p *paper) strong(text string) string { return p.paint("1", text) }
func (p *paper) faint(text string) string  { return p.paint("2", text) }

// pad fills a column with spaces, counting characters.
func pad(text string, width int) string {
	return text + strings.Repeat(" ", max(0, width-utf8.RuneCountInString(text)))
}
