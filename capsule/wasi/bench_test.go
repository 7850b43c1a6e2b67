package wasi_test

import (
	"testing"

	"phios/abi"
	"phios/capsule/ambient"
	"phios/capsule/wasi"
)

// TestAllocs: what programs do in loops allocates nothing in the layer. What
// the folder's server does is its own.
func TestAllocs(t *testing.T) {
	w := newWorld(t)
	w.clock()
	w.start(wasi.Config{})
	var memory wasi.Memory = w.memory
	clock, write := w.functions["clock_time_get"].Call, w.functions["fd_write"].Call
	stack := make([]uint64, 4)
	if n := testing.AllocsPerRun(1000, func() {
		stack[0], stack[1], stack[2] = 1, 0, atResult
		clock(w.layer, memory, stack)
	}); n != 0 {
		t.Errorf("clock_time_get allocates %v times", n)
	}
	at, count := w.vector(100)
	if n := testing.AllocsPerRun(1000, func() {
		stack[0], stack[1], stack[2], stack[3] = 1, at, count, atResult
		write(w.layer, memory, stack)
	}); n != 0 {
		t.Errorf("fd_write allocates %v times", n)
	}
}

func BenchmarkClock(b *testing.B) {
	w := newWorld(b)
	w.clock()
	w.start(wasi.Config{})
	var memory wasi.Memory = w.memory
	call, stack := w.functions["clock_time_get"].Call, make([]uint64, 3)
	for b.Loop() {
		stack[0], stack[1], stack[2] = 1, 0, atResult
		call(w.layer, memory, stack)
		if stack[0] != 0 {
			b.Fatal(stack[0])
		}
	}
}

func BenchmarkRead64KiB(b *testing.B) {
	w := newWorld(b)
	w.folder("data", "/", abi.RightRead|abi.RightWrite, ambient.FolderConfig{Path: b.TempDir()})
	w.start(wasi.Config{})
	const size = 64 << 10
	fd, errno := w.open(3, "a", create, canRead|canWrite, 0)
	if errno != 0 || w.write(fd, string(make([]byte, size))) != 0 {
		b.Fatal(errno)
	}
	at, count := w.vector(size)
	b.SetBytes(size)
	for b.Loop() {
		if errno := w.call("fd_pread", fd, at, count, 0, atResult); errno != 0 || w.result32() != size {
			b.Fatal(errno)
		}
	}
}
