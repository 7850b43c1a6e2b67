package inference

import (
	"sync"

	"phios/abi"
	api "phios/api/inference"
)

// account is a key in use by one request.
type account struct {
	s     *keys
	key   *key
	label abi.Label
	once  sync.Once
}

var _ api.Account = (*account)(nil)

// Name is for logs and fair shares.
func (a *account) Name() string { return "key " + a.key.saved.Name }

// Label is the label of what is asked: that of the key's task.
func (a *account) Label() abi.Label { return a.label }

// May reports whether the key opens a model, by its digest or the name of a
// resident one.
func (a *account) May(model string, rights abi.Rights) bool {
	if rights&^(abi.RightInvoke|runs) != 0 {
		return false
	}
	if len(a.key.saved.Models) == 0 {
		return true
	}
	for _, m := range a.key.saved.Models {
		if m.Digest == "" && m.Name == model || m.Digest != "" && m.Digest == model {
			return true
		}
	}
	return false
}

// Charge spends from the key's budget, all or nothing. What has no limit of its
// own is the node's expense.
func (a *account) Charge(c api.Cost) bool {
	k := a.key
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.revoked || k.tenant == nil || k.over(a.s.now()) {
		return false
	}
	limits, left, cost := k.saved.Limits.amounts(), k.saved.left(), amounts(c)
	for r := range cost {
		if limits[r] > 0 && cost[r] > left[r] {
			return false
		}
	}
	for r, amount := range cost {
		resource := abi.Resource(r)
		switch {
		case amount == 0:
		case limits[r] > 0 && !k.tenant.Spend(resource, amount):
			return false
		case limits[r] == 0 && !k.tenant.SpendOwn(resource, amount):
			return false
		}
	}
	k.saved.Spent.Tokens += c.Tokens
	k.saved.Spent.Nanoseconds += c.Nanoseconds
	k.saved.Spent.Microjoules += c.Microjoules
	return true
}

// Revoked is closed when the key is revoked.
func (a *account) Revoked() <-chan struct{} { return a.key.gone }

// Close ends the request.
func (a *account) Close() {
	a.once.Do(func() {
		a.key.mu.Lock()
		a.key.running--
		a.key.mu.Unlock()
		a.s.saveSoon()
	})
}
