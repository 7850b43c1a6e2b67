package nn

import (
	"encoding/binary"

	"phios/abi"
	"phios/capsule/wasi"
)

// ModuleName is the module from which programs import the functions.
const ModuleName = "wasi_ephemeral_nn"

// Errno is what a function returns: zero, or why not.
type Errno uint32

// The errors, by their numbers in the specification, and the one that WasmEdge
// adds for texts that are read piece by piece.
const (
	ErrnoOK              Errno = 0
	ErrnoInvalidArgument Errno = 1
	ErrnoInvalidEncoding Errno = 2
	ErrnoMissingMemory   Errno = 3
	ErrnoBusy            Errno = 4
	ErrnoRuntime         Errno = 5
	ErrnoUnsupported     Errno = 6
	ErrnoTooLarge        Errno = 7
	ErrnoNotFound        Errno = 8
	ErrnoEndOfSequence   Errno = 100
)

// errnoOf translates a refusal of the kernel or of the model's server.
func errnoOf(s abi.Status) Errno {
	// What is not here went wrong while it ran.
	//exhaustive:ignore
	switch s {
	case abi.StatusOK:
		return ErrnoOK
	case abi.StatusBadArgument:
		return ErrnoInvalidArgument
	case abi.StatusBadHandle, abi.StatusDenied, abi.StatusRights, abi.StatusRevoked, abi.StatusEmpty, abi.StatusExpired, abi.StatusType:
		return ErrnoNotFound
	case abi.StatusNoMemory:
		return ErrnoMissingMemory
	case abi.StatusBusy, abi.StatusLimit:
		return ErrnoBusy
	case abi.StatusUnsupported:
		return ErrnoUnsupported
	case abi.StatusRange:
		return ErrnoTooLarge
	default:
		return ErrnoRuntime
	}
}

// Function is one function that programs import. All parameters are i32, and so
// is the one result.
type Function struct {
	Name   string
	Params int
	// Call does it. The parameters are on the stack from the front, and the
	// result replaces the first. It never panics, whatever the program passes.
	Call func(l *Layer, m wasi.Memory, stack []uint64)
}

// call is a call of a function while it is being done.
type call struct {
	memory wasi.Memory
	stack  []uint64
}

func (c call) u32(i int) uint32 { return uint32(c.stack[i]) } //nolint:gosec // G115: an i32 is the low half of its slot

// bytes copies n bytes out of memory: the copy is what is checked and used.
func (c call) bytes(at, n uint32, most int) ([]byte, Errno) {
	if uint64(n) > uint64(most) { //nolint:gosec // G115: a limit
		return nil, ErrnoTooLarge
	}
	b, ok := c.memory.Slice(at, n)
	if !ok {
		return nil, ErrnoInvalidArgument
	}
	return append([]byte(nil), b...), ErrnoOK
}

// put32 writes a number.
func (c call) put32(at, value uint32) Errno {
	b, ok := c.memory.Slice(at, 4)
	if !ok {
		return ErrnoInvalidArgument
	}
	binary.LittleEndian.PutUint32(b, value)
	return ErrnoOK
}

// Functions returns all functions of the module, by the specification and then
// WasmEdge's. The caller owns the list.
func Functions() []Function {
	list := []Function{}
	for _, f := range []struct {
		name   string
		params int
		do     func(*Layer, call) Errno
	}{
		{"load", 5, (*Layer).load},
		{"load_by_name", 3, (*Layer).loadByName},
		{"init_execution_context", 2, (*Layer).open},
		{"set_input", 3, (*Layer).setInput},
		{"compute", 1, (*Layer).compute},
		{"get_output", 5, (*Layer).getOutput},
		{"load_by_name_with_config", 5, (*Layer).loadWithConfig},
		{"compute_single", 1, (*Layer).computeSingle},
		{"get_output_single", 5, (*Layer).getOutputSingle},
		{"fini_single", 1, (*Layer).finishSingle},
		{"unload", 1, (*Layer).unload},
	} {
		list = append(list, Function{Name: f.name, Params: f.params, Call: func(l *Layer, m wasi.Memory, stack []uint64) {
			stack[0] = uint64(f.do(l, call{m, stack}))
		}})
	}
	return list
}
