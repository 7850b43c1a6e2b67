package capsules

import (
	"strconv"
	"strings"
	"time"

	"phios/abi"
	"phios/api/control"
	"phios/capsule/ambient"
	capsulemanifest "phios/capsule/manifest"
	"phios/system/models"
)

// hour is how long a grant for an hour lasts.
const hour = time.Hour

// target is what a grant is to.
type target struct {
	kind  string
	of    string // the capsule, the region, the folder's path
	bytes uint64 // of a region that is made
	write bool   // of a folder
}

// grant is what a capsule was given under a name.
type grant struct {
	control.Grant

	target target
	rights abi.Rights
	// until is when it ends, in the machine's time; zero for never.
	until int64
	// key is the supervisor's capability from which the capsule's derives, zero
	// while none does.
	key abi.Handle
	// folder and branch are the server's side of a folder.
	folder *folder
	branch ambient.Grant
	// model is the server's side of a model, nil of anything else.
	model *models.Grant
}

// shared is a region that capsules share by name.
type shared struct {
	handle abi.Handle
	bytes  uint64
}

// usual returns the rights that a kind is granted with when nobody says which.
func usual(kind string) abi.Rights {
	switch kind {
	case capsulemanifest.KindRegion:
		return abi.RightInvoke | abi.RightRead | abi.RightMap | abi.RightInspect
	case capsulemanifest.KindFolder:
		return abi.RightRead
	case capsulemanifest.KindModel:
		return abi.RightInvoke | abi.RightSend | abi.RightLoad | abi.RightRun
	default:
		return abi.RightInvoke | abi.RightSend
	}
}

// parseTarget reads a grant's spec, or takes what the manifest asks for.
func parseTarget(spec string, asked *capsulemanifest.Request) (target, error) {
	if spec == "" {
		if asked == nil {
			return target{}, badRequest("the manifest asks for nothing of that name", "say what is granted, such as 'clock' or 'endpoint:CAPSULE'")
		}
		if asked.Kind == capsulemanifest.KindFolder {
			return target{}, badRequest("which folder is not said", "grant 'folder:PATH' or 'folder:PATH:rw'")
		}
		return target{kind: asked.Kind, of: asked.Of, bytes: asked.Bytes}, nil
	}
	kind, of, _ := strings.Cut(spec, ":")
	t := target{kind: kind, of: of}
	var err error
	switch kind {
	case capsulemanifest.KindClock, capsulemanifest.KindRandom:
		if of != "" {
			return t, badRequest(kind+" takes no more words", "write '"+kind+"'")
		}
		return t, nil
	case capsulemanifest.KindFolder:
		path, write := strings.CutSuffix(of, ":rw")
		t.of, t.write = strings.TrimSuffix(path, ":ro"), write
	case capsulemanifest.KindRegion:
		err = parseRegion(&t, asked)
	case capsulemanifest.KindEndpoint, capsulemanifest.KindModel:
	default:
		return t, badRequest("there is no kind of grant "+kind, "kinds are clock, random, folder:PATH, endpoint:CAPSULE, region:NAME, model:NAME")
	}
	if err == nil && t.of == "" {
		err = badRequest("of what is not said", "write '"+kind+":' and a name")
	}
	return t, err
}

// parseRegion reads what comes behind the name of a region.
func parseRegion(t *target, asked *capsulemanifest.Request) error {
	name, size, sized := strings.Cut(t.of, ":")
	t.of = name
	if !sized {
		if asked != nil {
			t.bytes = asked.Bytes
		}
		return nil
	}
	bytes, err := strconv.ParseUint(size, 10, 63)
	if err != nil {
		return badRequest("the size "+size+" is no number of bytes", "write 'region:NAME:BYTES'")
	}
	t.bytes = bytes
	return nil
}

// spec is how a target is written.
func (t target) spec() string {
	switch {
	case t.of == "":
		return t.kind
	case t.write:
		return t.kind + ":" + t.of + ":rw"
	case t.bytes != 0:
		return t.kind + ":" + t.of + ":" + strconv.FormatUint(t.bytes, 10)
	default:
		return t.kind + ":" + t.of
	}
}

// source finds the supervisor's capability to what a grant is to. asker is the
// cell that it is for.
//
// StatusEmpty when there is no such thing.
func (m *Manager) source(asker *cell, t *target) (abi.Handle, abi.Status) {
	switch t.kind {
	case capsulemanifest.KindEndpoint:
		if t.of == asker.name {
			return asker.endpoint, presence(asker.endpoint)
		}
		m.mu.Lock()
		c := m.cells[t.of]
		m.mu.Unlock()
		if c == nil {
			return 0, abi.StatusEmpty
		}
		return c.endpoint, presence(c.endpoint)
	case capsulemanifest.KindRegion:
		return m.region(t)
	case capsulemanifest.KindClock:
		return m.around.clock, abi.StatusOK
	case capsulemanifest.KindRandom:
		return m.around.random, abi.StatusOK
	default:
		return 0, abi.StatusEmpty
	}
}

func presence(h abi.Handle) abi.Status {
	if h == 0 {
		return abi.StatusEmpty
	}
	return abi.StatusOK
}

// region finds a shared region, or makes it when its size is known.
func (m *Manager) region(t *target) (abi.Handle, abi.Status) {
	m.mu.Lock()
	r := m.regions[t.of]
	m.mu.Unlock()
	if r != nil {
		if r.bytes < t.bytes {
			return 0, abi.StatusRange
		}
		return r.handle, abi.StatusOK
	}
	if t.bytes == 0 {
		return 0, abi.StatusEmpty
	}
	a := abi.Args{W: [abi.ArgWords]uint64{t.bytes}}
	if status := m.root.do(m.root.budget, abi.RegionCreate, &a); status != abi.StatusOK {
		return 0, status
	}
	h := abi.Handle(a.W[0])
	m.noteObject(h, t.of)
	m.mu.Lock()
	defer m.mu.Unlock()
	if r := m.regions[t.of]; r != nil { // somebody else was first
		go m.root.drop(h)
		return r.handle, abi.StatusOK
	}
	m.regions[t.of] = &shared{handle: h, bytes: t.bytes}
	return h, abi.StatusOK
}

// decide reads what is to be granted to the capsule.
func (c *cell) decide(g control.Grant) (*grant, error) {
	asked := c.image.manifest.RequestNamed(g.Name)
	if g.Name == "" || g.Name == nameSelf || g.Name == nameBudget {
		return nil, badRequest("a grant needs a name that is not "+nameSelf+" or "+nameBudget, "give the name that the manifest asks for")
	}
	t, err := parseTarget(g.Spec, asked)
	if err != nil {
		return nil, err
	}
	rights, err := t.rights(g.Rights, asked)
	if err != nil {
		return nil, err
	}
	if g.Duration == "" {
		g.Duration = control.DurationForever
	}
	made := &grant{Grant: g, target: t, rights: rights}
	switch g.Duration {
	case control.DurationOnce, control.DurationForever:
	case control.DurationHour:
		made.until = c.m.node.Machine().Now() + int64(hour)
	default:
		return nil, badRequest("there is no duration "+g.Duration, "durations are once, hour and forever")
	}
	made.Capsule, made.Spec, made.Rights = c.name, t.spec(), control.RightsOf(rights)
	return made, nil
}

// rights are those that are named, or else asked for, or else usual.
func (t target) rights(named control.Rights, asked *capsulemanifest.Request) (abi.Rights, error) {
	rights, err := named.Set()
	if err != nil {
		return 0, err
	}
	if rights == 0 && asked != nil {
		rights = asked.Rights
	}
	if rights == 0 {
		rights = usual(t.kind)
	}
	if t.kind == capsulemanifest.KindFolder {
		rights = t.folderRights(rights)
	}
	return rights, nil
}

// folderRights are READ, and WRITE where the spec or the rights say so: a
// folder has no others.
func (t target) folderRights(asked abi.Rights) abi.Rights {
	if t.write || asked.Has(abi.RightWrite) {
		return abi.RightRead | abi.RightWrite
	}
	return abi.RightRead
}

// apply gives an instance what was granted.
//
// Preconditions:
//   - c.mu is held
func (c *cell) apply(i *instance, g *grant) error {
	if err := c.hold(g); err != nil {
		return err
	}
	mint := abi.Whole(g.rights)
	if !g.rights.Has(abi.RightGrant) {
		mint.Pass = 0
	}
	switch {
	case g.isFolder():
		mint = g.branch.Mint()
	case g.model != nil:
		mint = g.model.Mint()
	}
	h, status := c.m.root.give(i.task, g.key, mint)
	if status != abi.StatusOK {
		return grantError(g, status)
	}
	i.mu.Lock()
	i.names[g.Name] = h
	i.mu.Unlock()
	return nil
}

// hold makes the capability from which what is granted derives.
//
// Preconditions:
//   - c.mu is held
func (c *cell) hold(g *grant) error {
	if g.key != 0 {
		return nil
	}
	switch g.target.kind {
	case capsulemanifest.KindFolder:
		return c.enrol(g)
	case capsulemanifest.KindModel:
		return c.lend(g)
	}
	base, status := c.m.source(c, &g.target)
	if status != abi.StatusOK {
		return grantError(g, status)
	}
	mint := abi.Whole(g.rights | abi.RightGrant)
	mint.Expires = g.until
	if g.target.kind == capsulemanifest.KindEndpoint {
		mint.Badge = c.id
	}
	g.key, status = c.m.root.mint(base, mint)
	return grantError(g, status)
}

// Grant gives a capsule a capability, at once when it runs and with each of its
// instances from then on.
func (m *Manager) Grant(g control.Grant) error {
	if err := m.grant(g); err != nil {
		return err
	}
	return m.save()
}

func (m *Manager) grant(g control.Grant) error {
	c, err := m.cell(g.Capsule)
	if err != nil {
		return err
	}
	made, err := c.decide(g)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.grants) >= control.GrantsMax {
		return refused("grant "+g.Name, abi.StatusLimit)
	}
	if c.instance != nil {
		err = c.apply(c.instance, made)
	} else if !c.over() {
		err = c.hold(made)
	}
	if err != nil {
		c.withdraw(made)
		return err
	}
	if old := c.grants[g.Name]; old != nil {
		c.withdraw(old)
	}
	c.grants[g.Name] = made
	c.denials.forget(g.Name)
	c.logs.remark("granted " + made.Name + ": " + made.Spec + " " + made.Rights.String() + " (" + made.Duration + ")")
	return nil
}

// grantError says why a grant could not be given.
func grantError(g *grant, status abi.Status) error {
	switch status { //nolint:exhaustive // the others speak for themselves
	case abi.StatusOK:
		return nil
	case abi.StatusEmpty:
		return &control.Error{Code: control.CodeUnknown, Message: "there is no " + g.Spec, Remedy: "start the capsule first, or give a region its size"}
	default:
		return refused("grant "+g.Name, status)
	}
}

// Revoke takes back what was granted under a name, and all that came of it.
func (m *Manager) Revoke(capsule, name string) error {
	if err := m.revoke(capsule, name); err != nil {
		return err
	}
	return m.save()
}

func (m *Manager) revoke(capsule, name string) error {
	c, err := m.cell(capsule)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	g := c.grants[name]
	if g == nil {
		return unknown("grant", name, "'phi inspect "+capsule+"' lists them")
	}
	c.revoke(g)
	c.logs.remark("revoked " + name)
	return nil
}

// revoke ends a grant. Its name stays with the instance: what the program tries
// with it is refused, and on record.
//
// Preconditions:
//   - c.mu is held
func (c *cell) revoke(g *grant) {
	c.withdraw(g)
	delete(c.grants, g.Name)
}

// expireOnce ends the grants that were for one run.
//
// Preconditions:
//   - c.mu is held
func (c *cell) expireOnce() {
	for _, g := range c.grants {
		if g.Duration == control.DurationOnce {
			c.revoke(g)
		}
	}
}

func badRequest(message, remedy string) error {
	return &control.Error{Code: control.CodeRequest, Message: message, Remedy: remedy}
}
