package ambient

import (
	"phios/abi"
	"phios/kernel/gate"
)

// mailboxSlots is the capacity of the endpoints: nobody sends to them, and the
// kernel wants one.
const mailboxSlots = 1

// callable is what a program may do with a service: call it.
const callable = abi.RightInvoke | abi.RightSend

// Provide makes an endpoint on the budget and lets the handler answer at it,
// on the threads of its callers and for many at once. It returns the endpoint,
// which belongs to p's task. A program is granted INVOKE and SEND of it, and
// nothing else is needed: see [Callable].
//
// The statuses are those of EndpointCreate and of gate.Port.Serve.
func Provide(p *gate.Port, budget abi.Handle, h gate.Handler) (abi.Handle, abi.Status) {
	return provide(p, budget, abi.ObjectEndpoint, h)
}

// Callable returns the Mint with which a program is granted a service. With
// it, the program can neither pass the service on nor receive in its place.
func Callable() abi.Mint {
	m := abi.Whole(callable)
	m.Pass = 0
	return m
}

func provide(p *gate.Port, budget abi.Handle, typ abi.ObjectType, h gate.Handler) (abi.Handle, abi.Status) {
	a := abi.Args{W: [abi.ArgWords]uint64{mailboxSlots}, Label: abi.LabelTop()}
	if typ != abi.ObjectEndpoint {
		a.W[1] = uint64(typ)
	}
	if status := p.Invoke(budget, abi.EndpointCreate, &a); !status.OK() {
		return 0, status
	}
	endpoint := abi.Handle(a.W[0])
	if status := p.Serve(endpoint, h, true); !status.OK() {
		drop(p, endpoint)
		return 0, status
	}
	return endpoint, abi.StatusOK
}

// drop deletes a capability of p's task, if it is there.
func drop(p *gate.Port, h abi.Handle) { _ = p.Invoke(h, abi.CapDelete, &abi.Args{}) }

// dropHandles deletes the capabilities that came with a request. Nothing that
// is served here takes any, and what was left would fill the server's table:
// a program must not be able to choose what the server holds.
func dropHandles(p *gate.Port, handles [abi.MessageHandleMax]abi.Handle, count uint8) {
	for _, h := range handles[:min(count, abi.MessageHandleMax)] {
		drop(p, h)
	}
}
