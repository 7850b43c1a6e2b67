package main_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var rewrite = flag.Bool("rewrite", false, "write what phi says into testdata")

// phi is the program under test, built once.
var phi string

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(buildAndRun(m))
}

func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "phi")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	phi = filepath.Join(dir, "phi")
	if out, err := exec.Command("go", "build", "-o", phi, ".").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "%v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// TestStories plays the scripts in testdata. A script is prose, then a command
// after a dollar sign, then what it prints up to an empty line; what it prints
// to its standard error is marked "!", and a code other than 0 ends it. Each
// script runs in an empty folder of its own. The command "file NAME" writes
// the lines below it into a file.
func TestStories(t *testing.T) {
	t.Parallel()
	scripts, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(scripts) == 0 {
		t.Fatal("no scripts", err)
	}
	for _, script := range scripts {
		t.Run(strings.TrimSuffix(filepath.Base(script), ".txt"), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(script)
			if err != nil {
				t.Fatal(err)
			}
			got := play(t, string(text))
			if *rewrite {
				if err := os.WriteFile(script, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != string(text) {
				t.Errorf("phi says\n%s\nwant\n%s", got, text)
			}
		})
	}
}

// play runs a script and returns it with what its commands print now.
func play(t *testing.T, script string) string {
	t.Helper()
	dir := t.TempDir()
	var out strings.Builder
	for i, block := range strings.Split(strings.TrimRight(script, "\n"), "\n\n") {
		if i > 0 {
			out.WriteString("\n")
		}
		first, rest, _ := strings.Cut(block, "\n")
		switch {
		case strings.HasPrefix(first, "$ phi"):
			fmt.Fprintf(&out, "%s\n%s", first, command(t, dir, strings.Fields(first)[2:]))
		case strings.HasPrefix(first, "file "):
			name := strings.TrimPrefix(first, "file ")
			if err := os.WriteFile(filepath.Join(dir, name), []byte(rest+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&out, "%s\n", block)
		default:
			fmt.Fprintf(&out, "%s\n", block)
		}
	}
	return out.String()
}

// command runs phi and returns what it prints.
func command(t *testing.T, dir string, arguments []string) string {
	t.Helper()
	c := exec.Command(phi, arguments...)
	c.Dir = dir
	c.Env = append(os.Environ(), "NO_COLOR=1")
	var out, problems bytes.Buffer
	c.Stdout, c.Stderr = &out, &problems
	err := c.Run()
	text := out.String()
	for line := range strings.Lines(problems.String()) {
		text += "! " + line
	}
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		text += fmt.Sprintf("[exit %d]\n", exit.ExitCode())
	case err != nil:
		t.Fatal(err)
	}
	// An empty line would end the block.
	text = strings.ReplaceAll(text, "\n\n", "\n.\n")
	text = regexp.MustCompile(`[0-9a-f]{64}`).ReplaceAllString(text, "HASH")
	// How much the kernel records of a run is not for these stories to say.
	return regexp.MustCompile(`\b[0-9]+ records|record [0-9]+`).ReplaceAllStringFunc(text, func(s string) string {
		return regexp.MustCompile(`[0-9]+`).ReplaceAllString(s, "N")
	})
}

// run runs phi in a folder, and returns what it prints and its exit code.
func run(t *testing.T, dir string, arguments ...string) (string, int) {
	t.Helper()
	c := exec.Command(phi, arguments...)
	c.Dir = dir
	out, err := c.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return string(out), c.ProcessState.ExitCode()
}

// TestTourIsPlainInAPipe runs the tour as 'phi tour | cat' would.
func TestTourIsPlainInAPipe(t *testing.T) {
	out, code := run(t, t.TempDir(), "tour")
	if code != 0 || strings.Contains(out, "\x1b") || !strings.Contains(out, "All of it is on record") {
		t.Errorf("exit %d\n%s", code, out)
	}
}

// TestVerifyFindsEveryChange spoils one byte of a journal at a time.
func TestVerifyFindsEveryChange(t *testing.T) {
	dir := t.TempDir()
	if out, code := run(t, dir, "journal", "record", "j"); code != 0 {
		t.Fatal(out)
	}
	head, code := run(t, dir, "journal", "verify", "--json", "j")
	if code != 0 {
		t.Fatal(head)
	}
	path := filepath.Join(dir, "j")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	hash := regexp.MustCompile(`[0-9a-f]{64}`).FindString(head)
	for at := 0; at < len(whole); at += len(whole)/12 + 1 {
		spoiled := bytes.Clone(whole)
		spoiled[at] ^= 1
		if err := os.WriteFile(path, spoiled, 0o600); err != nil {
			t.Fatal(err)
		}
		// Only what could be the last record of a crash needs an anchor to be found.
		if at < len(whole)-400 {
			if out, code := run(t, dir, "journal", "verify", "j"); code != 1 {
				t.Errorf("byte %d, without an anchor: exit %d\n%s", at, code, out)
			}
		}
		if out, code := run(t, dir, "journal", "verify", "--head", hash, "j"); code != 1 {
			t.Errorf("byte %d: exit %d\n%s", at, code, out)
		}
	}
}

func TestCompletion(t *testing.T) {
	out, code := run(t, t.TempDir(), "completion", "bash")
	if code != 0 || !strings.Contains(out, "complete") {
		t.Errorf("exit %d, %d bytes", code, len(out))
	}
	if out, code = run(t, t.TempDir(), "__complete", "journal", ""); code != 0 || !strings.Contains(out, "verify") {
		t.Errorf("exit %d\n%s", code, out)
	}
}

func TestHelpOfEveryVerb(t *testing.T) {
	dir := t.TempDir()
	out, code := run(t, dir)
	if help, helpCode := run(t, dir, "--help"); out != help || code != 0 || helpCode != 0 {
		t.Errorf("phi alone is not its help: exit %d and %d", code, helpCode)
	}
	for _, m := range regexp.MustCompile(`(?m)^  ([a-z]+) +\S`).FindAllStringSubmatch(out, -1) {
		if help, code := run(t, dir, m[1], "--help"); code != 0 || !strings.Contains(help, "Usage:") {
			t.Errorf("phi %s --help: exit %d", m[1], code)
		}
	}
}
