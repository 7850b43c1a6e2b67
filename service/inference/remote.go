package inference

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"phios/abi"
	"phios/api/inference"
	"phios/compute"
)

const (
	remotesMax    = 64
	remoteListMax = 4096            // models of one server
	listTimeout   = 3 * time.Second // for a server to say which models it has
	listAge       = time.Minute     // until it is asked again
)

// server is a unit of another machine, with models of its own: UNIT/MODEL. Its
// weights and cache are not ours to place, so residency knows nothing of it.
//
// What is asked of it leaves the node. Nobody here can say who reads it there,
// so only what everybody may read goes out: the label of a request must flow to
// the unit's ceiling, which is that of public data unless the owner of the node
// sets another one, for a server that he trusts with certain audiences. Sources
// do not matter: what strangers wrote may go to strangers.
type server struct {
	unit    compute.Unit
	about   compute.Description
	ceiling abi.Label

	mu      sync.Mutex
	names   []string  // guarded by mu
	asked   time.Time // guarded by mu
	metrics RemoteMetrics
}

// RemoteMetrics count what was asked of a remote unit.
type RemoteMetrics struct {
	Requests, Failed, Refused      uint64
	PromptTokens, CompletionTokens uint64
	// Estimated are requests whose tokens the server did not tell.
	Estimated uint64
	// Unkept are answers that were not what they had to be.
	Unkept uint64
}

// publicCeiling is where only what everybody may read can go.
func publicCeiling() abi.Label { return abi.Label{Sources: ^uint64(0), Readers: ^uint64(0)} }

// apart divides units: those that are loaded with weights of ours, and those of
// other machines.
func apart(units []compute.Unit, ceilings map[string]abi.Label) (own []compute.Unit, others []*server) {
	for _, u := range units {
		about := u.Describe()
		if about.Kind != compute.KindRemote {
			own = append(own, u)
			continue
		}
		if len(others) == remotesMax || slices.ContainsFunc(others, func(r *server) bool { return r.about.Name == about.Name }) {
			continue // The first of a name is the one that is meant.
		}
		ceiling, ok := ceilings[about.Name]
		if !ok {
			ceiling = publicCeiling()
		}
		others = append(others, &server{unit: u, about: about, ceiling: ceiling})
	}
	return own, others
}

// remoteModel is a model of another machine.
type remoteModel struct {
	on   *server
	name string // the server's
}

// full is the name by which it is asked for.
func (m remoteModel) full() string { return m.on.about.Name + "/" + m.name }

// elsewhere finds the remote model that a name means: UNIT/MODEL, or UNIT alone
// when that unit has one model. A server may run models that it does not list,
// so it is not asked.
func (s *Service) elsewhere(ctx context.Context, name string) (remoteModel, bool) {
	unit, model, ok := strings.Cut(name, "/")
	for _, r := range s.remotes {
		if r.about.Name != unit {
			continue
		}
		if ok && model != "" && len(model) <= inference.NameBytesMax {
			return remoteModel{r, model}, true
		}
		if list := r.list(ctx, s.o.Now()); !ok && len(list) == 1 {
			return remoteModel{r, list[0]}, true
		}
	}
	return remoteModel{}, false
}

// beyond finds a remote model by a name for which there is no model of this node,
// as the error of looking for one says.
func (s *Service) beyond(ctx context.Context, name string, err error) (remoteModel, bool) {
	var none *inference.Error
	if len(s.remotes) == 0 || !errors.As(err, &none) || none.Code != inference.CodeNoModel {
		return remoteModel{}, false
	}
	return s.elsewhere(ctx, name)
}

// list is which models a server has, as it said not long ago. One that does not
// answer has those that it had.
func (r *server) list(ctx context.Context, now time.Time) []string {
	l, ok := r.unit.(compute.Lister)
	if !ok {
		return nil
	}
	r.mu.Lock()
	names, fresh := r.names, !r.asked.IsZero() && now.Sub(r.asked) < listAge
	if !fresh {
		r.asked = now // Whoever comes meanwhile does not ask as well.
	}
	r.mu.Unlock()
	if fresh {
		return names
	}
	limit, stop := context.WithTimeout(ctx, listTimeout)
	defer stop()
	latest, err := l.Models(limit)
	if err != nil {
		return names
	}
	latest = slices.DeleteFunc(latest, func(n string) bool { return n == "" || len(n) > inference.NameBytesMax })
	latest = latest[:min(len(latest), remoteListMax)]
	r.mu.Lock()
	r.names = latest
	r.mu.Unlock()
	return latest
}

// remoteModels lists what who may run elsewhere.
func (s *Service) remoteModels(ctx context.Context, who inference.Account) (list []inference.Model) {
	for _, r := range s.remotes {
		for _, name := range r.list(ctx, s.o.Now()) {
			if m := (remoteModel{r, name}); who.May(m.full(), abi.RightInvoke) {
				list = append(list, inference.Model{Name: m.full(), Architecture: "remote", Unit: r.about.Name, Loaded: true})
			}
		}
	}
	return list
}

// count changes the counters.
func (r *server) count(f func(*RemoteMetrics)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f(&r.metrics)
}

// permit refuses what may not go to another machine, for an account and for
// where the request may run.
func (m remoteModel) permit(who inference.Account, c *inference.Constraints, deterministic bool) error {
	unsupported := func(message, remedy string) error {
		return &inference.Error{Code: inference.CodeUnsupported, Message: message, Remedy: remedy}
	}
	a := &m.on.about
	switch {
	case !who.May(m.full(), abi.RightInvoke):
		return denied()
	case c.Local:
		return unsupported(m.full()+" runs on another machine, and the request must stay on this one", "name a model of this node, or let it leave")
	case c.Unit != "" && c.Unit != a.Name, c.Kind != "" && compute.Kind(c.Kind) != a.Kind:
		return unsupported(m.full()+" runs only on the unit "+a.Name+" of the kind "+string(a.Kind), "relax the constraints, or name another model")
	case deterministic:
		return unsupported("a server promises nothing of its bits", "name a model of this node")
	case !who.Label().FlowsTo(m.on.ceiling):
		return &inference.Error{
			Code:    inference.CodeDenied,
			Message: fmt.Sprintf("%s runs on another machine, and what is asked may not be read by everybody who could read it there", m.full()),
			Remedy:  "name a model of this node, or have the text declassified",
		}
	}
	return nil
}

// load makes the model ready, which asks nothing of the server.
func (m remoteModel) load(ctx context.Context) (compute.Model, error) {
	model, err := m.on.unit.Load(ctx, compute.Weights{Name: m.name}, compute.Options{})
	if err != nil {
		return nil, remoteError(err)
	}
	return model, nil
}
