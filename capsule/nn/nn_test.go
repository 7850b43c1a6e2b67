package nn_test

import (
	"encoding/binary"
	"strings"
	"testing"

	"phios/abi"
	"phios/capsule/nn"
)

// memory is a program's memory.
type memory []byte

func (m memory) Size() uint32 { return uint32(len(m)) }

func (m memory) Slice(offset, n uint32) ([]byte, bool) {
	if uint64(offset)+uint64(n) > uint64(len(m)) {
		return nil, false
	}
	return m[offset : offset+n], true
}

// door is one behind which there is a model that says two pieces, whatever it
// is asked. The real one is asked in apps.
type door struct{ asked []string }

const model, budget, region = 7, 8, 9

func (d *door) Named(name string) (abi.Handle, abi.Status) {
	switch name {
	case "default":
		return model, abi.StatusOK
	case "budget":
		return budget, abi.StatusOK
	case "asked":
		return 0, abi.StatusDenied
	}
	return 0, abi.StatusBadHandle
}

func (d *door) Invoke(h abi.Handle, c abi.Call, a *abi.Args) abi.Status {
	// The others are not called.
	//exhaustive:ignore
	switch c {
	case abi.RegionCreate:
		a.W[0] = region
	case abi.RegionWrite:
		d.asked = append(d.asked, string(a.Bytes))
	case abi.EndpointCall:
		return d.call(h, a.Message)
	}
	return abi.StatusOK
}

func (d *door) call(h abi.Handle, m *abi.Message) abi.Status {
	flags := m.Words[3]
	switch {
	case h != model || m.Words[2] != abi.AIInfer:
		return abi.StatusBadArgument
	case flags&abi.AIStream != 0:
		d.asked = append(d.asked, string(m.Payload()))
		m.Words = [4]uint64{1}
	case flags&abi.AINext != 0 && flags>>abi.AINumberShift == 1:
		m.SetPayload([]byte("piece "))
		m.Words = [4]uint64{0, 6, 0, 0}
	case flags&abi.AINext != 0:
		m.SetPayload([]byte("end"))
		m.Words = [4]uint64{0, 3, abi.AIReasonStop, 5 | 2<<32}
	}
	return abi.StatusOK
}

func (d *door) Charge(abi.Resource, uint64) abi.Status { return abi.StatusOK }
func (d *door) Alive() bool                            { return true }

// guest is a program's memory and its layer.
type guest struct {
	memory
	layer     *nn.Layer
	functions map[string]nn.Function
}

func newGuest() *guest {
	g := &guest{memory: make(memory, 64<<10), layer: nn.New(&door{}), functions: map[string]nn.Function{}}
	for _, f := range nn.Functions() {
		g.functions[f.Name] = f
	}
	return g
}

func (g *guest) do(name string, args ...uint32) nn.Errno {
	stack := make([]uint64, 5)
	for i, a := range args {
		stack[i] = uint64(a) | 0xabcd<<32 // the high half means nothing
	}
	g.functions[name].Call(g.layer, g.memory, stack)
	return nn.Errno(stack[0])
}

func (g *guest) put(at int, words ...uint32) {
	for i, w := range words {
		binary.LittleEndian.PutUint32(g.memory[at+4*i:], w)
	}
}

func TestErrors(t *testing.T) {
	g := newGuest()
	copy(g.memory[100:], "default")
	copy(g.memory[200:], "asked none GGUF....")
	copy(g.memory[300:], `{"temp":1}{"temp":"x"}`)
	g.put(400, 100, 7)     // a builder that is a name
	g.put(408, 211, 8)     // bytes of a model
	g.put(416, 211, 60000) // many of them
	g.put(424, 0, 60000)   // many bytes of nothing
	g.put(432, 1<<31, 7)   // outside
	g.put(500, 0, 1, 2, 100, 7)
	g.put(520, 0, 1, 1, 100, 7) // f32
	g.put(540, 0, 1, 2, 1<<31, 7)
	g.put(560, 0, 1, 2, 100, 2<<20)
	for _, c := range []struct {
		name string
		args []uint32
		want nn.Errno
	}{
		{"load", []uint32{400, 1, 0, 0, 1000}, nn.ErrnoInvalidEncoding},
		{"load", []uint32{400, 2, 5, 0, 1000}, nn.ErrnoInvalidArgument},
		{"load", []uint32{1 << 31, 1, 5, 0, 1000}, nn.ErrnoInvalidArgument},
		{"load", []uint32{408, 1, 5, 0, 1000}, nn.ErrnoUnsupported},
		{"load", []uint32{416, 1, 5, 0, 1000}, nn.ErrnoUnsupported},
		{"load", []uint32{424, 1, 5, 0, 1000}, nn.ErrnoTooLarge},
		{"load", []uint32{432, 1, 5, 0, 1000}, nn.ErrnoInvalidArgument},
		{"load_by_name", []uint32{200, 5, 1000}, nn.ErrnoNotFound},
		{"load_by_name", []uint32{206, 4, 1000}, nn.ErrnoNotFound},
		{"load_by_name", []uint32{100, 7, 65533}, nn.ErrnoInvalidArgument},
		{"load_by_name", []uint32{100, 1 << 30, 1000}, nn.ErrnoTooLarge},
		{"load_by_name_with_config", []uint32{100, 7, 310, 12, 1000}, nn.ErrnoInvalidArgument},
		{"load_by_name_with_config", []uint32{100, 7, 300, 10, 1000}, nn.ErrnoOK}, // graph 0
		{"load", []uint32{400, 1, 5, 9, 1000}, nn.ErrnoOK},                        // graph 1
		{"init_execution_context", []uint32{9, 1004}, nn.ErrnoInvalidArgument},
		{"init_execution_context", []uint32{0, 65533}, nn.ErrnoInvalidArgument},
		{"init_execution_context", []uint32{0, 1004}, nn.ErrnoOK},
		{"set_input", []uint32{1, 0, 500}, nn.ErrnoInvalidArgument},
		{"set_input", []uint32{0, 2, 500}, nn.ErrnoInvalidArgument},
		{"set_input", []uint32{0, 0, 520}, nn.ErrnoInvalidArgument},
		{"set_input", []uint32{0, 0, 540}, nn.ErrnoInvalidArgument},
		{"set_input", []uint32{0, 0, 560}, nn.ErrnoTooLarge},
		{"set_input", []uint32{0, 0, 65530}, nn.ErrnoInvalidArgument},
		{"set_input", []uint32{0, 1, 500}, nn.ErrnoInvalidArgument}, // no JSON
		{"set_input", []uint32{0, 0, 500}, nn.ErrnoOK},
		{"compute", []uint32{7}, nn.ErrnoInvalidArgument},
		{"get_output", []uint32{0, 5, 2000, 100, 1008}, nn.ErrnoInvalidArgument},
		{"get_output", []uint32{0, 1, 2000, 3, 1008}, nn.ErrnoTooLarge},
		{"get_output", []uint32{0, 1, 65530, 100, 1008}, nn.ErrnoInvalidArgument},
		{"get_output", []uint32{0, 1, 2000, 100, 65533}, nn.ErrnoInvalidArgument},
		{"compute_single", []uint32{0}, nn.ErrnoOK},
		{"get_output_single", []uint32{0, 0, 2000, 100, 1008}, nn.ErrnoOK},
		{"fini_single", []uint32{0}, nn.ErrnoOK},
		{"unload", []uint32{0}, nn.ErrnoOK},
		{"unload", []uint32{0}, nn.ErrnoInvalidArgument},
		{"compute", []uint32{0}, nn.ErrnoInvalidArgument},
	} {
		if got := g.do(c.name, c.args...); got != c.want {
			t.Errorf("%s%v = %d, want %d", c.name, c.args, got, c.want)
		}
	}
	if got := string(g.memory[2000:2006]); got != "piece " {
		t.Errorf("the piece is %q", got)
	}
	if !strings.HasPrefix(string(g.memory[100:]), "default") {
		t.Error("inputs were written to")
	}
}

// FuzzLayer does any functions in a row with any arguments.
func FuzzLayer(f *testing.F) {
	f.Add([]byte("default\x00\x01\x02"), []byte{1, 0, 7, 9, 2, 0, 9, 0, 0, 3, 0, 0, 5})
	names := make([]string, 0, 11)
	for _, fn := range nn.Functions() {
		names = append(names, fn.Name)
	}
	f.Fuzz(func(_ *testing.T, start, program []byte) {
		g := newGuest()
		copy(g.memory, start)
		copy(g.memory[32<<10:], program)
		for len(program) >= 6 {
			name := names[int(program[0])%len(names)]
			args := make([]uint32, 5)
			for i := range args {
				args[i] = uint32(program[1+i])
				if args[i] > 250 {
					args[i] = ^uint32(0) - uint32(program[1+i])
				}
			}
			program = program[6:]
			if name != "compute" { // this model never ends
				g.do(name, args...)
			}
		}
	})
}
