package native

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"phios/abi"
	"phios/capsule"
	"phios/platform/host/jail"
	"phios/sdk/python"
)

// TestWallNames checks that the jail's walls are the capsule's.
func TestWallNames(t *testing.T) {
	for _, name := range capsule.WallsProcess.Names() {
		wall, _ := capsule.ParseWall(name)
		if got := jail.Walls(wall).String(); got != name {
			t.Errorf("the capsule's wall %s is the jail's %s", name, got)
		}
	}
	if capsule.Walls(jail.WallsAll) != capsule.WallsProcess {
		t.Errorf("got %v, want %v", jail.WallsAll, capsule.WallsProcess)
	}
}

// TestHello runs apps/hello-python as it is in the tree.
func TestHello(t *testing.T) {
	needs(t, "python3")
	app := filepath.Join("..", "..", "apps", "hello-python")
	sdk, err := os.ReadFile(filepath.Join(app, python.FileName))
	if err != nil || string(sdk) != python.Source() {
		t.Errorf("hello-python's phi.py is not the SDK's: cp sdk/python/phi.py apps/hello-python (%v)", err)
	}
	d := newTask(t)
	p, out := start(t, d, app, "python3", "main.py")
	if e := p.Run(); !e.OK() || !p.Serves() {
		t.Fatalf("%+v %s", e, out)
	}
	for request, want := range map[string]string{
		"ping":            "pong",
		"Ada":             "hello, Ada",
		"time":            "2026-01-02T03:04:05+00:00",
		"words a b A c":   "4 words, 3 different, most often a (2)",
		"words \xff\xfe ": "1 words, 1 different, most often \ufffd\ufffd (1)",
	} {
		if got := ask(t, d, p, request); got != want {
			t.Errorf("%q: got %q, want %q", request, got, want)
		}
	}
	if !strings.Contains(out.String(), "1hello-python is ready\n") {
		t.Errorf("wrote %q", out)
	}
	if u := p.Usage(); u.MemoryBytes == 0 || u.CPUNanoseconds == 0 || u.Calls == 0 {
		t.Errorf("uses %+v", u)
	}
	p.Stop()
	if e, over := p.Ended(); !over || e.Cause != capsule.CauseStopped {
		t.Errorf("ended %v, %+v", over, e)
	}
	var m abi.Message
	if status := p.Serve(d, &m); status != abi.StatusPeerDead {
		t.Errorf("serves when stopped: %v", status)
	}
}

// TestCalls has a program use all handles that the SDK has.
func TestCalls(t *testing.T) {
	d := newTask(t)
	p, out := startPython(t, d, `
import phi, sys
assert phi.argument() == 42
for name, code in (("refused", phi.DENIED), ("nothing", phi.BAD_HANDLE)):
    try:
        phi.named(name)
        raise SystemExit("got " + name)
    except phi.StatusError as e:
        assert e.status == code, e
budget = phi.named("budget", phi.Budget)
before = budget.available()
budget.spend(phi.TOKENS, 5)
assert budget.available()[phi.TOKENS] == before[phi.TOKENS] - 5
region = budget.region(200000)
size = region.size()
region.write(5, b"x" * 150000)
assert region.read(0, 150010) == bytes(5) + b"x" * 150000 + bytes(5)
n = budget.notification()
n.signal(5)
assert n.poll() == 5 and n.poll() == 0
e = budget.endpoint(4)
e.send(phi.Message(b"note", [1, 2, 3, 4], [region]))
got = e.receive()
assert got.data == b"note" and got.words == [1, 2, 3, 4] and len(got.received) == 1, got
assert phi.Region(got.received[0]).read(5, 3) == b"xxx"
reader = region.mint(phi.INVOKE | phi.READ)
try:
    reader.write(0, b"no")
    raise SystemExit("wrote without the right")
except phi.StatusError as refused:
    assert refused.status == phi.STATUS_RIGHTS
region.revoke()
try:
    reader.read(0, 1)
    raise SystemExit("read what was revoked")
except phi.StatusError as refused:
    assert refused.name in ("revoked", "bad-handle"), refused
print("all is well")
print("x" * 10000, file=sys.stderr)
`)
	if e := p.Run(); !e.OK() {
		t.Fatalf("%+v %s", e, out)
	}
	p.Close()
	if !strings.Contains(out.String(), "1all is well\n") || strings.Count(out.String(), "x") < 10000 {
		t.Errorf("wrote %.500s", out)
	}
}

// TestWindow maps a region into a program, and revokes it: the program dies,
// and is dead when the revocation returns.
func TestWindow(t *testing.T) {
	d := newTask(t)
	args := abi.Args{W: [abi.ArgWords]uint64{1 << 20}}
	if status := d.Invoke(d.budget, abi.RegionCreate, &args); status != abi.StatusOK {
		t.Fatal(status)
	}
	region := abi.Handle(args.W[0])
	mint := abi.Whole(abi.RightInvoke | abi.RightRead | abi.RightWrite | abi.RightMap | abi.RightInspect)
	args = abi.Args{Mint: &mint}
	if status := d.Invoke(region, abi.CapMint, &args); status != abi.StatusOK {
		t.Fatal(status)
	}
	d.names["region"] = abi.Handle(args.W[0])
	p, out := startPython(t, d, `
import phi
region = phi.named("region", phi.Region)
window = region.map(shared=True)
copy = region.map()
def handle(message):
    if message.data == b"write":
        window[0:5] = b"there"
        copy[0:4] = b"mine"
        message.data = copy[0:5]
    else:
        message.data = window[100:105]
phi.serve(handle)
`)
	if e := p.Run(); !e.OK() || !p.Serves() {
		t.Fatalf("%+v %s", e, out)
	}
	args = abi.Args{W: [abi.ArgWords]uint64{100}, Bytes: []byte("hello")}
	if status := d.Invoke(region, abi.RegionWrite, &args); status != abi.StatusOK {
		t.Fatal(status)
	}
	if got := ask(t, d, p, "read"); got != "hello" {
		t.Errorf("the program reads %q", got)
	}
	if got := ask(t, d, p, "write"); got != "minee" {
		t.Errorf("its private copy is %q", got)
	}
	args = abi.Args{Bytes: make([]byte, 5)}
	if status := d.Invoke(region, abi.RegionRead, &args); status != abi.StatusOK || string(args.Bytes) != "there" {
		t.Errorf("the region holds %q, %v", args.Bytes, status)
	}
	if status := d.Invoke(region, abi.CapRevoke, &abi.Args{}); status != abi.StatusOK {
		t.Fatal(status)
	}
	select {
	case <-p.process.Dead():
	default:
		t.Error("the program lives after its window was revoked")
	}
	if e, over := p.Ended(); !over || e.Cause != capsule.CauseStopped || !strings.Contains(e.Detail, "window") {
		t.Errorf("%v %+v", over, e)
	}
}

// TestEnds checks what is said of programs that end in different ways.
func TestEnds(t *testing.T) {
	for name, test := range map[string]struct {
		text  string
		cause capsule.Cause
		code  uint32
		say   string
	}{
		"exit":     {"raise SystemExit(7)", capsule.CauseReturned, 7, ""},
		"signal":   {"import ctypes; ctypes.string_at(0)", capsule.CauseLost, 0, "segmentation fault"},
		"garbage":  {"import os; os.write(3, b'\\xff' * 100)", capsule.CauseLost, 0, "protocol"},
		"hang up":  {"import os, time; os.close(3); time.sleep(60)", capsule.CauseLost, 0, "killed"},
		"nonsense": {"import phi\nphi._node().send(0x7777)\nprint(phi._node().receive().status)", capsule.CauseReturned, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			p, out := startPython(t, newTask(t), test.text)
			e := p.Run()
			if e.Cause != test.cause || e.Code != test.code || !strings.Contains(e.Detail, test.say) {
				t.Errorf("%+v %s", e, out)
			}
		})
	}
}

// TestMemory has a program take more memory than it may.
func TestMemory(t *testing.T) {
	p, out := startPython(t, newTask(t), "kept = [bytearray(b'x') * (16 << 20) for _ in range(64)]\nprint('filled')")
	e := p.Run()
	if e.OK() || strings.Contains(out.String(), "filled") {
		t.Errorf("%+v %s", e, out)
	}
	if os.Getuid() == 0 && e.Cause != capsule.CauseBudget {
		t.Errorf("got %+v, want its budget over", e)
	}
}

// poor is a task whose budget has no processor time.
type poor struct{ *task }

func (poor) Charge(abi.Resource, uint64) abi.Status { return abi.StatusBudget }

// TestProcessorTime has a program compute without end: its budget ends it.
func TestProcessorTime(t *testing.T) {
	needs(t, "python3")
	dir := folder(t, map[string]string{"main.py": "while True: pass"})
	p, err := New(Config{}).Start(capsule.Spec{Name: "spin", Command: []string{"python3", "main.py"}, Folder: dir, Door: poor{newTask(t)}})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	begun := time.Now()
	if e := p.Run(); e.Cause != capsule.CauseBudget || !strings.Contains(e.Detail, "processor") {
		t.Errorf("%+v", e)
	}
	if d := time.Since(begun); d > 2*time.Second {
		t.Errorf("took %v", d)
	}
}

// TestHostile has a program in Python look around.
func TestHostile(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("secret"), 0o644); err != nil {
		t.Fatal(err)
	}
	p, out := startPython(t, newTask(t), `
import os, socket, subprocess
def tried(name, act):
    try:
        print(name, "worked:", act())
    except Exception as e:
        print(name, "failed", type(e).__name__)
tried("passwd", lambda: open("/etc/passwd").read(9))
tried("secret", lambda: open("`+secret+`").read(9))
tried("proc", lambda: os.listdir("/proc"))
tried("root", lambda: os.listdir("/"))
tried("own folder", lambda: open("/capsule/x", "w"))
tried("internet", lambda: socket.socket(socket.AF_INET))
tried("abstract", lambda: socket.socket(socket.AF_UNIX).connect("\0phi"))
tried("user", lambda: os.setuid(0))
tried("device", lambda: os.mknod("/tmp/null", 0o20666, os.makedev(1, 3)))
tried("environment", lambda: os.environ["SSH_AUTH_SOCK"])
tried("namespace", lambda: subprocess.run(["/usr/bin/unshare", "-U", "true"], check=True))
tried("mount", lambda: subprocess.run(["/usr/bin/mount", "-t", "tmpfs", "x", "/tmp"], check=True, stderr=subprocess.DEVNULL))
open("/tmp/mine", "w").write("fine")
print("pid", os.getpid(), "uid", os.getuid(), len(os.listdir("/tmp")))
`)
	t.Setenv("SSH_AUTH_SOCK", "/nowhere")
	if e := p.Run(); !e.OK() {
		t.Fatalf("%+v %s", e, out)
	}
	p.Close()
	text := out.String()
	if strings.Contains(text, "worked") || strings.Count(text, " failed ") != 12 || !strings.Contains(text, "pid 1 uid 65534 1") {
		t.Errorf("%s", text)
	}
}

// TestRefused checks what does not start, and that the error says why.
func TestRefused(t *testing.T) {
	d := newTask(t)
	private := t.TempDir()
	if err := os.Chmod(private, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		spec capsule.Spec
		say  string
	}{
		"no command":   {capsule.Spec{}, "manifest"},
		"no program":   {capsule.Spec{Command: []string{"no-such-program"}}, "install it"},
		"sandbox":      {capsule.Spec{Command: []string{"python3"}, Require: capsule.WallSandbox}, "another tier"},
		"frozen":       {capsule.Spec{Command: []string{"python3"}, Frozen: strings.NewReader("")}, "frozen"},
		"no folder":    {capsule.Spec{Command: []string{"python3"}, Folder: "/no/such"}, "folder"},
		"outside":      {capsule.Spec{Command: []string{"../x"}, Folder: private}, ""},
		"nothing here": {capsule.Spec{Command: []string{"/usr/bin/no-such-program"}}, "folders"},
	} {
		test.spec.Name, test.spec.Door = "refused", d
		p, err := New(Config{}).Start(test.spec)
		if err == nil {
			p.Close()
			t.Errorf("%s: started", name)
		} else if !strings.Contains(err.Error(), test.say) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if os.Getuid() == 0 {
		_, err := New(Config{}).Start(capsule.Spec{Name: "x", Command: []string{"python3"}, Folder: private, Door: d})
		if err == nil || !strings.Contains(err.Error(), "chmod") {
			t.Errorf("a folder for root alone: %v", err)
		}
	}
}

// TestNode runs a program in JavaScript that has no SDK.
func TestNode(t *testing.T) {
	needs(t, "node")
	text, err := os.ReadFile(filepath.Join("testdata", "client.js"))
	if err != nil {
		t.Fatal(err)
	}
	d := newTask(t)
	p, out := start(t, d, folder(t, map[string]string{"main.js": string(text)}), "node", "--jitless", "--max-old-space-size=64", "main.js")
	if e := p.Run(); !e.OK() || !p.Serves() {
		t.Fatalf("%+v %s", e, out)
	}
	for _, request := range []string{"hello", "", "again"} {
		if got := ask(t, d, p, request); got != "node says "+request {
			t.Errorf("%q: got %q", request, got)
		}
	}
	if !strings.Contains(out.String(), "bytes left\n") {
		t.Errorf("wrote %q", out)
	}
}

// TestPrefix runs a Python that lies outside the system's folders, with its
// libraries beside it, where there is one.
func TestPrefix(t *testing.T) {
	home, err := os.UserHomeDir()
	if err != nil {
		t.Skip("no home: nowhere to look for a Python of its own prefix")
	}
	found, _ := filepath.Glob(filepath.Join(home, ".pyenv", "versions", "*", "bin", "python3"))
	if len(found) == 0 || !executable(found[0]) {
		t.Skip("no Python of its own prefix: install one with pyenv to run this test")
	}
	p, out := start(t, newTask(t), folder(t, map[string]string{}), found[0], "-c", "import phi, json, ctypes, sys; print(sys.prefix, phi.argument())")
	if e := p.Run(); !e.OK() {
		t.Fatalf("%+v %s", e, out)
	}
	p.Close()
	if want := filepath.Dir(filepath.Dir(found[0])) + " 42\n"; !strings.Contains(out.String(), want) {
		t.Errorf("wrote %q, want %q", out, want)
	}
}
