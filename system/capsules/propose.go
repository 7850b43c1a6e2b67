package capsules

import (
	"fmt"
	"maps"
	"slices"

	"phios/abi"
	"phios/api/control"
	capsulemanifest "phios/capsule/manifest"
)

// Propose returns the smallest set of grants that would have let through what
// a capsule was refused: for each name the rights that the refused calls take,
// beside those that it was granted already, and no others.
func (m *Manager) Propose(name string) (control.Proposal, error) {
	c, err := m.cell(name)
	if err != nil {
		return control.Proposal{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.propose(c.denials.all()), nil
}

// propose works out a proposal.
//
// Preconditions:
//   - c.mu is held
func (c *cell) propose(list []denial) control.Proposal {
	needs, p := map[string]abi.Rights{}, control.Proposal{Grants: []control.Grant{}}
	for _, d := range list {
		t, unmet := c.helped(d)
		if unmet != "" {
			p.Unmet = append(p.Unmet, unmet)
			continue
		}
		need := d.need
		if d.call == callNamed || t.kind == capsulemanifest.KindFolder && need == 0 {
			need = c.usual(d.name, t.kind)
		}
		needs[d.name] |= need
	}
	for _, name := range slices.Sorted(maps.Keys(needs)) {
		t, _ := c.wanted(name)
		rights := needs[name]
		if g := c.grants[name]; g != nil {
			rights |= g.rights
		}
		if t.kind == capsulemanifest.KindFolder {
			rights = t.folderRights(rights)
			if t.of == "" {
				t.of = "PATH"
				p.Unmet = append(p.Unmet, name+": put the folder that it may have in the place of PATH")
			}
			t.write = rights.Has(abi.RightWrite)
		}
		p.Grants = append(p.Grants, control.Grant{
			Capsule: c.name, Name: name, Spec: t.spec(), Rights: control.RightsOf(rights), Duration: control.DurationOnce,
		})
	}
	return p
}

// helped returns what a grant that helps against a refusal is to, or why none
// does.
func (c *cell) helped(d denial) (t target, unmet string) {
	what := fmt.Sprintf("%s: %s", d.view().Call, d.status.Error())
	if d.name != "" {
		what = d.name + ": " + what
	}
	switch d.status { //nolint:exhaustive // the others are about authority
	case abi.StatusBudget:
		return t, what + ": raise the budget in its manifest"
	case abi.StatusLabel, abi.StatusAuthority:
		return t, what + ": what it has read may not go there"
	}
	if d.name == "" {
		return t, what + ": nobody granted that handle under a name"
	}
	if d.name == nameSelf || d.name == nameBudget {
		return t, what + ": it has no more of its own"
	}
	t, ok := c.wanted(d.name)
	if !ok {
		return t, what + ": its manifest does not ask for it"
	}
	return t, ""
}

// wanted returns what a name stands for: what was granted, or is asked for.
func (c *cell) wanted(name string) (target, bool) {
	if g := c.grants[name]; g != nil {
		return g.target, true
	}
	for _, r := range c.image.manifest.Requests {
		if r.Name == name {
			return target{kind: r.Kind, of: ofFolder(r), bytes: r.Bytes}, true
		}
	}
	return target{}, false
}

// usual are a kind's usual rights, but for those that the manifest does not ask
// for: all that can be known of a capability that was only looked for.
func (c *cell) usual(name, kind string) abi.Rights {
	r := c.image.manifest.RequestNamed(name)
	if r == nil || r.Rights&usual(kind) == 0 {
		return usual(kind)
	}
	return r.Rights & usual(kind)
}

// ofFolder is what a request is of. A folder's place here is not the asker's to
// choose.
func ofFolder(r capsulemanifest.Request) string {
	if r.Kind == capsulemanifest.KindFolder {
		return ""
	}
	return r.Of
}
