package tour_test

import (
	"bytes"
	"flag"
	"os"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"phios/system/tour"
)

var rewrite = flag.Bool("rewrite", false, "write what the tour says into testdata")

// storyFile holds what the tour says, in which what differs from run to run is
// normalised.
const storyFile = "testdata/tour.txt"

var (
	headTable   = regexp.MustCompile(`head [0-9a-f]{64}`)
	countTable  = regexp.MustCompile(`[0-9]+ (records|bytes)`)
	refusalText = regexp.MustCompile(`with them, [0-9]+ now|after: [0-9]+|[0-9]+ with them|0x[0-9a-f]+`)
)

func normalised(text string) string {
	text = headTable.ReplaceAllString(text, "head HASH")
	text = refusalText.ReplaceAllStringFunc(text, func(s string) string {
		return regexp.MustCompile(`0x[0-9a-f]+|[0-9]+`).ReplaceAllString(s, "N")
	})
	return countTable.ReplaceAllString(text, "N $1")
}

// walk runs the tour.
func walk(t *testing.T, options tour.Options) string {
	t.Helper()
	var out bytes.Buffer
	if err := tour.Run(&out, options); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	return out.String()
}

func TestStory(t *testing.T) {
	before := runtime.NumGoroutine()
	text := walk(t, tour.Options{})
	got := normalised(text)
	if *rewrite {
		if err := os.WriteFile(storyFile, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(storyFile)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("the tour says\n%s\nwant\n%s", got, want)
	}
	const linesMax = 67
	if n := strings.Count(text, "\n"); n > linesMax {
		t.Errorf("%d lines, at most %d", n, linesMax)
	}
	for deadline := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > before; {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines, before %d", runtime.NumGoroutine(), before)
		}
		time.Sleep(time.Millisecond)
	}
}

// TestColor checks that colour is all that it adds.
func TestColor(t *testing.T) {
	escape := regexp.MustCompile("\x1b\\[[0-9;]*m")
	colored := walk(t, tour.Options{Color: true})
	if !escape.MatchString(colored) {
		t.Error("no colour")
	}
	if plain := walk(t, tour.Options{}); escape.MatchString(plain) ||
		normalised(escape.ReplaceAllString(colored, "")) != normalised(plain) {
		t.Error("colour changes the text")
	}
}

// failing is a writer on a full disk.
type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, os.ErrClosed }

func TestWriterFails(t *testing.T) {
	if err := tour.Run(failing{}, tour.Options{}); err == nil {
		t.Error("the tour reports success to a writer that took nothing")
	}
}
