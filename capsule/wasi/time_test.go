package wasi_test

import (
	"bytes"
	"encoding/binary"
	"testing"
	"time"

	"phios/abi"
	"phios/capsule/wasi"
)

const again wasi.Errno = 6

// subscribe puts a subscription to a clock, and one to a file each, where
// poll_oneoff looks for them, and returns how many.
func (w *world) subscribe(timeout time.Duration, files ...uint32) uint64 {
	b := w.memory[atData : atData+48*(len(files)+1)]
	clear(b)
	n := 0
	if timeout > 0 {
		binary.LittleEndian.PutUint64(b, 100)
		binary.LittleEndian.PutUint32(b[16:], 1)
		binary.LittleEndian.PutUint64(b[24:], uint64(timeout))
		n++
	}
	for _, fd := range files {
		s := b[48*n:]
		binary.LittleEndian.PutUint64(s, uint64(fd))
		s[8] = 1
		binary.LittleEndian.PutUint32(s[16:], fd)
		n++
	}
	return uint64(n)
}

const atEvents = 0x8000

// poll returns the marks of what became ready.
func (w *world) poll(count uint64) []uint64 {
	w.t.Helper()
	w.must(0, "poll_oneoff", atData, atEvents, count, atResult)
	var users []uint64
	for i := range w.result32() {
		e := w.memory[atEvents+32*i:]
		if errno := binary.LittleEndian.Uint16(e[8:]); errno != 0 {
			w.t.Fatalf("an event with errno %d", errno)
		}
		users = append(users, binary.LittleEndian.Uint64(e))
	}
	return users
}

func (w *world) time(id uint64) uint64 {
	w.t.Helper()
	w.must(0, "clock_time_get", id, 0, atResult)
	return w.result64()
}

func TestWithoutClock(t *testing.T) {
	w := newWorld(t)
	w.start(wasi.Config{})
	w.must(notcapable, "clock_res_get", 1, atResult)
	w.must(notsup, "clock_time_get", 2, 0, atResult)
	first := w.time(1)
	if second := w.time(1); first > 1e6 || second <= first {
		t.Errorf("the time of a program without a clock is %d, then %d", first, second)
	}
	if wall := w.time(0); wall > 1e9 {
		t.Errorf("a program without a clock knows that it is %v", time.Unix(0, int64(wall)))
	}
	begin := time.Now()
	if got := w.poll(w.subscribe(time.Hour)); len(got) != 1 || got[0] != 100 {
		t.Fatalf("ready: %v", got)
	}
	if took := time.Since(begin); took > 10*time.Second {
		t.Errorf("an hour without a clock took %v", took)
	}
	if now := w.time(1); now < uint64(time.Hour) {
		t.Errorf("an hour later it is %v", time.Duration(now))
	}
}

func TestClock(t *testing.T) {
	for _, budget := range []bool{false, true} {
		w := newWorld(t)
		w.clock()
		if budget {
			w.names[wasi.NameBudget] = w.purse
		}
		w.start(wasi.Config{})
		w.must(0, "clock_res_get", 0, atResult)
		if r := w.result64(); r == 0 || r > 1e6 {
			t.Errorf("the resolution is %d ns", r)
		}
		if off := time.Since(time.Unix(0, int64(w.time(0)))); off < 0 || off > time.Minute {
			t.Errorf("the clock of the day is %v off", off)
		}
		before := w.time(1)
		const pause = 60 * time.Millisecond
		if got := w.poll(w.subscribe(pause)); len(got) != 1 || got[0] != 100 {
			t.Fatalf("ready: %v", got)
		}
		if slept := time.Duration(w.time(1) - before); slept < pause || slept > pause+5*time.Second {
			t.Errorf("budget %v: slept %v for %v", budget, slept, pause)
		}
	}
}

func TestRandom(t *testing.T) {
	w := newWorld(t)
	w.start(wasi.Config{})
	for _, n := range []uint64{0, 1, 16, 32, 4096} {
		w.must(notcapable, "random_get", atData, n)
	}
	if !bytes.Equal(w.memory[atData:atData+4096], make([]byte, 4096)) {
		t.Error("a program without chance was given something")
	}
	w = newWorld(t)
	w.random()
	w.start(wasi.Config{})
	w.must(0, "random_get", atData, 4096)
	seen := map[uint64]bool{}
	for i := range 512 {
		seen[binary.LittleEndian.Uint64(w.memory[atData+8*i:])] = true
	}
	if len(seen) != 512 {
		t.Errorf("%d different words in 512", len(seen))
	}
	w.must(fault, "random_get", uint64(len(w.memory)-8), 9)
}

// notification makes one that the server signals and the guest waits for.
func (w *world) notification(name string) func(bits uint64) {
	w.t.Helper()
	var a abi.Args
	if status := w.server.Invoke(w.budget, abi.NotificationCreate, &a); !status.OK() {
		w.t.Fatal(status)
	}
	h := abi.Handle(a.W[0])
	w.grant(name, h, abi.Whole(abi.RightInvoke|abi.RightReceive))
	return func(bits uint64) {
		if status := w.server.Invoke(h, abi.NotificationSignal, &abi.Args{W: [6]uint64{bits}}); !status.OK() {
			w.t.Error(status)
		}
	}
}

func TestPollNotifications(t *testing.T) {
	w := newWorld(t)
	w.clock()
	one, two := w.notification("one"), w.notification("two")
	w.start(wasi.Config{Notifications: []string{"one", "absent", "two"}})
	w.must(badf, "fd_prestat_get", 3, atResult)
	if _, errno := w.read(3, 8); errno != again {
		t.Fatalf("nothing to read: %d", errno)
	}
	if got := w.poll(w.subscribe(20*time.Millisecond, 3, 4)); len(got) != 1 || got[0] != 100 {
		t.Fatalf("nobody signalled, ready: %v", got)
	}
	two(6)
	if got := w.poll(w.subscribe(time.Minute, 3, 4)); len(got) != 1 || got[0] != 4 {
		t.Fatalf("two was signalled, ready: %v", got)
	}
	two(8) // what was taken and what comes later are read together
	got, errno := w.read(4, 8)
	if errno != 0 || binary.LittleEndian.Uint64([]byte(got)) != 14 {
		t.Fatalf("the bits are %q, %d; want 14", got, errno)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		time.Sleep(30 * time.Millisecond)
		one(1)
	}()
	if got := w.poll(w.subscribe(0, 3, 4)); len(got) != 1 || got[0] != 3 {
		t.Fatalf("one was signalled while two were waited for, ready: %v", got)
	}
	<-done
	if got := w.poll(w.subscribe(time.Minute, 0)); len(got) != 1 || got[0] != 0 {
		t.Fatalf("the end of the input can be read at once, ready: %v", got)
	}
}

func TestKilledWhileItSleeps(t *testing.T) {
	w := newWorld(t)
	w.clock()
	h, status := w.node.Kernel().BootTaskCapability(w.server, w.guest, abi.RightInvoke|abi.RightManage)
	if !status.OK() {
		t.Fatal(status)
	}
	w.start(wasi.Config{})
	done := make(chan wasi.Errno, 1)
	count := w.subscribe(time.Hour)
	go func() { done <- w.call("poll_oneoff", atData, atEvents, count, atResult) }()
	time.Sleep(30 * time.Millisecond)
	if status := w.server.Invoke(h, abi.TaskKill, &abi.Args{}); !status.OK() {
		t.Fatal(status)
	}
	select {
	case errno := <-done:
		if errno == 0 {
			t.Error("the sleep of a dead task succeeded")
		}
	case <-time.After(10 * time.Second):
		t.Fatal("a dead task sleeps on")
	}
}
