package worker

import (
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"phios/abi"
	"phios/capsule"
)

// TestNothingLeaks starts and ends programs again and again, in processes of
// their own and in one that stays.
func TestNothingLeaks(t *testing.T) {
	w := newWorld(t)
	p := w.pool(0)
	stays := w.start(p, "stays")
	defer stays.Close()
	door := w.task()
	cycle := func(domain string) {
		program, err := p.Start(capsule.Spec{Name: "test", Image: w.image, Door: door, Domain: domain})
		if err != nil {
			t.Fatal(err)
		}
		if exit := program.Run(); !exit.OK() {
			t.Fatalf("exit %+v", exit)
		}
		if status := program.Serve(door, &abi.Message{}); status != abi.StatusOK {
			t.Fatal(status)
		}
		program.Stop()
		program.Close()
	}
	cycle("")
	cycle("stays")
	before := counts(t, stays)
	for i := range 200 {
		if i%4 == 0 {
			cycle("")
		} else {
			cycle("stays")
		}
	}
	var after tally
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if after = counts(t, stays); after.within(before) {
			break
		}
	}
	if !after.within(before) {
		t.Errorf("before %+v, after %+v", before, after)
	}
	if stays.must(doAdd, 1)[2] == 0 {
		t.Error("the one that stays")
	}
	t.Logf("before %+v, after %+v", before, after)
}

// tally is what a process has.
type tally struct{ files, goroutines, children, mappings, workersFiles, workersMappings int }

func (a tally) within(b tally) bool {
	// The runtime's own, heap and stacks, and the race detector's. A mapping
	// lost with each program would be 150.
	const slack = 60
	return a.files <= b.files && a.goroutines <= b.goroutines && a.children <= b.children &&
		a.mappings <= b.mappings+slack && a.workersFiles <= b.workersFiles && a.workersMappings <= b.workersMappings+slack
}

func counts(t *testing.T, r running) tally {
	t.Helper()
	runtime.GC()
	worker := "/proc/" + strconv.Itoa(r.Program.(*program).PID())
	return tally{
		files: entries(t, "/proc/self/fd"), goroutines: runtime.NumGoroutine(), children: r.Program.(*program).pool.Workers(),
		mappings: lines(t, "/proc/self/maps"), workersFiles: entries(t, worker+"/fd"), workersMappings: lines(t, worker+"/maps"),
	}
}

func entries(t *testing.T, dir string) int {
	t.Helper()
	all, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}

func lines(t *testing.T, file string) int {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Count(string(text), "\n")
}
