package main_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// bench is a node in a folder of its own, and where phi is run.
type bench struct {
	t   *testing.T
	dir string
}

// upOf starts a node, which ends with the test.
func upOf(t *testing.T) *bench {
	t.Helper()
	b := &bench{t, t.TempDir()}
	b.says(0, `^ΦOS is up in .*/data \(process \d+, tiers .*inline`, "up", "--detach", "--data", b.data())
	t.Cleanup(func() {
		if _, code := b.phi("down"); code != 0 && code != 3 {
			t.Errorf("phi down: exit %d", code)
		}
	})
	return b
}

func (b *bench) data() string { return filepath.Join(b.dir, "data") }

// phi runs phi as if the node were the usual one, and returns what it prints,
// standard error behind, and its exit code.
func (b *bench) phi(arguments ...string) (string, int) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute) // also while the test ends
	defer cancel()
	c := exec.CommandContext(ctx, phi, arguments...)
	c.Dir = b.dir
	c.Env = append(os.Environ(), "PHI_SOCKET="+filepath.Join(b.data(), "control.sock"))
	var out, problems bytes.Buffer
	c.Stdout, c.Stderr = &out, &problems
	err := c.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		b.t.Fatal(err)
	}
	return out.String() + problems.String(), c.ProcessState.ExitCode()
}

// says runs phi and looks whether it prints what matches a pattern.
func (b *bench) says(code int, pattern string, arguments ...string) string {
	b.t.Helper()
	out, got := b.phi(arguments...)
	if got != code || !regexp.MustCompile(`(?s)`+pattern).MatchString(out) {
		b.t.Errorf("phi %s: exit %d, want %d\n%s\nwant a match of %s", strings.Join(arguments, " "), got, code, out, pattern)
	}
	return out
}

// soon is says for what takes a moment to become true.
func (b *bench) soon(pattern string, arguments ...string) {
	b.t.Helper()
	for begin := time.Now(); time.Since(begin) < 5*time.Second; time.Sleep(20 * time.Millisecond) {
		if out, code := b.phi(arguments...); code == 0 && regexp.MustCompile(`(?s)`+pattern).MatchString(out) {
			return
		}
	}
	b.says(0, pattern, arguments...)
}

// subjects builds the capsule of testdata in two versions, once: what 'phi new'
// wrote, with another program.
var subjects = sync.OnceValues(func() (string, error) {
	dir := filepath.Join(filepath.Dir(phi), "subjects")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return "", err
	}
	write := exec.Command(phi, "new", "--lang", "go", "subject")
	write.Dir = dir
	if out, err := write.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	for _, version := range []string{"v1", "v2"} {
		text, err := os.ReadFile(filepath.Join("testdata", "subject", "main.go.txt"))
		if err != nil {
			return "", err
		}
		text = bytes.ReplaceAll(text, []byte("VERSION"), []byte(version))
		if err := os.WriteFile(filepath.Join(dir, "subject", "main.go"), text, 0o600); err != nil {
			return "", err
		}
		build := exec.Command("sh", filepath.Join(dir, "subject", "build.sh"))
		if out, err := build.CombinedOutput(); err != nil {
			return "", fmt.Errorf("%w: %s", err, out)
		}
		if err := os.Rename(filepath.Join(dir, "subject", "subject.wasm"), filepath.Join(dir, version)); err != nil {
			return "", err
		}
	}
	return dir, nil
})

// subject puts a version of the capsule of testdata into the bench's folder,
// with the tier that its manifest names.
func (b *bench) subject(version string) {
	b.t.Helper()
	dir, err := subjects()
	if err != nil {
		b.t.Fatal(err)
	}
	for from, to := range map[string]string{filepath.Join(dir, version): "subject.wasm", "testdata/subject/capsule.yaml": "capsule.yaml"} {
		text, err := os.ReadFile(from)
		if err != nil {
			b.t.Fatal(err)
		}
		b.write("subject/"+to, string(text))
	}
}

// TestNode does with one node what people do, one after the other: compiling
// a program of Go for each would take too long.
func TestNode(t *testing.T) { //nolint:tparallel // the subtests share a node
	t.Parallel()
	node := upOf(t)
	for _, test := range []struct {
		name string
		do   func(*bench)
	}{
		{"Life", life},
		{"Folders", folders},
		{"Reload", reload},
		{"Freeze", freeze},
		{"JSON", asJSON},
		{"Refusals", refusals},
		{"Signing", signing},
		{"Completion", completion},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := &bench{t, node.dir}
			b.subject("v1")
			test.do(b)
			b.phi("kill", "subject")
			if err := os.RemoveAll(filepath.Join(b.dir, "subject")); err != nil {
				t.Error(err)
			}
		})
	}
}

// life goes the way of docs/capsules.md with a real program.
func life(b *bench) {
	b.says(0, `^no capsules: run one`, "ps")
	b.says(0, `nothing is installed`, "images")

	b.says(0, `^subject is installed \(inline, [0-9a-f]{12}, .*MiB\)\n  asks for clock: it says which year it is\n  asks for notes \(folder\): it reads`, "install", "subject")
	b.says(0, `NAME +TIER.*subject +inline .*does what a message says\n$`, "images")
	b.says(0, `^subject v1 begins\nsubject serves \(inline, task \d+\): 'phi call subject TEXT'\nsubject as it is installed; write ./subject for what lies in the folder\nsubject asks for clock: it says which year it is: not granted; 'phi grant subject clock' does\nsubject asks for notes \(folder\).*'phi grant subject notes=folder:PATH' does\n$`, "run", "subject")
	b.says(0, `NAME +STATE.*\nsubject  serving  inline`, "ps")
	b.says(0, `^pong v1\n$`, "call", "subject", "ping")
	b.says(1, `there is|exists|already`, "run", "subject")

	// What is refused is on record, and what would help is proposed.
	b.says(1, `^phi: subject was refused something that it needs for this: 'phi denials subject' says what`, "call", "subject", "clock")
	b.says(0, `clock +Named +denied`, "denials", "subject")
	b.says(0, `phi grant subject clock`, "propose", "subject")
	b.says(0, `^subject has clock for an hour\n$`, "grant", "subject", "clock", "--for", "1h")
	b.says(0, `^it has a clock\n$`, "call", "subject", "clock")
	b.says(0, `^subject no longer has clock\n$`, "revoke", "subject", "clock")
	b.says(1, `^phi: `, "call", "subject", "clock")

	b.says(0, `subject v1 begins`, "logs", "subject")
	b.says(0, `^printed\n$`, "call", "subject", "print hello")
	b.soon(`hello\n\\x1b\[2Jan escape\n`, "logs", "--tail", "2", "subject")
	b.says(0, `subject  serving, inline.*purpose +does what.*walls +sandbox.*clock +clock +no +it says.*Budget.*memory +\d.*Capabilities.*self`, "inspect", "subject")
	b.says(0, `endpoint .*\n  supervisor +everything.*\n    subject +`, "caps", "subject")
	b.says(0, `subject +serving.*\n.*subject +serving`, "top", "--every", "100ms")

	// A crash is survived, and said.
	b.says(1, `^phi: `, "call", "subject", "crash now")
	b.soon(`^pong v1\n$`, "call", "subject", "ping")
	b.says(0, `-- .*`, "logs", "subject")
	b.says(0, `^subject is killed\n$`, "kill", "subject")
}

// folders grants a folder to read.
func folders(b *bench) {
	if err := os.WriteFile(filepath.Join(b.dir, "note"), []byte("buy milk"), 0o600); err != nil {
		b.t.Fatal(err)
	}
	b.says(1, `\nphi: subject asks for notes .*\nwhich folder it gets is for you to say: add --grant notes=folder:PATH\n`, "run", "subject", "--yes")
	b.says(0, `subject serves`, "run", "./subject", "--yes", "--grant", "notes=folder:.:READ")
	b.says(0, `^buy milk\n$`, "call", "subject", "read note")
	b.says(0, `notes +folder +folder:`+regexp.QuoteMeta(b.dir)+`:READ, until it is revoked`, "inspect", "subject")
	b.says(0, `^subject no longer has notes`, "revoke", "subject", "notes")
	if out, _ := b.phi("call", "subject", "read note"); strings.Contains(out, "milk") {
		b.t.Errorf("after it was revoked: %s", out)
	}
}

// reload swaps a program while it serves.
func reload(b *bench) {
	b.says(0, `subject serves`, "run", "subject")
	b.subject("v2")
	b.says(0, `^subject runs [0-9a-f]{12} in place of [0-9a-f]{12}; calls waited for`, "reload", "subject", "subject")
	b.says(0, `^pong v2\n$`, "call", "subject", "ping")
}

// freeze stops a capsule and lets it go on from a file.
func freeze(b *bench) {
	b.says(0, `subject serves`, "run", "./subject")
	b.says(0, `^subject is frozen: .* in f; go on with 'phi thaw f'\n$`, "freeze", "subject", "-o", "f")
	b.phi("kill", "subject")
	b.says(0, `^subject goes on`, "thaw", "f")
	b.soon(`^pong v1\n$`, "call", "subject", "ping")
}

// TestNodeGoesOn stops a node under a capsule and starts it again.
func TestNodeGoesOn(t *testing.T) {
	t.Parallel()
	b := upOf(t)
	b.subject("v1")
	b.says(0, `subject serves`, "run", "subject", "--grant", "clock")
	b.says(1, `a node runs in .* already, as process \d+: stop it`, "up", "--data", b.data())
	b.says(0, `^the node is down\n$`, "down")
	b.says(3, `^phi: no node listens at .*control.sock: start one with 'phi up'\n$`, "ps")
	b.says(0, `running again: subject`, "up", "--detach", "--data", b.data())
	b.soon(`^year 20\d\d\n$`, "call", "subject", "year")
}

// TestForeground runs a node as somebody at a terminal does, and stops it with
// a signal.
func TestForeground(t *testing.T) {
	t.Parallel()
	b := &bench{t, t.TempDir()}
	c := exec.CommandContext(t.Context(), phi, "up", "--data", b.data(), "--json")
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	var info struct {
		PID int `json:"pid"`
	}
	if err := json.NewDecoder(out).Decode(&info); err != nil || info.PID != c.Process.Pid {
		t.Errorf("%+v, %v", info, err)
	}
	b.says(0, `process `+strconv.Itoa(info.PID), "info")
	if err := c.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if rest, err := io.ReadAll(out); err != nil || len(rest) != 0 {
		t.Errorf("%q, %v", rest, err)
	}
	if err := c.Wait(); err != nil {
		t.Errorf("it does not stop cleanly: %v", err)
	}
	b.says(3, `no node listens`, "info")
}

// asJSON checks that what scripts read has the names that they read.
func asJSON(b *bench) {
	for _, test := range []struct {
		arguments string
		fields    string
	}{
		{"install --json subject", "hash installed name requests size tier"},
		{"run --json subject", "available calls"},
		{"info --json", "budget capsules dataDir pid rights started tiers version"},
		{"inspect --json subject", "grants handles name state usage walls"},
		{"call --json subject ping", "label text words"},
		{"propose --json subject", "grants"},
		{"grant --json subject clock", "capsule duration name"},
		{"revoke --json subject clock", "capsule name"},
		{"kill --json subject", "capsule"},
	} {
		out, code := b.phi(strings.Fields(test.arguments)...)
		var got map[string]any
		line, _, _ := strings.Cut(out, "\n")
		if err := json.Unmarshal([]byte(line), &got); err != nil || code != 0 {
			b.t.Errorf("phi %s: exit %d, %v\n%s", test.arguments, code, err, out)
			continue
		}
		for field := range strings.FieldsSeq(test.fields) {
			if _, ok := got[field]; !ok && field != "calls" {
				b.t.Errorf("phi %s: no field %q in %s", test.arguments, field, out)
			}
		}
	}
	for _, verb := range []string{"ps", "images", "caps", "denials subject"} {
		out, code := b.phi(append(strings.Fields(verb), "--json")...)
		var got []map[string]any
		if err := json.Unmarshal([]byte(out), &got); err != nil || code != 0 {
			b.t.Errorf("phi %s --json: exit %d, %v\n%s", verb, code, err, out)
		}
	}
	b.says(1, `^{"error":{"code":"unknown","message":".*","remedy":".*"}}\n$`, "inspect", "--json", "nobody")
}

// refusals is a table of what goes wrong, and what phi says about it.
func refusals(b *bench) {
	b.says(0, `subject serves`, "run", "subject")
	b.write("broken/capsule.yaml", "version: 1\nname: Broken\nimage: a.wasm\nserve: 1\n")
	b.write("garbage/capsule.yaml", "version: 1\nname: garbage\nimage: a.wasm\ntier: inline\n")
	b.write("garbage/a.wasm", "this is no module")
	for _, test := range []struct {
		arguments string
		code      int
		want      string
	}{
		{"inspect nobody", 1, `^phi: .*nobody.*: `},
		{"kill nobody", 1, `^phi: .*nobody`},
		{"logs nobody", 1, `^phi: .*nobody`},
		{"run nobody", 1, `^phi: nobody is not installed, and no folder here is called so: 'phi images' lists`},
		{"run ./nobody", 1, `name a capsule's folder`},
		{"install nobody", 1, `name a capsule's folder, or its capsule.yaml`},
		{"install .", 1, `has no capsule.yaml: make a capsule with 'phi new'`},
		{"install broken", 1, `^phi: broken/capsule.yaml:2: name: "Broken" will not do: up to 32.*\nbroken/capsule.yaml:4: serve: there is no such field: known here are`},
		{"install garbage", 1, `^phi: .*: `},
		{"install subject --require-signature", 1, `^phi: subject is not signed: sign it with 'phi sign'`},
		{"grant subject", 2, `accepts 2 arg`},
		{"grant subject =", 1, `"=" is no grant: write NAME, or NAME=SPEC`},
		{"grant subject sky", 1, `^phi: .*nothing of that name: say what is granted`},
		{"grant subject notes", 1, `^phi: which folder is not said: grant 'folder:PATH'`},
		{"grant subject clock --for 2h", 1, `a grant lasts for 1h, until the next run ends \(--once\) or for good`},
		{"grant subject clock --for 1h --once", 2, `none of the others can be`},
		{"grant subject clock=folder:/nowhere", 1, `^phi: `},
		{"revoke subject clock", 1, `^phi: .*clock`},
		{"call subject what", 1, `^phi: `},
		{"call subject --words 1,2,3,4,5", 1, `5 words, and a message has at most 4`},
		{"call subject " + strings.Repeat("x", 513), 1, `513 bytes, and a message has at most 512`},
		{"thaw nothing", 1, `no such file`},
		{"thaw garbage/a.wasm", 1, `^phi: `},
		{"new --lang cobol x", 1, `no template for the language "cobol": there are`},
		{"new x", 2, `required flag\(s\) "lang"`},
		{"new --lang go X", 1, `"X" is no name for a capsule`},
		{"sign subject", 2, `--new-key FILE to make one`},
		{"sign subject --key garbage/a.wasm", 1, `this is no private key of phi: make one with`},
		{"caps --object nothing", 1, `no object "nothing"`},
		{"ps --socket nowhere", 3, `no node listens at nowhere: start one with 'phi up'`},
	} {
		b.says(test.code, test.want, strings.Fields(test.arguments)...)
	}
}

// write writes a file of the bench's folder.
func (b *bench) write(name, text string) {
	b.t.Helper()
	path := filepath.Join(b.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		b.t.Fatal(err)
	}
}

// signing signs a capsule and installs it by its signer.
func signing(b *bench) {
	out := b.says(0, `^k holds a new key; its public half is\n[0-9a-f]{64}\n$`, "sign", "--new-key", "k")
	key := regexp.MustCompile(`[0-9a-f]{64}`).FindString(out)
	if info, err := os.Stat(filepath.Join(b.dir, "k")); err != nil || info.Mode().Perm() != 0o600 {
		b.t.Errorf("%v, %v", info, err)
	}
	b.says(1, `file exists`, "sign", "--new-key", "k")
	b.says(0, `^subject is signed in subject/capsule.yaml.sig by\n`+key, "sign", "--key", "k", "subject")
	b.says(0, `subject is installed`, "install", "subject", "--key", key, "--require-signature")
	b.says(1, `is signed by `+key+`, whom no --key names`, "install", "subject", "--key", strings.Repeat("00", 32))
	b.says(1, `"12" is no public key`, "install", "subject", "--key", "12")
	b.subject("v2")
	b.says(1, `the signature in capsule.yaml.sig does not fit: the manifest or a file was changed`, "install", "subject")
	b.says(0, `^subject is signed`, "sign", "--key", "k", "subject")
	b.says(0, `subject is installed`, "install", "subject", "--key", key)
}

// completion asks for the words that a shell would offer.
func completion(b *bench) {
	b.says(0, `subject serves`, "run", "subject", "--grant", "clock")
	b.says(0, `^subject\tserving\n`, "__complete", "logs", "")
	b.says(0, `^subject\tdoes what a message says\n`, "__complete", "run", "")
	b.says(0, `^clock\tit says which year it is\nnotes\t`, "__complete", "grant", "subject", "")
	b.says(0, `^clock\t`, "__complete", "revoke", "subject", "")
	b.says(0, `^assemblyscript\nc\ngo\n`, "__complete", "new", "--lang", "")
}
