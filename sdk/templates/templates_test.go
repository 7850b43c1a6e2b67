package templates_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"phios/abi"
	"phios/capsule"
	"phios/capsule/manifest"
	"phios/capsule/wasm"
	"phios/internal/guest"
	"phios/kernel/capability"
	"phios/kernel/gate"
	"phios/kernel/journal"
	"phios/platform/host"
	"phios/sdk/templates"
)

// TestTemplates writes every template, builds it as its README says, reads its
// manifest and talks to the program.
func TestTemplates(t *testing.T) {
	t.Parallel()
	guest.AssemblyScript(t, "apps/counter-as") // So that its compiler is there.
	root, err := guest.Root()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(root, "bin", "npm", "node_modules", ".bin") + ":" + os.Getenv("PATH")
	for _, lang := range templates.Languages() {
		t.Run(lang, func(t *testing.T) {
			t.Parallel()
			name := "my-" + lang + "-1"
			dir := filepath.Join(t.TempDir(), name)
			if err := templates.Write(lang, name, dir); err != nil {
				t.Fatal(err)
			}
			build := exec.CommandContext(t.Context(), "./build.sh")
			build.Dir = dir
			build.Env = append(os.Environ(), "PATH="+path, "CGO_ENABLED=0", "GOFLAGS=-buildvcs=false")
			if text, err := build.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, text)
			}
			folder, err := manifest.Load(dir)
			if err != nil {
				t.Fatal(err)
			}
			m := folder.Manifest
			if m.Name != name || m.Serves == 0 || m.Probe.Text != "ping" {
				t.Errorf("the manifest is of %q, serves %d, probe %q", m.Name, m.Serves, m.Probe.Text)
			}
			if m.Tier == capsule.TierNative {
				script(t, dir, name)
			} else {
				module, err := os.ReadFile(filepath.Join(dir, m.Image))
				if err != nil {
					t.Fatal(err)
				}
				converse(t, name, module)
			}
			leftovers(t, dir)
		})
	}
}

// alone is the door of a program that was granted nothing.
type alone struct{ *gate.Port }

func (alone) Named(string) (abi.Handle, abi.Status) { return 0, abi.StatusBadHandle }

type nowhere struct{}

func (nowhere) Append([]byte) abi.Status { return abi.StatusOK }

// converse starts the program on a kernel, granted nothing, and talks to it.
func converse(t *testing.T, name string, module []byte) {
	t.Helper()
	machine, err := host.New(host.Config{ArenaBytes: 1 << 30, MemoryBytes: 1 << 30})
	if err != nil {
		t.Fatal(err)
	}
	defer machine.Close()
	j, status := journal.New(nowhere{}, machine, 1, journal.Options{})
	if !status.OK() {
		t.Fatal(status)
	}
	kernel := gate.New(gate.Config{
		Machine: machine, Journal: j, Limits: capability.DefaultLimits(), Timers: 1,
		Endowment: abi.Amounts{1 << 40, 1 << 20, 1 << 50},
	})
	port, _, status := kernel.BootTask(64, abi.Amounts{1 << 30, 1 << 10, 1 << 40})
	if !status.OK() {
		t.Fatal(status)
	}
	compiled, err := guest.Folder("compiled") // They stay, as on a node.
	if err != nil {
		t.Fatal(err)
	}
	engine, err := wasm.New(wasm.Config{CacheDir: compiled, Clock: machine})
	if err != nil {
		t.Fatal(err)
	}
	defer engine.Close()
	image, err := engine.Install(module)
	if err != nil {
		t.Fatal(err)
	}
	program, err := image.Start(capsule.Spec{Name: name, Door: alone{port}})
	if err != nil {
		t.Fatal(err)
	}
	defer program.Close()
	if exit := program.Run(); !exit.OK() || !program.Serves() {
		t.Fatalf("it does not serve: %+v", exit)
	}
	for _, c := range []struct{ say, want string }{
		{"ping", "pong"},
		{"hello", name + ` heard "hello", message 1`},
		{"hello", name + ` heard "hello", message 2`},
	} {
		var m abi.Message
		m.SetPayload([]byte(c.say))
		if status := program.Serve(alone{port}, &m); !status.OK() || string(m.Payload()) != c.want {
			t.Errorf("%q is answered %v %q, want %q", c.say, status, m.Payload(), c.want)
		}
	}
}

// script calls the handler of a native program as the node would, but for the
// node, which the tests of capsule/native are about.
func script(t *testing.T, dir, name string) {
	t.Helper()
	const talk = `
import main, phi
for text in (b"ping", b"hello", b"hello"):
    message = phi.Message(text)
    assert not main.answer(message)
    print(message.data.decode())
`
	cmd := exec.CommandContext(t.Context(), "python3", "-c", talk)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1")
	said, err := cmd.CombinedOutput()
	want := fmt.Sprintf("pong\n%s heard \"hello\", message 1\n%s heard \"hello\", message 2\n", name, name)
	if err != nil || string(said) != want {
		t.Errorf("it said %q, want %q: %v", said, want, err)
	}
}

// leftovers checks that nothing of the template or of this repository shows in
// the new program's files.
func leftovers(t *testing.T, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(path, ".wasm") {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, bad := range []string{"{{", "phios/sdk"} {
			if bytes.Contains(text, []byte(bad)) {
				t.Errorf("%s has %q in it", path, bad)
			}
		}
		if strings.HasSuffix(path, ".tmpl") || strings.HasSuffix(path, "_test.go") {
			t.Errorf("%s is none of the new program's", path)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// TestRefusals checks that what is refused says why, and leaves nothing.
func TestRefusals(t *testing.T) {
	parent := t.TempDir()
	full := filepath.Join(parent, "full")
	if err := os.MkdirAll(filepath.Join(full, "precious"), 0o700); err != nil {
		t.Fatal(err)
	}
	cases := []struct{ lang, name, dir, want string }{
		{"cobol", "fine", "new", "assemblyscript, c, go, python"},
		{"go", "", "new", "small letters"},
		{"go", "Loud", "new", "small letters"},
		{"go", "1st", "new", "a letter first"},
		{"go", "a/../../b", "new", "small letters"},
		{"go", "a\nb", "new", "small letters"},
		{"go", strings.Repeat("a", 33), "new", "1 to 32"},
		{"go", "fine", "full", "choose another name"},
		{"go", "fine", "absent/new", "make the folder"},
	}
	for _, c := range cases {
		err := templates.Write(c.lang, c.name, filepath.Join(parent, c.dir))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %q: %v, want it to say %q", c.lang, c.name, err, c.want)
		}
	}
	left, err := os.ReadDir(parent)
	if err != nil || len(left) != 1 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if err := templates.Write("c", "fine", t.TempDir()); err != nil {
		t.Errorf("an empty folder is refused: %v", err)
	}
	if !slices.IsSorted(templates.Languages()) {
		t.Error("the languages are not in order")
	}
}
