package cpu

import (
	"bufio"
	"bytes"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"phios/compute/cpu/simd"
	"phios/compute/tensor"
)

// availableMemory is how many bytes this process may still take: what the
// machine has available, less if its group is bounded. Zero is not known.
func availableMemory(read func(string) ([]byte, error)) uint64 {
	var available uint64
	if b, err := read("/proc/meminfo"); err == nil {
		available = field(b, "MemAvailable:") * 1024
	}
	limit, err1 := read("/sys/fs/cgroup/memory.max")
	used, err2 := read("/sys/fs/cgroup/memory.current")
	if err1 == nil && err2 == nil {
		most, err1 := strconv.ParseUint(strings.TrimSpace(string(limit)), 10, 64)
		now, err2 := strconv.ParseUint(strings.TrimSpace(string(used)), 10, 64)
		if err1 == nil && err2 == nil {
			available = min(available, most-min(most, now))
		}
	}
	return available
}

// field is the number behind a name, as in /proc/meminfo.
func field(b []byte, name string) uint64 {
	for line := range bytes.Lines(b) {
		if rest, ok := bytes.CutPrefix(line, []byte(name)); ok {
			if words := bytes.Fields(rest); len(words) > 0 {
				n, _ := strconv.ParseUint(string(words[0]), 10, 64)
				return n
			}
		}
	}
	return 0
}

// processorName is the machine's name for the processor.
func processorName() string {
	f, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return runtime.GOARCH
	}
	defer f.Close() //nolint:errcheck // only read
	s := bufio.NewScanner(f)
	for lines := 0; s.Scan() && lines < 64; lines++ {
		if name, value, ok := strings.Cut(s.Text(), ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}

// wattsPerProcessor is the power of one busy processor where there is no meter:
// between the 3 W of a core in a server (400 W over 128) and the 8 W of one in a
// desktop (65 W over 8). It is right within a factor of two, which is what an
// estimate of a budget needs.
const wattsPerProcessor = 5.0

// speed is what the processor does in a second.
type speed struct {
	mu                   sync.Mutex
	streamed, multiplied float64 // bytes, and multiply-adds; under mu
	steps                bool    // streamed is of steps; under mu
}

// measure streams weights and multiplies a block of rows, within 20 ms, on one
// thread. The weights, 16 MiB, are larger than what a core keeps to itself, and
// may lie in a cache that cores share: the steps of large models tell better.
func (s *speed) measure(k *simd.Kernels) {
	const rows, columns, together, part, limit = 7680, 2048, 16, 128, 20 * time.Millisecond
	begin := time.Now()
	rowBytes, _ := tensor.Q8_0.RowBytes(columns)
	data := make([]byte, rows*rowBytes)
	m, err := k.Matrix(tensor.Q8_0, rows, columns, data)
	if err != nil {
		return // never: the shape is constant
	}
	in, x, out := simd.NewInput(together, columns), make([]float32, together*columns), make([]float32, together*rows)
	run := func(inputs, rows int) float64 {
		k.Quantize(in, tensor.Q8_0, x, inputs, columns)
		start := time.Now()
		k.Multiply(&m, in, out, rows, 0, rows)
		return float64(rows) / max(time.Since(start), 1).Seconds()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	run(together, part) // the first time is slower
	s.multiplied = run(together, part) * columns * together
	s.streamed = run(1, part) * float64(rowBytes)
	if time.Since(begin) > limit/4 {
		return // plain kernels: they compute slower than memory streams
	}
	for i := 0; i < len(data); i += 1 << 12 {
		data[i] = 1 // memory that nobody wrote is one page of zeros, many times
	}
	s.streamed = run(1, rows) * float64(rowBytes)
}

// streamedMin is how large weights are that no cache holds.
const streamedMin = 256 << 20

// seen learns from a step of one token, which streams all weights once. The
// fastest counts: others had to share the machine.
func (s *speed) seen(weights int, took time.Duration) {
	if weights < streamedMin {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := float64(weights) / max(took, 1).Seconds()
	if !s.steps || now > s.streamed {
		s.streamed, s.steps = now, true
	}
}

func (s *speed) read() (streamed, multiplied float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.streamed, s.multiplied
}
