package wasm

import (
	"fmt"
	"testing"

	"phios/abi"
	"phios/capsule"
	"phios/capsule/wasi"
)

// TestGarbageArguments calls every host function with every kind of bad value
// in every place: each call answers with a status, and nothing is written where
// it must not be.
func TestGarbageArguments(t *testing.T) {
	w := newWorld(t)
	for _, f := range abi.HostFunctions() {
		p := plan{HostFunction: f}
		letters := ""
		for _, v := range p.types() {
			letters += map[byte]string{0x7f: "w", 0x7e: "d"}[v]
		}
		values := map[byte][]int64{
			'w': {0, 1, messageAt, pageBytes - 1, pageBytes, -1, -656, 1 << 30},
			'd': {0, 1, 1<<24 | 1, -1, 1 << 62},
		}
		module := asm{imports: []imported{{f.Module, f.Name, letters, "w"}}}
		var code []byte
		const combinations = 40
		for n := range combinations {
			code = append(code, i32(0)...)
			for k := range len(letters) {
				list := values[letters[k]]
				v := list[(n*7+k*3+n/5)%len(list)]
				if letters[k] == 'w' {
					code = append(code, i32(v)...)
				} else {
					code = append(code, i64(v)...)
				}
			}
			code = append(code, join(call_(0), op(0x6a, opDrop))...) // add, drop
		}
		if f.Call == abi.NotificationWait || f.Call == abi.TaskExit || f.Call == abi.TaskFault {
			continue // these wait, or end the program
		}
		module.funcs = append(reactor(i32(0)), function{export: "phi_start", params: "d", results: "w", code: join(code, i32(0))})
		i := w.start(module.module(), w.task(plenty), capsule.Spec{})
		if exit := i.Run(); !exit.OK() {
			t.Errorf("%s.%s: %+v", f.Module, f.Name, exit)
		}
		if got := i.Usage().Calls; got != combinations {
			t.Errorf("%s.%s: %d calls", f.Module, f.Name, got)
		}
	}
}

// TestBadPointers checks for each kind of pointer that one past the end is
// StatusRange, and that the call was not made.
func TestBadPointers(t *testing.T) {
	w := newWorld(t)
	owner := w.task(plenty)
	budget := int64(owner.budget)
	const last = pageBytes - 7
	for _, test := range []struct {
		module, name, types string
		params              [][]byte
	}{
		{"phi:ipc", "call", "dw", [][]byte{i64(budget), i32(pageBytes - abi.MessageBytes + 1)}},
		{"phi:ipc", "notification_create", "dw", [][]byte{i64(budget), i32(last)}},
		{"phi:mem", "create", "dddww", [][]byte{i64(budget), i64(4096), i64(0), i32(64), i32(last)}},
		{"phi:cap", "mint", "dww", [][]byte{i64(budget), i32(pageBytes - abi.MintBytes + 1), i32(0)}},
		{"phi:cap", "inspect", "dww", [][]byte{i64(budget), i32(64), i32(pageBytes - abi.LabelBytes + 1)}},
		{"phi:sys", "budget_carve", "dww", [][]byte{i64(budget), i32(pageBytes - 47), i32(64)}},
		{"phi:mem", "read", "ddww", [][]byte{i64(budget), i64(0), i32(64), i32(abi.FramePayloadMax + 1)}},
		{"phi:cap", "named", "www", [][]byte{i32(-1), i32(4), i32(64)}},
		{"phi:cap", "named", "www", [][]byte{i32(0), i32(nameBytesMax + 1), i32(64)}},
		{"phi:sys", "argument", "w", [][]byte{i32(last)}},
	} {
		module := asm{imports: []imported{{test.module, test.name, test.types, "w"}}}
		module.funcs = append(reactor(i32(0)), function{
			export: "phi_start", params: "d", results: "w", code: join(join(test.params...), call_(0)),
		})
		before := fmt.Sprint(used(w, owner))
		i := w.start(module.module(), owner, capsule.Spec{})
		if exit := i.Run(); abi.Status(exit.Code) != abi.StatusRange {
			t.Errorf("%s.%s: %+v", test.module, test.name, exit)
		}
		if after := fmt.Sprint(used(w, owner)); after != before {
			t.Errorf("%s.%s was done: %v, then %v", test.module, test.name, before, after)
		}
	}
}

// used returns what a task's budget holds.
func used(w *world, t task) [2]uint64 {
	a := abi.Args{W: [6]uint64{1}}
	w.do(t, t.budget, abi.BudgetInspect, &a)
	return [2]uint64{a.W[0], a.W[1]}
}

// TestEveryFunction imports each host function and each of WASI, so that none
// is offered with a type other than the manual's.
func TestEveryFunction(t *testing.T) {
	w := newWorld(t)
	var all asm
	letters := func(kinds []wasi.ValueKind) (s string) {
		for _, k := range kinds {
			s += map[wasi.ValueKind]string{wasi.I32: "w", wasi.I64: "d"}[k]
		}
		return s
	}
	for _, f := range wasi.Functions() {
		all.imports = append(all.imports, imported{wasi.ModuleName, f.Name, letters(f.Params), letters(f.Results)})
	}
	for _, p := range plans() {
		types := ""
		for _, v := range p.types() {
			types += map[byte]string{0x7f: "w", 0x7e: "d"}[v]
		}
		all.imports = append(all.imports, imported{p.Module, p.Name, types, "w"})
	}
	all.funcs = reactor(i32(0))
	i := w.start(all.module(), w.task(plenty), capsule.Spec{})
	if exit := i.Run(); !exit.OK() {
		t.Errorf("%+v", exit)
	}
}

// TestExit ends programs by exiting, through WASI and through the kernel.
func TestExit(t *testing.T) {
	w := newWorld(t)
	for _, imports := range []imported{{wasi.ModuleName, "proc_exit", "w", ""}, {"phi:sys", "exit", "d", "w"}} {
		code := join(i32(7), call_(0))
		if imports.params == "d" {
			code = join(i64(7), call_(0), op(opDrop))
		}
		module := asm{imports: []imported{imports}, funcs: []function{{export: "_start", code: join(code, op(opUnreachable))}}}
		i := w.start(module.module(), w.task(plenty), capsule.Spec{})
		if exit := i.Run(); exit != (capsule.Exit{Cause: capsule.CauseReturned, Code: 7}) {
			t.Errorf("%s: %+v", imports.name, exit)
		}
		if i.Serves() {
			t.Error("a program that has ended serves")
		}
	}
}

// TestMemoryMax lets a program grow until it may not.
func TestMemoryMax(t *testing.T) {
	w := newWorld(t)
	const memoryGrow = 0x40
	grow := asm{funcs: []function{
		{export: "phi_message", results: "w", code: i32(messageAt)},
		{export: "phi_handle", results: "w", code: join(i32(1), op(memoryGrow, 0, opDrop), i32(0))},
	}}.module()
	owner := w.task(plenty)
	i := w.start(grow, owner, capsule.Spec{MemoryBytesMax: 4 * pageBytes})
	i.Run()
	for range 10 {
		serveOnce(t, i, owner, 0)
	}
	if got := i.Usage().MemoryBytes; got != 4*pageBytes {
		t.Errorf("grew to %d bytes", got)
	}
}
