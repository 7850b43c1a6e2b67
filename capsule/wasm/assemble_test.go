package wasm

import "slices"

// asm is a module put together by hand: what programs for these tests are
// written in where no compiler is wanted.
type asm struct {
	imports []imported
	pages   byte
	data    []byte // at offset dataAt
	globals []int64
	funcs   []function
}

// imported is an imported function; types are letters, w for i32 and d for
// i64.
type imported struct{ module, name, params, results string }

// function is a function of the module; locals are i64.
type function struct {
	export, params, results string
	locals                  byte
	code                    []byte
}

const (
	dataAt    = 256
	messageAt = 1024
)

// The instructions that the tests use.
const (
	opUnreachable = 0x00
	opBlock       = 0x02
	opLoop        = 0x03
	opIf          = 0x04
	opEnd         = 0x0b
	opBr          = 0x0c
	opBrIf        = 0x0d
	opReturn      = 0x0f
	opDrop        = 0x1a
	opEqz64       = 0x50
	opAdd64       = 0x7c
	opSub64       = 0x7d
	opVoid        = 0x40
)

func uleb(v uint64) []byte {
	var b []byte
	for {
		c := byte(v & 0x7f)
		if v >>= 7; v == 0 {
			return append(b, c)
		}
		b = append(b, c|0x80)
	}
}

func sleb(v int64) []byte {
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

func join(parts ...[]byte) []byte { return slices.Concat(parts...) }
func op(b ...byte) []byte         { return b }
func i32(v int64) []byte          { return join(op(0x41), sleb(v)) }
func i64(v int64) []byte          { return join(op(0x42), sleb(v)) }
func get(n uint64) []byte         { return join(op(0x20), uleb(n)) }
func set(n uint64) []byte         { return join(op(0x21), uleb(n)) }
func call_(n uint64) []byte       { return join(op(0x10), uleb(n)) }
func load64(at int64) []byte      { return join(i32(at), op(0x29, 3, 0)) }
func getGlobal(n uint64) []byte   { return join(op(0x23), uleb(n)) }
func setGlobal(n uint64) []byte   { return join(op(0x24), uleb(n)) }

// store64 stores what value leaves at an address.
func store64(at int64, value []byte) []byte { return join(i32(at), value, op(0x37, 3, 0)) }

func text(s string) []byte { return join(uleb(uint64(len(s))), []byte(s)) }

func section(id byte, entries ...[]byte) []byte {
	if len(entries) == 0 {
		return nil
	}
	body := join(uleb(uint64(len(entries))), slices.Concat(entries...))
	return join(op(id), uleb(uint64(len(body))), body)
}

func typeOf(params, results string) []byte {
	list := func(letters string) []byte {
		b := uleb(uint64(len(letters)))
		for _, l := range letters {
			b = append(b, map[rune]byte{'w': 0x7f, 'd': 0x7e}[l])
		}
		return b
	}
	return join(op(0x60), list(params), list(results))
}

// module returns the bytes of the module.
func (a asm) module() []byte {
	var types, imports, funcs, exports, codes, globals, data [][]byte
	for i, f := range a.imports {
		types = append(types, typeOf(f.params, f.results))
		imports = append(imports, join(text(f.module), text(f.name), op(0), uleb(uint64(i))))
	}
	for i, f := range a.funcs {
		n := uint64(len(a.imports) + i)
		types = append(types, typeOf(f.params, f.results))
		funcs = append(funcs, uleb(n))
		if f.export != "" {
			exports = append(exports, join(text(f.export), op(0), uleb(n)))
		}
		locals := op(0)
		if f.locals > 0 {
			locals = op(1, f.locals, 0x7e)
		}
		body := join(locals, f.code, op(opEnd))
		codes = append(codes, join(uleb(uint64(len(body))), body))
	}
	for _, g := range a.globals {
		globals = append(globals, join(op(0x7e, 1), i64(g), op(opEnd)))
	}
	exports = append(exports, join(text("memory"), op(2, 0)))
	if a.data != nil {
		data = append(data, join(op(0), i32(dataAt), op(opEnd), uleb(uint64(len(a.data))), a.data))
	}
	return join([]byte("\x00asm\x01\x00\x00\x00"), section(1, types...), section(2, imports...), section(3, funcs...),
		section(5, op(0, max(a.pages, 1))), section(6, globals...), section(7, exports...), section(10, codes...), section(11, data...))
}

// reactor returns the exports of a program that serves with the given code.
func reactor(handle []byte) []function {
	return []function{
		{export: "phi_message", results: "w", code: i32(messageAt)},
		{export: "phi_handle", results: "w", code: handle},
	}
}

// echo answers each message with itself, its first word one more.
func echo() []byte {
	const word = messageAt + 40 // abi.MessageAtWords
	return asm{funcs: reactor(join(store64(word, join(load64(word), i64(1), op(opAdd64))), i32(0)))}.module()
}

// spin runs for ever when it is started.
func spin() []byte {
	return asm{funcs: []function{{export: "_start", code: op(opLoop, opVoid, opBr, 0, opEnd)}}}.module()
}

// caller calls the capability named "peer" as many times as its argument says.
func caller() []byte {
	a := asm{
		imports: []imported{
			{"phi:cap", "named", "www", "w"},
			{"phi:ipc", "call", "dw", "w"},
		},
		data: []byte("peer"),
	}
	start := join(
		i32(dataAt), i32(4), i32(64), call_(0), op(opIf, opVoid), i32(1000), op(opReturn, opEnd),
		load64(64), set(1),
		op(opLoop, opVoid),
		get(0), op(opEqz64, opIf, opVoid), i32(0), op(opReturn, opEnd),
		get(0), i64(1), op(opSub64), set(0),
		get(1), i32(messageAt), call_(1), op(opIf, opVoid), i32(1001), op(opReturn, opEnd),
		op(opBr, 0, opEnd), op(opUnreachable),
	)
	a.funcs = append(reactor(i32(0)), function{export: "phi_start", params: "d", results: "w", locals: 1, code: start})
	return a.module()
}
