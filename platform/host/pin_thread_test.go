package host

import (
	"errors"
	"testing"

	"golang.org/x/sys/unix"
)

func TestPinThread(t *testing.T) {
	var before, pinned, after unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		t.Fatal(err)
	}
	undo, err := PinThread(0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.SchedGetaffinity(0, &pinned); err != nil || pinned.Count() != 1 {
		t.Errorf("%d processors while pinned (%v), want 1", pinned.Count(), err)
	}
	undo()
	if err := unix.SchedGetaffinity(0, &after); err != nil || after != before {
		t.Errorf("other processors than before (%v)", err)
	}
	if _, err := PinThread(before.Count()); !errors.Is(err, errOneProcessor) {
		t.Errorf("a processor too many: %v", err)
	}
}
