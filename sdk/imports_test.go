package sdk_test

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"phios/abi"
	"phios/internal/guest"
	"phios/sdk"
)

// TestImports compiles, in each language, a program that imports every
// function, and compares what the compiler made of the declarations with what
// the node offers.
func TestImports(t *testing.T) {
	t.Parallel()
	want := map[string]string{}
	for _, f := range abi.HostFunctions() {
		want[f.Module+" "+f.Name] = signature(f.Params)
	}
	for lang, build := range map[string]func(t *testing.T, dir string) []byte{
		"go": everyGo, "c": everyC, "assemblyscript": everyTS,
	} {
		t.Run(lang, func(t *testing.T) {
			t.Parallel()
			got := importsOf(t, build(t, t.TempDir()))
			for name, types := range want {
				if got[name] != types {
					t.Errorf("%s is imported as %q, and the node offers %q", name, got[name], types)
				}
			}
			for name := range got {
				if want[name] == "" {
					t.Errorf("%s is imported, and the node does not offer it", name)
				}
			}
		})
	}
}

// signature spells what the node offers for parameters, one letter a value:
// i for 32 bits, l for 64.
func signature(params []abi.Param) string {
	values := map[abi.Param]string{abi.ParamHandle: "l", abi.ParamWord: "l", abi.ParamBytes: "ii", abi.ParamRoom: "ii"}
	text := ""
	for _, p := range params {
		text += cmp.Or(values[p], "i")
	}
	return text + ">i"
}

// everyGo puts a file into a copy of package phi that uses every import.
func everyGo(t *testing.T, dir string) []byte {
	t.Helper()
	var b strings.Builder
	b.WriteString("package phi\n\nvar Every = []any{\n")
	for _, f := range abi.HostFunctions() {
		b.WriteString(goName(f) + ",\n")
	}
	write(t, dir, "phi/every.go", b.String()+"}\n")
	write(t, dir, "go.mod", "module every\n\ngo 1.24\n")
	write(t, dir, "main.go", "package main\n\nimport \"every/phi\"\n\nfunc main() { println(len(phi.Every)) }\n")
	files, err := sdk.Sources.ReadDir("go")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if f.IsDir() || strings.HasSuffix(f.Name(), "_test.go") {
			continue
		}
		text, err := sdk.Sources.ReadFile("go/" + f.Name())
		if err != nil {
			t.Fatal(err)
		}
		write(t, dir, "phi/"+f.Name(), string(text))
	}
	return compile(t, dir, "go", "build", "-trimpath", "-o", "every.wasm", ".")
}

func everyC(t *testing.T, dir string) []byte {
	t.Helper()
	var b strings.Builder
	b.WriteString("#include \"phi.h\"\nvoid *const volatile every[] = {\n")
	for _, f := range abi.HostFunctions() {
		b.WriteString("(void *)" + cName(f) + ",\n")
	}
	b.WriteString("};\nPHI_EXPORT(\"touch\") void *touch(int i) { return every[i]; }\n")
	write(t, dir, "every.c", b.String())
	return compile(t, dir, "clang", "--target=wasm32", "-O2", "-std=c11", "-Wall", "-Wextra", "-Werror", "-ffreestanding",
		"-nostdlib", "-Wl,--no-entry", "-I"+absolute(t, "c"), "-o", "every.wasm", "every.c")
}

// everyTS copies phi.ts, whose declarations count as imports once they are
// called.
func everyTS(t *testing.T, dir string) []byte {
	t.Helper()
	text, err := sdk.Sources.ReadFile("assemblyscript/phi.ts")
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir, "phi.ts", string(text))
	var b strings.Builder
	b.WriteString("import * as phi from \"./phi\";\n\nexport function every(): void {\n")
	for _, f := range abi.HostFunctions() {
		zeros := tsSpelling.params(f, func(_, _ string) string { return "0" })
		fmt.Fprintf(&b, "  phi.%s(%s);\n", strings.TrimPrefix(cName(f), "phi_"), strings.Join(zeros, ", "))
	}
	write(t, dir, "every.ts", b.String()+"}\n")
	guest.AssemblyScript(t, "apps/counter-as") // So that its compiler is there.
	return compile(t, dir, absolute(t, "../bin/npm/node_modules/.bin/asc"), "every.ts", "--use", "abort=", "-o", "every.wasm")
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	file := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func absolute(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(name)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// compile runs a compiler in dir and returns every.wasm.
func compile(t *testing.T, dir, tool string, args ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), tool, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0", "GOFLAGS=-buildvcs=false", "GOWORK=off")
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", tool, err, text)
	}
	module, err := os.ReadFile(filepath.Join(dir, "every.wasm"))
	if err != nil {
		t.Fatal(err)
	}
	return module
}

// importsOf returns the signature of each function that a module imports,
// but for those of WASI.
func importsOf(t *testing.T, module []byte) map[string]string {
	t.Helper()
	const typeSection, importSection = 1, 2
	var types []string
	imports := map[string]string{}
	m := &moduleReader{bytes.NewReader(module[8:])}
	for m.Len() > 0 {
		id := m.byte()
		section := &moduleReader{bytes.NewReader(m.bytes())}
		switch id {
		case typeSection:
			for range section.number() {
				section.byte() // 0x60, a function
				types = append(types, section.values()+">"+section.values())
			}
		case importSection:
			for range section.number() {
				name, field, kind := string(section.bytes()), string(section.bytes()), section.byte()
				if kind != 0 {
					t.Fatalf("%s %s is imported and no function", name, field)
				}
				if index := section.number(); name != "wasi_snapshot_preview1" {
					imports[name+" "+field] = types[index]
				}
			}
		}
	}
	return imports
}

// moduleReader reads a module that our compilers made; one that is cut short
// reads as zeros.
type moduleReader struct{ *bytes.Reader }

func (r *moduleReader) byte() byte {
	b, _ := r.ReadByte()
	return b
}

func (r *moduleReader) number() uint64 {
	n, _ := binary.ReadUvarint(r)
	return n
}

func (r *moduleReader) bytes() []byte {
	b := make([]byte, r.number())
	_, _ = r.Read(b)
	return b
}

func (r *moduleReader) values() string {
	names := map[byte]string{0x7f: "i", 0x7e: "l", 0x7d: "f", 0x7c: "d"}
	text := ""
	for range r.number() {
		text += names[r.byte()]
	}
	return text
}
