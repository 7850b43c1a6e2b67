package capsules

import (
	"slices"
	"sync"
	"time"

	"phios/abi"
	"phios/api/control"
)

// callNamed stands for looking a name up, which is no call of the kernel's.
const callNamed = abi.SessionNamed

// denial is one refusal, with how often it came.
type denial struct {
	name   string
	handle abi.Handle
	call   abi.Call
	status abi.Status
	need   abi.Rights
	detail string
	at     time.Time
	count  uint64
}

// same reports whether two refusals are of the same thing.
func (d denial) same(o denial) bool {
	return d.name == o.name && d.call == o.call && d.status == o.status && d.detail == o.detail && d.need == o.need &&
		(d.name != "" || d.handle == o.handle)
}

// denials are the refusals of one capsule: the latest denialsMax different
// ones. A program that is refused again and again fills nothing.
type denials struct {
	wall func() time.Time

	mu   sync.Mutex
	list []denial // guarded by mu: the latest last
}

func (d *denials) add(one denial) {
	one.at, one.count = d.wall(), 1
	d.mu.Lock()
	defer d.mu.Unlock()
	if at := slices.IndexFunc(d.list, one.same); at >= 0 {
		one.count = d.list[at].count + 1
		d.list = slices.Delete(d.list, at, at+1)
	} else if len(d.list) >= denialsMax {
		d.list = slices.Delete(d.list, 0, 1)
	}
	d.list = append(d.list, one)
}

// all returns a copy.
func (d *denials) all() []denial {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.list)
}

// clear forgets the refusals of one name, because it was granted.
func (d *denials) forget(name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.list = slices.DeleteFunc(d.list, func(one denial) bool { return one.name == name })
}

// view is the refusal as people see it.
func (d denial) view() control.Denial {
	call := d.call.String()
	if d.call == callNamed {
		call = "Named"
	}
	return control.Denial{
		Time: d.at, Name: d.name, Call: call, Status: d.status.Name(), Need: control.RightsOf(d.need), Detail: d.detail, Count: d.count,
	}
}
