// Command trial uses every noun of package phi against a real kernel. It is
// told to by a message and answers with what went wrong, or "ok".
package main

import (
	"fmt"
	"time"

	phi "phios/sdk/go"
	"phios/sdk/go/server"
)

func init() {
	server.Handle(func(m *phi.Message) error {
		m.Clear()
		text := "ok"
		if err := trial(); err != nil {
			text = err.Error()
		}
		return m.SetText(text)
	})
}

func main() {}

func trial() error {
	c, err := phi.Named("budget")
	if err != nil {
		return fmt.Errorf("named: %w", err)
	}
	budget := c.Budget()
	for _, step := range []struct {
		name string
		do   func(phi.Budget) error
	}{
		{"names", names}, {"capabilities", capabilities}, {"regions", regions}, {"rings", rings},
		{"notifications", notifications}, {"endpoints", endpoints}, {"budgets", budgets},
	} {
		if err := step.do(budget); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
	}
	return nil
}

// must is for what has to fail with one status.
func must(err error, want phi.Status) error {
	if err != want {
		return fmt.Errorf("got %v, want %w", err, want)
	}
	return nil
}

func check(ok bool, format string, args ...any) error {
	if ok {
		return nil
	}
	return fmt.Errorf(format, args...)
}

func first(errs ...error) error {
	for i, err := range errs {
		if err != nil {
			return fmt.Errorf("step %d: %w", i+1, err)
		}
	}
	return nil
}

func names(phi.Budget) error {
	_, unasked := phi.Named("unasked")
	_, empty := phi.Named("")
	return first(must(unasked, phi.StatusBadHandle), must(empty, phi.StatusBadHandle), check(phi.Argument() == 77, "argument %d", phi.Argument()))
}

func capabilities(b phi.Budget) error {
	r, err := b.NewRegion(phi.PageBytes)
	if err != nil {
		return err
	}
	mint := phi.Whole(phi.RightInvoke | phi.RightRead)
	mint.Base, mint.Bytes = 0, phi.PageBytes
	lesser, err := r.Mint(&mint)
	if err != nil {
		return fmt.Errorf("mint: %w", err)
	}
	buffer := make([]byte, 8)
	seen, err := lesser.Inspect()
	if err != nil {
		return fmt.Errorf("inspect: %w", err)
	}
	return first(
		check(seen.Type == phi.ObjectRegion && seen.Rights == mint.Rights && seen.Pass == mint.Pass, "inspected %+v", seen),
		lesser.Region().Read(0, buffer),
		must(lesser.Region().Write(0, buffer), phi.StatusRights),
		must(b.Endpoint().Send(new(phi.Message)), phi.StatusType),
		r.Revoke(),
		must(lesser.Region().Read(0, buffer), phi.StatusRevoked),
		r.Delete(),
		must(r.Read(0, buffer), phi.StatusBadHandle),
	)
}

func regions(b phi.Budget) error {
	r, err := b.NewRegion(4 * phi.PageBytes)
	if err != nil {
		return err
	}
	text := []byte("written by a copy")
	if err := r.Write(phi.PageBytes+3, text); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	w, err := r.Map(phi.PageBytes, 2*phi.PageBytes, phi.Shared)
	if err != nil {
		return fmt.Errorf("map: %w", err)
	}
	if got := string(w.Bytes[3 : 3+len(text)]); got != string(text) {
		return fmt.Errorf("the window shows %q", got)
	}
	w.Bytes[0] = 42
	one := make([]byte, 1)
	if err := r.Read(phi.PageBytes, one); err != nil || one[0] != 42 {
		return fmt.Errorf("a store reads back as %d, %w", one[0], err)
	}
	private, err := r.Map(phi.PageBytes, phi.PageBytes, phi.Private)
	if err != nil {
		return fmt.Errorf("map private: %w", err)
	}
	private.Bytes[0] = 43
	pages, err := r.Settle()
	if err != nil {
		return fmt.Errorf("settle: %w", err)
	}
	state, err := r.State()
	if err != nil {
		return fmt.Errorf("state: %w", err)
	}
	_, far := r.Map(8*phi.PageBytes, phi.PageBytes, phi.Shared)
	return first(
		check(w.Bytes[0] == 42 && private.Bytes[0] == 43, "private stores show"),
		check(pages == 1, "settled %d pages", pages),
		check(state.Bytes == 4*phi.PageBytes && state.Mappings == 2, "state %+v", state),
		must(far, phi.StatusRange),
		must(r.Read(4*phi.PageBytes, one), phi.StatusRange),
		private.Unmap(), w.Unmap(), must(w.Unmap(), phi.StatusState),
		r.Delete(),
	)
}

func rings(b phi.Budget) error {
	const message, slots = 64, 4
	r, err := b.NewRegion(phi.PageBytes)
	if err != nil {
		return err
	}
	w, err := r.Map(0, phi.PageBytes, phi.Shared)
	if err != nil {
		return err
	}
	ring := phi.Ring{Window: w, MessageBytes: message, Slots: slots}
	sent, got := make([]byte, message), make([]byte, message)
	for round := range 3 {
		for i := range slots {
			sent[0], sent[message-1] = byte(i), byte(round)
			if err := ring.Send(sent, time.Second); err != nil {
				return fmt.Errorf("send %d of round %d: %w", i, round, err)
			}
		}
		if err := must(ring.Send(sent, time.Millisecond), phi.StatusTimeout); err != nil {
			return err
		}
		for i := range slots {
			if err := ring.Receive(got, time.Second); err != nil || got[0] != byte(i) || got[message-1] != byte(round) {
				return fmt.Errorf("receive %d of round %d: %v, %w", i, round, got, err)
			}
		}
	}
	return first(must(ring.Receive(got, time.Millisecond), phi.StatusTimeout), w.Unmap(), r.Delete())
}

func notifications(b phi.Budget) error {
	n, err := b.NewNotification()
	if err != nil {
		return err
	}
	if err := n.Signal(5); err != nil {
		return err
	}
	taken, err := n.Wait(4, 0)
	if err != nil || taken != 4 {
		return fmt.Errorf("waited for %b: %w", taken, err)
	}
	left, err := n.Poll(7)
	if err != nil || left != 1 {
		return fmt.Errorf("polled %b: %w", left, err)
	}
	_, late := n.Wait(1, 1)
	timer, err := b.NewTimer(n, 2)
	if err != nil {
		return err
	}
	return first(must(late, phi.StatusTimeout), timer.Arm(1<<62, 0), timer.Cancel(), timer.Delete(), n.Delete())
}

func endpoints(b phi.Budget) error {
	ceiling := phi.LabelAny()
	e, err := b.NewEndpoint(1, phi.ObjectNone, &ceiling)
	if err != nil {
		return err
	}
	var m phi.Message
	m.Words[3] = 9
	if err := first(m.SetText("to myself"), m.Attach(e.Capability), e.Send(&m), must(e.Send(&m), phi.StatusMailboxFull)); err != nil {
		return err
	}
	var got phi.Message
	if err := e.Receive(&got); err != nil {
		return err
	}
	along := got.Capabilities()
	if got.Text() != "to myself" || got.Words[3] != 9 || len(along) != 1 || got.ReplyTo != 0 {
		return fmt.Errorf("received %q, words %v, capabilities %v", got.Text(), got.Words, along)
	}
	got.Deadline = 1
	return first(along[0].Delete(), must(e.Receive(&got), phi.StatusTimeout), e.Delete())
}

func budgets(b phi.Budget) error {
	before, err := b.Available()
	if err != nil {
		return err
	}
	child, err := b.Carve(&phi.Amounts{phi.ResourceMemory: phi.PageBytes})
	if err != nil {
		return fmt.Errorf("carve: %w", err)
	}
	after, err := b.Available()
	if err != nil {
		return err
	}
	_, large := child.NewRegion(2 * phi.PageBytes)
	return first(
		check(before[phi.ResourceMemory]-after[phi.ResourceMemory] >= phi.PageBytes, "carving takes %d", before[0]-after[0]),
		must(large, phi.StatusBudget),
		child.Delete(),
	)
}
