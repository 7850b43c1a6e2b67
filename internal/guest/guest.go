// Package guest builds programs for ΦOS from their sources, for tests and
// benchmarks that run real ones. What is up to date is not built again: the
// result lies in bin/guests under a hash of all that went into it, and a lock
// file lets packages that are tested at once wait for each other.
package guest

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Mode is what kind of program is built.
type Mode string

// The modes.
const (
	// Server answers messages: it exports phi_handle and no _start.
	Server Mode = "server"
	// Command runs from _start to its end.
	Command Mode = "command"
	// Bare is a server in C without a libc.
	Bare Mode = "bare"
)

// Tester is the part of testing.TB that is used; production code does not
// import testing.
type Tester interface {
	Helper()
	Fatalf(format string, args ...any)
}

// Go returns the module of the main package in a folder of the repository,
// such as "apps/hello-go". The test ends when it does not build.
func Go(t Tester, dir string, mode Mode) []byte {
	t.Helper()
	return must(t, BuildGo, dir, mode)
}

// C returns the module of one C file of the repository, such as
// "apps/notes-c/notes.c".
func C(t Tester, file string, mode Mode) []byte {
	t.Helper()
	return must(t, BuildC, file, mode)
}

// AssemblyScript returns the module of main.ts in a folder of the repository,
// a server.
func AssemblyScript(t Tester, dir string) []byte {
	t.Helper()
	return must(t, BuildAssemblyScript, dir, Server)
}

func must(t Tester, build func(string, Mode) ([]byte, error), from string, mode Mode) []byte {
	t.Helper()
	module, err := build(from, mode)
	if err != nil {
		t.Fatalf("build %s: %v", from, err)
	}
	return module
}

// BuildGo is Go for callers that are no tests.
func BuildGo(dir string, mode Mode) ([]byte, error) {
	root, err := Root()
	if err != nil {
		return nil, err
	}
	args := []string{"build", "-trimpath", "-ldflags=-s -w"}
	if mode == Server {
		args = append(args, "-buildmode=c-shared")
	}
	return recipe{
		root: root, name: "go-" + nameOf(dir) + "-" + string(mode),
		sources: []string{dir, "sdk/go", "go.mod"},
		tool:    "go", args: args, output: "-o", from: "./" + dir,
		env:    []string{"GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0", "GOFLAGS=-buildvcs=false", "GOWORK=off"},
		remedy: "make setup-go",
	}.build()
}

// BuildC is C for callers that are no tests.
func BuildC(file string, mode Mode) ([]byte, error) {
	root, err := Root()
	if err != nil {
		return nil, err
	}
	args := []string{"-O2", "-std=c11", "-Wall", "-Wextra", "-Werror", "-Isdk/c"}
	switch mode {
	case Server:
		args = append(args, "--target=wasm32-wasi", "-mexec-model=reactor")
	case Command:
		args = append(args, "--target=wasm32-wasi")
	case Bare:
		args = append(args, "--target=wasm32", "-ffreestanding", "-nostdlib", "-Wl,--no-entry")
	}
	return recipe{
		root: root, name: "c-" + nameOf(file) + "-" + string(mode),
		sources: []string{filepath.Dir(file), "sdk/c"},
		tool:    "clang", args: args, output: "-o", from: file,
		remedy: "make setup-clang",
	}.build()
}

// BuildAssemblyScript is AssemblyScript for callers that are no tests. The
// mode is Server.
func BuildAssemblyScript(dir string, mode Mode) ([]byte, error) {
	if mode != Server {
		return nil, fmt.Errorf("mode %q: programs in AssemblyScript are servers here", mode)
	}
	root, err := Root()
	if err != nil {
		return nil, err
	}
	compiler, err := compilerOf(root)
	if err != nil {
		return nil, err
	}
	return recipe{
		root: root, name: "as-" + nameOf(dir),
		sources: []string{dir, "sdk/assemblyscript", npmDir},
		tool:    compiler, args: []string{"-O", "--use", "abort=", "--exportStart", "_initialize"},
		output: "-o", from: dir + "/main.ts",
		remedy: "make setup-node",
	}.build()
}

// nameOf makes a path of the repository one word.
func nameOf(path string) string {
	return strings.ReplaceAll(strings.TrimSuffix(path, filepath.Ext(path)), "/", "-")
}

// Root returns the folder of the repository, in or above the working folder.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the repository: %w", err)
	}
	for from := dir; ; dir = filepath.Dir(dir) {
		text, err := fs.ReadFile(os.DirFS(dir), "go.mod")
		if err == nil && strings.HasPrefix(string(text), "module phios\n") {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("no repository of phios in or above %s: run from inside it", from)
		}
	}
}
