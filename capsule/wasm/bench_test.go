package wasm

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"phios/abi"
	"phios/capsule"
)

// BenchmarkCall is a call of 0 bytes from one program to another, both inline,
// the kernel between them: one of the caller's loop per iteration.
func BenchmarkCall(b *testing.B) {
	w := newWorld(b)
	server, client := w.task(plenty), w.task(plenty)
	program := w.start(echo(), server, capsule.Spec{})
	program.Run()
	w.grant(server, w.serve(server, program), client, "peer")
	calling := w.start(caller(), client, capsule.Spec{})
	calling.Run()
	start := calling.module.ExportedFunction("phi_start")
	stack := []uint64{uint64(b.N)}
	b.ResetTimer()
	if exit := calling.call(start, stack); exit != nil || stack[0] != 0 {
		b.Fatalf("%+v, %d", exit, stack[0])
	}
}

// BenchmarkServe is the last step of that alone.
func BenchmarkServe(b *testing.B) {
	w := newWorld(b)
	server := w.task(plenty)
	program := w.start(echo(), server, capsule.Spec{})
	program.Run()
	var m abi.Message
	m.SetPayload(make([]byte, 64))
	for b.Loop() {
		if status := program.Serve(server, &m); !status.OK() {
			b.Fatal(status)
		}
	}
}

// percentiles reports the middle and the worst of what f takes.
func percentiles(b *testing.B, f func()) {
	b.Helper()
	took := make([]time.Duration, 0, 1<<16)
	for b.Loop() {
		start := time.Now()
		f()
		if len(took) < cap(took) {
			took = append(took, time.Since(start))
		}
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2])/1e3, "p50-µs")
	b.ReportMetric(float64(took[len(took)*99/100])/1e3, "p99-µs")
}

// BenchmarkColdStart starts a small program from an image, runs it until it
// serves and lets it answer once.
func BenchmarkColdStart(b *testing.B) {
	w := newWorld(b)
	server := w.task(plenty)
	image := w.install(echo())
	percentiles(b, func() {
		i, err := image.Start(capsule.Spec{Name: "small", Door: server})
		if err != nil {
			b.Fatal(err)
		}
		if exit := i.Run(); !exit.OK() {
			b.Fatal(exit)
		}
		var m abi.Message
		if status := i.Serve(server, &m); !status.OK() {
			b.Fatal(status)
		}
		i.Close()
	})
}

// resident returns how much physical memory this process has.
func resident(b *testing.B) uint64 {
	b.Helper()
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		b.Fatal(err)
	}
	var all, pages uint64
	if _, err := fmt.Sscan(string(text), &all, &pages); err != nil {
		b.Fatal(err)
	}
	return pages * 4096
}

// BenchmarkIdle keeps ten thousand small programs that have served once.
func BenchmarkIdle(b *testing.B) {
	const programs = 10_000
	w := newWorld(b)
	server := w.task(plenty)
	image := w.install(echo())
	for b.Loop() {
		debug.FreeOSMemory()
		before := resident(b)
		list := make([]*Instance, programs)
		for n := range list {
			i, err := image.Start(capsule.Spec{Name: "small", Door: server})
			if err != nil {
				b.Fatal(err)
			}
			i.Run()
			var m abi.Message
			if status := i.Serve(server, &m); !status.OK() {
				b.Fatal(status)
			}
			list[n] = i
		}
		runtime.GC()
		start := time.Now()
		runtime.GC()
		took := time.Since(start)
		var stats runtime.MemStats
		runtime.ReadMemStats(&stats)
		maps, err := os.ReadFile("/proc/self/maps")
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(resident(b)-before)/programs/1024, "KiB/program")
		b.ReportMetric(float64(took)/1e6, "gc-ms")
		b.ReportMetric(float64(stats.PauseNs[(stats.NumGC+255)%256])/1e6, "stw-ms")
		b.ReportMetric(float64(strings.Count(string(maps), "\n")), "mappings")
		for _, i := range list {
			i.Close()
		}
	}
}
