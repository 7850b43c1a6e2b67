package wasm

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"phios/abi"
	"phios/capsule/fuel"
	"phios/capsule/nn"
	"phios/capsule/wasi"
)

const extraFeatures = experimental.CoreFeaturesThreads | experimental.CoreFeaturesTailCall | experimental.CoreFeaturesExtendedConst

// What programs export, by the conventions of WASI.
const (
	exportMemory = "memory"
	exportMain   = "_start"
	exportInit   = "_initialize"
)

// Image is a module that was installed. It may be used from any goroutine.
type Image struct {
	engine  *Engine
	hash    Hash
	facts   facts
	runtime wazero.Runtime
	code    wazero.CompiledModule
	cache   wazero.CompilationCache // nil without a cache
	exports map[string]api.FunctionDefinition
	minimum uint64 // bytes of memory that the module begins with
	maximum uint64 // bytes that it grows to at most

	wasi bool // whether it imports anything of WASI
	nn   bool // and of WASI-NN

	warming   sync.Mutex
	templates []*template // guarded by warming
}

// Hash returns the name of the module.
func (i *Image) Hash() Hash { return i.hash }

// Serves reports whether programs of the image can answer messages.
func (i *Image) Serves() bool { return i.has(abi.ExportMessage) && i.has(abi.ExportHandle) }

func (i *Image) has(function string) bool { return i.exports[function] != nil }

// compile makes an image of a module that was rewritten. cache may be nil.
func (e *Engine) compile(hash Hash, m module, cache wazero.CompilationCache) (*Image, error) {
	ctx := context.Background()
	i := &Image{engine: e, hash: hash, facts: m.facts, cache: cache}
	i.runtime = wazero.NewRuntimeWithConfig(ctx, e.runtimeConfig(cache))
	code, err := i.runtime.CompileModule(ctx, m.code)
	if err != nil {
		i.close()
		return nil, fmt.Errorf("compile: %w", err)
	}
	i.code = code
	if err := i.examine(); err != nil {
		i.close()
		return nil, err
	}
	if err := i.link(ctx); err != nil {
		i.close()
		return nil, err
	}
	return i, nil
}

// close frees the code.
func (i *Image) close() {
	i.warming.Lock()
	defer i.warming.Unlock()
	for _, t := range i.templates {
		t.close()
	}
	i.templates = nil
	_ = i.runtime.Close(context.Background()) // closes what has no error to report
	if i.cache != nil {
		_ = i.cache.Close(context.Background())
	}
}

// examine checks what the module exports.
func (i *Image) examine() error {
	memory, ok := i.code.ExportedMemories()[exportMemory]
	if !ok {
		return fmt.Errorf("the module exports no memory: link it with its memory exported as %q", exportMemory)
	}
	i.minimum, i.maximum = uint64(memory.Min())*pageBytes, MemoryBytesMax
	if most, declared := memory.Max(); declared {
		i.maximum = min(i.maximum, uint64(most)*pageBytes)
	}
	i.exports = i.code.ExportedFunctions()
	for _, f := range []struct {
		name            string
		params, results []api.ValueType
	}{
		{exportMain, nil, nil},
		{exportInit, nil, nil},
		{fuel.Data, nil, nil},
		{fuel.Start, nil, nil},
		{abi.ExportStart, []api.ValueType{api.ValueTypeI64}, []api.ValueType{api.ValueTypeI32}},
		{abi.ExportMessage, nil, []api.ValueType{api.ValueTypeI32}},
		{abi.ExportHandle, nil, []api.ValueType{api.ValueTypeI32}},
	} {
		d := i.exports[f.name]
		if d != nil && (!slices.Equal(d.ParamTypes(), f.params) || !slices.Equal(d.ResultTypes(), f.results)) {
			return fmt.Errorf("the module's %s has the type %s, which is not %s: correct it after docs/abi.md",
				f.name, typeText(d.ParamTypes(), d.ResultTypes()), typeText(f.params, f.results))
		}
	}
	if i.has(abi.ExportMessage) != i.has(abi.ExportHandle) {
		return fmt.Errorf("the module exports only one of %s and %s: export both to serve, or neither", abi.ExportMessage, abi.ExportHandle)
	}
	if !i.has(exportMain) && !i.has(exportInit) && !i.has(abi.ExportStart) && !i.Serves() {
		return fmt.Errorf("the module has nothing to run: export %s, or %s and %s", exportMain, abi.ExportMessage, abi.ExportHandle)
	}
	return nil
}

// link checks every import and offers exactly those functions: what a program
// does not import, it cannot reach by any mistake of the engine.
func (i *Image) link(ctx context.Context) error {
	builders := map[string]wazero.HostModuleBuilder{}
	var names []string
	done := map[string]bool{}
	for _, d := range i.code.ImportedFunctions() {
		from, name, _ := d.Import()
		if done[from+"\x00"+name] {
			continue
		}
		done[from+"\x00"+name] = true
		i.wasi = i.wasi || from == wasi.ModuleName
		i.nn = i.nn || from == nn.ModuleName
		f, err := i.engine.hostFunction(from, name)
		if err != nil {
			return err
		}
		if !slices.Equal(f.params, d.ParamTypes()) || !slices.Equal(f.results, d.ResultTypes()) {
			return fmt.Errorf("the module imports %s.%s as %s, which is %s: build it against the headers of this version",
				from, name, typeText(d.ParamTypes(), d.ResultTypes()), typeText(f.params, f.results))
		}
		if builders[from] == nil {
			builders[from] = i.runtime.NewHostModuleBuilder(from)
			names = append(names, from)
		}
		builders[from].NewFunctionBuilder().WithGoFunction(f.do, f.params, f.results).Export(name)
	}
	for _, name := range names {
		if _, err := builders[name].Instantiate(ctx); err != nil {
			return fmt.Errorf("offer the functions of %s: %w", name, err)
		}
	}
	if len(i.code.ImportedMemories()) != 0 {
		return fmt.Errorf("the module imports a memory: link it so that it has its own, exported as %q", exportMemory)
	}
	return nil
}

// hostFunction is a function that programs import, as the engine offers it.
type hostFunction struct {
	params, results []api.ValueType
	do              api.GoFunc
}

// hostFunction returns the function that is imported under a name.
func (e *Engine) hostFunction(from, name string) (hostFunction, error) {
	switch {
	case from == fuel.Module && name == fuel.Spent:
		return hostFunction{do: spent}, nil
	case from == wasi.ModuleName:
		if f, ok := e.wasi[name]; ok {
			return f, nil
		}
	case from == nn.ModuleName:
		if f, ok := e.nn[name]; ok {
			return f, nil
		}
	case from == "phi:ipc" && name == "call":
		return hostFunction{params: e.plans["phi:ipc.call"].types(), results: []api.ValueType{api.ValueTypeI32}, do: call}, nil
	default:
		if p := e.plans[from+"."+name]; p != nil {
			return hostFunction{params: p.types(), results: []api.ValueType{api.ValueTypeI32}, do: p.run}, nil
		}
	}
	return hostFunction{}, fmt.Errorf("the module imports %s.%s, which does not exist: %s", from, name, remedy(from))
}

// remedy says what to do about an import that does not exist.
func remedy(from string) string {
	switch {
	case strings.HasPrefix(from, "phi:"):
		return "see docs/abi.md for the functions of this version"
	case from == nn.ModuleName:
		return "see docs/capsules.md for the functions of WASI-NN that there are"
	case strings.HasPrefix(from, "wasi"):
		return "compile for WASI preview 1 (wasip1)"
	case from == "env":
		return "define the function in the program, or take it from a phi: module"
	default:
		return "a capsule imports only phi: modules, " + wasi.ModuleName + " and " + nn.ModuleName
	}
}

func typeText(params, results []api.ValueType) string {
	text := func(list []api.ValueType) string {
		names := make([]string, len(list))
		for i, t := range list {
			names[i] = api.ValueTypeName(t)
		}
		return "(" + strings.Join(names, " ") + ")"
	}
	return text(params) + " -> " + text(results)
}
