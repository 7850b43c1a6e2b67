package capsules

import (
	"strings"
	"testing"

	"phios/abi"
	"phios/api/control"
)

// TestLife is the way of a capsule through a node: install, run, call, look,
// log, kill.
func TestLife(t *testing.T) {
	w := newWorld(t)
	img := w.install(manifestFor("actor"), build(t))
	if img.Name != "actor" || len(img.Hash) != 64 || img.Size == 0 {
		t.Errorf("installed %+v", img)
	}
	v := w.run("actor")
	if v.State != control.StateServing || v.Tier != "inline" || v.Task == 0 {
		t.Fatalf("runs as %+v\n%s", v, w.logText("actor"))
	}
	if a := w.call("actor", "hello"); a.Text != "one" || a.Words[0] != 1 {
		t.Errorf("answered %+v", a)
	}
	w.call("actor", "print from inside")
	if text := w.logText("actor"); !strings.Contains(text, "1 from inside\n") {
		t.Errorf("the log is %q", text)
	}
	if _, err := w.Run(t.Context(), control.RunRequest{Capsule: "actor"}); err == nil {
		t.Error("runs twice under one name")
	}
	list, err := w.List(t.Context())
	if err != nil || len(list) != 1 || list[0].Usage.Served != 2 {
		t.Errorf("the list is %+v, %v", list, err)
	}
	if err := w.Kill(t.Context(), "actor"); err != nil {
		t.Fatal(err)
	}
	if got := w.state("actor"); got != control.StateKilled {
		t.Errorf("after the kill it is %s", got)
	}
	_, err = w.Call(t.Context(), control.CallRequest{Capsule: "actor", Text: "hello"})
	if err == nil {
		t.Error("a killed capsule answers")
	}
	w.run("actor")
	if a := w.call("actor", "hello"); a.Words[0] != 1 {
		t.Errorf("the second life counts %d", a.Words[0])
	}
	_ = abi.StatusOK
}
