package split

import (
	"bytes"
	"path"
	"strings"
)

// format is how a document is read.
type format uint8

const (
	formatPlain format = iota
	formatMarkdown
	formatHTML
	formatGo
	formatCode
	formatCSV
	formatJSON
	formatMail
	formatPDF
	formatBinary
)

// sniffBytes is how much of a document is looked at.
const sniffBytes = 8192

// sniff tells the format: what cannot be text first, then what is claimed, then
// the name, then the content.
func sniff(name, media string, content []byte) format {
	head := content[:min(len(content), sniffBytes)]
	if bytes.HasPrefix(head, []byte("%PDF-")) {
		return formatPDF
	}
	if isBinary(head) {
		return formatBinary
	}
	if f := byMedia(media); f != formatBinary {
		return f
	}
	if f := byName(name); f != formatBinary {
		return f
	}
	return byContent(head)
}

// isBinary looks for what no text has: zero bytes, or many controls.
func isBinary(head []byte) bool {
	if bytes.HasPrefix(head, []byte{0xFF, 0xFE}) || bytes.HasPrefix(head, []byte{0xFE, 0xFF}) {
		return false
	}
	controls := 0
	for _, c := range head {
		if c == 0 {
			return true
		}
		if c < ' ' && (c < '\t' || c > '\r') && c != 0x1B {
			controls++
		}
	}
	return controls*20 > len(head)
}

// byMedia gives formatBinary when the media type does not say.
func byMedia(media string) format {
	media, _, _ = strings.Cut(strings.ToLower(media), ";")
	switch strings.TrimSpace(media) {
	case "text/markdown":
		return formatMarkdown
	case "text/html", "application/xhtml+xml":
		return formatHTML
	case "text/csv", "text/tab-separated-values":
		return formatCSV
	case "application/json", "application/x-ndjson", "application/jsonl":
		return formatJSON
	case "message/rfc822":
		return formatMail
	case "text/x-go":
		return formatGo
	case "text/plain":
		return formatPlain
	}
	return formatBinary
}

// byName gives formatBinary when the name does not say.
func byName(name string) format {
	switch strings.ToLower(path.Ext(name)) {
	case ".md", ".markdown", ".mdown":
		return formatMarkdown
	case ".html", ".htm", ".xhtml":
		return formatHTML
	case ".go":
		return formatGo
	case ".csv", ".tsv":
		return formatCSV
	case ".json", ".jsonl", ".ndjson":
		return formatJSON
	case ".eml", ".mbox":
		return formatMail
	case ".txt", ".text", ".log":
		return formatPlain
	case ".c", ".h", ".cc", ".cpp", ".hpp", ".rs", ".py", ".js", ".ts", ".tsx", ".jsx", ".java", ".kt", ".rb", ".php", ".sh",
		".swift", ".cs", ".scala", ".lua", ".zig", ".s", ".sql", ".proto", ".css", ".toml", ".yaml", ".yml", ".mk", ".pl", ".r", ".jl":
		return formatCode
	}
	return formatBinary
}

func byContent(head []byte) format {
	start := bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\uFEFF")), " \t\r\n")
	lower := bytes.ToLower(start[:min(len(start), 256)])
	switch {
	case bytes.HasPrefix(lower, []byte("<!doctype html")), bytes.HasPrefix(lower, []byte("<html")):
		return formatHTML
	case len(start) > 1 && (start[0] == '{' || start[0] == '[') && bytes.IndexByte(start, '"') >= 0:
		return formatJSON // what it is not is read as plain
	case bytes.HasPrefix(start, []byte("#!")):
		return formatCode
	case looksLikeMail(start):
		return formatMail
	case bytes.HasPrefix(start, []byte("# ")) || bytes.Contains(start, []byte("\n## ")):
		return formatMarkdown
	}
	return formatPlain
}

// looksLikeMail asks for two headers in the first lines that only mail has.
func looksLikeMail(start []byte) bool {
	headers := 0
	for i, line := range bytes.SplitN(start, []byte("\n"), 12) {
		key, _, ok := bytes.Cut(line, []byte(":"))
		if !ok && i == 0 && !bytes.HasPrefix(line, []byte("From ")) {
			return false
		}
		switch strings.ToLower(string(key)) {
		case "from", "to", "subject", "date", "received", "message-id", "return-path", "mime-version":
			headers++
		}
	}
	return headers >= 2
}
