package capability_test

import (
	"bytes"
	"strings"
	"testing"

	"phios/verify/capability"
)

// TestAlways explores what is explored at every run. The floors are there so
// that it cannot pass because a world has become too small to be of use.
func TestAlways(t *testing.T) {
	c := capability.Always()
	floors := map[string]int{
		"labels": 300, "messages": 2_000, "tasks": 150, "shares": 20_000, "bounds": 50_000,
		"transit": 40_000, "transit of two": 20_000, "budgets": 9_000, "derivation": 130_000,
	}
	if testing.Short() {
		c = capability.Config{Capabilities: 3, Tasks: 2, Facets: []string{"labels", "messages", "tasks", "derivation"}}
		floors["derivation"] = 10_000
	}
	report := capability.Explore(c)
	var text bytes.Buffer
	report.Print(&text)
	t.Log("\n" + text.String())
	if !report.OK {
		t.Error("not everything was explored and found well")
	}
	for _, f := range report.Facets {
		if f.States < floors[f.Name] || floors[f.Name] == 0 {
			t.Errorf("%s: %d states, at least %d were expected", f.Name, f.States, floors[f.Name])
		}
	}
}

// TestLimit checks that a search which was cut short says so.
func TestLimit(t *testing.T) {
	report := capability.Explore(capability.Config{Facets: []string{"derivation"}, StatesMax: 100})
	if report.OK || report.Facets[0].Complete {
		t.Error("a search of 100 states calls itself complete")
	}
	var text bytes.Buffer
	report.Print(&text)
	if !strings.Contains(text.String(), "not explored to its end") {
		t.Error(text.String())
	}
}
