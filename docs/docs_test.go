// Package docs keeps the documents true: what can be made from the code is made
// from it, and what they show is run.
package docs_test

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"phios/abi"
)

var rewrite = flag.Bool("rewrite", false, "write abi.md from the table of calls")

// manual writes the list of calls, rights and statuses from the contract.
func manual() string {
	var b strings.Builder
	b.WriteString("# The calls of the kernel\n\n" +
		"Made from package abi by `go test ./docs -rewrite`; a test fails when it is old.\n\n" +
		"Each call is `Invoke(handle, call, arguments)`. The handle must name a capability\n" +
		"that carries the rights, to an object of the type; a service object passes as an\n" +
		"endpoint. Arguments are words, unless the column says otherwise.\n\n" +
		"## Calls\n\n| number | call | on | needs | in | out | what it does |\n|---|---|---|---|---|---|---|\n")
	for c := abi.CallNone + 1; int(c) < abi.CallCount; c++ {
		d, _ := abi.Describe(c)
		on := d.Type.String()
		switch {
		case d.Self:
			on = "the caller"
		case d.Type == abi.ObjectNone:
			on = "any"
		}
		fmt.Fprintf(&b, "| %d | `%s` | %s | %s | %s | %s | %s |\n", c, d.Name, on, cell(d.Need.String()), cell(d.In), cell(d.Out), cell(d.Does))
	}
	b.WriteString("\n## Rights\n\n" + strings.ReplaceAll(abi.RightsAll.String(), "|", " · ") + "\n\n" +
		"## Statuses\n\n| number | name | text |\n|---|---|---|\n")
	for s := range abi.Status(abi.StatusCount) {
		fmt.Fprintf(&b, "| %d | %s | %s |\n", s, s.Name(), s.Error())
	}
	b.WriteString("\n## Limits of a message\n\n")
	fmt.Fprintf(&b, "%d words, %d bytes, %d capabilities.\n", abi.MessageWords, abi.MessageBytesMax, abi.MessageHandleMax)
	return b.String() + hostManual() + layoutManual()
}

// cell makes text fit a cell of a table.
func cell(text string) string {
	if text == "" {
		return "-"
	}
	return strings.ReplaceAll(text, "|", "·")
}

func TestManualIsNew(t *testing.T) {
	want := manual()
	if *rewrite {
		if err := os.WriteFile("abi.md", []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile("abi.md")
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Error("abi.md is old: go test ./docs -rewrite")
	}
}

// TestKernelExample runs the program that kernel.md shows, as a reader would,
// and compares what it prints with what the document says.
func TestKernelExample(t *testing.T) {
	text, err := os.ReadFile("kernel.md")
	if err != nil {
		t.Fatal(err)
	}
	parts := regexp.MustCompile("(?s)```go\n(.*?)```\n\nIt prints\n\n```\n(.*?)```").FindStringSubmatch(string(text))
	if parts == nil {
		t.Fatal("kernel.md has no program and what it prints")
	}
	file := filepath.Join(t.TempDir(), "main.go")
	if err := os.WriteFile(file, []byte(parts[1]), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "go", "run", file).CombinedOutput()
	if err != nil || string(out) != parts[2] {
		t.Errorf("%v: it prints\n%s\nthe document says\n%s", err, out, parts[2])
	}
}

// TestLinks checks that what the documents point to is there.
func TestLinks(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^):#]+)\)`)
	files, err := filepath.Glob("*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range append(files, "../README.md", "../RATIONALE.md") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(file), m[1])); err != nil {
				t.Errorf("%s points to %s, which is not there", file, m[1])
			}
		}
	}
}
