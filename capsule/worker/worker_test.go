package worker

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"phios/abi"
	"phios/capsule"
	"phios/kernel/gate"
)

// TestServe is the whole way: a program in a jail answers, asks a service in
// the node, traps, and its end says so.
func TestServe(t *testing.T) {
	w := newWorld(t)
	p := w.pool(0)
	r := w.start(p, "")
	defer r.Close()
	for i := uint64(1); i <= 100; i++ {
		if got := r.must(doAdd, 2)[2]; got != 2*i {
			t.Fatalf("%d instead of %d", got, 2*i)
		}
	}
	t.Logf("walls: %v", r.Program.Walls())
	const limits = capsule.WallMemory | capsule.WallProcesses | capsule.WallCPU // an ordinary user may have no cgroup
	if !r.Program.Walls().Has(capsule.WallSandbox | capsule.WallsProcess&^limits) {
		t.Errorf("walls: %v", r.Program.Walls())
	}
	server := w.task()
	e := w.do(server, server.budget, abi.EndpointCreate, abi.Args{W: [abi.ArgWords]uint64{1}, Label: abi.LabelTop()})
	served := 0
	status := server.Port.Serve(e, handlerFunc(func(_ *gate.Port, m *abi.Message) abi.Status {
		served++
		m.Words[0] = uint64(m.Length)
		return abi.StatusOK
	}), false)
	if status != abi.StatusOK {
		t.Fatal(status)
	}
	h := w.give(server, e, r.task, abi.RightInvoke|abi.RightSend)
	if got := r.must(doCall, uint64(h))[3]; got != 64 || served != 1 {
		t.Errorf("the service answered %d, served %d", got, served)
	}
	if u := r.Usage(); u.MemoryBytes < 65536 || u.Calls != 1 {
		t.Errorf("usage %+v", u)
	}
	if _, over := r.Ended(); over {
		t.Error("ended")
	}
	if _, status := r.ask(doTrap); status != abi.StatusPeerDead {
		t.Errorf("trap: %v", status)
	}
	if exit, _ := r.Ended(); exit.Cause != capsule.CauseTrap || !strings.Contains(exit.Detail, "unreachable") {
		t.Errorf("exit %+v", exit)
	}
	if _, status := r.ask(doAdd, 1); status != abi.StatusPeerDead {
		t.Errorf("after the end: %v", status)
	}
}

// TestDomains puts two capsules into one worker and a third elsewhere, and
// kills the worker of the two in the middle of a call.
func TestDomains(t *testing.T) {
	w := newWorld(t)
	p := w.pool(1)
	a, b, c := w.start(p, "both"), w.start(p, "both"), w.start(p, "other")
	defer a.Close()
	defer b.Close()
	defer c.Close()
	pid := func(r running) int { return r.Program.(interface{ PID() int }).PID() }
	if pid(a) != pid(b) || pid(a) == pid(c) {
		t.Fatalf("processes %d %d %d", pid(a), pid(b), pid(c))
	}
	a.must(doAdd, 5)
	if got := b.must(doAdd, 7)[2]; got != 7 {
		t.Errorf("two capsules share a memory: %d", got)
	}
	killed := make(chan time.Time, 1)
	time.AfterFunc(50*time.Millisecond, func() {
		killed <- time.Now()
		_ = syscall.Kill(pid(a), syscall.SIGKILL)
	})
	if _, status := a.ask(doSpin); status != abi.StatusPeerDead {
		t.Errorf("in the middle of a call: %v", status)
	}
	if took := time.Since(<-killed); took > time.Second {
		t.Errorf("the caller waited %v after the death", took)
	}
	for _, r := range []running{a, b} {
		<-r.Program.(*program).process.gone
		if exit, over := r.Ended(); !over || exit.Cause != capsule.CauseLost || !strings.Contains(exit.Detail, "killed") {
			t.Errorf("exit %+v, %v", exit, over)
		}
	}
	if _, status := b.ask(doAdd, 1); status != abi.StatusPeerDead {
		t.Errorf("the other capsule of the worker: %v", status)
	}
	c.must(doAdd, 1)
	again := w.start(p, "both") // the domain gets a new process
	defer again.Close()
	again.must(doAdd, 1)
}

// TestStop ends a program that computes, and leaves the others of its worker
// alone.
func TestStop(t *testing.T) {
	w := newWorld(t)
	p := w.pool(0)
	a, b := w.start(p, "one"), w.start(p, "one")
	defer b.Close()
	done := make(chan abi.Status, 1)
	go func() {
		_, status := a.ask(doSpin)
		done <- status
	}()
	time.Sleep(30 * time.Millisecond)
	a.Stop()
	select {
	case status := <-done:
		if status != abi.StatusPeerDead {
			t.Errorf("stopped: %v", status)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("the caller still waits")
	}
	if exit, over := a.Ended(); !over || exit.Cause != capsule.CauseStopped {
		t.Errorf("exit %+v", exit)
	}
	within(t, 2*time.Second, a.Close)
	b.must(doAdd, 1)
}

// TestManyAtOnce starts, asks and closes programs of few domains from several
// goroutines.
func TestManyAtOnce(t *testing.T) {
	w := newWorld(t)
	p := w.pool(1)
	const each = 8
	done := make(chan struct{})
	for _, domain := range []string{"a", "b", ""} {
		go func() {
			defer func() { done <- struct{}{} }()
			for range each {
				task := w.task()
				program, err := p.Start(capsule.Spec{Name: "test", Image: w.image, Door: task, Domain: domain})
				if err != nil {
					t.Error(err)
					return
				}
				if exit := program.Run(); !exit.OK() {
					t.Errorf("exit %+v", exit)
				}
				m := abi.Message{Words: [abi.MessageWords]uint64{doAdd, 3}}
				if status := program.Serve(task, &m); status != abi.StatusOK || m.Words[2] != 3 {
					t.Errorf("%v, %d", status, m.Words[2])
				}
				program.Close()
			}
		}()
	}
	for range 3 {
		<-done
	}
}

// TestRefusals are starts that fail.
func TestRefusals(t *testing.T) {
	w := newWorld(t)
	p := w.pool(0)
	for name, spec := range map[string]capsule.Spec{
		"no module":      {Image: []byte("no module"), Door: w.task()},
		"many arguments": {Image: w.image, Door: w.task(), Args: []string{strings.Repeat("x", payloadBytesMax)}},
		"no snapshot":    {Image: w.image, Door: w.task(), Frozen: strings.NewReader("no snapshot")},
		"little memory":  {Image: w.image, Door: w.task(), MemoryBytesMax: 65536},
		"unknown wall":   {Image: w.image, Door: w.task(), Require: 1 << 20},
	} {
		if _, err := p.Start(spec); err == nil {
			t.Errorf("%s was started", name)
		} else {
			t.Log(err)
		}
	}
	if n := p.Workers(); n != 0 {
		t.Errorf("%d workers are left", n)
	}
}
