package capsules

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"

	"phios/abi"
	"phios/capsule/ambient"
	capsulemanifest "phios/capsule/manifest"
	"phios/system/models"
)

// surroundings are the servers of what is around programs: the time, chance,
// models, and folders.
type surroundings struct {
	m             *Manager
	clock, random abi.Handle
	models        *models.Models // nil when there is no inference

	mu      sync.Mutex
	folders map[string]*folder // guarded by mu: by path
}

// folder is a served folder, and who was granted it.
type folder struct {
	*ambient.Folder

	mu      sync.Mutex
	holders map[uint64]holder // guarded by mu: by the badge of the grant
}

// holder says to whom, and under which name, a folder was granted.
type holder struct {
	cell *cell
	name string
}

// newSurroundings starts the servers of the clock and of chance.
func newSurroundings(m *Manager) (*surroundings, error) {
	s := &surroundings{m: m, folders: map[string]*folder{}}
	m.root.mu.Lock()
	defer m.root.mu.Unlock()
	wallNS := func() int64 { return m.config.Wall().UnixNano() }
	var status abi.Status
	s.clock, status = ambient.Provide(m.root.port, m.root.budget, ambient.NewClock(m.node.Machine(), wallNS))
	if status == abi.StatusOK {
		s.random, status = ambient.Provide(m.root.port, m.root.budget, ambient.Random{})
	}
	if status != abi.StatusOK {
		return nil, fmt.Errorf("serve the clock and chance: %w", status)
	}
	if c := m.config.Models; c != nil {
		from := *c
		from.Machine = m.node.Machine()
		if from.Now == nil {
			from.Now = m.config.Wall
		}
		s.models = models.New(from)
	}
	return s, nil
}

// folder returns the server of a folder, and starts it when it is the first
// time.
func (s *surroundings) folder(path string) (*folder, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("find the folder: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if f := s.folders[path]; f != nil {
		return f, nil
	}
	f := &folder{holders: map[uint64]holder{}}
	root := s.m.root
	root.mu.Lock()
	defer root.mu.Unlock()
	if f.Folder, err = ambient.ServeFolder(root.port, root.budget, ambient.FolderConfig{Path: path, Denied: f.denied}); err != nil {
		return nil, err
	}
	s.folders[path] = f
	return f, nil
}

// denied is told by the server whom it refused.
func (f *folder) denied(d ambient.Denial) {
	f.mu.Lock()
	h, ok := f.holders[d.Badge]
	f.mu.Unlock()
	if !ok {
		return
	}
	h.cell.denials.add(denial{
		name: h.name, call: abi.EndpointCall, status: abi.StatusRights, need: d.Lacks, detail: fmt.Sprint(d.Operation) + " " + d.Path,
	})
}

// enrol makes a branch of a folder for a grant.
func (c *cell) enrol(g *grant) error {
	f, err := c.m.around.folder(g.target.of)
	if err != nil {
		return badRequest(err.Error(), "name a folder that is there")
	}
	rights := g.rights & (abi.RightRead | abi.RightWrite)
	root := c.m.root
	root.mu.Lock()
	branch, status := f.Grant(root.port, rights, abi.LabelTop())
	root.mu.Unlock()
	if status != abi.StatusOK {
		return refused("grant the folder "+g.target.of, status)
	}
	f.mu.Lock()
	f.holders[branch.Badge] = holder{cell: c, name: g.Name}
	f.mu.Unlock()
	g.key, g.branch, g.folder = branch.Handle, branch, f
	return nil
}

// lend makes a branch of a model for a grant.
func (c *cell) lend(g *grant) error {
	s := c.m.around.models
	if s == nil {
		return badRequest("this node runs no models", "start it with inference")
	}
	root := c.m.root
	root.mu.Lock()
	defer root.mu.Unlock()
	lent, err := s.Grant(context.Background(), root.port, root.budget, models.Holder{
		Model: g.target.of, Name: c.name, Rights: g.rights, Ceiling: abi.LabelTop(), Expires: g.until,
		Refused: func(err error) { c.logs.remark("the model " + g.target.of + ": " + err.Error()) },
	})
	if err != nil {
		return badRequest(err.Error(), "'phi model list' shows the models, and a model's rights are LOAD, RUN, MAP, PIN, QUANTIZE and DELETE")
	}
	g.key, g.model = lent.Handle, &lent
	return nil
}

// withdraw ends what a grant gave.
func (c *cell) withdraw(g *grant) {
	if g.model != nil {
		root := c.m.root
		root.mu.Lock()
		c.m.around.models.Withdraw(root.port, *g.model)
		root.mu.Unlock()
		g.model = nil
	}
	if f := g.folder; f != nil {
		root := c.m.root
		root.mu.Lock()
		f.Withdraw(root.port, g.branch)
		root.mu.Unlock()
		f.mu.Lock()
		delete(f.holders, g.branch.Badge)
		f.mu.Unlock()
		g.folder = nil
	}
	c.m.root.drop(g.key)
	g.key = 0
}

// isFolder reports whether a grant is to a folder.
func (g *grant) isFolder() bool { return g.target.kind == capsulemanifest.KindFolder }
