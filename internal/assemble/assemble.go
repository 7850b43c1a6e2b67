// Package assemble puts small WebAssembly modules together by hand, for tests
// and measurements that want a program and no compiler.
package assemble

import "slices"

// Module is a module with one memory, which is exported as "memory". Functions
// are numbered from the imports on.
type Module struct {
	Imports []Import
	// Pages is the size of the memory, at least one.
	Pages byte
	// Data lies at DataAt when the program begins.
	Data []byte
	// Globals are the first values of mutable i64s.
	Globals   []int64
	Functions []Function
}

// Import is an imported function; types are letters, w for i32 and d for i64.
type Import struct{ Module, Name, Params, Results string }

// Function is a function of the module; Locals of type i64 follow its
// parameters.
type Function struct {
	Export, Params, Results string
	Locals                  byte
	Code                    []byte
}

// DataAt is where a module's data lie.
const DataAt = 256

// The instructions.
const (
	Unreachable = 0x00
	Block       = 0x02
	Loop        = 0x03
	If          = 0x04
	End         = 0x0b
	Branch      = 0x0c
	BranchIf    = 0x0d
	Return      = 0x0f
	Drop        = 0x1a
	Eqz64       = 0x50
	Add64       = 0x7c
	Sub64       = 0x7d
	Void        = 0x40
)

// Join puts pieces of code behind each other.
func Join(parts ...[]byte) []byte { return slices.Concat(parts...) }

// Op is instructions without operands, or with those given.
func Op(b ...byte) []byte { return b }

// I32 and I64 are constants.
func I32(v int64) []byte { return Join(Op(0x41), signed(v)) }

// I64 is a constant.
func I64(v int64) []byte { return Join(Op(0x42), signed(v)) }

// Get and Set read and write a local.
func Get(n uint64) []byte { return Join(Op(0x20), unsigned(n)) }

// Set writes a local.
func Set(n uint64) []byte { return Join(Op(0x21), unsigned(n)) }

// GetGlobal and SetGlobal read and write a global.
func GetGlobal(n uint64) []byte { return Join(Op(0x23), unsigned(n)) }

// SetGlobal writes a global.
func SetGlobal(n uint64) []byte { return Join(Op(0x24), unsigned(n)) }

// Call calls a function.
func Call(n uint64) []byte { return Join(Op(0x10), unsigned(n)) }

// Load64 loads 8 bytes from an address.
func Load64(at int64) []byte { return Join(I32(at), Op(0x29, 3, 0)) }

// Store64 stores what value leaves at an address.
func Store64(at int64, value []byte) []byte { return Join(I32(at), value, Op(0x37, 3, 0)) }

func unsigned(v uint64) []byte {
	var b []byte
	for {
		c := byte(v & 0x7f)
		if v >>= 7; v == 0 {
			return append(b, c)
		}
		b = append(b, c|0x80)
	}
}

func signed(v int64) []byte {
	var b []byte
	for {
		c := byte(v & 0x7f)
		v >>= 7
		if v == 0 && c&0x40 == 0 || v == -1 && c&0x40 != 0 {
			return append(b, c)
		}
		b = append(b, c|0x80)
	}
}

func text(s string) []byte { return Join(unsigned(uint64(len(s))), []byte(s)) }

func section(id byte, entries ...[]byte) []byte {
	if len(entries) == 0 {
		return nil
	}
	body := Join(unsigned(uint64(len(entries))), slices.Concat(entries...))
	return Join(Op(id), unsigned(uint64(len(body))), body)
}

func typeOf(params, results string) []byte {
	list := func(letters string) []byte {
		b := unsigned(uint64(len(letters)))
		for _, l := range letters {
			b = append(b, map[rune]byte{'w': 0x7f, 'd': 0x7e}[l])
		}
		return b
	}
	return Join(Op(0x60), list(params), list(results))
}

// Bytes returns the module in its binary form.
func (m Module) Bytes() []byte {
	var types, imports, functions, exports, codes, globals, data [][]byte
	for i, f := range m.Imports {
		types = append(types, typeOf(f.Params, f.Results))
		imports = append(imports, Join(text(f.Module), text(f.Name), Op(0), unsigned(uint64(i))))
	}
	for i, f := range m.Functions {
		n := uint64(len(m.Imports) + i)
		types = append(types, typeOf(f.Params, f.Results))
		functions = append(functions, unsigned(n))
		if f.Export != "" {
			exports = append(exports, Join(text(f.Export), Op(0), unsigned(n)))
		}
		locals := Op(0)
		if f.Locals > 0 {
			locals = Op(1, f.Locals, 0x7e)
		}
		body := Join(locals, f.Code, Op(End))
		codes = append(codes, Join(unsigned(uint64(len(body))), body))
	}
	for _, g := range m.Globals {
		globals = append(globals, Join(Op(0x7e, 1), I64(g), Op(End)))
	}
	exports = append(exports, Join(text("memory"), Op(2, 0)))
	if m.Data != nil {
		data = append(data, Join(Op(0), I32(DataAt), Op(End), unsigned(uint64(len(m.Data))), m.Data))
	}
	return Join([]byte("\x00asm\x01\x00\x00\x00"), section(1, types...), section(2, imports...), section(3, functions...),
		section(5, Op(0, max(m.Pages, 1))), section(6, globals...), section(7, exports...), section(10, codes...), section(11, data...))
}
