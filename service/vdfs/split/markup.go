package split

import (
	"html"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	east "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/text"
	tokens "golang.org/x/net/html"
)

// readPlain reads paragraphs and sentences.
func readPlain(d *document, begin, end int) { d.words(begin, end, breakSpace) }

// outline is the headings that are open.
type outline [6]string

// enter opens a heading and closes those below it.
func (o *outline) enter(level int, title string) {
	level = max(1, min(level, len(o)))
	o[level-1] = strings.Join(strings.Fields(title), " ")
	clear(o[level:])
}

// path is the headings from the outermost in.
func (o *outline) path() []string {
	var path []string
	for _, title := range o {
		if title != "" {
			path = append(path, title)
		}
	}
	return path
}

// readMarkdown reads Markdown in windows, which end where a heading or at least
// a paragraph does: the parser's time may grow faster than its input.
func readMarkdown(d *document) {
	var open outline
	d.enter(Prose, nil)
	parser := goldmark.New(goldmark.WithExtensions(extension.Table)).Parser()
	for begin := 0; begin < len(d.text); {
		end := markdownWindow(d.text, begin)
		source := []byte(d.text[begin:end])
		m := markdown{document: d, base: begin, source: source, open: &open}
		if node := parser.Parse(text.NewReader(source)); ast.Walk(node, m.visit) != nil {
			readPlain(d, begin, end)
		}
		begin = end
	}
}

// markdownWindowBytes bounds what is parsed at once.
const markdownWindowBytes = 64 << 10

func markdownWindow(source string, begin int) int {
	end := min(len(source), begin+markdownWindowBytes)
	if end == len(source) {
		return end
	}
	for _, mark := range []string{"\n# ", "\n## ", "\n### ", "\n\n", "\n"} {
		if at := strings.LastIndex(source[begin:end], mark); at > markdownWindowBytes/4 {
			return begin + at + 1
		}
	}
	return end
}

// markdown walks a parsed window.
type markdown struct {
	*document
	base   int
	source []byte
	open   *outline
}

func (m *markdown) visit(n ast.Node, entering bool) (ast.WalkStatus, error) { //nolint:revive // flag-parameter: the shape is ast.Walker's
	if !entering {
		if n.Type() == ast.TypeBlock && n.Kind() != east.KindTableCell {
			m.apart(breakLine)
		}
		return ast.WalkContinue, nil
	}
	switch n := n.(type) {
	case *ast.Heading:
		title := m.raw(n.Lines())
		m.open.enter(n.Level, title)
		if m.title == "" && n.Level == 1 {
			m.title = cutAt(m.open[0], pathBytesMax)
		}
		m.enter(Prose, m.open.path())
	case *ast.FencedCodeBlock, *ast.CodeBlock:
		m.enter(Code, m.open.path())
		m.lines(n.Lines(), breakLine)
		m.enter(Prose, m.open.path())
		return ast.WalkSkipChildren, nil
	case *ast.HTMLBlock:
		return ast.WalkSkipChildren, nil
	case *ast.ListItem, *ast.Paragraph, *ast.Blockquote, *east.TableRow, *east.TableHeader, *east.Table:
		m.apart(breakParagraph)
	case *east.TableCell:
		m.apart(breakSpace)
	case *ast.Text:
		m.inline(n.Segment)
		if n.SoftLineBreak() || n.HardLineBreak() {
			m.apart(breakSpace)
		}
	case *ast.AutoLink:
		m.apart(breakSpace)
	}
	return ast.WalkContinue, nil
}

// raw is the text of a heading's lines.
func (m *markdown) raw(lines *text.Segments) string {
	var b strings.Builder
	for i := range lines.Len() {
		s := lines.At(i)
		b.Write(s.Value(m.source))
	}
	return b.String()
}

func (m *markdown) lines(lines *text.Segments, line breaking) {
	for i := range lines.Len() {
		s := lines.At(i)
		m.words(m.base+s.Start, m.base+s.Stop, line)
		m.apart(line)
	}
}

func (m *markdown) inline(s text.Segment) {
	m.escaped(m.base+s.Start, m.base+s.Stop)
}

// escaped adds words in which entities of HTML may stand.
func (d *document) escaped(begin, end int) {
	first := len(d.atoms)
	d.words(begin, end, breakSpace)
	if strings.IndexByte(d.text[begin:end], '&') < 0 {
		return
	}
	for i := first; i < len(d.atoms); i++ {
		a := &d.atoms[i]
		if plain := html.UnescapeString(a.text); plain != a.text {
			a.text, a.changed = strings.Join(strings.Fields(plain), " "), true
		}
	}
}

// readHTML reads the text of a page by its tokens, without making a tree, so
// that no nesting is too deep.
func readHTML(d *document) {
	var open outline
	d.enter(Prose, nil)
	z := tokens.NewTokenizer(strings.NewReader(d.text))
	h := page{document: d, open: &open}
	for at := 0; ; {
		kind := z.Next()
		if kind == tokens.ErrorToken {
			return
		}
		end := at + len(z.Raw())
		switch kind {
		case tokens.TextToken:
			h.text(at, end)
		case tokens.StartTagToken:
			name, _ := z.TagName()
			h.hide(string(name))
			h.start(string(name))
		case tokens.SelfClosingTagToken:
			name, _ := z.TagName()
			h.start(string(name))
		case tokens.EndTagToken:
			name, _ := z.TagName()
			h.end(string(name))
		case tokens.ErrorToken, tokens.CommentToken, tokens.DoctypeToken:
		}
		at = end
	}
}

// page is where the reading of HTML stands.
type page struct {
	*document
	open    *outline
	hidden  string // the element whose text is not shown, or ""
	heading int    // the level of the heading that is open
	title   strings.Builder
}

func (h *page) text(begin, end int) {
	if h.hidden != "" {
		if h.hidden == "title" && h.document.title == "" {
			h.document.title = cutAt(strings.Join(strings.Fields(html.UnescapeString(h.document.text[begin:end])), " "), pathBytesMax)
		}
		return
	}
	if h.heading > 0 && h.title.Len() < pathBytesMax {
		h.title.WriteString(html.UnescapeString(cutAt(h.document.text[begin:end], pathBytesMax)))
		h.open.enter(h.heading, h.title.String())
		h.sections[len(h.sections)-1].path = h.open.path()
	}
	h.escaped(begin, end)
}

// hide begins an element whose text is not shown.
func (h *page) hide(name string) {
	switch name {
	case "script", "style", "title", "noscript", "template", "svg":
		if h.hidden == "" {
			h.hidden = name
		}
	}
}

func (h *page) start(name string) {
	switch name {
	case "h1", "h2", "h3", "h4", "h5", "h6":
		h.heading = int(name[1] - '0')
		h.title.Reset()
		h.open.enter(h.heading, "")
		h.enter(Prose, h.open.path())
	case "pre":
		h.enter(Code, h.open.path())
	default:
		h.apart(breakOf(name))
	}
}

func (h *page) end(name string) {
	switch {
	case name == h.hidden:
		h.hidden = ""
	case h.heading > 0 && len(name) == 2 && name[0] == 'h':
		h.heading = 0
		h.apart(breakLine)
	case name == "pre":
		h.enter(Prose, h.open.path())
	default:
		h.apart(breakOf(name))
	}
}

// breakOf is what a tag sets apart.
func breakOf(name string) breaking {
	switch name {
	case "p", "div", "section", "article", "header", "footer", "main", "nav", "aside", "ul", "ol", "dl", "table", "blockquote", "figure", "form", "hr", "body":
		return breakParagraph
	case "li", "tr", "dt", "dd", "br", "option", "figcaption", "caption":
		return breakLine
	case "td", "th", "img", "button", "input":
		return breakSpace
	}
	return breakNone
}
