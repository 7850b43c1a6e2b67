package fuel_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero/api"

	"phios/capsule/fuel"
)

// TestSpinning stops programs that would never stop, each within a bounded
// number of refills.
func TestSpinning(t *testing.T) {
	forever := map[string][]byte{
		"loop":       one(0, nil, nil, noLocals(), 0x03, 0x40, 0x0c, 0, 0x0b),
		"inner loop": one(0, nil, nil, noLocals(), 0x03, 0x40, 0x03, 0x40, 0x0c, 1, 0x0b, 0x0b),
		"br_table":   one(0, nil, nil, noLocals(), 0x02, 0x40, 0x03, 0x40, 0x41, 5, 0x0e, 1, 1, 0, 0x0b, 0x0b),
		"br_if":      one(0, nil, nil, noLocals(), 0x03, 0x40, 0x41, 1, 0x0d, 0, 0x0b),
		"with a parameter": wasm(
			section(1, signature(nil, nil), signature([]byte{i32}, nil)),
			section(3, []byte{0}), section(5, []byte{0, 0}),
			section(7, export("f", 0, 0), export("memory", 2, 0)),
			section(10, function(noLocals(), 0x41, 1, 0x03, 1, 0x0c, 0, 0x0b)),
		),
		"tail call": one(0, nil, nil, noLocals(), 0x12, 0),
		"tail call through a table": wasm(
			section(1, signature(nil, nil)), section(3, []byte{0}),
			section(4, []byte{0x70, 0, 1}), section(5, []byte{0, 0}),
			section(7, export("f", 0, 0), export("memory", 2, 0)),
			section(9, cat(0, 0x41, 0, 0x0b, 1, 0)),
			section(10, function(noLocals(), 0x41, 0, 0x13, 0, 0)),
		),
		"recursion and return": one(0, nil, nil, noLocals(), 0x03, 0x40, 0x41, 0, 0x04, 0x40, 0x10, 0, 0x0b, 0x0c, 0, 0x0b),
		"memory.fill":          one(512, nil, nil, noLocals(), 0x03, 0x40, 0x41, 0, 0x41, 0, constI32(32<<20), 0xfc, 11, 0, 0x0c, 0, 0x0b),
	}
	for name, module := range forever {
		t.Run(name, func(t *testing.T) {
			h := newHost(t)
			h.limit = 1000
			m, _, err := h.metered(t, module)
			if err != nil {
				t.Fatal(err)
			}
			_, err = m.ExportedFunction("f").Call(t.Context())
			if !errors.Is(err, errSpent) {
				t.Errorf("ended with %v", err)
			}
		})
	}
}

// TestRefillInSmallParts: a host that gives less than a turn costs is asked
// until it has given enough, and the program goes on.
func TestRefillInSmallParts(t *testing.T) {
	h := newHost(t)
	h.quantum = 3
	// for n = 1000; n != 0; n-- {}
	module := one(0, nil, []byte{i32}, cat(1, 1, i32), constI32(1000), 0x21, 0,
		0x03, 0x40, 0x20, 0, 0x41, 1, 0x6b, 0x22, 0, 0x0d, 0, 0x0b, 0x20, 0)
	m, _, err := h.metered(t, module)
	if err != nil {
		t.Fatal(err)
	}
	got, err := m.ExportedFunction("f").Call(t.Context())
	if err != nil || got[0] != 0 {
		t.Fatal(got, err)
	}
	if h.spent < 1000 || h.spent > 10_000 {
		t.Errorf("1000 turns were refilled %d times", h.spent)
	}
}

// TestFuelIsExact: one call takes the same fuel each time, and n turns of a
// loop n times that of one.
func TestFuelIsExact(t *testing.T) {
	h := newHost(t)
	h.quantum = 1 << 40
	module := one(0, []byte{i32}, nil, noLocals(),
		0x03, 0x40, 0x20, 0, 0x41, 1, 0x6b, 0x22, 0, 0x0d, 0, 0x0b)
	m, _, err := h.metered(t, module)
	if err != nil {
		t.Fatal(err)
	}
	left := func(turns uint64) uint64 {
		g := m.ExportedGlobal(fuel.Global).(api.MutableGlobal)
		g.Set(1 << 40)
		if _, err := m.ExportedFunction("f").Call(t.Context(), turns); err != nil {
			t.Fatal(err)
		}
		return 1<<40 - g.Get()
	}
	base, ten, more := left(1), left(10), left(1000)
	if ten-base != 9*((more-ten)/990) || (more-ten)%990 != 0 || left(10) != ten {
		t.Errorf("1 turn takes %d, 10 take %d, 1000 take %d", base, ten, more)
	}
}

// TestLeavesArePaid: calls of functions that do not charge are charged all the
// same, and the fuel of a loop covers what it executes.
func TestLeavesArePaid(t *testing.T) {
	h := newHost(t)
	h.quantum = 1 << 40
	leaf := function(noLocals(), 0x20, 0, 0x41, 1, 0x6a, 0x41, 3, 0x6c)
	caller := function(noLocals(), 0x20, 0, 0x10, 0, 0x10, 0, 0x10, 0)
	module := wasm(
		section(1, signature([]byte{i32}, []byte{i32})), section(3, []byte{0}, []byte{0}),
		section(7, export("f", 0, 1)), section(10, leaf, caller),
	)
	m, _, err := h.metered(t, module)
	if err != nil {
		t.Fatal(err)
	}
	got, err := m.ExportedFunction("f").Call(t.Context(), 1)
	if err != nil || got[0] != 66 {
		t.Fatal(got, err)
	}
	used := 1<<40 - m.ExportedGlobal(fuel.Global).Get()
	if used < 3*5 || used > 100 {
		t.Errorf("three calls of five instructions took %d", used)
	}
}

// TestBulkIsChunked: long operations pay as they go, and do what they say.
func TestBulkIsChunked(t *testing.T) {
	const size = 64 << 20
	h := newHost(t)
	h.quantum = fuel.ChunkBytes / 16
	fill := one(size>>16, []byte{i32, i32, i32}, nil, noLocals(), 0x20, 0, 0x20, 1, 0x20, 2, 0xfc, 11, 0)
	m, _, err := h.metered(t, fill)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.ExportedFunction("f").Call(t.Context(), 1, 7, size-2); err != nil {
		t.Fatal(err)
	}
	if h.spent < 60 {
		t.Errorf("64 MiB were filled with %d refills between", h.spent)
	}
	got, _ := m.Memory().Read(0, size)
	if got[0] != 0 || got[size-1] != 0 || !bytes.Equal(got[1:size-1], bytes.Repeat([]byte{7}, size-2)) {
		t.Error("the fill is not as long as it should be")
	}
	// Out of range: nothing may be written, however many chunks would fit.
	for _, n := range []uint64{size, 1<<32 - 1, 1<<32 - 2} {
		if _, err := m.ExportedFunction("f").Call(t.Context(), 2, 9, n); err == nil {
			t.Errorf("a fill of %d bytes did not trap", n)
		}
	}
	if got, _ := m.Memory().Read(0, size); bytes.IndexByte(got, 9) >= 0 {
		t.Error("a fill that trapped has written")
	}
}

// TestCopyOverlaps compares long copies in both directions with Go's.
func TestCopyOverlaps(t *testing.T) {
	const size = 8 << 20
	h := newHost(t)
	m, _, err := h.metered(t, one(size>>16, []byte{i32, i32, i32}, nil, noLocals(), 0x20, 0, 0x20, 1, 0x20, 2, 0xfc, 10, 0, 0))
	if err != nil {
		t.Fatal(err)
	}
	want := make([]byte, size)
	for i := range want {
		want[i] = byte(i*7 + i>>8 + i>>16)
	}
	memory, _ := m.Memory().Read(0, size)
	copy(memory, want)
	for _, c := range [][3]uint32{
		{0, 1, size - 1},
		{1, 0, size - 1},
		{3 << 20, 1 << 20, 5 << 20},
		{1 << 20, 3 << 20, 5 << 20},
		{5, 5, 4 << 20},
		{100, 0, 300},
		{0, 4 << 20, fuel.ChunkBytes},
		{4 << 20, 0, fuel.ChunkBytes + 1},
		{size, size, 0},
	} {
		copy(want[c[0]:c[0]+c[2]], want[c[1]:c[1]+c[2]])
		if _, err := m.ExportedFunction("f").Call(t.Context(), uint64(c[0]), uint64(c[1]), uint64(c[2])); err != nil {
			t.Fatalf("%v: %v", c, err)
		}
		if !bytes.Equal(memory, want) {
			t.Fatalf("copy %v differs from Go's", c)
		}
	}
	for _, c := range [][3]uint64{{0, 1, size}, {1, 0, size}, {size + 1, 0, 0}, {0, size + 1, 0}, {0, 1 << 31, 1 << 31}} {
		if _, err := m.ExportedFunction("f").Call(t.Context(), c[0], c[1], c[2]); err == nil {
			t.Errorf("copy %v did not trap", c)
		}
	}
	if !bytes.Equal(memory, want) {
		t.Error("a copy that trapped has written")
	}
}

// TestDataAndStart: segments come by phi:data, in order, the start function by
// phi:start, and both only when asked.
func TestDataAndStart(t *testing.T) {
	big := bytes.Repeat([]byte("abc"), 700_000)
	module := wasm(
		section(1, signature(nil, nil)), section(3, []byte{0}),
		section(5, []byte{0, 64}),
		section(6, cat(i32, 1, 0x41, 5, 0x0b), cat(i64, 0, 0x42, 6, 0x0b)),
		section(7, export("memory", 2, 0)),
		raw(8, []byte{0}),
		section(10, function(noLocals(), 0x41, 0, 0x41, 33, 0x3a, 0, 0, 0x41, 42, 0x24, 0)),
		section(11, cat(0, 0x41, 0, 0x0b, "first"), cat(0, 0x41, 2, 0x0b, "second"), cat(2, 0, constI32(1<<20), 0x0b, string(big))),
	)
	h := newHost(t)
	r, err := fuel.Rewrite(module, fuel.Options{})
	if err != nil {
		t.Fatal(err)
	}
	m, err := h.plain(t, r.Module)
	if err != nil {
		t.Fatal(err)
	}
	memory, _ := m.Memory().Read(0, 64<<16)
	if !bytes.Equal(memory, make([]byte, 64<<16)) {
		t.Error("memory is written before phi:data")
	}
	if _, err := m.ExportedFunction(fuel.Data).Call(t.Context()); err != nil {
		t.Fatal(err)
	}
	if string(memory[:8]) != "fisecond" || !bytes.Equal(memory[1<<20:1<<20+len(big)], big) {
		t.Errorf("memory is %q", memory[:8])
	}
	global := m.ExportedGlobal(fuel.GlobalExport(0)).(api.MutableGlobal)
	if global.Get() != 5 {
		t.Error("the start function has run")
	}
	if _, err := m.ExportedFunction(fuel.Start).Call(t.Context()); err != nil {
		t.Fatal(err)
	}
	if global.Get() != 42 || memory[0] != 33 {
		t.Error("the start function has not run")
	}
	global.Set(7)
	if m.ExportedGlobal(fuel.GlobalExport(1)) != nil {
		t.Error("a constant global is exported")
	}
	if _, err := m.ExportedFunction(fuel.Data).Call(t.Context()); err == nil {
		t.Error("data can be copied twice")
	}
	if reason, ok := r.Freezable(); !ok || !r.HasData || !r.HasStart || len(r.Mutable) != 1 {
		t.Errorf("facts: %s %v %+v", reason, ok, r.Mutable)
	}
}

func TestDataOutOfRange(t *testing.T) {
	module := wasm(section(5, []byte{0, 1}), section(11, cat(0, constI32(65535), 0x0b, "ab")))
	h := newHost(t)
	if _, err := h.plain(t, module); err == nil {
		t.Error("the engine took the module as it was")
	}
	if _, _, err := h.metered(t, module); err == nil || !strings.Contains(err.Error(), "out of bounds") {
		t.Errorf("ended with %v", err)
	}
}

// TestDeepNesting rewrites blocks in blocks up to the bound, and no further.
func TestDeepNesting(t *testing.T) {
	nested := func(n int) []byte {
		code := append(bytes.Repeat([]byte{0x02, 0x40}, n), 0x0c)
		code = append(append(code, uleb(uint64(n))...), bytes.Repeat([]byte{0x0b}, n)...)
		return one(0, nil, nil, noLocals(), code)
	}
	h := newHost(t)
	m, _, err := h.metered(t, nested(5000))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.ExportedFunction("f").Call(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := fuel.Rewrite(nested(fuel.NestingMax), fuel.Options{}); !errors.Is(err, fuel.ErrLimit) {
		t.Errorf("blocks beyond the bound: %v", err)
	}
}

// TestGrow: growing works, fails beyond the maximum as before, and costs.
func TestGrow(t *testing.T) {
	h := newHost(t)
	h.quantum = 1 << 40
	module := wasm(
		section(1, signature([]byte{i32}, []byte{i32})), section(3, []byte{0}), section(5, []byte{1, 1, 10}),
		section(7, export("f", 0, 0)), section(10, function(noLocals(), 0x20, 0, 0x40, 0)),
	)
	m, _, err := h.metered(t, module)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ pages, want, least, most uint64 }{
		{4, 1, 4 * 4096, 5 * 4096},
		{6, 1<<32 - 1, 1, 100},
		{1<<32 - 1, 1<<32 - 1, 1, 100},
		{5, 5, 5 * 4096, 6 * 4096},
		{0, 10, 1, 100},
	} {
		g := m.ExportedGlobal(fuel.Global).(api.MutableGlobal)
		g.Set(1 << 40)
		got, err := m.ExportedFunction("f").Call(t.Context(), c.pages)
		used := 1<<40 - g.Get()
		if err != nil || got[0]&0xffffffff != c.want || used < c.least || used > c.most {
			t.Errorf("grow by %d is %v, %v and takes %d", c.pages, got, err, used)
		}
	}
}

// TestDeterminism: the same module gives the same bytes, and stays as it was.
func TestDeterminism(t *testing.T) {
	module := kernels(t)
	before := bytes.Clone(module)
	a, err := fuel.Rewrite(module, fuel.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for range 10 {
		b, err := fuel.Rewrite(module, fuel.Options{})
		if err != nil || !bytes.Equal(a.Module, b.Module) {
			t.Fatal("two results differ", err)
		}
	}
	if !bytes.Equal(before, module) {
		t.Error("the original was changed")
	}
}

func TestKernels(t *testing.T) {
	h := newHost(t)
	plain, err := h.plain(t, kernels(t))
	if err != nil {
		t.Fatal(err)
	}
	metered, _, err := h.metered(t, kernels(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range kernelNames() {
		want, err1 := plain.ExportedFunction(name).Call(t.Context())
		got, err2 := metered.ExportedFunction(name).Call(t.Context())
		if err1 != nil || err2 != nil || want[0] != got[0] {
			t.Errorf("%s is %v, %v; metered %v, %v", name, want, err1, got, err2)
		}
	}
	if h.spent < 100 {
		t.Errorf("the kernels were refilled only %d times", h.spent)
	}
}
