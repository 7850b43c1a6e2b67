package split

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// checkPassages holds what is true of every passage of every document.
func checkPassages(tb testing.TB, content []byte, passages []Passage) {
	tb.Helper()
	for i, p := range passages {
		if p.Begin < 0 || p.End < p.Begin || p.End > len(content) || p.Text == "" || p.Line < 1 {
			tb.Fatalf("passage %d: %+v of %d bytes", i, p, len(content))
		}
		if p.Exact && !within(string(content[p.Begin:p.End]), p.Text) {
			tb.Fatalf("passage %d: %q is not in %q", i, p.Text, content[p.Begin:p.End])
		}
	}
}

// within says whether the letters of a passage stand in the original, in order;
// markup may stand between them, and what is no UTF-8 is not compared.
func within(original, text string) bool {
	for _, r := range text {
		if unicode.IsSpace(r) || r == utf8.RuneError {
			continue
		}
		at := strings.IndexRune(original, r)
		if at < 0 && r < 0x100 { // Latin-1
			at = strings.IndexByte(original, byte(r))
		}
		if at < 0 {
			return false
		}
		original = original[at+1:]
	}
	return true
}

const mailText = "From: Ada <ada@example.org>\r\nTo: Bob <bob@example.org>\r\nSubject: =?utf-8?q?R=C3=A9sum=C3=A9?=\r\nMIME-Version: 1.0\r\n" +
	"Content-Type: multipart/mixed; boundary=\"b1\"\r\n\r\n--b1\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nHello there.\r\n> you wrote this\r\nBye.\r\n" +
	"--b1\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\nc2VjcmV0IHBsYW5z\r\n" +
	"--b1\r\nContent-Type: application/pdf\r\nContent-Disposition: attachment; filename=\"report.pdf\"\r\n\r\nxxxx\r\n--b1--\r\n"

// TestSplit asks each format for what it must give.
func TestSplit(t *testing.T) {
	for _, c := range []struct {
		name, media, content string
		kind                 Kind
		path, text           string
	}{
		{"a.md", "", "# Top\n\nIntro *here*.\n\n## Sub\n\n- one\n- two\n", Prose, "Top/Sub", "Sub\none\ntwo"},
		{"a.md", "", "# Top\n\n```go\nx := 1\n```\n", Code, "Top", "x := 1"},
		{"a.md", "", "| a | b |\n|---|---|\n| 1 | 2 |\n", Prose, "", "a b\n1 2"},
		{"", "", "<!DOCTYPE html><title>T</title><h1>Big</h1><p>caf&eacute; b<b>ol</b>d</p><script>no()</script>", Prose, "Big", "Big\ncafé bold"},
		{"a.go", "", "package p\n\n// F is it.\nfunc (t *T) F() int { return 1 }\n", Code, "p/T.F", "// F is it.\nfunc (t *T) F() int { return 1 }"},
		{"a.py", "", "import os\n\nclass A:\n    def f(self):\n        return 1\n", Code, "A/f", "def f(self):\nreturn 1"},
		{"a.c", "", "#include <x.h>\nint main(int c) {\n  return 0;\n}\n", Code, "main", "int main(int c) {\nreturn 0;\n}"},
		{"a.csv", "", "name,age\n\"Ada, L\",36\n", Data, "", "name age\nname: Ada, L age: 36"},
		{"a.json", "", `[{"name": "Ada", "tags": ["x\u00e9", 2]}]`, Data, "", "name: Ada\ntags:\nxé 2"},
		{"", "", mailText, Quoted, "Résumé", "you wrote this"},
		{"", "", mailText, Prose, "Résumé", "secret plans"},
		{"", "", mailText, Attachment, "Résumé", "report.pdf"},
		{"a.txt", "", "Un caf\xe9 noir.", Prose, "", "Un café noir."},
		{"x", "", "One. Two.\n\nThree.", Prose, "", "One. Two.\nThree."},
	} {
		passages, err := Split(c.name, c.media, []byte(c.content), Options{})
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		checkPassages(t, []byte(c.content), passages)
		if !slices.ContainsFunc(passages, func(p Passage) bool {
			return p.Kind == c.kind && strings.Join(p.Path, "/") == c.path && p.Text == c.text
		}) {
			t.Errorf("%s: no passage of kind %d at %q with %q in %+v", c.name, c.kind, c.path, c.text, passages)
		}
	}
}

// TestSplitPlaces looks at places in other encodings, bounds and overlap.
func TestSplitPlaces(t *testing.T) {
	text := strings.Repeat("Über die Brücke 😀 gehen. ", 100)
	wide := []byte{0xFF, 0xFE}
	for _, u := range utf16.Encode([]rune(text)) {
		wide = append(wide, byte(u), byte(u>>8))
	}
	passages, err := Split("a.txt", "", wide, Options{Tokens: 40, Overlap: 10})
	if err != nil || len(passages) < 10 {
		t.Fatal(len(passages), err)
	}
	for i, p := range passages {
		units := []uint16{}
		for at := p.Begin; at+1 < p.End; at += 2 {
			units = append(units, uint16(wide[at])|uint16(wide[at+1])<<8)
		}
		if got := string(utf16.Decode(units)); got != p.Text {
			t.Fatalf("passage %d: %q stands there, not %q", i, got, p.Text)
		}
		tokens := 0
		for w := range strings.FieldsSeq(p.Text) {
			tokens += cost(w)
		}
		if tokens > 40 {
			t.Errorf("passage %d costs %d", i, tokens)
		}
		if i > 0 && p.Begin >= passages[i-1].End {
			t.Errorf("passage %d does not overlap", i)
		}
	}
	if _, err := Split("a", "", []byte{1, 0, 2, 0}, Options{}); !errors.Is(err, ErrBinary) {
		t.Errorf("binary: %v", err)
	}
	if _, err := Split("a.pdf", "", []byte("%PDF-1.4 nonsense"), Options{}); !errors.Is(err, ErrFormat) {
		t.Errorf("a broken PDF: %v", err)
	}
	deep := []byte("package p\nvar x = " + strings.Repeat("(", 1<<20))
	if passages, err := Split("a.go", "", deep, Options{}); err != nil {
		t.Error(err)
	} else {
		checkPassages(t, deep, passages)
	}
}

// fuzz runs a format on anything.
func fuzz(f *testing.F, name string, seeds ...string) {
	f.Helper()
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		passages, err := Split(name, "", content, Options{Overlap: len(content) % 20})
		if err == nil {
			checkPassages(t, content, passages)
		}
	})
}

func FuzzMarkdown(f *testing.F) {
	fuzz(f, "a.md", "# A\n\n*b* `c`\n\n> d\n\n```\ne\n```\n|a|b|\n|-|-|\n|c|d|\n&amp;")
}
func FuzzHTML(f *testing.F) { fuzz(f, "a.html", "<h1>a</h1><p>b<b>c</b>&lt;<pre>d</pre><script>e") }
func FuzzGo(f *testing.F) {
	fuzz(f, "a.go", "package p\n// A\nfunc (*T[K]) F() {}\ntype T struct{}\nvar (\na=1)")
}

func FuzzCode(f *testing.F) {
	fuzz(f, "a.rs", "pub fn f() {}\nimpl T {\n  fn g() {}\n}\nint x(int y) {")
}
func FuzzCSV(f *testing.F)  { fuzz(f, "a.csv", "a,b\n\"c\"\"d\",e\n", "a\tb\n1\t2\r\n") }
func FuzzJSON(f *testing.F) { fuzz(f, "a.json", `{"a":[1,true,null,"\u00e9"],"":""} {"b":{}}`) }
func FuzzMail(f *testing.F) { fuzz(f, "a.eml", mailText) }
func FuzzAny(f *testing.F) {
	fuzz(f, "", "plain. Text", "\xff\xfea\x00b\x00", "caf\xe9", "%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>")
}

// BenchmarkSplit is text split a second, by format.
func BenchmarkSplit(b *testing.B) {
	for name, part := range map[string]string{
		"a.txt": "The quick brown fox jumps over the lazy dog. It was not amused.\n\n", "a.md": "## A heading\n\nThe *quick* brown fox jumps over the lazy dog.\n\n- one\n",
		"a.html": "<h2>A heading</h2><p>The <b>quick</b> brown fox &amp; the lazy dog.</p>\n", "a.rs": "fn f(a: u32) -> u32 {\n    let b = a + 1;\n    b\n}\n\n",
		"a.csv": "a,b,quick brown,fox 12\n", "a.json": `{"name": "quick brown fox", "age": 12}` + "\n",
	} {
		content := bytes.Repeat([]byte(part), 1<<20/len(part))
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(content)))
			for b.Loop() {
				if _, err := Split(name, "", content, Options{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
