package abi

import (
	"errors"
	"strconv"
	"strings"
	"testing"
	"testing/quick"
)

// smallLabels returns every label over three sources and three audiences. The
// other audiences are in none, so that the lattice has its own top and bottom.
func smallLabels() []Label {
	var all []Label
	for sources := range uint64(8) {
		for readers := range uint64(8) {
			all = append(all, Label{Sources: sources, Readers: readers})
		}
	}
	return all
}

func implies(p, q bool) bool { return !p || q }

// latticeLaws returns the name of the first law that three labels break.
func latticeLaws(a, b, c Label) string {
	join, meet := a.Join(b), a.Meet(b)
	laws := []struct {
		name  string
		holds bool
	}{
		{"join commutes", join == b.Join(a)},
		{"meet commutes", meet == b.Meet(a)},
		{"join associates", join.Join(c) == a.Join(b.Join(c))},
		{"meet associates", meet.Meet(c) == a.Meet(b.Meet(c))},
		{"join is idempotent", a.Join(a) == a},
		{"meet is idempotent", a.Meet(a) == a},
		{"join absorbs meet", a.Join(meet) == a},
		{"meet absorbs join", a.Meet(join) == a},
		{"join is an upper bound", a.FlowsTo(join) && b.FlowsTo(join)},
		{"meet is a lower bound", meet.FlowsTo(a) && meet.FlowsTo(b)},
		{"join is the least", implies(a.FlowsTo(c) && b.FlowsTo(c), join.FlowsTo(c))},
		{"meet is the greatest", implies(c.FlowsTo(a) && c.FlowsTo(b), c.FlowsTo(meet))},
		{"flow is reflexive", a.FlowsTo(a)},
		{"flow is antisymmetric", implies(a.FlowsTo(b) && b.FlowsTo(a), a == b)},
		{"flow is transitive", implies(a.FlowsTo(b) && b.FlowsTo(c), a.FlowsTo(c))},
		{"flow agrees with join", a.FlowsTo(b) == (join == b)},
		{"flow agrees with meet", a.FlowsTo(b) == (meet == a)},
		{"bottom flows anywhere", LabelBottom().FlowsTo(a) && LabelBottom().Join(a) == a},
		{"everything flows to top", a.FlowsTo(LabelTop()) && LabelTop().Meet(a) == a},
		{"join distributes", a.Join(b.Meet(c)) == join.Meet(a.Join(c))},
	}
	for _, law := range laws {
		if !law.holds {
			return law.name
		}
	}
	return ""
}

func TestLabelLattice(t *testing.T) {
	all := smallLabels()
	for _, a := range all {
		for _, b := range all {
			for _, c := range all {
				if law := latticeLaws(a, b, c); law != "" {
					t.Fatalf("%v, %v, %v: not so: %s", a, b, c, law)
				}
			}
		}
	}
	if err := quick.Check(func(a, b, c Label) bool { return latticeLaws(a, b, c) == "" }, nil); err != nil {
		t.Error(err)
	}
}

// TestLabelFlow says in examples which way the lattice stands.
func TestLabelFlow(t *testing.T) {
	const web, mail, owner, guest = 1, 2, 1, 2
	tests := []struct {
		name    string
		from    Label
		ceiling Label
		want    bool
	}{
		{"trusted and public goes anywhere", LabelBottom(), Label{Readers: ^uint64(0)}, true},
		{"web text into a sink for trusted bytes", Label{Sources: web, Readers: ^uint64(0)}, LabelBottom(), false},
		{"web text into a sink for the web", Label{Sources: web, Readers: owner}, Label{Sources: web | mail, Readers: owner}, true},
		{"the owner's bytes to a guest", Label{Readers: owner}, Label{Readers: owner | guest}, false},
		{"shared bytes to the owner", Label{Readers: owner | guest}, Label{Readers: owner}, true},
	}
	for _, test := range tests {
		if got := test.from.FlowsTo(test.ceiling); got != test.want {
			t.Errorf("%s: got %v", test.name, got)
		}
	}
}

func TestRightsNames(t *testing.T) {
	seen := Rights(0)
	for i, name := range rightNames {
		r, ok := ParseRight(name)
		if !ok || r != 1<<i || r.String() != name || seen.Has(r) {
			t.Errorf("%s: got %d, %v, %q", name, r, ok, r)
		}
		seen |= r
	}
	if seen != RightsAll {
		t.Errorf("names for %#x, rights %#x", uint32(seen), uint32(RightsAll))
	}
	for _, name := range []string{"", "read", "READ ", "READ|WRITE", "?"} {
		if r, ok := ParseRight(name); ok || r != 0 {
			t.Errorf("%q is right %v", name, r)
		}
	}
	tests := []struct {
		r    Rights
		want string
	}{
		{0, "-"},
		{RightRead | RightWrite, "READ|WRITE"},
		{RightInvoke | RightGrant, "GRANT|INVOKE"},
		{RightsAll, strings.Join(rightNames[:], "|")},
		{RightRead | rightsEnd, "READ|?"},
	}
	for _, test := range tests {
		if got := test.r.String(); got != test.want {
			t.Errorf("got %q, want %q", got, test.want)
		}
	}
	if !RightsAll.Has(0) || !RightsAll.Has(RightsAll) || RightRead.Has(RightRead|RightWrite) || Rights(0).Has(RightRead) {
		t.Error("Has is wrong")
	}
}

func TestHandle(t *testing.T) {
	tests := []struct {
		index      uint32
		generation uint64
		want       Handle
	}{
		{0, 0, 0},
		{1, 1, 1<<24 | 1},
		{HandleIndexMax, GenerationMax, ^Handle(0)},
		{HandleIndexMax + 1, 1, 1 << 24}, // a bit over the index does not reach the generation
	}
	for _, test := range tests {
		h := MakeHandle(test.index, test.generation)
		if h != test.want {
			t.Errorf("index %d, generation %d: got %#x, want %#x", test.index, test.generation, uint64(h), uint64(test.want))
		}
	}
	if err := quick.Check(func(index uint32, generation uint64) bool {
		index &= HandleIndexMax
		generation &= GenerationMax
		h := MakeHandle(index, generation)
		return h.Index() == index && h.Generation() == generation && MakeHandle(h.Index(), h.Generation()) == h
	}, nil); err != nil {
		t.Error(err)
	}
}

func TestStatuses(t *testing.T) {
	names, texts := map[string]Status{}, map[string]Status{}
	for s := range Status(StatusCount) {
		if other, ok := names[s.Name()]; ok || s.Name() == "" || strings.ToLower(s.Name()) != s.Name() {
			t.Errorf("status %d has the name %q, as has %d", s, s.Name(), other)
		}
		if other, ok := texts[s.Error()]; ok || s.Error() == "" {
			t.Errorf("status %d has the text %q, as has %d", s, s.Error(), other)
		}
		names[s.Name()], texts[s.Error()] = s, s
		if s.OK() != (s == StatusOK) || (s.Err() == nil) != s.OK() {
			t.Errorf("%v: OK is %v, Err is %v", s, s.OK(), s.Err())
		}
	}
	// Pairs of constant and text that a line too many in either would move.
	for s, want := range map[Status]string{
		StatusOK: "ok", StatusRights: "rights", StatusEmpty: "empty", StatusLabel: "label",
		StatusDenied: "denied", StatusJournal: "journal",
	} {
		if s.Name() != want {
			t.Errorf("status %d: got %q, want %q", s, s.Name(), want)
		}
	}
	last := Status(StatusCount)
	number := strconv.Itoa(StatusCount)
	if last.Name() != "status-"+number || last.Error() != "unknown status "+number || !errors.Is(last.Err(), last) {
		t.Errorf("got %q, %q", last.Name(), last.Error())
	}
}

func TestObjectTypesAndResources(t *testing.T) {
	seen := map[string]bool{"unknown": true}
	for o := range ObjectType(ObjectTypeCount) {
		if seen[o.String()] {
			t.Errorf("type %d has the name %q", o, o)
		}
		seen[o.String()] = true
		if o.Service() != (o >= ObjectModel) {
			t.Errorf("%v: service is %v", o, o.Service())
		}
	}
	for r := range Resource(ResourceCount) {
		if seen[r.String()] {
			t.Errorf("resource %d has the name %q", r, r)
		}
		seen[r.String()] = true
		if r.Held() != (r == ResourceMemory || r == ResourceSlots) {
			t.Errorf("%v: held is %v", r, r.Held())
		}
	}
	if objectTypeEnd.String() != "unknown" || objectTypeEnd.Service() || resourceEnd.String() != "unknown" {
		t.Error("what does not exist has a name, or serves")
	}
}

// TestCalls checks that every call is described, under a name of its own, and
// asks for rights that there are.
func TestCalls(t *testing.T) {
	seen := map[string]bool{}
	for c := CallNone + 1; int(c) < CallCount; c++ {
		d, ok := Describe(c)
		if !ok || d.Name == "" || d.Does == "" || d.Out == "" || seen[d.Name] || c.String() != d.Name {
			t.Errorf("call %d: %+v", c, d)
		}
		seen[d.Name] = true
		if d.Need&^RightsAll != 0 || int(d.Type) >= ObjectTypeCount || (d.Self && (d.Need != 0 || d.Type != ObjectNone)) {
			t.Errorf("%s needs %v of %v", d.Name, d.Need, d.Type)
		}
	}
	for _, c := range []Call{CallNone, callEnd, ^Call(0)} {
		if _, ok := Describe(c); ok || c.String() != "UnknownCall" {
			t.Errorf("call %d is %v", uint16(c), c)
		}
	}
}

func TestMessageCheck(t *testing.T) {
	var m Message
	if !m.SetPayload([]byte("abc")) || string(m.Payload()) != "abc" || !m.Check().OK() {
		t.Errorf("got %q", m.Payload())
	}
	if m.SetPayload(make([]byte, MessageBytesMax+1)) || len(m.Payload()) != MessageBytesMax {
		t.Error("a long payload is not cut, or not reported")
	}
	m.Length = MessageBytesMax + 1
	if len(m.Payload()) != MessageBytesMax || m.Check() != StatusRange {
		t.Error("a length over the limit passes")
	}
	if got := Whole(RightRead); got.Rights != RightRead || got.Pass != RightRead || got.Ceiling != LabelTop() ||
		got.Uses != Unlimited || got.Copies != Unlimited || got.Badge != 0 || got.Bytes != 0 {
		t.Errorf("Whole is %+v", got)
	}
}
