// Package inference makes inference a part of a node: it joins the registry of
// models, the units, the resident encoder and the service, keeps what outlives
// the node in its data folder, and answers at the control socket.
//
//	models/       the registry's: files of models by their SHA-256
//	units.json    which units there are beside the processors of this machine
//	keys.json     keys: the hashes of their secrets, limits, what was spent
//	cache/kv/     beginnings of texts that were computed, bounded
//
// Nothing of it is opened before somebody asks: a node that is asked for
// capsules alone pays nothing for it.
//
// # Who asks
//
// Whoever comes through the control socket is the operator, whose purse is the
// node's own. Whoever comes with a key is a tenant: a task with a capability to
// the inference endpoint, with a badge, an end and a budget of its own. The
// kernel is asked for each request, and pays each step.
//
// Lock order: turn, keys.mu, key.mu, mu.
package inference

import (
	"context"
	"errors"
	"io"
	"net/http"
	"path/filepath"
	"sync"
	"time"

	"phios/abi"
	api "phios/api/inference"
	"phios/compute"
	"phios/compute/cpu"
	"phios/compute/encoder"
	"phios/compute/llama"
	"phios/compute/remote"
	"phios/service/inference"
	"phios/service/inference/registry"
	"phios/system/capsules"
)

// What lies in the data folder.
const (
	modelsFolder = "models"
	cacheFolder  = "cache"
	kvFolder     = "kv"
	unitsName    = "units.json"
	keysName     = "keys.json"
)

const (
	// parkingBytes bounds the beginnings of texts on the disk.
	parkingBytes = 4 << 30
	// drainMax is how long a change of the units waits for requests.
	drainMax = 10 * time.Second
)

// Config says what inference is made of. Zero values stand for the usual.
type Config struct {
	// DataDir is the node's data folder: required.
	DataDir string
	// Hub is the base URL of hub: sources; empty refuses them.
	Hub string
	// Client fetches models; nil is http.DefaultClient.
	Client *http.Client
	// Kinds are the kinds of units that can be added; nil is all that there
	// are.
	Kinds []compute.Registration
	// HTTP is where the gateway listens from the beginning; nil does not.
	HTTP *Address
	// Options are those of the service. What lies in the data folder, the
	// units and the clock are filled in.
	Options inference.Options
	// Now tells the time; nil is the machine's.
	Now func() time.Time
}

// Inference is inference as a part of a node. It is a [capsules.Service] for
// the node's manager and an [api.Service] for doors. Its methods may be called
// from any goroutine.
type Inference struct {
	c    Config
	m    *capsules.Manager
	keys *keys
	door door

	// turn is held for reading by each request, and for writing while the units
	// change.
	turn sync.RWMutex

	mu       sync.Mutex
	registry *registry.Registry // guarded by mu; nil until it is asked for
	engine   *engine            // guarded by mu; nil until something is to run
	operator *operator          // guarded by mu; nil until somebody asks
	endpoint *capsules.Endpoint // guarded by mu
	closed   bool               // guarded by mu
}

var (
	_ api.Service      = (*Inference)(nil)
	_ capsules.Service = (*Inference)(nil)
)

// Open makes inference of a data folder. It reads nothing yet.
func Open(c Config) (*Inference, error) {
	if c.DataDir == "" {
		return nil, errors.New("inference keeps models in a data folder: name one")
	}
	if c.Now == nil {
		c.Now = wall
	}
	if c.Kinds == nil {
		c.Kinds = []compute.Registration{cpu.Registration(), llama.Registration(), remote.Registration()}
	}
	n := &Inference{c: c}
	n.keys = newKeys(filepath.Join(c.DataDir, keysName), c.Now, n.tenants)
	return n, nil
}

// wall is the machine's time of day.
func wall() time.Time {
	return time.Now() //nolint:forbidigo // the one place where people's time comes in
}

// Begin joins a node; its manager calls it.
func (n *Inference) Begin(m *capsules.Manager) (map[string]capsules.Operation, error) {
	n.m = m
	if n.c.HTTP != nil {
		if _, err := n.listen(*n.c.HTTP); err != nil {
			return nil, err
		}
	}
	return n.operations(), nil
}

// Close ends all requests, unloads all models and keeps what is to be kept. The
// manager calls it.
func (n *Inference) Close() error {
	err := n.door.close()
	n.mu.Lock()
	n.closed = true
	running := n.engine
	n.mu.Unlock()
	if running != nil {
		err = errors.Join(err, running.stop())
	}
	n.turn.Lock() // until those that ran have said how they ended
	defer n.turn.Unlock()
	err = errors.Join(err, n.keys.close())
	n.mu.Lock()
	defer n.mu.Unlock()
	err = errors.Join(err, n.engine.close())
	if n.operator != nil {
		n.operator.tenant.Close()
	}
	if n.registry != nil {
		err = errors.Join(err, n.registry.Close())
	}
	return err
}

// tenants is the endpoint to which keys are capabilities.
func (n *Inference) tenants() (*capsules.Endpoint, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.endpointLocked()
}

func (n *Inference) endpointLocked() (*capsules.Endpoint, error) {
	if n.closed || n.m == nil {
		return nil, errClosed()
	}
	if n.endpoint != nil {
		return n.endpoint, nil
	}
	var err error
	n.endpoint, err = n.m.NewEndpoint("inference")
	return n.endpoint, err
}

func errClosed() error {
	return &api.Error{Code: api.CodeUnit, Message: "the node is stopping", Remedy: "start it again with 'phi up'"}
}

// models is the registry, opened when it is first asked for.
func (n *Inference) models() (*registry.Registry, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.modelsLocked()
}

func (n *Inference) modelsLocked() (*registry.Registry, error) {
	if n.closed {
		return nil, errClosed()
	}
	if n.registry != nil {
		return n.registry, nil
	}
	folder := filepath.Join(n.c.DataDir, modelsFolder)
	r, err := registry.Open(folder, registry.Options{Hub: n.c.Hub, Client: n.c.Client, Now: n.c.Now})
	if err != nil {
		return nil, err
	}
	sweep(filepath.Join(folder, "partial"))
	n.registry = r
	return r, nil
}

// engine is the service and what it stands on.
type engine struct {
	service *inference.Service
	units   []opened
	once    sync.Once
	stopped error
}

// stop ends all requests and unloads all models.
func (e *engine) stop() error {
	e.once.Do(func() { e.stopped = e.service.Close() })
	return e.stopped
}

// close ends an engine whose requests are over; nil is none.
func (e *engine) close() error {
	if e == nil {
		return nil
	}
	err := e.stop()
	for _, u := range e.units {
		if u.unit != nil {
			err = errors.Join(err, u.unit.Close())
		}
	}
	return err
}

// use returns what runs models, for one request; done ends it.
func (n *Inference) use() (e *engine, done func(), err error) {
	n.turn.RLock()
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		err = errClosed()
	} else if n.engine == nil {
		n.engine, err = n.start()
	}
	if err != nil {
		n.turn.RUnlock()
		return nil, nil, err
	}
	return n.engine, n.turn.RUnlock, nil
}

// start opens the units, the encoder and the service.
func (n *Inference) start() (*engine, error) {
	models, err := n.modelsLocked()
	if err != nil {
		return nil, err
	}
	set, err := readUnits(n.unitsPath())
	if err != nil {
		return nil, err
	}
	resident, err := encoder.Open(0)
	if err != nil {
		return nil, err
	}
	e := &engine{units: n.openUnits(set)}
	o := n.c.Options
	o.Models, o.Now = models, n.c.Now
	o.Embedders = []inference.Embedder{{Name: encoder.Name, Model: resident}}
	o.Parking = filepath.Join(n.c.DataDir, cacheFolder, kvFolder)
	if o.ParkingBytes == 0 {
		o.ParkingBytes = parkingBytes
	}
	for _, u := range e.units {
		if u.unit != nil {
			o.Units = append(o.Units, u.unit)
		}
	}
	if e.service, err = inference.New(o); err != nil {
		e.service = nil
		for _, u := range e.units {
			if u.unit != nil {
				err = errors.Join(err, u.unit.Close())
			}
		}
		return nil, err
	}
	return e, nil
}

// change does something while no request runs, and lets the engine start anew.
// Requests that do not end by themselves soon are ended.
func (n *Inference) change(do func() error) error {
	n.mu.Lock()
	running := n.engine
	n.mu.Unlock()
	if running != nil {
		ended := time.AfterFunc(drainMax, func() { _ = running.stop() }) //nolint:forbidigo // requests end in real time; what stop says is said when it is closed
		defer ended.Stop()
	}
	n.turn.Lock()
	defer n.turn.Unlock()
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return errClosed()
	}
	if err := do(); err != nil {
		return err
	}
	err := n.engine.close()
	n.engine = nil
	return err
}

// Generate runs a model on a prompt, for doors. A key's end is the request's
// deadline.
func (n *Inference) Generate(ctx context.Context, who api.Account, r *api.Request, emit func(api.Delta) error) (api.Result, error) {
	e, done, err := n.use()
	if err != nil {
		return api.Result{}, err
	}
	defer done()
	if a, ok := who.(*account); ok {
		if end := a.key.saved.Expires; !end.IsZero() && (r.Deadline.IsZero() || end.Before(r.Deadline)) {
			limited := *r
			limited.Deadline = end
			r = &limited
		}
	}
	return e.service.Generate(ctx, who, r, emit)
}

// Embed turns texts into vectors of unit length, for doors.
func (n *Inference) Embed(ctx context.Context, who api.Account, r *api.EmbedRequest) (api.Embeddings, error) {
	e, done, err := n.use()
	if err != nil {
		return api.Embeddings{}, err
	}
	defer done()
	return e.service.Embed(ctx, who, r)
}

// Models lists the models that who may run, for doors.
func (n *Inference) Models(ctx context.Context, who api.Account) ([]api.Model, error) {
	e, done, err := n.use()
	if err != nil {
		return nil, err
	}
	defer done()
	return e.service.Models(ctx, who)
}

// operator is whoever asks through the control socket: the owner of the node.
type operator struct {
	n      *Inference
	tenant *capsules.Tenant
	label  abi.Label
}

// owner asks the kernel for a request of the operator's.
func (n *Inference) owner(ctx context.Context) (*operator, error) {
	n.mu.Lock()
	if n.operator == nil {
		endpoint, err := n.endpointLocked()
		if err == nil {
			o := &operator{n: n}
			if o.tenant, err = endpoint.Admit(capsules.Admission{Name: "inference operator", Rights: runs}); err == nil {
				n.operator = o
			}
		}
		if err != nil {
			n.mu.Unlock()
			return nil, err
		}
	}
	tenant := n.operator.tenant
	n.mu.Unlock()
	label, err := tenant.Enter(ctx, [abi.MessageWords]uint64{})
	return &operator{n: n, tenant: tenant, label: label}, err
}

// Name is for logs and fair shares.
func (*operator) Name() string { return "operator" }

// Label is the label of what is asked.
func (o *operator) Label() abi.Label { return o.label }

// May reports that the owner of the node may use all models.
func (*operator) May(string, abi.Rights) bool { return true }

// Charge spends from what the node has not given to anybody.
func (o *operator) Charge(c api.Cost) bool {
	for r, amount := range amounts(c) {
		if amount > 0 && !o.n.m.SpendOwn(abi.Resource(r), amount) {
			return false
		}
	}
	return true
}

// amounts are what a cost takes of each resource.
func amounts(c api.Cost) abi.Amounts {
	var a abi.Amounts
	a[abi.ResourceTokens], a[abi.ResourceCPU], a[abi.ResourceEnergy] = c.Tokens, c.Nanoseconds, c.Microjoules
	return a
}

var _ io.Closer = (*Inference)(nil)
