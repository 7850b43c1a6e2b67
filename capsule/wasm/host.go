package wasm

import (
	"context"
	"time"

	"github.com/tetratelabs/wazero/api"

	"phios/abi"
)

// nameBytesMax is the length of the longest name of a capability.
const nameBytesMax = 256

// result gives a program a status, as an i32.
func result(stack []uint64, status abi.Status) { stack[0] = uint64(status) }

// running is the context of every call into a program. It carries nothing but
// the instance, which host functions get back by its type: a lookup in a chain
// of contexts would cost as much as the rest of a call.
type running struct{ instance *Instance }

var _ context.Context = (*running)(nil)

// Deadline, Done, Err and Value make a context of it that says nothing.
func (*running) Deadline() (deadline time.Time, ok bool) { return time.Time{}, false }

// Done is never ready.
func (*running) Done() <-chan struct{} { return nil }

// Err is nil.
func (*running) Err() error { return nil }

// Value knows nothing.
func (*running) Value(any) any { return nil }

// of returns the instance that a host function was called by.
func of(ctx context.Context) *Instance { return ctx.(*running).instance } //nolint:forcetypeassert // no other context is ever passed

// plan is a host function of the table in abi, ready to be run.
type plan struct {
	abi.HostFunction

	wordsIn  uint8 // which words before the call are handles
	wordsOut uint8 // which words after it are
}

// plans returns all by module and name.
func plans() map[string]*plan {
	list := map[string]*plan{}
	for _, f := range abi.HostFunctions() {
		list[f.Module+"."+f.Name] = &plan{HostFunction: f, wordsIn: handleWordsIn(f.Call), wordsOut: handleWordsOut(f.Call)}
	}
	return list
}

// types returns the parameters as WebAssembly has them.
func (p *plan) types() []api.ValueType {
	var types []api.ValueType
	for _, param := range p.Params {
		switch param {
		case abi.ParamHandle, abi.ParamWord:
			types = append(types, api.ValueTypeI64)
		case abi.ParamBytes, abi.ParamRoom:
			types = append(types, api.ValueTypeI32, api.ValueTypeI32)
		case abi.ParamSmall, abi.ParamWords, abi.ParamResult, abi.ParamResults,
			abi.ParamMessage, abi.ParamMint, abi.ParamLabel, abi.ParamLabelOut:
			types = append(types, api.ValueTypeI32)
		}
	}
	return types
}

// run is the host function.
func (p *plan) run(ctx context.Context, stack []uint64) {
	i := of(ctx)
	touched := i.touched
	i.enter()
	if p.Call == abi.SessionNamed {
		i.touched = touched // to ask for a name changes nothing; see template
	}
	a := &i.args
	*a = abi.Args{}
	h, status := p.decode(i, stack, a)
	if status == abi.StatusOK {
		if status = i.do(p, h, a); status == abi.StatusOK {
			p.encode(i, stack, a)
		}
	}
	result(stack, status)
	i.leave(status)
}

// decode copies the arguments out of the program's memory and checks the
// places of the results, so that a call is either not made or its results are
// delivered.
func (p *plan) decode(i *Instance, stack []uint64, a *abi.Args) (abi.Handle, abi.Status) { //nolint:revive // cyclomatic: one line a parameter
	var h abi.Handle
	status := abi.StatusOK
	slot, word := 0, 0
	for _, param := range p.Params {
		v := stack[slot]
		slot++
		switch param {
		case abi.ParamHandle:
			h = abi.Handle(v)
		case abi.ParamWord:
			a.W[word] = v
			word++
		case abi.ParamSmall:
			a.W[word] = uint64(uint32(v)) //nolint:gosec // G115: an i32 is the low half of its slot
			word++
		case abi.ParamWords:
			status = i.words(v, &a.W)
		case abi.ParamResult:
			status = i.check(v, 8)
		case abi.ParamResults:
			status = i.check(v, 8*abi.ArgWords)
		case abi.ParamMessage:
			status = i.messageAt(v)
			if p.Operation != 0 {
				i.message.Words[2] = p.Operation
			}
			a.Message = &i.message
		case abi.ParamMint:
			if p.Call == abi.TaskGrant && a.W[1] == abi.GrantMove {
				continue // nothing is made less: the pointer means nothing
			}
			status = i.mintAt(v)
			a.Mint = &i.mint
		case abi.ParamLabel:
			status = i.labelAt(v, &a.Label)
		case abi.ParamLabelOut:
			status = i.check(v, abi.LabelBytes)
		case abi.ParamBytes, abi.ParamRoom:
			a.Bytes, status = i.bytesAt(v, stack[slot])
			slot++
		}
		if status != abi.StatusOK {
			return 0, status
		}
	}
	return h, i.translateIn(p, &h, a)
}

// encode writes the results to where decode found room.
func (p *plan) encode(i *Instance, stack []uint64, a *abi.Args) {
	slot, word := 0, 0
	for _, param := range p.Params {
		v := stack[slot]
		slot++
		//exhaustive:ignore
		switch param {
		case abi.ParamResult:
			i.put64(v, a.W[word])
			word++
		case abi.ParamResults:
			for n, w := range a.W {
				i.put64(v+uint64(8*n), w)
			}
		case abi.ParamMessage:
			i.putMessage(v)
		case abi.ParamLabelOut:
			if b, ok := i.at(v, abi.LabelBytes); ok {
				abi.EncodeLabel(b, a.Label)
			}
		case abi.ParamBytes, abi.ParamRoom:
			slot++
		default:
		}
	}
}

// do makes the call: the kernel's, or one of the session's own.
func (i *Instance) do(p *plan, h abi.Handle, a *abi.Args) abi.Status {
	// All others are the kernel's.
	//exhaustive:ignore
	switch p.Call {
	case abi.SessionNamed:
		if len(a.Bytes) > nameBytesMax {
			return abi.StatusRange
		}
		found, status := i.named(string(a.Bytes))
		a.W[0] = uint64(found)
		return status
	case abi.SessionArgument:
		a.W[0] = i.spec.Argument
		return abi.StatusOK
	case abi.SessionRingSend, abi.SessionRingReceive:
		return i.ring(p.Call, a)
	case abi.TaskExit:
		code := a.W[0]
		status := i.door.Invoke(0, abi.TaskExit, a)
		if status == abi.StatusOK {
			i.exit(uint32(code)) //nolint:gosec // G115: a code has 32 bits, as everywhere
		}
		return status
	default:
	}
	status := i.door.Invoke(h, p.Call, a)
	if status == abi.StatusOK {
		status = i.translateOut(p, a)
	}
	return status
}

// call is phi:ipc.call by hand: what every capsule does most.
func call(ctx context.Context, stack []uint64) {
	i := of(ctx)
	i.enter()
	pointer := stack[1]
	status := i.messageAt(pointer)
	if status == abi.StatusOK {
		h := abi.Handle(stack[0])
		if i.epoch != 0 {
			status = i.translateCall(&h)
		}
		if status == abi.StatusOK {
			i.callArgs.Message = &i.message
			status = i.door.Invoke(h, abi.EndpointCall, &i.callArgs)
		}
		if status == abi.StatusOK {
			if status = i.handlesOut(&i.message); status == abi.StatusOK {
				i.putMessage(pointer)
			}
		}
	}
	result(stack, status)
	i.leave(status)
}

// at returns n bytes of the program's memory.
func (i *Instance) at(pointer uint64, n uint32) ([]byte, bool) {
	return i.memory.Read(uint32(pointer), n) //nolint:gosec // G115: an i32 is the low half of its slot
}

func (i *Instance) check(pointer uint64, n uint32) abi.Status {
	if _, ok := i.at(pointer, n); !ok {
		return abi.StatusRange
	}
	return abi.StatusOK
}

func (i *Instance) words(pointer uint64, w *[abi.ArgWords]uint64) abi.Status {
	for n := range w {
		v, ok := i.memory.ReadUint64Le(uint32(pointer) + uint32(8*n)) //nolint:gosec // G115: an i32 is the low half of its slot
		if !ok {
			return abi.StatusRange
		}
		w[n] = v
	}
	return i.check(pointer, 8*abi.ArgWords)
}

func (i *Instance) put64(pointer, v uint64) {
	_ = i.memory.WriteUint64Le(uint32(pointer), v) //nolint:gosec // G115: an i32 is the low half of its slot; decode checked it
}

func (i *Instance) messageAt(pointer uint64) abi.Status {
	b, ok := i.at(pointer, abi.MessageBytes)
	if !ok {
		return abi.StatusRange
	}
	return abi.DecodeMessage(b, &i.message)
}

func (i *Instance) putMessage(pointer uint64) {
	if b, ok := i.at(pointer, abi.MessageBytes); ok {
		abi.EncodeMessage(b, &i.message)
	}
}

func (i *Instance) mintAt(pointer uint64) abi.Status {
	b, ok := i.at(pointer, abi.MintBytes)
	if !ok {
		return abi.StatusRange
	}
	return abi.DecodeMint(b, &i.mint)
}

func (i *Instance) labelAt(pointer uint64, l *abi.Label) abi.Status {
	b, ok := i.at(pointer, abi.LabelBytes)
	if !ok {
		return abi.StatusRange
	}
	return abi.DecodeLabel(b, l)
}

// bytesAt returns bytes that the kernel copies to or from, without a copy of
// our own: nobody looks at them but the copy itself. As many as a frame has:
// what works here works in every tier.
func (i *Instance) bytesAt(pointer, n uint64) ([]byte, abi.Status) {
	n = uint64(uint32(n)) //nolint:gosec // G115: an i32 is the low half of its slot
	if n > abi.FramePayloadMax {
		return nil, abi.StatusRange
	}
	b, ok := i.at(pointer, uint32(n))
	if !ok {
		return nil, abi.StatusRange
	}
	i.meter.copied(len(b))
	return b, abi.StatusOK
}
