package fuel_test

import "encoding/binary"

// A tiny assembler: modules are put together from sections, sections from
// entries, all of them bytes.

const (
	i32 = 0x7f
	i64 = 0x7e
)

func uleb(v uint64) []byte { return binary.AppendUvarint(nil, v) }

func sleb(v int64) []byte {
	var b []byte
	for {
		c := byte(v & 0x7f)
		v >>= 7
		if (v == 0 && c&0x40 == 0) || (v == -1 && c&0x40 != 0) {
			return append(b, c)
		}
		b = append(b, c|0x80)
	}
}

// cat joins what instructions and entries are made of: a byte or small number
// is one byte, a string or slice itself.
func cat(parts ...any) []byte {
	var b []byte
	for _, p := range parts {
		switch p := p.(type) {
		case int:
			b = append(b, byte(p))
		case byte:
			b = append(b, p)
		case []byte:
			b = append(b, p...)
		case string:
			b = append(append(b, uleb(uint64(len(p)))...), p...)
		default:
			panic("cat: what is this?")
		}
	}
	return b
}

func section(id byte, entries ...[]byte) []byte {
	body := uleb(uint64(len(entries)))
	for _, e := range entries {
		body = append(body, e...)
	}
	return raw(id, body)
}

func raw(id byte, body []byte) []byte {
	return append(append([]byte{id}, uleb(uint64(len(body)))...), body...)
}

func wasm(sections ...[]byte) []byte {
	b := []byte("\x00asm\x01\x00\x00\x00")
	for _, s := range sections {
		b = append(b, s...)
	}
	return b
}

// function is a body: groups of locals, and instructions without the last end.
func function(locals []byte, code ...any) []byte {
	body := append(append([]byte{}, locals...), cat(code...)...)
	body = append(body, 0x0b)
	return append(uleb(uint64(len(body))), body...)
}

func noLocals() []byte { return []byte{0} }

func signature(params, results []byte) []byte {
	return cat(0x60, string(params), string(results))
}

func constI32(v int64) []byte { return append([]byte{0x41}, sleb(v)...) }

func export(name string, kind, index byte) []byte { return cat(name, kind, index) }

// one is a module of one exported function "f", with a memory of so many
// pages.
func one(pages int, params, results, locals []byte, code ...any) []byte {
	return wasm(
		section(1, signature(params, results)),
		section(3, []byte{0}),
		section(5, cat(0, uleb(uint64(pages)))),
		section(7, export("f", 0, 0), export("memory", 2, 0)),
		section(10, function(locals, code...)),
	)
}
