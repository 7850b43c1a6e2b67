package worker

import (
	"crypto/rand"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"phios/abi"
	"phios/capsule"
	"phios/capsule/remote"
	"phios/platform"
	"phios/platform/host/share"
)

// hostileVerb is the argument of a worker that has been taken over; what it
// does follows.
const hostileVerb = "test-hostile"

// hostile is the whole life of such a worker.
func hostile(what string) int {
	conn, err := connection(os.NewFile(socketDescriptor, "worker socket"))
	if err != nil {
		return 1
	}
	h := hostileWorker{conn, what}
	if what == "says nothing" {
		time.Sleep(time.Hour)
	}
	h.say(&packet{operation: opHello})
	switch what {
	case "says garbage":
		garbage := make([]byte, 100)
		_, _ = rand.Read(garbage)
		_, _ = conn.Write(garbage)
	case "greets twice":
		h.say(&packet{operation: opHello})
	case "answers nobody":
		h.say(&packet{operation: opZero, number: 77})
	}
	buffer := make([]byte, packetBytesMax)
	rights := make([]byte, 256)
	for {
		n, nr, _, _, err := conn.ReadMsgUnix(buffer, rights)
		if err != nil {
			return 0
		}
		files, _ := descriptors(rights[:nr])
		var p packet
		if !p.decode(buffer[:n]) {
			return 2
		}
		h.do(&p, files)
	}
}

type hostileWorker struct {
	conn *net.UnixConn
	what string
}

func (h hostileWorker) say(p *packet) {
	_, _, _ = h.conn.WriteMsgUnix(p.encode(nil), nil, nil)
}

// do answers like a worker, except in what it is for.
func (h hostileWorker) do(p *packet, files []*os.File) {
	switch {
	case p.operation == opStart && h.what == "exits":
		os.Exit(9)
	case p.operation == opStart && h.what == "answers something else":
		p.operation = opPlace
	case p.operation == opStart && h.what == "sends descriptors":
		rights := syscall.UnixRights(0, 1, 2)
		for range 20 {
			_, _, _ = h.conn.WriteMsgUnix((&packet{operation: opUsage, number: p.number}).encode(nil), rights, nil)
		}
		return
	case p.operation == opStart && h.what == "spoils the rings":
		if memory, err := share.Map(files[0], remote.RingsBytes); err == nil {
			go func() {
				for {
					_, _ = rand.Read(memory)
				}
			}()
		}
	case p.operation == opZero && h.what == "keeps a window",
		p.operation == opStop && h.what == "does not stop":
		return
	}
	p.payload = nil
	h.say(p)
}

// hostilePool makes a pool of workers that do one thing wrong.
func (w *world) hostilePool(what string) *Pool {
	w.tb.Helper()
	c := w.config(0)
	c.args = []string{hostileVerb, what}
	p, err := New(c)
	if err != nil {
		w.tb.Fatal(err)
	}
	w.tb.Cleanup(p.Close)
	return p
}

// TestHostileWorkers are workers that were taken over: whatever they do, they
// end, and whoever waits for them goes on.
func TestHostileWorkers(t *testing.T) {
	for _, what := range []string{
		"says garbage", "greets twice", "answers nobody", "exits", "answers something else", "sends descriptors",
		"spoils the rings", "never asks", "does not stop",
	} {
		t.Run(what, func(t *testing.T) {
			w := newWorld(t)
			p := w.hostilePool(what)
			program, err := p.Start(capsule.Spec{Name: "test", Image: w.image, Door: w.task()})
			if err != nil {
				t.Log(err)
			} else {
				time.AfterFunc(50*time.Millisecond, program.Stop)
				within(t, 3*time.Second, func() {
					if exit := program.Run(); exit.Cause != capsule.CauseLost && exit.Cause != capsule.CauseStopped {
						t.Errorf("exit %+v", exit)
					}
				})
				if status := program.Serve(w.task(), &abi.Message{}); status != abi.StatusPeerDead {
					t.Errorf("serve: %v", status)
				}
				program.Usage()
				within(t, 3*time.Second, program.Close)
			}
			for deadline := time.Now().Add(3 * time.Second); p.Workers() != 0; time.Sleep(time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatal("the worker lives")
				}
			}
		})
	}
}

// TestKeepsWindow revokes from a worker that does not acknowledge it.
func TestKeepsWindow(t *testing.T) {
	w := newWorld(t)
	p := w.hostilePool("keeps a window")
	started, err := p.Start(capsule.Spec{Name: "test", Image: w.image, Door: w.task()})
	if err != nil {
		t.Fatal(err)
	}
	defer started.Close()
	base, _ := w.machine.Arena()
	b, status := w.machine.Create(base, platform.PageBytes, false)
	if status != abi.StatusOK {
		t.Fatal(status)
	}
	defer w.machine.Destroy(b, base, platform.PageBytes)
	g := started.(*program).Guest()
	if status := g.Place(platform.View{Backing: b, Bytes: platform.PageBytes, Access: platform.AccessShared}); status != abi.StatusOK {
		t.Fatal(status)
	}
	start := time.Now()
	g.Zero(0, platform.PageBytes)
	t.Logf("dead after %v", time.Since(start))
	if err := syscall.Kill(started.(*program).PID(), 0); err == nil {
		t.Error("the revocation returned while the worker lived")
	}
	if exit, over := started.Ended(); !over || !strings.Contains(exit.Detail, "killed") {
		t.Errorf("exit %+v, %v", exit, over)
	}
	if status := g.Place(platform.View{Backing: b, Bytes: platform.PageBytes, Access: platform.AccessPrivate}); status != abi.StatusPeerDead {
		t.Errorf("place: %v", status)
	}
	g.Remove(0, platform.PageBytes)
}

// FuzzPacket reads what a worker can send.
func FuzzPacket(f *testing.F) {
	f.Add([]byte{})
	f.Add((&packet{operation: opStart, number: 3, payload: []byte("text")}).encode(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		var p packet
		if !p.decode(b) {
			return
		}
		if got := p.encode(nil); string(got) != string(b) {
			t.Errorf("%x became %x", b, got)
		}
	})
}
