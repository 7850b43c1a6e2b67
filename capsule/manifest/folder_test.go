package manifest

import (
	"crypto/ed25519"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// capsuleIn writes a capsule into a folder of its own.
func capsuleIn(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestLoadModule(t *testing.T) {
	dir := capsuleIn(t, map[string]string{
		FileName: "version: 1\nname: a\nimage: build/a.wasm\n", "build/a.wasm": "code", "notes.txt": "not needed",
	})
	for _, name := range []string{dir, filepath.Join(dir, FileName)} {
		f, err := Load(name)
		if err != nil {
			t.Fatal(err)
		}
		if len(f.Files) != 1 || f.Files[0].Name != "build/a.wasm" || f.Files[0].Size != 4 || f.Manifest.Signer != "" {
			t.Errorf("%+v", f)
		}
		r, err := f.Open("build/a.wasm")
		if err != nil {
			t.Fatal(err)
		}
		if text, err := io.ReadAll(r); string(text) != "code" || err != nil {
			t.Errorf("%q, %v", text, err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestLoadNative(t *testing.T) {
	dir := capsuleIn(t, map[string]string{
		FileName: "version: 1\nname: a\ncommand: [python3, main.py]\n", "main.py": "pass", "lib/x.py": "pass",
		".git/config": "x", "lib/__pycache__/x.pyc": "x", ".hidden": "x",
	})
	if err := os.Chmod(filepath.Join(dir, "main.py"), 0o700); err != nil {
		t.Fatal(err)
	}
	f, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, file := range f.Files {
		names = append(names, file.Name)
		if file.Executable != (file.Name == "main.py") {
			t.Errorf("%+v", file)
		}
	}
	if !slices.Equal(names, []string{"lib/x.py", "main.py"}) {
		t.Errorf("%v", names)
	}
}

func TestLoadBadFolders(t *testing.T) {
	const text = "version: 1\nname: a\nimage: a.wasm\n"
	tests := []struct {
		name  string
		files map[string]string
		link  string
		want  string
	}{
		{"no manifest", nil, "", "has no capsule.yaml: make a capsule with 'phi new'"},
		{"no image", map[string]string{FileName: text}, "", "image: a.wasm is not there: build it first"},
		{"link", map[string]string{FileName: text, "b": "x"}, "a.wasm", "a.wasm is no regular file: put a copy"},
		{"broken", map[string]string{FileName: "version: 1\n"}, "", "capsule.yaml:1: the field \"name\" is missing"},
		{"long", map[string]string{FileName: strings.Repeat("#", BytesMax+1)}, "", "more than 65536 bytes: is it the right file?"},
		{"signature", map[string]string{FileName: text, "a.wasm": "x", SignatureName: "x"}, "", "is no signature of phi: sign again"},
	}
	for _, test := range tests {
		dir := capsuleIn(t, test.files)
		if test.link != "" {
			if err := os.Symlink("b", filepath.Join(dir, test.link)); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := Load(dir); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %s", test.name, err, test.want)
		}
	}
	if _, err := Load(filepath.Join(t.TempDir(), "none")); err == nil || !strings.Contains(err.Error(), "name a capsule's folder") {
		t.Error(err)
	}
	many := map[string]string{FileName: "version: 1\nname: a\ncommand: [x]\n"}
	for i := range FilesMax + 1 {
		many["f"+strings.Repeat("x", i%200)+string(rune('a'+i/200))] = ""
	}
	if _, err := Load(capsuleIn(t, many)); err == nil || !strings.Contains(err.Error(), "more than 256 files") {
		t.Error(err)
	}
}

// TestSignature signs a capsule and then changes one thing at a time.
func TestSignature(t *testing.T) {
	key, err := NewKey()
	if err != nil {
		t.Fatal(err)
	}
	if again, err := ParseKey(EncodeKey(key)); err != nil || !again.Equal(key) {
		t.Errorf("%v", err)
	}
	dir := capsuleIn(t, map[string]string{FileName: "version: 1\nname: a\ncommand: [./main]\n", "main": "code", "lib": "more"})
	f, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	signature := Sign(key, f.Text, f.Files)
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(SignatureName, string(signature))
	if f, err = Load(dir); err != nil || f.Manifest.Signer != Signer(key) {
		t.Fatalf("%v", err)
	}
	slices.Reverse(f.Files)
	if _, err := Verify(f.Signature, f.Text, f.Files); err != nil {
		t.Errorf("the order of the files matters: %v", err)
	}
	changes := []func(){
		func() { write("main", "Code") },
		func() { write("another", "") },
		func() { write(FileName, "version: 1\nname: b\ncommand: [./main]\n") },
		func() { write(SignatureName, strings.Replace(string(signature), "signature ", "signature 00", 1)) },
		func() { write(SignatureName, strings.Replace(string(signature), "key ", "key 00", 1)) },
		func() { _ = os.Chmod(filepath.Join(dir, "main"), 0o700) },
		func() { _ = os.Remove(filepath.Join(dir, "lib")) },
	}
	for i, change := range changes {
		change()
		if _, err := Load(dir); err == nil {
			t.Errorf("change %d is not noticed", i)
		}
		write("main", "code")
		write("lib", "more")
		write(FileName, "version: 1\nname: a\ncommand: [./main]\n")
		write(SignatureName, string(signature))
		_ = os.Remove(filepath.Join(dir, "another"))
		if err := os.Chmod(filepath.Join(dir, "main"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(dir); err != nil {
			t.Fatalf("change %d was not taken back: %v", i, err)
		}
	}
	for _, text := range []string{"", keyHead, keyHead + " 00", "x " + strings.Repeat("00", 32)} {
		if _, err := ParseKey([]byte(text)); err == nil {
			t.Errorf("%q is a key", text)
		}
	}
}

// FuzzVerify checks that no text is taken for a signature but the right one.
func FuzzVerify(f *testing.F) {
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)) // the same in every process
	text, files := []byte("text"), []File{{Name: "a", Size: 1}}
	good := Sign(key, text, files)
	f.Add(good)
	f.Add([]byte(signatureHead + "\nkey 00\nsignature 00\n"))
	f.Fuzz(func(t *testing.T, signature []byte) {
		if signer, err := Verify(signature, text, files); err == nil && signer != Signer(key) {
			t.Errorf("%q is good, %q is what was made", signature, good)
		}
	})
}
