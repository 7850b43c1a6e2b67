package inference

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"phios/api/control"
	"phios/compute"
	"phios/compute/cpu"
)

// savedUnit is a unit in units.json. Its secrets are there too, so the file is
// its owner's alone.
type savedUnit struct {
	Name     string            `json:"name"`
	Of       string            `json:"of"`
	Settings map[string]string `json:"settings,omitempty"`
}

// opened is a unit, or why there is none.
type opened struct {
	saved   savedUnit
	unit    compute.Unit
	problem error
}

// settingName is the setting by which some kinds learn their name.
const settingName = "name"

// secretTable are the settings that are never shown.
var secretTable = map[string]bool{"key": true}

// nameTable is what units and keys may be called.
var nameTable = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,63}$`)

// readUnits reads which units there are; the processors of this machine always
// are.
func readUnits(path string) ([]savedUnit, error) {
	var set struct {
		Units []savedUnit `json:"units"`
	}
	if err := readState(path, &set); err != nil {
		return nil, fmt.Errorf("read the units: %w", err)
	}
	if len(set.Units) > control.UnitsMax {
		return nil, fmt.Errorf("read the units: %s has more than %d: remove some", path, control.UnitsMax)
	}
	own := cpu.Registration().Name
	if !slices.ContainsFunc(set.Units, func(u savedUnit) bool { return u.Of == own }) {
		set.Units = slices.Insert(set.Units, 0, savedUnit{Name: own, Of: own})
	}
	return set.Units, nil
}

func (n *Inference) unitsPath() string { return filepath.Join(n.c.DataDir, unitsName) }

func writeUnits(path string, set []savedUnit) error {
	return writeState(path, struct {
		Units []savedUnit `json:"units"`
	}{set})
}

// openUnits opens units. One that cannot be opened is told of, and hinders
// nobody: its library may be on a disk that is not there today.
func (n *Inference) openUnits(set []savedUnit) []opened {
	list := make([]opened, 0, len(set))
	for _, saved := range set {
		u, err := n.openUnit(saved)
		list = append(list, opened{saved: saved, unit: u, problem: err})
	}
	return list
}

func (n *Inference) openUnit(saved savedUnit) (compute.Unit, error) {
	i := slices.IndexFunc(n.c.Kinds, func(k compute.Registration) bool { return k.Name == saved.Of })
	if i < 0 {
		var known []string
		for _, k := range n.c.Kinds {
			known = append(known, k.Name)
		}
		return nil, bad(fmt.Sprintf("there is no kind of unit %q", saved.Of), "kinds are "+strings.Join(known, ", "))
	}
	for name := range saved.Settings {
		if _, known := n.c.Kinds[i].Settings[name]; !known {
			return nil, bad(fmt.Sprintf("the unit %s has no setting %q", saved.Of, name), "it has "+settingsText(n.c.Kinds[i].Settings))
		}
	}
	settings := map[string]string{}
	maps.Copy(settings, saved.Settings)
	_, named := n.c.Kinds[i].Settings[settingName]
	if named {
		settings[settingName] = saved.Name
	}
	u, err := n.c.Kinds[i].Open(settings)
	if err != nil || named {
		return u, err
	}
	return renamed{u, saved.Name}, nil
}

func settingsText(settings map[string]string) string {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		list = append(list, name+" ("+settings[name]+")")
	}
	return strings.Join(list, "; ")
}

// renamed is a unit by the name that it was added with.
type renamed struct {
	compute.Unit

	name string
}

// Describe says what the unit is.
func (u renamed) Describe() compute.Description {
	d := u.Unit.Describe()
	d.Name = u.name
	return d
}

// view is a unit as people see it.
func (u *opened) view() control.Unit {
	v := control.Unit{Name: u.saved.Name, Of: u.saved.Of, Settings: maps.Clone(u.saved.Settings)}
	for name := range v.Settings {
		if secretTable[name] {
			v.Settings[name] = "(set)"
		}
	}
	if u.problem != nil {
		v.Problem = u.problem.Error()
		return v
	}
	d, r := u.unit.Describe(), u.unit.Report()
	v.Kind, v.Device, v.Features, v.MemoryBytes = string(d.Kind), d.Device, d.Features, d.MemoryBytes
	v.BytesPerSecond, v.OperationsPerSecond = d.BytesPerSecond, d.OperationsPerSecond
	v.Running, v.Joules, v.JoulesMeasured, v.ResidentBytes = r.Running, r.Joules, r.Measured, r.ResidentBytes
	return v
}

func (n *Inference) unitList() ([]control.Unit, error) {
	e, done, err := n.use()
	if err != nil {
		return nil, err
	}
	defer done()
	list := make([]control.Unit, 0, len(e.units))
	for i := range e.units {
		list = append(list, e.units[i].view())
	}
	return list, nil
}

// addUnit opens a unit, to see that it works, and keeps it.
func (n *Inference) addUnit(r control.UnitAddRequest) (control.Unit, error) {
	saved := savedUnit{Name: r.Name, Of: r.Of, Settings: r.Settings}
	if saved.Name == "" {
		saved.Name = r.Of
	}
	if err := checkUnit(saved); err != nil {
		return control.Unit{}, err
	}
	u, err := n.openUnit(saved)
	if err != nil {
		return control.Unit{}, refuse(err)
	}
	one := opened{saved: saved, unit: u}
	view := one.view()
	if err := u.Close(); err != nil {
		return control.Unit{}, refuse(err)
	}
	path := n.unitsPath()
	err = n.change(func() error {
		set, err := readUnits(path)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(set, func(u savedUnit) bool { return u.Name == saved.Name }) {
			return &control.Error{Code: control.CodeExists, Message: "there is a unit " + saved.Name, Remedy: "choose another with --name, or remove that one with 'phi unit rm " + saved.Name + "'"}
		}
		if len(set) >= control.UnitsMax {
			return &control.Error{Code: "limit", Message: fmt.Sprintf("there are %d units, which is all that there can be", control.UnitsMax), Remedy: "remove one with 'phi unit rm'"}
		}
		return writeUnits(path, append(set, saved))
	})
	return view, err
}

func checkUnit(u savedUnit) error {
	if !nameTable.MatchString(u.Name) {
		return bad(fmt.Sprintf("%q is no name for a unit", u.Name), "use lower-case letters, digits and . _ -")
	}
	if len(u.Settings) > control.SettingsMax {
		return bad("there are too many settings", "give fewer")
	}
	for name, value := range u.Settings {
		if len(name) > control.NameBytesMax || len(value) > control.SettingBytes {
			return bad("the setting "+name[:min(len(name), control.NameBytesMax)]+" is too long", "give a shorter one")
		}
	}
	if lib := u.Settings["lib"]; lib != "" {
		if _, err := os.Stat(lib); err != nil {
			return bad(err.Error(), "name the folder of llama.cpp's shared libraries")
		}
	}
	return nil
}

func (n *Inference) removeUnit(name string) error {
	path := n.unitsPath()
	return n.change(func() error {
		set, err := readUnits(path)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(set, func(u savedUnit) bool { return u.Name == name })
		switch {
		case i < 0:
			return &control.Error{Code: control.CodeUnknown, Message: fmt.Sprintf("there is no unit %q", name), Remedy: "'phi unit list' lists them"}
		case set[i].Of == cpu.Registration().Name:
			return bad("the processors of this machine cannot be removed", "say with a request on which unit it may run")
		}
		return writeUnits(path, slices.Delete(set, i, i+1))
	})
}
