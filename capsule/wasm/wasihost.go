package wasm

import (
	"context"

	"github.com/tetratelabs/wazero/api"

	"phios/abi"
	"phios/capsule/nn"
	"phios/capsule/wasi"
)

// wasiFunctions returns the functions of WASI as programs import them.
func wasiFunctions() map[string]hostFunction {
	list := map[string]hostFunction{}
	for _, f := range wasi.Functions() {
		list[f.Name] = hostFunction{params: valueTypes(f.Params), results: valueTypes(f.Results), do: wasiCall(f.Call)}
	}
	return list
}

// nnFunctions returns the functions of WASI-NN as programs import them.
func nnFunctions() map[string]hostFunction {
	list := map[string]hostFunction{}
	for _, f := range nn.Functions() {
		list[f.Name] = hostFunction{
			params: valueTypes(make([]wasi.ValueKind, f.Params)), results: []api.ValueType{api.ValueTypeI32}, do: nnCall(f.Call),
		}
	}
	return list
}

// nnCall lets a program call a function of its layer.
func nnCall(do func(*nn.Layer, wasi.Memory, []uint64)) api.GoFunc {
	return func(ctx context.Context, stack []uint64) {
		i := of(ctx)
		i.enter()
		do(i.nn, &i.view, stack)
		if !i.door.Alive() {
			i.leave(abi.StatusKilled)
		}
	}
}

func valueTypes(kinds []wasi.ValueKind) []api.ValueType {
	types := make([]api.ValueType, len(kinds))
	for i, k := range kinds {
		types[i] = api.ValueTypeI32
		if k == wasi.I64 {
			types[i] = api.ValueTypeI64
		}
	}
	return types
}

// wasiCall lets a program call a function of its layer. A call that the layer
// answers by itself leaves the program as it would be without capabilities,
// and so does not count as touching the kernel; the door counts.
func wasiCall(do func(*wasi.Layer, wasi.Memory, []uint64)) api.GoFunc {
	return func(ctx context.Context, stack []uint64) {
		i := of(ctx)
		touched := i.touched
		i.enter()
		i.touched = touched
		do(i.layer, &i.view, stack)
		if code, exited := i.layer.Exited(); exited {
			i.exit(code)
		}
		if !i.door.Alive() {
			i.leave(abi.StatusKilled)
		}
	}
}
