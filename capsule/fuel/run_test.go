package fuel_test

import (
	"context"
	"errors"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"phios/capsule/fuel"
)

var errSpent = errors.New("spent")

// host runs modules, original and rewritten.
type host struct {
	runtime wazero.Runtime
	// spent counts the calls of Spent; limit ends the program at so many.
	spent, limit int
	// quantum is what a program gets each time.
	quantum int64
}

func features() api.CoreFeatures {
	return api.CoreFeaturesV2 | experimental.CoreFeaturesTailCall | experimental.CoreFeaturesThreads
}

func newHost(tb testing.TB) *host {
	tb.Helper()
	h := &host{limit: 1 << 30, quantum: 100_000}
	ctx := context.Background()
	h.runtime = wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfig().WithCoreFeatures(features()))
	tb.Cleanup(func() { _ = h.runtime.Close(ctx) })
	_, err := h.runtime.NewHostModuleBuilder(fuel.Module).NewFunctionBuilder().
		WithGoModuleFunction(api.GoModuleFunc(h.refill), nil, nil).Export(fuel.Spent).Instantiate(ctx)
	if err != nil {
		tb.Fatal(err)
	}
	return h
}

func (h *host) refill(_ context.Context, m api.Module, _ []uint64) {
	h.spent++
	if h.spent > h.limit {
		panic(errSpent)
	}
	g := m.ExportedGlobal(fuel.Global).(api.MutableGlobal)
	g.Set(g.Get() + uint64(h.quantum))
}

// plain instantiates a module as it is.
func (h *host) plain(tb testing.TB, module []byte) (api.Module, error) {
	tb.Helper()
	return h.runtime.InstantiateWithConfig(tb.Context(), module,
		wazero.NewModuleConfig().WithName("").WithStartFunctions())
}

// metered instantiates a module rewritten, up to where plain does.
func (h *host) metered(tb testing.TB, module []byte) (api.Module, *fuel.Result, error) {
	tb.Helper()
	r, err := fuel.Rewrite(module, fuel.Options{})
	if err != nil {
		return nil, nil, err
	}
	m, err := h.plain(tb, r.Module)
	if err != nil {
		return nil, nil, err
	}
	for _, f := range []struct {
		name string
		has  bool
	}{{fuel.Data, r.HasData}, {fuel.Start, r.HasStart}} {
		if !f.has {
			continue
		}
		if _, err := m.ExportedFunction(f.name).Call(tb.Context()); err != nil {
			return nil, nil, err
		}
	}
	return m, r, nil
}
