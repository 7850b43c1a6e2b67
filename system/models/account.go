package models

import (
	"context"
	"errors"
	"sync/atomic"

	"phios/abi"
	"phios/api/inference"
	"phios/kernel/gate"
)

// account is the caller of one request, as the service knows it.
type account struct {
	model, name string
	label       abi.Label
	bill        gate.Bill
}

// Name is the holder's.
func (a account) Name() string { return a.name }

// Label is that of the call.
func (a account) Label() abi.Label { return a.label }

// May knows one model. The rights were looked at when the call came.
func (a account) May(model string, _ abi.Rights) bool { return model == a.model }

// Charge takes from the budget of whoever called.
func (a account) Charge(c inference.Cost) bool {
	return a.bill.Spend(abi.Amounts{
		abi.ResourceTokens: c.Tokens, abi.ResourceCPU: c.Nanoseconds, abi.ResourceEnergy: c.Microjoules,
	}).OK()
}

var errGone = errors.New("nobody waits for it any more")

// attend returns a context that ends when the caller is no more, when the
// deadline of the machine's clock has passed (zero is never), or when extra
// says so; nil never does. The caller calls done, which waits for nothing.
//
// It polls: the kernel tells nobody of a death but who asks, and a callback out
// of its locks into a server would be worse than some microseconds a second.
func (s *Models) attend(bill gate.Bill, deadline int64, extra func() bool) (ctx context.Context, done func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	parker := s.c.Machine.NewParker()
	var over atomic.Bool
	go func() {
		for !over.Load() {
			now := s.c.Machine.Now()
			if deadline > 0 && now >= deadline {
				cancel(abi.StatusTimeout)
				return
			}
			if s.closing.Load() || !bill.Check().OK() || extra != nil && extra() {
				cancel(errGone)
				return
			}
			wake := now + pollNS
			if deadline > 0 {
				wake = min(wake, deadline)
			}
			parker.Park(wake)
		}
	}()
	return ctx, func() {
		over.Store(true)
		parker.Unpark()
		cancel(context.Canceled)
	}
}
