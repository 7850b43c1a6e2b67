package server

import (
	"errors"
	"fmt"
	"testing"

	phi "phios/sdk/go"
)

// TestAnswer passes messages to a handler as the node does, and each kind of
// error back.
func TestAnswer(t *testing.T) {
	var m phi.Message
	if s := answer(&m); s != phi.StatusUnsupported {
		t.Errorf("without a handler: %v", s)
	}
	if s := begin(1); s != phi.StatusOK {
		t.Errorf("without a start: %v", s)
	}
	cases := []struct {
		err  error
		want phi.Status
	}{
		{nil, phi.StatusOK},
		{phi.StatusLimit, phi.StatusLimit},
		{fmt.Errorf("add a note: %w", phi.StatusBudget), phi.StatusBudget},
		{errors.New("no status at all"), phi.StatusBadArgument},
	}
	for _, c := range cases {
		Handle(func(m *phi.Message) error {
			m.Words[0]++
			return c.err
		})
		Start(func(argument uint64) error {
			m.Words[1] = argument
			return c.err
		})
		if s := answer(&m); s != c.want {
			t.Errorf("an answer of %v became %v, want %v", c.err, s, c.want)
		}
		if s := begin(7); s != c.want || m.Words[1] != 7 {
			t.Errorf("a start of %v became %v, want %v", c.err, s, c.want)
		}
	}
	if m.Words[0] != uint64(len(cases)) {
		t.Errorf("%d messages were handled, want %d", m.Words[0], len(cases))
	}
}
