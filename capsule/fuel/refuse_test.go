package fuel_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"phios/capsule/fuel"
)

// TestRefused: what is refused says why, by kind and in words.
func TestRefused(t *testing.T) {
	body := func(code ...any) []byte { return one(1, nil, nil, noLocals(), code...) }
	imports := func(name string, what ...any) []byte {
		return wasm(section(1, signature(nil, nil)), section(2, cat("env", name, cat(what...))))
	}
	for _, c := range []struct {
		name   string
		module []byte
		kind   error
		words  string
	}{
		{"empty", nil, fuel.ErrMalformed, "magic"},
		{"no module", []byte("#!/bin/sh"), fuel.ErrMalformed, "magic"},
		{"component", []byte("\x00asm\x0d\x00\x01\x00"), fuel.ErrUnsupported, "core module"},
		{"cut off", body()[:20], fuel.ErrMalformed, "cut off"},
		{"long number", wasm([]byte{1, 0x80, 0x80, 0x80, 0x80, 0x10}), fuel.ErrMalformed, "32 bits"},
		{"order", wasm(section(3), section(1)), fuel.ErrMalformed, "order"},
		{"twice", wasm(section(1), section(1)), fuel.ErrMalformed, "twice"},
		{"many types", wasm(raw(1, uleb(1<<20))), fuel.ErrLimit, "types"},
		{"imported memory", imports("memory", 2, 0, 1), fuel.ErrUnsupported, "--import-memory"},
		{"imported table", imports("table", 1, 0x70, 0, 1), fuel.ErrUnsupported, "--import-table"},
		{"imported global", imports("g", 3, i32, 0), fuel.ErrUnsupported, "capsule defines its own"},
		{"imported tag", imports("t", 4, 0, 0), fuel.ErrUnsupported, "exceptions"},
		{"rewritten twice", wasm(section(1, signature(nil, nil)), section(2, cat("phi:fuel", "spent", 0, 0))), fuel.ErrUnsupported, "once"},
		{"memory64", wasm(section(5, []byte{4, 1})), fuel.ErrUnsupported, "wasm32"},
		{"shared memory", wasm(section(5, []byte{3, 1, 2})), fuel.ErrUnsupported, "threads"},
		{"two memories", wasm(section(5, []byte{0, 1}, []byte{0, 1})), fuel.ErrUnsupported, "one"},
		{"huge memory", wasm(section(5, cat(0, uleb(65537)))), fuel.ErrLimit, "memory"},
		{"huge table", wasm(section(4, cat(0x70, 0, uleb(1<<30)))), fuel.ErrLimit, "table"},
		{"structs", wasm(section(1, cat(0x5f, 0))), fuel.ErrUnsupported, "garbage collection"},
		{"tags", wasm(raw(13, []byte{0})), fuel.ErrUnsupported, "exceptions"},
		{"throw", body(0x08, 0), fuel.ErrUnsupported, "exceptions"},
		{"relaxed vectors", body(0xfd, 0x80, 2), fuel.ErrUnsupported, "relaxed"},
		{"vector number in long form", body(0xfd, 0x8c, 0x80, 0), fuel.ErrUnsupported, "vector"},
		{"second memory", body(0x41, 0, 0x28, 0x42, 1, 0, 0x1a), fuel.ErrUnsupported, "one"},
		{"reserved export", wasm(section(5, []byte{0, 1}), section(7, export("phi:data", 2, 0))), fuel.ErrUnsupported, "another"},
		{"constant from a global", wasm(section(6, cat(i32, 0, 0x41, 0, 0x0b), cat(i32, 0, 0x23, 0, 0x0b))), fuel.ErrUnsupported, "statically"},
		{"locals", one(0, nil, nil, cat(2, uleb(1<<31), i32, uleb(1<<31), i64)), fuel.ErrLimit, "locals"},
		{"data count", wasm(section(5, []byte{0, 1}), raw(12, []byte{2}), section(11, cat(1, ""))), fuel.ErrMalformed, "announced"},
		{"bodies", wasm(section(1, signature(nil, nil)), section(3, []byte{0})), fuel.ErrMalformed, "bodies"},
		{"start with parameters", wasm(section(1, signature([]byte{i32}, nil)), section(3, []byte{0}), raw(8, []byte{0}), section(10, function(noLocals()))), fuel.ErrMalformed, "start"},

		// What would hit upon something that the rewriter appends.
		{"the fuel itself", body(0x42, 0, 0x24, 0), fuel.ErrMalformed, "global 0 of 0"},
		{"a helper", body(0x10, 1), fuel.ErrMalformed, "function 1 of 1"},
		{"a helper by reference", body(0xd2, 2, 0x1a), fuel.ErrMalformed, "function 2 of 1"},
		{"a helper's type", body(0x02, 1, 0x0b), fuel.ErrMalformed, "type 1 of 1"},
		{"a label beyond", body(0x0c, 1), fuel.ErrMalformed, "label 1 of 1"},
		{"a local beyond", body(0x20, 0, 0x1a), fuel.ErrMalformed, "local 0 of 0"},
		{"code behind the end", body(0x0b, 0x03, 0x40, 0x0c, 0), fuel.ErrMalformed, "after the end"},
		{"else alone", body(0x05), fuel.ErrMalformed, "else"},
		{"init without a count", body(0x41, 0, 0x41, 0, 0x41, 0, 0xfc, 8, 0, 0), fuel.ErrMalformed, "segment"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := fuel.Rewrite(c.module, fuel.Options{})
			if !errors.Is(err, c.kind) || !strings.Contains(err.Error(), c.words) || r != nil {
				t.Errorf("refused as %v", err)
			}
		})
	}
}

func TestModuleBytes(t *testing.T) {
	module := one(1, nil, nil, noLocals())
	if _, err := fuel.Rewrite(module, fuel.Options{ModuleBytes: len(module) - 1}); !errors.Is(err, fuel.ErrLimit) {
		t.Errorf("a module too long for the options: %v", err)
	}
	if _, err := fuel.Rewrite(module, fuel.Options{ModuleBytes: len(module)}); err != nil {
		t.Error(err)
	}
	if _, err := fuel.Rewrite(make([]byte, fuel.ModuleBytesMax+1), fuel.Options{}); !errors.Is(err, fuel.ErrLimit) {
		t.Errorf("a module over the bound: %v", err)
	}
}

// TestHostileSizes rewrites what is built to take long or much, in time.
func TestHostileSizes(t *testing.T) {
	const body = 4 << 20
	loops := append(bytes.Repeat([]byte{0x03, 0x40, 0x0b}, body/3), bytes.Repeat([]byte{0x01}, 100)...)
	fills := bytes.Repeat([]byte{0x41, 0, 0x41, 0, 0x20, 0, 0xfc, 11, 0}, body/9)
	out := append([]byte{0x41, 0, 0x0e}, uleb(body)...)
	inner := append(append([]byte{0x03, 0x40}, append(append(out, bytes.Repeat([]byte{1}, body)...), 0)...), 0x0b)
	for name, module := range map[string][]byte{
		"loops":  one(1, nil, nil, noLocals(), loops),
		"fills":  one(1, []byte{i32}, nil, noLocals(), fills),
		"labels": one(1, nil, nil, noLocals(), inner),
	} {
		start := time.Now()
		r, err := fuel.Rewrite(module, fuel.Options{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		t.Logf("%s: %d bytes, rewritten %d in %v", name, len(module), len(r.Module), time.Since(start))
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("%s took %v", name, took)
		}
	}
}

// TestTruncated cuts a real module at every byte. It stays a module only where
// a section ends, and none of those with code is left out.
func TestTruncated(t *testing.T) {
	module := kernels(t)
	taken := 0
	for n := range module {
		if r, err := fuel.Rewrite(module[:n], fuel.Options{}); err == nil && r.Functions > 0 {
			taken++
		}
	}
	if taken > 4 { // Before the data and each of the custom sections.
		t.Errorf("taken when cut at %d places", taken)
	}
}

// FuzzRewrite looks for modules that make the rewriter panic, that are valid
// and not when rewritten, or that are written in two ways.
func FuzzRewrite(f *testing.F) {
	f.Add(kernels(f))
	f.Add(one(1, []byte{i32}, []byte{i32}, cat(1, 1, i64), 0x20, 0, 0x03, 0x40, 0x20, 0, 0x0d, 0, 0x0b))
	f.Add(wasm(
		section(1, signature(nil, nil)), section(2, cat("m", "f", 0, 0)), section(3, []byte{0}, []byte{0}),
		section(4, []byte{0x70, 0, 2}), section(5, []byte{1, 1, 2}), section(6, cat(i32, 1, 0x41, 0, 0x0b)),
		section(7, export("f", 0, 1)), raw(8, []byte{1}),
		section(9, cat(0, 0x41, 0, 0x0b, 2, 1, 2)), raw(12, []byte{2}),
		section(10,
			function(noLocals(), 0x10, 0, 0x10, 2, 0x41, 0, 0x11, 0, 0),
			function(noLocals(), 0x41, 0, 0x41, 0, 0x41, 1, 0xfc, 8, 1, 0, 0xfc, 9, 1)),
		section(11, cat(0, 0x41, 0, 0x0b, "x"), cat(1, "y")),
	))
	h := newHost(f)
	f.Fuzz(func(t *testing.T, module []byte) {
		r, err := fuel.Rewrite(module, fuel.Options{ModuleBytes: 1 << 16})
		if err != nil {
			return
		}
		again, err := fuel.Rewrite(module, fuel.Options{})
		if err != nil || !bytes.Equal(again.Module, r.Module) {
			t.Fatal("written in two ways", err)
		}
		if _, err := fuel.Rewrite(r.Module, fuel.Options{}); err == nil {
			t.Fatal("rewritten twice")
		}
		c, err := h.runtime.CompileModule(t.Context(), module)
		if err != nil {
			return
		}
		_ = c.Close(t.Context())
		c, err = h.runtime.CompileModule(t.Context(), r.Module)
		if err != nil {
			t.Fatalf("valid, but not when rewritten: %v", err)
		}
		_ = c.Close(t.Context())
	})
}
