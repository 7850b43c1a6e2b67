package inference

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"sync"
	"time"

	"phios/abi"
	"phios/api/control"
	api "phios/api/inference"
	"phios/system/capsules"
)

// runs is what a key may do with models.
const runs = abi.RightRun

// The shape of a secret: what it begins with, and how much chance is behind.
const (
	secretPrefix = "phi-"
	secretBytes  = 32
	idDigits     = 12
	// saveEvery is how often what was spent is written while something is.
	saveEvery = time.Second
)

// errKey means that a secret opens nothing.
var errKey = errors.New("the key is not known, has expired or was revoked: make one with 'phi key new'")

// savedKey is a key as it is kept. The secret is not: only its hash.
type savedKey struct {
	Name   string   `json:"name"`
	Hash   string   `json:"hash"`
	Models []opens  `json:"models,omitempty"`
	Rights []string `json:"rights"`
	// Limits are what may be spent in all; zero has no limit of its own.
	Limits  sums      `json:"limits"`
	Spent   sums      `json:"spent"`
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires,omitzero"`
	Used    time.Time `json:"used,omitzero"`
}

// opens is a model that a key opens: by its bytes, so that another model that
// gets its name is not opened. A resident one has no digest.
type opens struct {
	Name   string `json:"name"`
	Digest string `json:"digest,omitempty"`
}

// sums are amounts of what is spent.
type sums struct {
	Tokens      uint64 `json:"tokens,omitempty"`
	Nanoseconds uint64 `json:"nanoseconds,omitempty"`
	Microjoules uint64 `json:"microjoules,omitempty"`
}

func (s sums) amounts() abi.Amounts { return amounts(api.Cost(s)) }

// left is what of the limits was not spent.
func (k *savedKey) left() abi.Amounts {
	limits, spent := k.Limits.amounts(), k.Spent.amounts()
	for r := range limits {
		limits[r] -= min(limits[r], spent[r])
	}
	return limits
}

func (k *savedKey) id() string { return k.Hash[:idDigits] }

// key is a key that is in force.
type key struct {
	gone chan struct{} // closed when it is revoked

	mu      sync.Mutex
	saved   savedKey         // guarded by mu, but for what never changes: Name, Hash, Models, Limits, Expires
	tenant  *capsules.Tenant // guarded by mu; nil until it is first used
	running int              // guarded by mu
	revoked bool             // guarded by mu
}

// keys are all keys of a node.
type keys struct {
	path     string
	now      func() time.Time
	endpoint func() (*capsules.Endpoint, error)

	mu     sync.Mutex
	read   bool                         // guarded by mu
	byHash map[[sha256.Size]byte]*key   // guarded by mu
	timer  *time.Timer                  // guarded by mu; nil while nothing is to be written
	closed bool                         // guarded by mu
	names  map[string][sha256.Size]byte // guarded by mu
}

func newKeys(path string, now func() time.Time, endpoint func() (*capsules.Endpoint, error)) *keys {
	return &keys{path: path, now: now, endpoint: endpoint, byHash: map[[sha256.Size]byte]*key{}, names: map[string][sha256.Size]byte{}}
}

// keyFile is keys.json.
type keyFile struct {
	Keys []savedKey `json:"keys"`
}

// load reads the keys, the first time. The caller holds mu.
func (s *keys) load() error {
	if s.closed {
		return errClosed()
	}
	if s.read {
		return nil
	}
	var file keyFile
	if err := readState(s.path, &file); err != nil {
		return fmt.Errorf("read the keys: %w", err)
	}
	if len(file.Keys) > control.KeysMax {
		return fmt.Errorf("read the keys: %s has more than %d: remove some", s.path, control.KeysMax)
	}
	for _, saved := range file.Keys {
		var hash [sha256.Size]byte
		if n, err := hex.Decode(hash[:], []byte(saved.Hash)); err != nil || n != len(hash) {
			return fmt.Errorf("read the keys: %s: the hash of %s is none: remove that key", s.path, saved.Name)
		}
		s.byHash[hash] = &key{saved: saved, gone: make(chan struct{})}
		s.names[saved.Name] = hash
	}
	s.read = true
	return nil
}

// save writes the keys. The caller holds mu.
func (s *keys) save() error {
	var file keyFile
	for _, k := range s.byHash {
		k.mu.Lock()
		file.Keys = append(file.Keys, k.saved)
		k.mu.Unlock()
	}
	slices.SortFunc(file.Keys, func(a, b savedKey) int { return a.Created.Compare(b.Created) })
	return writeState(s.path, file)
}

// saveSoon lets what was spent be written within a second: that much can be
// spent twice by whoever makes the machine lose its power. To write each step
// down would cost more than a step does.
func (s *keys) saveSoon() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.timer == nil && !s.closed {
		s.timer = time.AfterFunc(saveEvery, func() { //nolint:forbidigo // a file is written in real time
			s.mu.Lock()
			defer s.mu.Unlock()
			s.timer = nil
			if !s.closed {
				_ = s.save() // the next one may find room on the disk
			}
		})
	}
}

// close writes what was spent and ends all tenants. No request runs.
func (s *keys) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || !s.read {
		s.closed = true
		return nil
	}
	s.closed = true
	err := s.save()
	for _, k := range s.byHash {
		k.mu.Lock()
		if k.tenant != nil {
			k.tenant.Close()
			k.tenant = nil
		}
		k.mu.Unlock()
	}
	return err
}

// make makes a key and returns its secret.
func (s *keys) make(r control.KeyNewRequest, models []opens, rights []string) (control.KeyMade, error) {
	var chance [secretBytes]byte
	_, _ = rand.Read(chance[:]) // it never fails: the program ends first
	secret := secretPrefix + base64.RawURLEncoding.EncodeToString(chance[:])
	hash := sha256.Sum256([]byte(secret))
	k := &key{gone: make(chan struct{}), saved: savedKey{
		Name: r.Name, Hash: hex.EncodeToString(hash[:]), Models: models, Rights: rights, Created: s.now().UTC(),
		Limits: sums{Tokens: r.Tokens, Nanoseconds: whole(r.Seconds, 1e9), Microjoules: whole(r.Joules, 1e6)},
	}}
	if k.saved.Name == "" {
		k.saved.Name = "key-" + k.saved.id()
	}
	if r.Expires > 0 {
		k.saved.Expires = k.saved.Created.Add(r.Expires)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.load(); err != nil {
		return control.KeyMade{}, err
	}
	if _, taken := s.names[k.saved.Name]; taken {
		return control.KeyMade{}, &control.Error{Code: control.CodeExists, Message: "there is a key " + k.saved.Name, Remedy: "choose another name, or revoke that one with 'phi key revoke " + k.saved.Name + "'"}
	}
	if len(s.byHash) >= control.KeysMax {
		return control.KeyMade{}, &control.Error{Code: "limit", Message: fmt.Sprintf("there are %d keys, which is all that there can be", control.KeysMax), Remedy: "revoke some with 'phi key revoke'"}
	}
	// The budget is carved now, so that what the node does not have is not
	// promised.
	if err := s.admit(k); err != nil {
		return control.KeyMade{}, err
	}
	s.byHash[hash], s.names[k.saved.Name] = k, hash
	if err := s.save(); err != nil {
		s.forget(hash, k)
		return control.KeyMade{}, fmt.Errorf("keep the key: %w", err)
	}
	return control.KeyMade{Key: k.view(), Secret: secret}, nil
}

// whole turns an amount into units of a resource.
func whole(amount, unit float64) uint64 {
	if v := math.Ceil(amount * unit); v > 0 {
		return uint64(min(v, 1<<62))
	}
	return 0
}

// admit makes a key's tenant, when it has none. Only the owner of k calls it,
// or who holds k.mu.
func (s *keys) admit(k *key) error {
	if k.tenant != nil {
		return nil
	}
	endpoint, err := s.endpoint()
	if err != nil {
		return err
	}
	badge, err := strconv.ParseUint(k.saved.id(), 16, 64)
	if err != nil {
		return err
	}
	a := capsules.Admission{Name: "key " + k.saved.Name, Badge: badge | 1<<62, Rights: runs, Amounts: k.saved.left()}
	if end := k.saved.Expires; !end.IsZero() {
		a.ForNS = max(int64(end.Sub(s.now())), 1)
	}
	k.tenant, err = endpoint.Admit(a)
	return err
}

// open returns the account of a secret, for one request.
func (s *keys) open(ctx context.Context, secret string) (*account, error) {
	hash := sha256.Sum256([]byte(secret))
	s.mu.Lock()
	err := s.load()
	k := s.byHash[hash]
	s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	if k == nil {
		return nil, errKey
	}
	k.mu.Lock()
	if k.revoked || k.over(s.now()) {
		k.mu.Unlock()
		return nil, errKey
	}
	if err := s.admit(k); err != nil {
		k.mu.Unlock()
		return nil, err
	}
	tenant := k.tenant
	k.running++
	k.saved.Used = s.now().UTC()
	k.mu.Unlock()
	a := &account{s: s, key: k}
	a.label, err = tenant.Enter(ctx, [abi.MessageWords]uint64{})
	if err == nil {
		return a, nil
	}
	a.Close()
	if e, ok := errors.AsType[*control.Error](err); ok && (e.Code == abi.StatusRevoked.Name() || e.Code == abi.StatusExpired.Name()) {
		return nil, errKey
	}
	return nil, &api.Error{Code: api.CodeDenied, Message: "the kernel refuses the key: " + err.Error(), Remedy: "ask whoever runs the node"}
}

// over reports whether the key's time is.
func (k *key) over(now time.Time) bool {
	return !k.saved.Expires.IsZero() && !now.Before(k.saved.Expires)
}

// find finds a key by its name or its ID. The caller holds mu.
func (s *keys) find(name string) (hash [sha256.Size]byte, k *key, err error) {
	if err := s.load(); err != nil {
		return hash, nil, err
	}
	if hash, ok := s.names[name]; ok {
		return hash, s.byHash[hash], nil
	}
	for hash, k := range s.byHash {
		if k.saved.id() == name {
			return hash, k, nil
		}
	}
	return hash, nil, &control.Error{Code: control.CodeUnknown, Message: fmt.Sprintf("there is no key %q", name), Remedy: "'phi key list' lists them"}
}

// revoke ends a key: the file first, so that it stays revoked, and then at once
// all that runs by it.
func (s *keys) revoke(name string) (control.Key, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	hash, k, err := s.find(name)
	if err != nil {
		return control.Key{}, err
	}
	view := k.view()
	s.forget(hash, k)
	if err := s.save(); err != nil {
		return view, fmt.Errorf("the key is revoked until the node is started again, for that cannot be kept: %w: make room on the disk and restart the node", err)
	}
	return view, nil
}

// forget takes a key out of force. The caller holds mu.
func (s *keys) forget(hash [sha256.Size]byte, k *key) {
	delete(s.byHash, hash)
	delete(s.names, k.saved.Name)
	k.mu.Lock()
	defer k.mu.Unlock()
	k.revoked = true
	close(k.gone)
	if k.tenant != nil {
		k.tenant.Close()
		k.tenant = nil
	}
}

// list lists the keys, the oldest first.
func (s *keys) list() ([]control.Key, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.load(); err != nil {
		return nil, err
	}
	list := make([]control.Key, 0, len(s.byHash))
	for _, k := range s.byHash {
		list = append(list, k.view())
	}
	slices.SortFunc(list, func(a, b control.Key) int { return a.Created.Compare(b.Created) })
	return list, nil
}

func (s *keys) count() (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.load()
	return len(s.byHash), err
}

// view is a key as people see it.
func (k *key) view() control.Key {
	k.mu.Lock()
	defer k.mu.Unlock()
	v := control.Key{
		Name: k.saved.Name, ID: k.saved.id(), Rights: k.saved.Rights, Limits: k.saved.Limits.view(), Spent: k.saved.Spent.view(),
		Created: k.saved.Created, Expires: k.saved.Expires, Used: k.saved.Used, Running: k.running,
	}
	for _, m := range k.saved.Models {
		v.Models = append(v.Models, m.Name)
	}
	return v
}

func (s sums) view() control.KeyLimits {
	return control.KeyLimits{Tokens: s.Tokens, Seconds: float64(s.Nanoseconds) / 1e9, Joules: float64(s.Microjoules) / 1e6}
}
