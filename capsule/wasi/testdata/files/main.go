// Program files does with the files, the clock and the chance of its machine
// what programs do, and says what went wrong.
package main

import (
	"bufio"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

func main() {
	switch os.Args[1] {
	case "files":
		files(os.Args[2])
	case "refused":
		refused(os.Args[2])
	case "secret":
		var b [32]byte
		_, _ = rand.Read(b[:])
		fmt.Println("secret")
	case "sleep":
		before := time.Now()
		time.Sleep(50 * time.Millisecond)
		fmt.Println("slept", time.Since(before) >= 50*time.Millisecond, before.Year() > 2000)
	}
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func files(top string) {
	at := func(p string) string { return filepath.Join(top, p) }
	must(os.MkdirAll(at("a/b/c"), 0o755))
	text := strings.Repeat("0123456789abcdef", 10_000)
	must(os.WriteFile(at("a/b/c/text"), []byte(text), 0o644))
	got, err := os.ReadFile(at("a/b/c/text"))
	must(err)
	fmt.Println("same", string(got) == text)
	must(os.Rename(at("a/b/c/text"), at("a/moved")))
	info, err := os.Stat(at("a/moved"))
	must(err)
	fmt.Println("size", info.Size(), info.Mode().IsRegular())
	f, err := os.OpenFile(at("a/moved"), os.O_APPEND|os.O_WRONLY, 0)
	must(err)
	_, err = f.WriteString("the end\n")
	must(err)
	must(f.Sync())
	must(f.Close())
	f, err = os.Open(at("a/moved"))
	must(err)
	_, err = f.Seek(-8, io.SeekEnd)
	must(err)
	line, err := bufio.NewReader(f).ReadString('\n')
	must(err)
	fmt.Print("last ", line)
	must(f.Close())
	must(os.Truncate(at("a/moved"), 3))
	moment := time.Unix(1_000_000_000, 0)
	must(os.Chtimes(at("a/moved"), moment, moment))
	for i := range 100 {
		must(os.WriteFile(at(fmt.Sprintf("a/b/%03d", i)), nil, 0o644))
	}
	var names []string
	must(filepath.WalkDir(top, func(path string, _ fs.DirEntry, err error) error {
		names = append(names, path)
		return err
	}))
	fmt.Println("walked", len(names))
	must(os.RemoveAll(at("a/b")))
	_, err = os.Stat(at("a/b"))
	fmt.Println("gone", errors.Is(err, fs.ErrNotExist))
}

func refused(top string) {
	_, err := os.ReadFile(filepath.Join(top, "link"))
	fmt.Println("link", err != nil)
	_, err = os.ReadFile("/etc/passwd")
	fmt.Println("outside", err != nil)
	fmt.Println("write", os.WriteFile(filepath.Join(top, "new"), nil, 0o644) != nil)
	fmt.Println("symlink", os.Symlink("/etc", filepath.Join(top, "planted")) != nil)
}
