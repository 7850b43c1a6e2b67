package worker

import (
	"bytes"
	"testing"

	"phios/capsule"
)

// TestFreeze stops a program in one worker and lets it go on in another.
func TestFreeze(t *testing.T) {
	w := newWorld(t)
	p := w.pool(0)
	first := w.start(p, "")
	first.must(doAdd, 40)
	var frozen bytes.Buffer
	if err := first.Freeze(&frozen); err != nil {
		t.Fatal(err)
	}
	if got := first.must(doAdd, 1)[2]; got != 41 {
		t.Errorf("the frozen one goes on with %d", got)
	}
	first.Close()
	t.Logf("%d bytes", frozen.Len())

	door := w.task()
	program, err := p.Start(capsule.Spec{Name: "thawed", Image: w.image, Door: door, Frozen: &frozen})
	if err != nil {
		t.Fatal(err)
	}
	defer program.Close()
	second := running{door, program, w}
	if exit := second.Run(); !exit.OK() || !second.Serves() {
		t.Fatalf("exit %+v", exit)
	}
	if got := second.must(doAdd, 2)[2]; got != 42 {
		t.Errorf("goes on with %d", got)
	}
}
