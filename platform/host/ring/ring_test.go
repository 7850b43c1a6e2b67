package ring

import (
	"encoding/binary"
	"os"
	"os/exec"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"phios/abi"
)

// childVariable says in a child's environment what it is to do.
const childVariable = "PHIOS_RING_TEST_CHILD"

var small = Geometry{MessageBytes: 64, Slots: 8}

func TestMain(m *testing.M) {
	switch os.Getenv(childVariable) {
	case "":
		os.Exit(m.Run())
	case "echo":
		childEcho()
	case "echo on processor 1":
		pin(1)
		childEcho()
	case "sleep forever":
		time.Sleep(time.Hour)
	case "socket":
		childSocket()
	}
}

// shared returns memory that a child can share, and its file.
func shared(tb testing.TB, bytes int) ([]byte, *os.File) {
	tb.Helper()
	fd, err := unix.MemfdCreate("ring", unix.MFD_CLOEXEC)
	if err != nil {
		tb.Fatal(err)
	}
	file := os.NewFile(uintptr(fd), "ring")
	if err := file.Truncate(int64(bytes)); err != nil {
		tb.Fatal(err)
	}
	memory, err := unix.Mmap(fd, 0, bytes, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := unix.Munmap(memory); err != nil {
			tb.Error(err)
		}
		_ = file.Close()
	})
	return memory, file
}

// child starts this test program again, with a file as its descriptor 3.
func child(tb testing.TB, what string, file *os.File) *exec.Cmd {
	tb.Helper()
	command := exec.Command("/proc/self/exe")
	command.Env = append(os.Environ(), childVariable+"="+what)
	command.ExtraFiles = []*os.File{file}
	command.Stderr = os.Stderr
	if err := command.Start(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	})
	return command
}

// pair returns both ends of a ring within this process.
func pair(tb testing.TB, memory []byte, g Geometry) (*Producer, *Consumer) {
	tb.Helper()
	p, err := NewProducer(memory, g)
	if err != nil {
		tb.Fatal(err)
	}
	c, err := NewConsumer(memory, g)
	if err != nil {
		tb.Fatal(err)
	}
	return p, c
}

// there and back returns our ends of two rings in one memory.
func thereAndBack(tb testing.TB, memory []byte) (*Producer, *Consumer) {
	tb.Helper()
	p, _ := pair(tb, memory, small)
	_, c := pair(tb, memory[4096:], small)
	return p, c
}

// childEcho answers each message with itself until the parent closes.
func childEcho() {
	memory, err := unix.Mmap(3, 0, 8192, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		os.Exit(1)
	}
	in, errIn := NewConsumer(memory, small)
	out, errOut := NewProducer(memory[4096:], small)
	if errIn != nil || errOut != nil {
		os.Exit(2)
	}
	message := make([]byte, 64)
	for in.Receive(message, time.Minute).OK() && out.Send(message, time.Minute).OK() {
	}
	out.Close()
}

func childSocket() {
	message := make([]byte, 64)
	for {
		n, err := unix.Read(3, message)
		if err != nil || n == 0 {
			return
		}
		if _, err := unix.Write(3, message); err != nil {
			return
		}
	}
}

func TestGeometry(t *testing.T) {
	memory, _ := shared(t, 8192)
	for _, g := range []Geometry{
		{},
		{MessageBytes: 64},
		{Slots: 8},
		{MessageBytes: 64, Slots: 7},
		{MessageBytes: 65, Slots: 8},
		{MessageBytes: 64, Slots: -8},
		{MessageBytes: -64, Slots: 8},
		{MessageBytes: MessageBytesMax + 64, Slots: 1},
		{MessageBytes: 64, Slots: SlotsMax * 2},
		{MessageBytes: 64, Slots: 128}, // more than the memory
	} {
		if _, err := NewProducer(memory, g); err == nil {
			t.Errorf("%+v was accepted", g)
		}
		if _, err := NewConsumer(memory, g); err == nil {
			t.Errorf("%+v was accepted", g)
		}
	}
	if _, err := NewProducer(memory[8:], small); err == nil {
		t.Error("memory that is not aligned was accepted")
	}
	if _, err := NewProducer(nil, small); err == nil {
		t.Error("no memory was accepted")
	}
}

func TestFillAndDrain(t *testing.T) {
	memory, _ := shared(t, small.Bytes())
	p, c := pair(t, memory, small)
	message := make([]byte, 64)
	expect := func(what string, got, want abi.Status) {
		t.Helper()
		if got != want {
			t.Fatalf("%s: %s, want %s", what, got.Name(), want.Name())
		}
	}
	for round := range 5 {
		expect("empty", c.Receive(message, 0), abi.StatusEmpty)
		for i := range small.Slots {
			message[0] = byte(round*16 + i)
			expect("send", p.Send(message, 0), abi.StatusOK)
		}
		expect("full", p.Send(message, 0), abi.StatusEmpty)
		expect("full, waiting", p.Send(message, time.Millisecond), abi.StatusTimeout)
		for i := range small.Slots {
			expect("receive", c.Receive(message, 0), abi.StatusOK)
			if message[0] != byte(round*16+i) {
				t.Fatalf("message %d is %d", i, message[0])
			}
		}
		expect("empty, waiting", c.Receive(message, time.Millisecond), abi.StatusTimeout)
	}
	expect("short message", p.Send(message[:63], 0), abi.StatusRange)
	expect("short buffer", c.Receive(message[:63], 0), abi.StatusRange)
	expect("last", p.Send(message, 0), abi.StatusOK)
	p.Close()
	expect("what was sent before closing", c.Receive(message, 0), abi.StatusOK)
	expect("closed", c.Receive(message, time.Minute), abi.StatusPeerDead)
	expect("own end closed", p.Send(message, 0), abi.StatusState)
}

func TestConsumerCloses(t *testing.T) {
	memory, _ := shared(t, small.Bytes())
	p, c := pair(t, memory, small)
	c.Close()
	if status := p.Send(make([]byte, 64), time.Minute); status != abi.StatusPeerDead {
		t.Fatalf("Send to a consumer that closed: %v", status)
	}
}

// TestHammerRing passes numbered messages between two goroutines, with slots
// few enough that both sides sleep, in Go's memory so that the race detector
// sees every access.
func TestHammerRing(t *testing.T) {
	for _, spin := range []int64{-1, 1000, 0} {
		g := Geometry{MessageBytes: 128, Slots: 2, SpinNS: spin}
		memory := make([]byte, g.Bytes()+MessageBytesUnit)
		for !aligned(memory) {
			memory = memory[1:]
		}
		p, c := pair(t, memory, g)
		const n = 20_000
		go func() {
			message := make([]byte, 128)
			for i := range uint64(n) {
				binary.LittleEndian.PutUint64(message, i)
				binary.LittleEndian.PutUint64(message[120:], ^i)
				if status := p.Send(message, time.Minute); !status.OK() {
					t.Errorf("send %d: %v", i, status)
					return
				}
			}
			p.Close()
		}()
		message := make([]byte, 128)
		for i := range uint64(n) {
			if status := c.Receive(message, time.Minute); !status.OK() {
				t.Fatalf("receive %d: %v", i, status)
			}
			if binary.LittleEndian.Uint64(message) != i || binary.LittleEndian.Uint64(message[120:]) != ^i {
				t.Fatalf("message %d is torn or lost", i)
			}
		}
		if status := c.Receive(message, time.Minute); status != abi.StatusPeerDead {
			t.Fatalf("after the last: %v", status)
		}
	}
}

func TestTwoProcesses(t *testing.T) {
	memory, file := shared(t, 8192)
	command := child(t, "echo", file)
	p, c := thereAndBack(t, memory)
	message := make([]byte, 64)
	for i := range uint64(10_000) {
		binary.LittleEndian.PutUint64(message, i)
		if status := p.Send(message, 10*time.Second); !status.OK() {
			t.Fatalf("send %d: %v", i, status)
		}
		clear(message)
		if status := c.Receive(message, 10*time.Second); !status.OK() {
			t.Fatalf("receive %d: %v", i, status)
		}
		if got := binary.LittleEndian.Uint64(message); got != i {
			t.Fatalf("echo of %d is %d", i, got)
		}
		if i%2000 == 0 {
			time.Sleep(2 * time.Millisecond) // let the child sleep in the futex
		}
	}
	p.Close()
	if status := c.Receive(message, 10*time.Second); status != abi.StatusPeerDead {
		t.Fatalf("after closing: %v", status)
	}
	if err := command.Wait(); err != nil {
		t.Fatal(err)
	}
}

// TestPeerDies kills the peer while we wait for it: the wait ends in time.
func TestPeerDies(t *testing.T) {
	memory, file := shared(t, 8192)
	command := child(t, "sleep forever", file)
	p, c := thereAndBack(t, memory)
	time.AfterFunc(20*time.Millisecond, func() { _ = command.Process.Kill() })
	message := make([]byte, 64)
	start := time.Now()
	if status := c.Receive(message, 100*time.Millisecond); status != abi.StatusTimeout {
		t.Fatalf("Receive from the dead: %v", status)
	}
	for range small.Slots {
		if status := p.Send(message, 0); !status.OK() {
			t.Fatal(status)
		}
	}
	if status := p.Send(message, 100*time.Millisecond); status != abi.StatusTimeout {
		t.Fatalf("Send to the dead: %v", status)
	}
	if took := time.Since(start); took < 200*time.Millisecond || took > 10*time.Second {
		t.Fatalf("the two waits took %v", took)
	}
}

// TestPeerTakesBackTheWake shows that a peer which clears our request to be
// woken costs the rest of one sleep and no more.
func TestPeerTakesBackTheWake(t *testing.T) {
	memory, _ := shared(t, small.Bytes())
	_, c := pair(t, memory, small)
	head := word64(memory, headOffset)
	time.AfterFunc(10*time.Millisecond, func() {
		word32(memory, consumerOffset).Store(0)
		head.Store(1) // sent, and nobody told
	})
	if status := c.Receive(make([]byte, 64), 10*time.Second); !status.OK() {
		t.Fatal(status)
	}
}

func TestLiarsAreFound(t *testing.T) {
	const slots = 8
	message := make([]byte, 64)
	for _, head := range []uint64{slots + 1, 1 << 32, 1 << 63, ^uint64(0)} {
		memory, _ := shared(t, small.Bytes())
		_, c := pair(t, memory, small)
		word64(memory, headOffset).Store(head)
		for range 2 { // and it stays broken
			if status := c.Receive(message, time.Minute); status != abi.StatusState {
				t.Errorf("a head of %d: %v", head, status)
			}
			word64(memory, headOffset).Store(0)
		}
	}
	for _, tail := range []uint64{slots + 1, 1 << 63, ^uint64(0)} {
		memory, _ := shared(t, small.Bytes())
		p, _ := pair(t, memory, small)
		for range slots {
			if status := p.Send(message, 0); !status.OK() {
				t.Fatal(status)
			}
		}
		word64(memory, tailOffset).Store(tail)
		if status := p.Send(message, time.Minute); status != abi.StatusState {
			t.Errorf("a tail of %d after %d messages: %v", tail, slots, status)
		}
	}
}

// FuzzHostileHeader lets the other side write what it likes into the header
// between our calls. Whatever it writes, each call ends with a status that
// means something, and no more messages come out than fit between two lies.
func FuzzHostileHeader(f *testing.F) {
	f.Add([]byte{})
	f.Add(binary.LittleEndian.AppendUint64(nil, 9))
	f.Add(binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(nil, 8), ^uint64(0)))
	f.Add(make([]byte, 64))
	f.Fuzz(func(t *testing.T, input []byte) {
		memory := make([]byte, small.Bytes()+MessageBytesUnit)
		for !aligned(memory) {
			memory = memory[1:]
		}
		p, c := pair(t, memory, small)
		message := make([]byte, 64)
		for len(input) > 0 {
			var word [9]byte
			input = input[copy(word[:], input):]
			value := binary.LittleEndian.Uint64(word[1:])
			switch word[0] % 4 {
			case 0:
				word64(memory, headOffset).Store(value)
			case 1:
				word64(memory, tailOffset).Store(value)
			case 2:
				word32(memory, consumerOffset).Store(uint32(value))
			default:
				word32(memory, producerOffset).Store(uint32(value))
			}
			received := 0
			for c.Receive(message, 0).OK() {
				if received++; received > small.Slots {
					t.Fatalf("%d messages from a ring of %d", received, small.Slots)
				}
			}
			// A made-up head lets our own consumer take, and so free, up to a
			// ring of messages that nobody sent; hence twice.
			for sent := 1; p.Send(message, 0).OK(); sent++ {
				if sent > 2*small.Slots {
					t.Fatalf("%d messages into a ring of %d", sent, small.Slots)
				}
			}
		}
	})
}

func TestAllocs(t *testing.T) {
	memory, _ := shared(t, small.Bytes())
	p, c := pair(t, memory, small)
	message := make([]byte, 64)
	if n := testing.AllocsPerRun(1000, func() {
		if !p.Send(message, time.Second).OK() || !c.Receive(message, time.Second).OK() {
			t.Error("a message is lost")
		}
		if c.Receive(message, time.Microsecond) != abi.StatusTimeout {
			t.Error("a message came twice")
		}
	}); n != 0 {
		t.Fatalf("%v allocations", n)
	}
}

// pin ties this goroutine to a processor.
func pin(processor int) {
	runtime.LockOSThread()
	var set unix.CPUSet
	set.Set(processor)
	_ = unix.SchedSetaffinity(0, &set) // a wish: the figures tell
}

// BenchmarkRoundTrip measures 64 bytes to another process and back.
func BenchmarkRoundTrip(b *testing.B) {
	b.Run("ring", func(b *testing.B) { roundTrip(b, "echo") })
	b.Run("ring pinned", func(b *testing.B) {
		done := make(chan struct{})
		go func() { // its thread ends with it, and so does the pinning
			defer close(done)
			pin(0)
			roundTrip(b, "echo on processor 1")
		}()
		<-done
	})
	b.Run("socket", func(b *testing.B) {
		runtime.LockOSThread() // the best that a socket can do
		defer runtime.UnlockOSThread()
		ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			b.Fatal(err)
		}
		file := os.NewFile(uintptr(ends[1]), "socket")
		child(b, "socket", file)
		_ = file.Close()
		message := make([]byte, 64)
		for b.Loop() {
			if _, err := unix.Write(ends[0], message); err != nil {
				b.Fatal(err)
			}
			if _, err := unix.Read(ends[0], message); err != nil {
				b.Fatal(err)
			}
		}
		_ = unix.Close(ends[0])
	})
}

func roundTrip(b *testing.B, peer string) {
	b.Helper()
	memory, file := shared(b, 8192)
	child(b, peer, file)
	p, c := thereAndBack(b, memory)
	message := make([]byte, 64)
	for b.Loop() {
		if !p.Send(message, time.Minute).OK() || !c.Receive(message, time.Minute).OK() {
			b.Error("the child does not answer")
			return
		}
	}
	p.Close()
}
