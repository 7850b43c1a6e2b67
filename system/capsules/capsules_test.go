package capsules

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"phios/abi"
	"phios/api/control"
)

// TestLife is the way of a capsule through a node: install, run, call, look,
// log, kill.
func TestLife(t *testing.T) {
	w := newWorld(t)
	img := w.install(manifestFor("actor"), build(t))
	if img.Name != "actor" || len(img.Hash) != 64 || img.Size == 0 {
		t.Errorf("installed %+v", img)
	}
	v := w.run("actor")
	if v.State != control.StateServing || v.Tier != "inline" || v.Task == 0 {
		t.Fatalf("runs as %+v\n%s", v, w.logText("actor"))
	}
	if a := w.call("actor", "hello"); a.Text != "one" || a.Words[0] != 1 {
		t.Errorf("answered %+v", a)
	}
	w.call("actor", "print from inside")
	if text := w.logText("actor"); !strings.Contains(text, "1 from inside\n") {
		t.Errorf("the log is %q", text)
	}
	if _, err := w.Run(t.Context(), control.RunRequest{Capsule: "actor"}); err == nil {
		t.Error("runs twice under one name")
	}
	list, err := w.List(t.Context())
	if err != nil || len(list) != 1 || list[0].Usage.Served != 2 {
		t.Errorf("the list is %+v, %v", list, err)
	}
	if err := w.Kill(t.Context(), "actor"); err != nil {
		t.Fatal(err)
	}
	if got := w.state("actor"); got != control.StateKilled {
		t.Errorf("after the kill it is %s", got)
	}
	_, err = w.Call(t.Context(), control.CallRequest{Capsule: "actor", Text: "hello"})
	if err == nil {
		t.Error("a killed capsule answers")
	}
	w.run("actor")
	if a := w.call("actor", "hello"); a.Words[0] != 1 {
		t.Errorf("the second life counts %d", a.Words[0])
	}
}

// TestRestart: a program that ends by trap or exit starts again; who was in a
// call learns that it went; one that does so too often is given up.
func TestRestart(t *testing.T) {
	w := newWorld(t)
	w.install(manifestFor("actor", "restart: {policy: on-failure, delay: 1ms, delay-max: 2ms, limit: 3, window: 1m}"), build(t))
	w.run("actor")
	for k, how := range []string{"trap", "exit", "trap"} {
		w.refused("actor", how, abi.StatusPeerDead)
		eventually(t, "it serves again", func() bool { return w.state("actor") == control.StateServing })
		if a := w.call("actor", "hello"); a.Words[0] != 1 {
			t.Errorf("life %d counts %d", k, a.Words[0])
		}
	}
	w.refused("actor", "trap", abi.StatusPeerDead)
	eventually(t, "it is given up", func() bool { return w.state("actor") == control.StateFailed })
	v, err := w.Inspect(t.Context(), "actor")
	if err != nil || v.Restarts != 3 || v.Exit == nil || v.Exit.Cause != "trap" {
		t.Errorf("%+v, %v", v.Capsule, err)
	}
}

// TestNothingAcceptedIsLost: messages that were accepted before a crash are
// served by the next life.
func TestNothingAcceptedIsLost(t *testing.T) {
	w := newWorld(t)
	w.install(manifestFor("actor", "restart: {policy: always, delay: 20ms, delay-max: 20ms, limit: 100, window: 1m}"), build(t))
	w.run("actor")
	send := func(text string) {
		t.Helper()
		if _, err := w.Call(t.Context(), control.CallRequest{Capsule: "actor", Text: text, Send: true}); err != nil {
			t.Fatal(err)
		}
	}
	send("trap")
	for k := 1; k <= 100; k++ {
		send(fmt.Sprintf("note %d", k))
	}
	eventually(t, "all notes arrive", func() bool {
		a, err := w.Call(t.Context(), control.CallRequest{Capsule: "actor", Text: "how many"})
		return err == nil && a.Words[1] == 100 && a.Words[2] == 5050
	})
}

// TestProposal: what a capsule was not granted is refused and on record; the
// proposal is the smallest grant, and with exactly that the same run passes.
func TestProposal(t *testing.T) {
	w := newWorld(t)
	code := build(t)
	w.install(manifestFor("friend"), code)
	w.install(manifestFor("actor", "requests:",
		"  - {name: pal, kind: endpoint, of: friend, rights: [INVOKE, SEND, GRANT], reason: To talk.}",
		"  - {name: board, kind: region, of: board, bytes: 64KiB, rights: [INVOKE, READ, WRITE, MAP], reason: To draw.}",
		"  - {name: clock, kind: clock, reason: To know when.}"), code)
	w.run("friend")
	w.run("actor")
	deed := []string{"call pal", "read board", "named clock"}
	w.refused("actor", deed[0], abi.StatusRights)
	w.refused("actor", deed[1], abi.StatusDenied) // there is no such region yet
	w.refused("actor", deed[2], abi.StatusDenied)
	w.refused("actor", "named nothing", abi.StatusBadHandle)
	denials, err := w.Denials(t.Context(), "actor")
	if err != nil || len(denials) != 3 {
		t.Fatalf("denials %+v, %v", denials, err)
	}
	p, err := w.Propose(t.Context(), "actor")
	if err != nil || len(p.Grants) != 3 || len(p.Unmet) != 0 {
		t.Fatalf("proposal %+v, %v", p, err)
	}
	for k, want := range []string{"board region:board:65536 READ|MAP|INVOKE", "clock clock SEND|INVOKE", "pal endpoint:friend SEND|INVOKE"} {
		g := p.Grants[k]
		if got := g.Name + " " + g.Spec + " " + g.Rights.String(); got != want {
			t.Errorf("proposed %q, want %q", got, want)
		}
		if err := w.Grant(t.Context(), g); err != nil {
			t.Fatal(err)
		}
	}
	for _, text := range deed {
		w.call("actor", text)
	}
	w.refused("actor", "write board", abi.StatusRights) // nobody granted WRITE
	if p, err = w.Propose(t.Context(), "actor"); err != nil || len(p.Grants) != 1 || p.Grants[0].Rights.String() != "READ|WRITE|MAP|INVOKE" {
		t.Errorf("the second proposal is %+v, %v", p, err)
	}
	if err := w.Revoke(t.Context(), "actor", "pal"); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Call(t.Context(), control.CallRequest{Capsule: "actor", Text: deed[0]}); err == nil {
		t.Error("what was revoked is used")
	}
}

// TestReload swaps a program while many send to it and call it: nothing is
// lost. A program that fails its probe, or dies soon after, is rolled back.
func TestReload(t *testing.T) {
	w := newWorld(t)
	w.install(manifestFor("actor", "probe: {text: hello, within: 200ms}"), build(t))
	w.run("actor")
	w.call("actor", "note 7")

	w.install(manifestFor("actor", "probe: {text: hello, within: 200ms}"), build(t, "BAD"))
	r, err := w.Reload(t.Context(), control.ReloadRequest{Capsule: "actor"})
	if err != nil || r.RolledBack == "" || r.To != r.From {
		t.Fatalf("a program that fails its probe: %+v, %v", r, err)
	}
	if a := w.call("actor", "hello"); a.Words[2] != 7 {
		t.Errorf("after the roll-back the old program has forgotten: %+v", a)
	}

	w.install(manifestFor("actor", "probe: {text: hello, within: 200ms}"), build(t, `VERSION="two"`))
	const senders, each = 8, 50
	var accepted, answered atomic.Int64
	var group sync.WaitGroup
	for range senders {
		group.Go(func() {
			for k := range each {
				if _, err := w.Call(context.Background(), control.CallRequest{Capsule: "actor", Text: "note 1", Send: k%2 == 0}); err != nil {
					t.Errorf("during the reload: %v", err)
					return
				}
				accepted.Add(1)
			}
		})
	}
	r, err = w.Reload(t.Context(), control.ReloadRequest{Capsule: "actor"})
	group.Wait()
	if err != nil || r.RolledBack != "" || r.To == r.From {
		t.Fatalf("reload: %+v, %v", r, err)
	}
	a := w.call("actor", "hello")
	if a.Text != "two" {
		t.Errorf("after the reload %q answers", a.Text)
	}
	_ = answered.Load()
	t.Logf("swapped in %v, %d messages, %d of them served by the new program", r.Swapped, accepted.Load(), a.Words[1])
}

// TestRollBackOnDeath: the new program ends within its window; the old one goes
// on with what it knew.
func TestRollBackOnDeath(t *testing.T) {
	w := newWorld(t)
	w.install(manifestFor("actor", "probe: {text: hello, within: 5s}"), build(t))
	w.run("actor")
	w.call("actor", "note 7")
	w.install(manifestFor("actor", "probe: {text: hello, within: 5s}"), build(t, `VERSION="two"`))
	done := make(chan control.Reloaded, 1)
	go func() {
		r, err := w.Reload(context.Background(), control.ReloadRequest{Capsule: "actor"})
		if err != nil {
			t.Error(err)
		}
		done <- r
	}()
	eventually(t, "the new program serves", func() bool { return w.call("actor", "hello").Text == "two" })
	w.refused("actor", "trap", abi.StatusPeerDead)
	if r := <-done; r.RolledBack == "" {
		t.Errorf("reloaded: %+v", r)
	}
	if a := w.call("actor", "hello"); a.Text != "one" || a.Words[2] != 7 {
		t.Errorf("after the roll-back: %+v", a)
	}
}

// TestResume: a node that comes up in the folder of one that went finds the
// capsules and what was granted for good.
func TestResume(t *testing.T) {
	w := newWorld(t)
	code := build(t)
	w.install(manifestFor("friend"), code)
	w.install(manifestFor("actor", "requests:", "  - {name: pal, kind: endpoint, of: friend, reason: To talk.}"), code)
	w.run("actor", control.Grant{Name: "pal", Spec: "endpoint:friend"})
	w.run("friend")
	w.call("actor", "call pal")
	w.down()
	w.up()
	info, err := w.Info(t.Context())
	if err != nil || len(info.Resumed) != 2 || info.Recovery != "" {
		t.Fatalf("resumed %+v, %v", info, err)
	}
	eventually(t, "both serve", func() bool {
		return w.state("actor") == control.StateServing && w.state("friend") == control.StateServing
	})
	w.call("actor", "call pal")
}

// TestBrokenState: a state file that was torn is kept and told of, and the node
// comes up without it.
func TestBrokenState(t *testing.T) {
	w := newWorld(t)
	w.install(manifestFor("actor"), build(t))
	w.run("actor")
	w.down()
	path := filepath.Join(w.folder, stateName)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, broken := range [][]byte{text[:len(text)/2], []byte("garbage"), bytes.Replace(text, []byte("actor"), []byte("actoR"), 1), {}} {
		if err := os.WriteFile(path, broken, 0o600); err != nil {
			t.Fatal(err)
		}
		w.up()
		info, err := w.Info(t.Context())
		if err != nil || len(info.Resumed) != 0 || !strings.Contains(info.Recovery, "kept as") {
			t.Errorf("with %q: %+v, %v", broken[:min(20, len(broken))], info, err)
		}
		w.down()
	}
	kept, err := filepath.Glob(filepath.Join(w.folder, brokenName+"*"))
	if err != nil || len(kept) != 4 {
		t.Errorf("kept %q, %v", kept, err)
	}
}

// TestTiers: the same module in a jailed worker, and a program of this machine
// in a jail. What the machine has not is left out of the walls, loudly.
func TestTiers(t *testing.T) {
	w := newWorld(t)
	missing := "walls-missing: [user, mount, pid, net, ipc, uts, seccomp, landlock, memory, processes, cpu]"
	text := strings.Replace(manifestFor("actor", missing), "tier: inline", "tier: worker", 1)
	w.install(text, build(t))
	v := w.run("actor")
	if v.State != control.StateServing {
		t.Fatalf("the worker: %s\n%s", v.State, w.logText("actor"))
	}
	if a := w.call("actor", "hello"); a.Text != "one" {
		t.Errorf("the worker answered %+v", a)
	}
	if v.PID == 0 {
		t.Error("the worker has no process")
	}
	t.Logf("walls around the worker: %v, missing: %v", v.Walls, v.Missing)
	w.refused("actor", "trap", abi.StatusPeerDead)
	eventually(t, "the worker serves again", func() bool { return w.state("actor") == control.StateServing })
	w.call("actor", "hello")

	v, err := w.Inspect(t.Context(), "actor")
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(v.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it was lost, and serves again", func() bool {
		n, err := w.Inspect(t.Context(), "actor")
		return err == nil && n.Restarts == v.Restarts+1 && n.State == control.StateServing && n.Exit.Cause == "lost"
	})
	w.call("actor", "hello")

	w.install("version: 1\nname: native\ncommand: [/bin/sh, -c, echo from the jail]\ntier: native\n"+missing+"\nrestart: {policy: never}\n", nil)
	n := w.run("native")
	if text := w.logText("native"); !strings.Contains(text, "1 from the jail") {
		t.Errorf("the native program %s: %q", n.State, text)
	}
}

// TestFreeze: a frozen capsule goes on where it was, under another name too,
// and in another life of the node.
func TestFreeze(t *testing.T) {
	w := newWorld(t)
	w.install(manifestFor("actor"), build(t))
	w.run("actor", control.Grant{Name: "clock", Spec: "clock"})
	w.call("actor", "note 41")
	path := filepath.Join(t.TempDir(), "actor.frozen")
	if err := w.FreezeFile(t.Context(), "actor", path); err != nil {
		t.Fatal(err)
	}
	if got := w.state("actor"); got != control.StateFrozen {
		t.Errorf("it is %s", got)
	}
	thaw := func(r control.ThawRequest) {
		t.Helper()
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close() //nolint:errcheck // it was read
		if v, err := w.Thaw(t.Context(), r, f); err != nil || v.State != control.StateServing {
			t.Fatalf("thawed: %+v, %v\n%s", v.Capsule, err, w.logText("actor"))
		}
	}
	thaw(control.ThawRequest{})
	thaw(control.ThawRequest{As: "twin"})
	for _, name := range []string{"actor", "twin"} {
		if a := w.call(name, "note 1"); a.Words[2] != 42 {
			t.Errorf("%s thawed to %+v", name, a)
		}
	}
	w.call("actor", "named clock")
	w.refused("twin", "named clock", abi.StatusBadHandle) // a file is no authority
	w.down()
	w.up()
	thaw(control.ThawRequest{As: "third", Grants: true})
	w.call("third", "named clock")
	if a := w.call("third", "note 1"); a.Words[2] != 42 {
		t.Errorf("in another life of the node: %+v", a)
	}
	_, err := w.Thaw(t.Context(), control.ThawRequest{As: "none"}, strings.NewReader("garbage\n"))
	wantCode(t, err, control.CodeRequest)
}

// TestKilledNode: a node that is killed comes up again with what ran.
func TestKilledNode(t *testing.T) {
	folder := t.TempDir()
	w := &world{t: t, folder: folder, Client: &control.Client{Socket: filepath.Join(folder, control.SocketName)}}
	node := func() *exec.Cmd {
		c := exec.Command(os.Args[0])
		c.Env = append(os.Environ(), nodeVariable+"="+folder)
		c.Stderr = os.Stderr
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the node answers", func() bool { _, err := w.Info(context.Background()); return err == nil })
		return c
	}
	first := node()
	w.install(manifestFor("actor"), build(t))
	w.run("actor", control.Grant{Name: "clock", Spec: "clock"})
	w.call("actor", "named clock")
	_ = first.Process.Kill()
	_ = first.Wait()
	_, err := w.Info(t.Context())
	wantCode(t, err, control.CodeNoNode)
	second := node()
	eventually(t, "it serves again", func() bool { return w.state("actor") == control.StateServing })
	w.call("actor", "named clock")
	if err := w.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := second.Wait(); err != nil {
		t.Error(err)
	}
}

// TestParallel: hundreds ask at once, and each gets its answer.
func TestParallel(t *testing.T) {
	w := newWorld(t)
	w.install(manifestFor("actor"), build(t))
	w.run("actor")
	const askers = 300
	var group sync.WaitGroup
	for k := range askers {
		group.Go(func() {
			var err error
			switch k % 3 {
			case 0:
				_, err = w.Call(context.Background(), control.CallRequest{Capsule: "actor", Text: "note 1"})
			case 1:
				_, err = w.List(context.Background())
			case 2:
				_, err = w.Inspect(context.Background(), "actor")
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if a := w.call("actor", "hello"); a.Words[1] != askers/3 {
		t.Errorf("%d notes, want %d", a.Words[1], askers/3)
	}
}

// TestDoors: a socket with lesser rights can do less, the tree shows it, and
// revoking its capability closes it.
func TestDoors(t *testing.T) {
	w := newWorld(t)
	for _, name := range []string{".", control.SocketName} {
		info, err := os.Stat(filepath.Join(w.folder, name))
		if err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("others may open %s: %v, %v", name, info.Mode(), err)
		}
	}
	w.install(manifestFor("actor"), build(t))
	w.run("actor")
	door, err := w.Door(t.Context(), control.DoorRequest{Name: "watch", Rights: control.Rights{"INSPECT"}})
	if err != nil {
		t.Fatal(err)
	}
	watch := control.Client{Socket: door.Socket}
	if _, err := watch.List(t.Context()); err != nil {
		t.Errorf("it may not look: %v", err)
	}
	wantCode(t, watch.Kill(t.Context(), "actor"), abi.StatusRights.Name())
	wantCode(t, watch.Stop(t.Context()), abi.StatusRights.Name())
	held, err := watch.Caps(t.Context())
	if err != nil || !slices.ContainsFunc(held, func(h control.Held) bool {
		return h.Owner == "door watch.sock" && h.Of == "control" && h.From == "supervisor"
	}) {
		t.Errorf("the tree does not show the door: %+v, %v", held, err)
	}
	acting, err := w.Door(t.Context(), control.DoorRequest{Name: "act", Rights: control.Rights{"MANAGE"}})
	if err != nil {
		t.Fatal(err)
	}
	through := &control.Client{Socket: acting.Socket}
	_, err = through.Door(t.Context(), control.DoorRequest{Name: "more", Rights: control.Rights{"MANAGE", "INSPECT"}})
	wantCode(t, err, abi.StatusRights.Name())
	if _, err := w.Door(t.Context(), control.DoorRequest{Name: "act", Close: true}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Door(t.Context(), control.DoorRequest{Name: "watch", Close: true}); err != nil {
		t.Fatal(err)
	}
	_, err = watch.List(t.Context())
	wantCode(t, err, control.CodeNoNode)
	_, err = w.Door(t.Context(), control.DoorRequest{Name: "../x", Rights: control.Rights{"INSPECT"}})
	wantCode(t, err, control.CodeRequest)
}

// TestBadRequests: what is not in order is refused with its reason, and the
// node goes on.
func TestBadRequests(t *testing.T) {
	w := newWorld(t)
	post := func(path, body string) (int, control.Error) {
		t.Helper()
		transport := http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return net.Dial("unix", w.Socket) }}
		defer transport.CloseIdleConnections()
		answer, err := (&http.Client{Transport: &transport}).Post("http://node"+path, "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close() //nolint:errcheck // it is read to its end
		var last struct {
			control.Error

			Failed *control.Error `json:"error"`
		}
		for decoder := json.NewDecoder(answer.Body); decoder.Decode(&last) == nil; {
		}
		if last.Failed != nil {
			return answer.StatusCode, *last.Failed
		}
		return answer.StatusCode, last.Error
	}
	for _, c := range []struct{ path, body, code string }{
		{"/", "{}", control.CodeUnknown},
		{"/v1/", "{}", control.CodeUnknown},
		{"/v1/nothing", "{}", control.CodeUnknown},
		{"/v1/kill", "", control.CodeRequest},
		{"/v1/kill", "{", control.CodeRequest},
		{"/v1/kill", "[]", control.CodeRequest},
		{"/v1/kill", `{"capsule":"x","force":true}`, control.CodeRequest},
		{"/v1/kill", `{"capsule":"x"}{"capsule":"x"}`, control.CodeRequest},
		{"/v1/kill", `{"capsule":"` + strings.Repeat("x", 2<<20) + `"}`, control.CodeRequest},
		{"/v1/kill", `{"capsule":"x"}`, control.CodeUnknown},
		{"/v1/install", `{"manifest":"nonsense"}`, control.CodeManifest},
		{"/v1/install", `{"manifest":"version: 1\nname: a\nimage: a\ntier: inline\n","files":[{"name":"../a","size":1}]}` + "\nx", control.CodeRequest},
		{"/v1/install", `{"manifest":"version: 1\nname: a\nimage: a\ntier: inline\n","files":[{"name":"a","size":9}]}` + "\nx", control.CodeRequest},
		{"/v1/install", `{"manifest":"version: 1\nname: a\nimage: a\ntier: inline\n","files":[{"name":"a","size":1}]}` + "\nxy", control.CodeRequest},
		{"/v1/install", `{"manifest":"version: 1\nname: a\nimage: a\ntier: inline\n","files":[{"name":"a","size":-1}]}` + "\n", control.CodeRequest},
		{"/v1/thaw", "{}\n" + `{"frozen":9}`, control.CodeRequest},
	} {
		status, e := post(c.path, c.body)
		if e.Code != c.code {
			t.Errorf("%s %.40q: %d %+v, want %s", c.path, c.body, status, e, c.code)
		}
	}
	_, err := w.tryInstall(manifestFor("actor"), []byte("\x00asm\x01\x00\x00\x00garbage"))
	wantCode(t, err, control.CodeImage)
	if list, err := w.Images(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("installed %+v, %v", list, err)
	}
}

// TestTargetReturns: a grant of another capsule's endpoint is good again when
// that capsule is started again; one for once ends with the run.
func TestTargetReturns(t *testing.T) {
	w := newWorld(t)
	code := build(t)
	w.install(manifestFor("friend"), code)
	w.install(manifestFor("actor", "restart: {policy: always, delay: 1ms, delay-max: 1ms, limit: 9, window: 1m}", "requests:",
		"  - {name: pal, kind: endpoint, of: friend, reason: To talk.}"), code)
	w.run("friend")
	w.run("actor", control.Grant{Name: "pal"})
	w.call("actor", "call pal")
	if err := w.Kill(t.Context(), "friend"); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Call(t.Context(), control.CallRequest{Capsule: "actor", Text: "call pal"}); err == nil {
		t.Error("a killed capsule was called")
	}
	w.run("friend")
	w.call("actor", "call pal")

	if err := w.Grant(t.Context(), control.Grant{Capsule: "actor", Name: "pal", Duration: control.DurationOnce}); err != nil {
		t.Fatal(err)
	}
	w.call("actor", "call pal")
	w.refused("actor", "trap", abi.StatusPeerDead)
	eventually(t, "it serves again", func() bool { return w.state("actor") == control.StateServing })
	w.refused("actor", "call pal", abi.StatusRights)
}

// TestFolder: a capsule finds the folder that it was granted, and no
// other; see the tests of capsule/ambient for what it cannot do.
func TestFolder(t *testing.T) {
	w := newWorld(t)
	folder := t.TempDir()
	w.install(manifestFor("actor", "requests:", "  - {name: docs, kind: folder, reason: To read.}"), build(t))
	w.run("actor")
	w.refused("actor", "named docs", abi.StatusDenied)
	p, err := w.Propose(t.Context(), "actor")
	if err != nil || len(p.Grants) != 1 || p.Grants[0].Spec != "folder:PATH" || len(p.Unmet) != 1 {
		t.Fatalf("proposal %+v, %v", p, err)
	}
	err = w.Grant(t.Context(), control.Grant{Capsule: "actor", Name: "docs", Spec: "folder:" + folder + "/nothing"})
	wantCode(t, err, control.CodeRequest)
	g := p.Grants[0]
	g.Spec = "folder:" + folder
	if err := w.Grant(t.Context(), g); err != nil {
		t.Fatal(err)
	}
	w.call("actor", "named docs")
	if err := w.Revoke(t.Context(), "actor", "docs"); err != nil {
		t.Fatal(err)
	}
}
