package capsules

import (
	"testing"

	"phios/abi"
	"phios/api/control"
	"phios/kernel/gate"
)

// BenchmarkCall is a call of 64 bytes from a task to an inline capsule, on the
// caller's own thread; BenchmarkOperator one through the control socket.
func BenchmarkCall(b *testing.B) {
	w := newWorld(b)
	w.install(manifestFor("actor", "budget: {cpu: 10h}"), build(b))
	w.run("actor")
	c, err := w.m.cell("actor")
	if err != nil {
		b.Fatal(err)
	}
	err = w.m.callers.do(b.Context(), c.endpoint, abi.Whole(abi.RightInvoke|abi.RightSend), func(p *gate.Port, h abi.Handle) {
		var m abi.Message
		a := abi.Args{Message: &m}
		b.ReportAllocs()
		for b.Loop() {
			m.Length = 64
			if status := p.Invoke(h, abi.EndpointCall, &a); status != abi.StatusOK {
				b.Error(status)
				return
			}
		}
	})
	if err != nil {
		b.Fatal(err)
	}
}

func BenchmarkOperator(b *testing.B) {
	w := newWorld(b)
	w.install(manifestFor("actor", "budget: {cpu: 10h}"), build(b))
	w.run("actor")
	for b.Loop() {
		if _, err := w.Call(b.Context(), control.CallRequest{Capsule: "actor", Text: "hello"}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkLife is a whole life of an inline capsule: task, budget, grants,
// start, and end.
func BenchmarkLife(b *testing.B) {
	w := newWorld(b)
	w.install(manifestFor("actor"), build(b))
	for b.Loop() {
		w.run("actor")
		if err := w.Kill(b.Context(), "actor"); err != nil {
			b.Fatal(err)
		}
	}
}
