package native

import (
	"sync"
	"testing"

	"phios/abi"
)

// TestHammer asks a program everything from many goroutines while it serves
// and is stopped.
func TestHammer(t *testing.T) {
	d := newTask(t)
	p, out := startPython(t, d, "import phi\nphi.serve(lambda m: None)")
	if e := p.Run(); !e.OK() {
		t.Fatalf("%+v %s", e, out)
	}
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 100 {
				p.Usage()
				p.Walls()
				p.Serves()
				p.Guest().Remove(1<<32, 1<<32)
			}
		})
	}
	for range 200 {
		ask(t, d, p, "x")
	}
	all.Wait()
	for range 4 {
		all.Go(p.Stop)
		all.Go(func() { p.Ended() })
	}
	var m abi.Message
	for p.Serve(d, &m) != abi.StatusPeerDead {
	}
	all.Wait()
	if _, over := p.Ended(); !over {
		t.Error("it goes on after it was stopped")
	}
}
