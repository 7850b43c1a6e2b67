package capsules

import (
	"sync"
	"sync/atomic"

	"phios/abi"
	"phios/api/control"
	"phios/platform"
)

// lookNS is how often the keeper looks for programs that died in silence, and
// for what is to be kept.
const lookNS = 100_000_000

// keeper does what is due later.
type keeper struct {
	m      *Manager
	parker platform.Parker
	over   atomic.Bool
	done   chan struct{}
	dirty  atomic.Bool // the running set changed

	mu  sync.Mutex
	due []due // guarded by mu
}

// due is something to be done at a time.
type due struct {
	at int64
	do func()
}

func newKeeper(m *Manager) *keeper {
	k := &keeper{m: m, parker: m.node.Machine().NewParker(), done: make(chan struct{})}
	go k.run()
	return k
}

// at lets do be called at a time, on the keeper's goroutine: it must not wait.
func (k *keeper) at(t int64, do func()) {
	k.mu.Lock()
	k.due = append(k.due, due{at: t, do: do})
	k.mu.Unlock()
	k.parker.Unpark()
}

func (k *keeper) stop() {
	k.over.Store(true)
	k.parker.Unpark()
	<-k.done
}

func (k *keeper) run() {
	defer close(k.done)
	looked := int64(0)
	for !k.over.Load() {
		now := k.m.node.Machine().Now()
		wake := now + lookNS
		for _, do := range k.take(now, &wake) {
			do()
		}
		if now-looked >= lookNS {
			looked = now
			k.look(now)
		}
		k.parker.Park(wake)
	}
}

// take returns what is due, and lowers wake to when the next is.
func (k *keeper) take(now int64, wake *int64) []func() {
	k.mu.Lock()
	defer k.mu.Unlock()
	var ready []func()
	left := k.due[:0]
	for _, d := range k.due {
		if d.at <= now {
			ready = append(ready, d.do)
			continue
		}
		*wake = min(*wake, d.at)
		left = append(left, d)
	}
	clear(k.due[len(left):])
	k.due = left
	return ready
}

// look finds programs that have ended without telling, and grants whose time
// is over, and keeps the running set.
func (k *keeper) look(now int64) {
	for _, c := range k.m.all() {
		c.look(now)
	}
	if k.dirty.Swap(false) {
		if err := k.m.save(); err != nil {
			k.dirty.Store(true) // the disk may have room later
		}
	}
}

func (c *cell) look(now int64) {
	c.mu.Lock()
	i := c.instance
	for _, g := range c.grants {
		if g.until != 0 && now >= g.until {
			c.revoke(g)
			c.logs.remark("the grant " + g.Name + " is over")
		}
	}
	c.mu.Unlock()
	if i == nil {
		return
	}
	i.mu.Lock()
	program := i.program
	i.mu.Unlock()
	if program == nil {
		return
	}
	if exit, ended := program.Ended(); ended {
		i.end(exit)
	}
}

// saveSoon lets the keeper keep the running set.
func (m *Manager) saveSoon() { m.keeper.dirty.Store(true) }

// save keeps the running set: what runs, or is to run again, with the grants
// that are for good. Nothing of the manager may be locked.
func (m *Manager) save() error {
	m.saving.Lock()
	defer m.saving.Unlock()
	m.mu.Lock()
	closing := m.closing
	m.mu.Unlock()
	if closing {
		return nil // what ran is to run again
	}
	var list []savedCapsule
	for _, c := range m.all() {
		if saved, runs := c.saved(); runs {
			list = append(list, saved)
		}
	}
	return m.store.write(list)
}

// saved is what is kept of a capsule, and whether it is to run again.
func (c *cell) saved() (savedCapsule, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := savedCapsule{Name: c.name, Hash: c.image.hash, Options: c.options}
	for _, g := range c.grants {
		if g.Duration == control.DurationForever {
			s.Grants = append(s.Grants, g.Grant)
		}
	}
	return s, !c.over() && c.state != control.StateFrozen
}

// resume starts what ran when the last node of the data folder ended. What
// cannot be started is told of.
func (m *Manager) resume() {
	for _, saved := range m.store.found.Capsules {
		img, err := m.store.image(saved.Hash)
		if err == nil {
			_, err = m.run(saved.Name, img, saved.Options, saved.Grants, nil)
		}
		if err != nil {
			m.trouble = append(m.trouble, saved.Name+" was not started again: "+err.Error())
			continue
		}
		m.resumed = append(m.resumed, saved.Name)
	}
	m.regrant()
}

// regrant gives what could not be given because what it is to was not there
// yet, or had ended: the endpoint of a capsule that was started later.
func (m *Manager) regrant() {
	for _, c := range m.all() {
		c.mu.Lock()
		for _, g := range c.grants {
			if g.key != 0 && m.root.do(g.key, abi.CapInspect, &abi.Args{}) != abi.StatusOK {
				c.withdraw(g)
			}
			if g.key == 0 && c.instance != nil {
				if err := c.apply(c.instance, g); err == nil {
					c.logs.remark("the grant " + g.Name + " is given")
				}
			}
		}
		c.mu.Unlock()
	}
}
