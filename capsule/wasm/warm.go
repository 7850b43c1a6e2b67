package wasm

import (
	"slices"

	"github.com/tetratelabs/wazero/api"

	"phios/abi"
	"phios/capsule"
	"phios/platform/host/linear"
)

const (
	// templatesMax is the number of templates of an image.
	templatesMax = 8
	// templateBytesMax is the size of the largest memory of a template.
	templateBytesMax = 256 << 20
)

// template is a program right after it initialised itself, from which others
// begin: the runtime of a large language takes milliseconds for that, and
// mapping its memory takes microseconds.
//
// It is made with no capability at all. When the program calls the kernel
// meanwhile, or writes something, what it became is its own and there is no
// template. When it merely asked for capabilities by name and was told that
// there are none, the template serves all programs that are refused the same; the
// others initialise themselves.
type template struct {
	args, env []string
	asked     []refusal        // names that must be refused in the same way
	memory    *linear.Snapshot // nil when there can be none
	globals   []uint64
}

func (t *template) close() {
	if t.memory != nil {
		t.memory.Close()
	}
}

// warm lets the program begin from a template, and reports whether it did.
func (i *Instance) warm() bool {
	if !i.image.has(exportInit) || i.image.has(exportMain) || i.image.facts.Fixed != "" {
		return false
	}
	t := i.image.template(i)
	if t == nil || t.memory == nil {
		return false
	}
	for _, r := range t.asked {
		if _, status := i.door.Named(r.name); status != r.status {
			return false
		}
	}
	if !i.grow(t.memory.Bytes()) || t.memory.Map(i.linear) != abi.StatusOK {
		return false
	}
	i.setGlobals(t.globals)
	return true
}

// template returns the template for programs like n, made when there is none
// yet; nil when somebody is just making one: waiting would take longer than
// doing without.
func (i *Image) template(n *Instance) *template {
	if !i.warming.TryLock() {
		return nil
	}
	defer i.warming.Unlock()
	for _, t := range i.templates {
		if slices.Equal(t.args, n.spec.Args) && slices.Equal(t.env, n.spec.Env) {
			return t
		}
	}
	if len(i.templates) == templatesMax {
		return nil
	}
	t, lasting := i.makeTemplate(n)
	if lasting {
		i.templates = append(i.templates, t)
	}
	return t
}

// makeTemplate initialises a program that has nothing. What that takes is
// charged to the one that is about to begin. What came of it is lasting when
// it would come of it again: not when that one's budget ended meanwhile.
func (i *Image) makeTemplate(n *Instance) (t *template, lasting bool) {
	t = &template{args: n.spec.Args, env: n.spec.Env}
	door := &nothing{door: n.door}
	blank, err := i.instantiate(capsule.Spec{
		Name: n.spec.Name, Door: door, Args: n.spec.Args, Env: n.spec.Env, MemoryBytesMax: n.spec.MemoryBytesMax,
	})
	if err != nil {
		return t, false
	}
	defer blank.Close()
	blank.begun = true
	exit := blank.initialize()
	memory := blank.linear.Bytes()
	if exit != nil || blank.touched || door.called || len(memory) > templateBytesMax {
		return t, exit == nil
	}
	t.asked, t.globals = door.asked, blank.getGlobals()
	t.memory, err = linear.NewSnapshot(memory)
	if err != nil {
		t.memory = nil
	}
	return t, err == nil
}

// refusal is a name that was asked for, and why there was nothing.
type refusal struct {
	name   string
	status abi.Status
}

// nothing is the door of a program that has no capability. It notes what is
// asked of it.
type nothing struct {
	door   capsule.Door
	asked  []refusal
	called bool
}

// Invoke refuses.
func (n *nothing) Invoke(abi.Handle, abi.Call, *abi.Args) abi.Status {
	n.called = true
	return abi.StatusBadHandle
}

// Named refuses every name as the door does that it stands for.
func (n *nothing) Named(name string) (abi.Handle, abi.Status) {
	_, status := n.door.Named(name)
	if status == abi.StatusOK {
		status = abi.StatusBadHandle // of a name that is granted, as if nobody had asked for it
	}
	r := refusal{name, status}
	if len(n.asked) == NamesMax {
		n.called = true
	} else if !slices.Contains(n.asked, r) {
		n.asked = append(n.asked, r)
	}
	return 0, status
}

// Charge charges who asked for the template.
func (n *nothing) Charge(r abi.Resource, amount uint64) abi.Status { return n.door.Charge(r, amount) }

// Alive reports whether that one lives.
func (n *nothing) Alive() bool { return n.door.Alive() }

// grow makes the memory that large.
func (i *Instance) grow(bytes uint64) bool {
	have := uint64(i.memory.Size())
	if bytes <= have {
		return bytes == have
	}
	_, ok := i.memory.Grow(uint32((bytes - have) / pageBytes)) //nolint:gosec // G115: below 4 GiB
	return ok
}

// getGlobals returns the globals that can change, as bits.
func (i *Instance) getGlobals() []uint64 {
	values := make([]uint64, len(i.image.facts.Globals))
	for n, name := range i.image.facts.Globals {
		values[n] = i.module.ExportedGlobal(name).Get()
	}
	return values
}

// setGlobals sets them to what getGlobals returned.
func (i *Instance) setGlobals(values []uint64) {
	for n, name := range i.image.facts.Globals {
		if g, ok := i.module.ExportedGlobal(name).(api.MutableGlobal); ok {
			g.Set(values[n])
		}
	}
}
