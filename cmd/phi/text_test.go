package main

import (
	"strings"
	"testing"
	"time"
	"unicode"

	"phios/api/control"
)

func TestTextForPeople(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ got, want string }{
		{size(0), "0 B"},
		{size(1023), "1023 B"},
		{size(1536), "1.5 KiB"},
		{size(64 << 20), "64 MiB"},
		{size(1 << 62), "4194304 TiB"},
		{count(9999), "9999"},
		{count(19_900_000), "19.9M"},
		{lasting(-1), "0s"},
		{lasting(850), "850ns"},
		{lasting(1234567), "1.2ms"},
		{lasting(12345 * time.Millisecond), "12.3s"},
		{lasting(61 * time.Minute), "1h01m"},
		{lasting(50 * time.Hour), "2d02h"},
		{quoted("notes=folder:/srv/a b:READ"), "'notes=folder:/srv/a b:READ'"},
		{quoted("clock"), "clock"},
		{quoted("it's"), `'it'\''s'`},
		{quoted(""), "''"},
		{printable("a\tb"), "a\tb"},
		{printable("\x1b[2J"), `\x1b[2J`},
		{printable("\xff"), "�"},
		{printable("a\u202eb"), `a\u202eb`},
		{plural(1, "capsule", "capsules"), "1 capsule"},
		{plural(2, "capsule", "capsules"), "2 capsules"},
	} {
		if test.got != test.want {
			t.Errorf("%q, want %q", test.got, test.want)
		}
	}
}

func TestTableIsAligned(t *testing.T) {
	t.Parallel()
	tab := table{headings: []string{"NAME", ">SIZE", "TEXT"}}
	tab.add("é", 10, cell{"red", "red"})
	tab.add("longer", 5, "")
	var b strings.Builder
	tab.print(&b, painter{}, "  ")
	if want := "  NAME    SIZE  TEXT\n  é         10  red\n  longer     5\n"; b.String() != want {
		t.Errorf("\n%swant\n%s", b.String(), want)
	}
	b.Reset()
	tab.print(&b, painter{on: true}, "")
	if !strings.Contains(b.String(), "\x1b[31mred\x1b[0m") {
		t.Errorf("%q", b.String())
	}
}

func TestParseGrant(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ text, name, spec, rights string }{
		{"clock", "clock", "", "-"},
		{"c=clock:SEND,INVOKE", "c", "clock", "SEND|INVOKE"},
		{"n=folder:/srv/a:READ|WRITE", "n", "folder:/srv/a", "READ|WRITE"},
		{"n=folder:/srv/a:b", "n", "folder:/srv/a:b", "-"},
		{"r=region:scratch:4096", "r", "region:scratch:4096", "-"},
	} {
		g, err := parseGrant(test.text)
		if err != nil || g.Name != test.name || g.Spec != test.spec || g.Rights.String() != test.rights {
			t.Errorf("%q: %+v, %v", test.text, g, err)
		}
	}
}

// FuzzPrintable checks that nothing that moves a cursor passes.
func FuzzPrintable(f *testing.F) {
	f.Add("\x1b[2J\r\n\x00\u202e")
	f.Fuzz(func(t *testing.T, text string) {
		for _, r := range printable(text) {
			if !unicode.IsPrint(r) && r != '\t' {
				t.Errorf("%q passes in %q", r, printable(text))
			}
		}
	})
}

// FuzzParseGrant checks that a grant that phi prints is read as it was meant.
func FuzzParseGrant(f *testing.F) {
	f.Add("notes=folder:/srv/notes:READ")
	f.Add("c=clock:SEND,INVOKE")
	f.Fuzz(func(t *testing.T, text string) {
		g, err := parseGrant(text)
		if err != nil || printable(text) != text {
			return
		}
		again, err := parseGrant(grantText(control.Grant{Name: g.Name, Spec: g.Spec, Rights: g.Rights}))
		if len(g.Rights) == 0 {
			return // what looks like rights at the end of a path needs them said
		}
		if err != nil || again.Name != g.Name || again.Spec != g.Spec || again.Rights.String() != g.Rights.String() {
			t.Errorf("%q is %+v, and again %+v, %v", text, g, again, err)
		}
	})
}
