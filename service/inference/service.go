// Package inference is the inference service: it finds the model that a request
// means, has it loaded, makes tokens of messages, runs them beside others, and
// makes text, calls of tools and vectors of what comes.
//
//	registry    which models there are, as files
//	residency   which of them are loaded, and on which unit
//	schedule    the requests of one loaded model
//	prefix      which beginnings need not be computed again
//
// It knows its callers as accounts, and defends itself against their requests:
// each limit of api/inference is kept before anything is computed.
//
// Seed name: ΦAI Engine.
package inference

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"phios/abi"
	"phios/api/inference"
	"phios/compute"
	"phios/compute/grammar"
	"phios/service/inference/prefix"
	"phios/service/inference/registry"
	"phios/service/inference/residency"
	"phios/service/inference/schedule"
)

// Embedder is an encoder that is always there.
type Embedder struct {
	Name  string
	Model compute.Embedder
}

// Options are what a service is made of. Zero values stand for the usual.
type Options struct {
	// Models are the models that can be loaded; nil has none.
	Models *registry.Registry
	// Units run them. Those of the kind remote have models of their own, found as
	// UNIT/MODEL.
	Units []compute.Unit
	// Ceilings are the labels up to which remote units may be asked, by their
	// names; the usual one is that of what everybody may read.
	Ceilings map[string]abi.Label
	// Embedders are resident; the first is the one that is meant by no name.
	Embedders []Embedder
	// Bytes bounds the memory of models on each unit.
	Bytes uint64
	// Load says how models are loaded.
	Load compute.Options
	// Schedule are the bounds of each loaded model; Now, Park and Joules are the
	// service's.
	Schedule schedule.Options
	// Patience, LoadMax and ProbeEvery are those of residency.
	Patience, LoadMax, ProbeEvery time.Duration
	// Parking is the folder in which the pages of beginnings are kept when they
	// leave the cache; empty forgets them. ParkingBytes bounds it: 4 GiB.
	Parking      string
	ParkingBytes int64
	// Now is the clock: required.
	Now func() time.Time
}

// Service implements inference.Service of package api.
type Service struct {
	o        Options
	place    *residency.Manager[*engine]
	parking  *prefix.Parking // nil when nothing is kept
	remotes  []*server
	grammars *grammars
	bytes    func() *grammar.Vocabulary // of single bytes, made when first needed

	mu   sync.Mutex
	gone map[string]schedule.Metrics // of models that were unloaded, by name; guarded by mu
}

var _ inference.Service = (*Service)(nil)

// New makes a service. The registry, the units and the embedders stay the
// caller's, who closes them after the service.
func New(o Options) (*Service, error) {
	s := &Service{o: o, gone: make(map[string]schedule.Metrics), bytes: sync.OnceValue(byteVocabulary), grammars: newGrammars()}
	own, others := apart(o.Units, o.Ceilings)
	s.remotes = others
	if o.Parking != "" {
		var err error
		if s.parking, err = prefix.OpenParking(o.Parking, o.ParkingBytes); err != nil {
			return nil, err
		}
	}
	s.place = residency.New(own, residency.Options[*engine]{
		Load: s.load, Now: o.Now, Bytes: o.Bytes, LoadMax: o.LoadMax, Patience: o.Patience, ProbeEvery: o.ProbeEvery,
	})
	return s, nil
}

// Close ends all requests, unloads all models and writes what is still to be
// parked.
func (s *Service) Close() error {
	s.place.Close()
	if s.parking == nil {
		return nil
	}
	return s.parking.Close()
}

// Metrics are the service's counters: one Metrics for each loaded model, by name.
type Metrics struct {
	Residency residency.Metrics
	Models    map[string]schedule.Metrics
	Parking   prefix.ParkingMetrics
	// Remotes are the units of other machines, by name.
	Remotes map[string]RemoteMetrics
}

// modelsShownMax bounds the names for which counters are kept after unloading.
const modelsShownMax = 256

// Metrics is a snapshot.
func (s *Service) Metrics() Metrics {
	m := Metrics{Residency: s.place.Metrics(), Models: make(map[string]schedule.Metrics), Remotes: make(map[string]RemoteMetrics)}
	for _, r := range s.remotes {
		r.count(func(c *RemoteMetrics) { m.Remotes[r.about.Name] = *c })
	}
	if s.parking != nil {
		m.Parking = s.parking.Metrics()
	}
	s.mu.Lock()
	maps.Copy(m.Models, s.gone)
	s.mu.Unlock()
	s.place.Each(func(w residency.Want, e *engine, _ compute.Description, _ int) {
		if e.run != nil {
			now := e.run.Metrics()
			now.Add(m.Models[w.Name])
			m.Models[w.Name] = now
		}
	})
	return m
}

// keep remembers the counters of a model that is unloaded.
func (s *Service) keep(name string, m schedule.Metrics) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m.Running, m.Waiting, m.FreePages, m.IdlePages = 0, 0, 0, 0
	old, known := s.gone[name]
	if known || len(s.gone) < modelsShownMax {
		m.Add(old)
		s.gone[name] = m
	}
}

// Select says on which unit a model would run under constraints.
func (s *Service) Select(who inference.Account, model string, c inference.Constraints) (residency.Choice, error) {
	m, err := s.find(who, model)
	if there, ok := s.beyond(context.Background(), model, err); ok {
		if err := there.permit(who, &c, false); err != nil {
			return residency.Choice{}, err
		}
		return residency.Choice{Unit: there.on.about, Loaded: true}, nil
	}
	if err != nil {
		return residency.Choice{}, err
	}
	w, err := s.want(&m, &inference.Request{Device: c})
	if err != nil {
		return residency.Choice{}, err
	}
	return s.place.Select(w)
}

// Pin keeps a model loaded, loading it if need be, or lets it go again.
func (s *Service) Pin(ctx context.Context, model string, pinned bool) error { //nolint:revive // flag-parameter: as compute.Model has it
	m, err := s.named(model)
	if err != nil {
		return err
	}
	w, err := s.want(&m, &inference.Request{})
	if err != nil {
		return err
	}
	if !pinned {
		s.place.Pin(w.Key, false)
		return nil
	}
	lease, err := s.place.Acquire(ctx, w)
	if err != nil {
		return err
	}
	defer lease.Release()
	s.place.Pin(w.Key, true)
	return nil
}

// Unload takes a model out of memory. What it does ends, and begins again when
// the model is loaded again.
func (s *Service) Unload(model string) error {
	m, err := s.named(model)
	if err != nil {
		return err
	}
	w, err := s.want(&m, &inference.Request{})
	if err == nil {
		s.place.Unload(w.Key.Digest)
	}
	return err
}

// stepMax is after how long a step counts as stuck.
const stepMax = 5 * time.Minute

// Healthy says what is wrong, as far as it is known without asking anybody; nil
// is nothing. Idle models are probed each minute, see [residency.Options].
func (s *Service) Healthy() error {
	bad := []error{s.place.Healthy()}
	s.place.Each(func(w residency.Want, e *engine, u compute.Description, _ int) {
		if e.run == nil {
			return
		}
		if d := e.run.Stepping(); d > stepMax {
			bad = append(bad, fmt.Errorf("%s on %s has computed for %v; restart the unit", w.Name, u.Name, d.Round(time.Second)))
		}
	})
	return errors.Join(bad...)
}

// Health generates a token on each loaded model and unloads those that cannot.
func (s *Service) Health(ctx context.Context) error { return s.place.Health(ctx) }

// Models lists the models that who may run: those of the node, those of other
// machines, and last the resident encoders. Of a server that does not answer
// within seconds those are listed that it had before.
func (s *Service) Models(ctx context.Context, who inference.Account) ([]inference.Model, error) {
	type at struct{ unit string }
	loaded := map[[32]byte]at{}
	s.place.Each(func(w residency.Want, _ *engine, u compute.Description, _ int) { loaded[w.Key.Digest] = at{u.Name} })
	var list []inference.Model
	if s.o.Models != nil {
		for _, m := range s.o.Models.List() {
			if !may(who, &m) {
				continue
			}
			w, err := s.want(&m, &inference.Request{})
			if err != nil {
				continue
			}
			there, ok := loaded[w.Key.Digest]
			list = append(list, inference.Model{
				Name: m.Name(), Digest: m.Digest, Architecture: m.Architecture, Format: m.Format, Parameters: m.Parameters,
				Bytes: m.Bytes, Context: m.Context, Loaded: ok, Unit: there.unit, Added: m.Added,
			})
		}
	}
	list = append(list, s.remoteModels(ctx, who)...)
	for _, e := range s.o.Embedders {
		if d := e.Model.Describe(); who.May(e.Name, abi.RightInvoke) {
			list = append(list, inference.Model{
				Name: e.Name, Architecture: d.Architecture, Format: d.Format.String(), Parameters: d.Parameters,
				Context: d.ContextTokens, Embeds: true, Resident: true, Loaded: true, Unit: string(compute.KindCPU),
			})
		}
	}
	return list, nil
}

// named finds a model of the registry.
func (s *Service) named(name string) (registry.Model, error) {
	err := registry.ErrUnknown
	if s.o.Models != nil {
		var m registry.Model
		if m, err = s.o.Models.Find(name); err == nil {
			return m, nil
		}
	}
	if !errors.Is(err, registry.ErrUnknown) {
		return registry.Model{}, err
	}
	return registry.Model{}, &inference.Error{
		Code: inference.CodeNoModel, Message: "no model: " + err.Error(),
		Remedy: "add it with 'phi model add', or name another",
	}
}

// find finds a model that who may run.
func (s *Service) find(who inference.Account, name string) (registry.Model, error) {
	m, err := s.named(name)
	if err == nil && !may(who, &m) {
		return m, denied()
	}
	return m, err
}

// may reports whether an account may run a model, by its digest or a name.
func may(who inference.Account, m *registry.Model) bool {
	if who.May(m.Digest, abi.RightInvoke) {
		return true
	}
	for _, n := range m.Names {
		if who.May(n, abi.RightInvoke) {
			return true
		}
	}
	return false
}
