package manifest

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"phios/abi"
	"phios/capsule"
)

const good = `version: 1
name: greeter
purpose: greets whoever calls
colour: green
image: build/greeter.wasm
tier: inline
arguments: [-v, "12"]
environment: {LANG: C}
serves: 16
budget: {memory: 16MiB, slots: 64, cpu: 1.5m, tokens: 1e3}
restart: {policy: always, delay: 50ms, delay-max: 2s, limit: 3, window: 30s}
probe: {text: ping, within: 500ms}
requests:
  - {name: clock, kind: clock, reason: it says what time it is}
  - name: notes
    kind: folder
    rights: [READ, WRITE]
    reason: it keeps the names of its guests
  - {name: peer, kind: endpoint, of: other, reason: it asks another}
  - {name: shared, kind: region, of: scratch, bytes: 1MiB, reason: large answers}
`

func TestParse(t *testing.T) {
	got, err := Parse("capsule.yaml", []byte(good))
	if err != nil {
		t.Fatal(err)
	}
	want := &Manifest{
		File: "capsule.yaml", Name: "greeter", Purpose: "greets whoever calls", Colour: "green",
		Image: "build/greeter.wasm", Tier: capsule.TierInline, Arguments: []string{"-v", "12"},
		Environment: map[string]string{"LANG": "C"}, Serves: 16,
		Budget:  abi.Amounts{abi.ResourceMemory: 16 << 20, abi.ResourceSlots: 64, abi.ResourceCPU: 90e9, abi.ResourceTokens: 1000, abi.ResourceEnergy: energyDefault},
		Restart: Restart{RestartAlways, 50 * time.Millisecond, 2 * time.Second, 3, 30 * time.Second},
		Probe:   Probe{"ping", 500 * time.Millisecond},
		Requests: []Request{
			{Name: "clock", Kind: KindClock, Reason: "it says what time it is"},
			{Name: "notes", Kind: KindFolder, Rights: abi.RightRead | abi.RightWrite, Reason: "it keeps the names of its guests"},
			{Name: "peer", Kind: KindEndpoint, Of: "other", Reason: "it asks another"},
			{Name: "shared", Kind: KindRegion, Of: "scratch", Bytes: 1 << 20, Reason: "large answers"},
		},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%+v\nwant\n%+v", got, want)
	}
}

// TestDefaults says what a manifest that says little gets.
func TestDefaults(t *testing.T) {
	m, err := Parse("m", []byte("version: 1\nname: a\nimage: a.wasm\n"))
	if err != nil {
		t.Fatal(err)
	}
	if m.Tier != capsule.TierWorker || m.Restart != (Restart{RestartOnFailure, 100 * time.Millisecond, 10 * time.Second, 5, time.Minute}) ||
		m.Budget != (abi.Amounts{abi.ResourceMemory: 64 << 20, abi.ResourceSlots: 256, abi.ResourceCPU: 3600e9, abi.ResourceEnergy: 50e9}) || m.Probe.Within != 2*time.Second {
		t.Errorf("%+v", m)
	}
	m, err = Parse("m", []byte("version: 1\nname: a\ncommand: [python3, main.py]\n"))
	if err != nil || m.Tier != capsule.TierNative {
		t.Errorf("%+v, %v", m, err)
	}
}

// TestBadInput changes one place of a good manifest at a time.
func TestBadInput(t *testing.T) {
	tests := []struct{ old, change, want string }{
		{"version: 1", "version: 2", `capsule.yaml:1: version: "2" will not do: write 'version: 1'`},
		{"version: 1\n", "", "capsule.yaml:1: the field \"version\" is missing: give it, write 'version: 1'"},
		{"name: greeter\n", "name: Greeter\n", `capsule.yaml:2: name: "Greeter" will not do: up to 32 small letters`},
		{"name: greeter\n", "name: 12\n", `capsule.yaml:2: name: it is a number: up to 32 small letters`},
		{"name: greeter\n", "name: {a: b}\n", `capsule.yaml:2: name: it is a mapping: up to 32`},
		{"serves: 16", "serve: 16", `capsule.yaml:9: serve: there is no such field: known here are arguments, budget,`},
		{"serves: 16", "serves: 0", `capsule.yaml:9: serves: 0 is out of range: how many messages`},
		{"serves: 16", "serves: 1.5", `capsule.yaml:9: serves: it is a number: how many messages`},
		{"serves: 16", "serves:", `capsule.yaml:9: serves: it is empty: how many messages`},
		{"serves: 16\n", "", `capsule.yaml:11: probe: a capsule that serves nothing answers no probe: give 'serves'`},
		{"colour: green", "colour: pink", `capsule.yaml:4: colour: "pink" will not do: how people tell it apart: red,`},
		{"build/greeter.wasm", "../x.wasm", `capsule.yaml:5: image: "../x.wasm" leads out of the capsule's folder: put`},
		{"build/greeter.wasm", "/x.wasm", `capsule.yaml:5: image: "/x.wasm" leads out`},
		{"tier: inline", "tier: native", `capsule.yaml:6: tier: tier "native" does not go with an image: 'native' runs a command`},
		{"tier: inline", "domain: x", ``}, // a worker may have one
		{"tier: inline", "tier: inline\ndomain: x", `capsule.yaml:7: domain: an inline capsule is in the node's own process: leave it out`},
		{"image: build/greeter.wasm\n", "", `capsule.yaml:1: a capsule runs one thing: give 'image'`},
		{"image: build/greeter.wasm\n", "image: a.wasm\ncommand: [a]\n", `capsule.yaml:1: a capsule runs one thing: give 'image'`},
		{`"12"`, "12", `capsule.yaml:7: arguments[1]: it is a number: a text of at most 4096 characters without NUL; put numbers`},
		{"{LANG: C}", "{LANG=: C}", `capsule.yaml:8: environment.LANG=: there is no such field: at most 64 variables, their names in letters`},
		{"{LANG: C}", "{LANG: yes, B: true}", `capsule.yaml:8: environment.B: it is true or false: a text`},
		{"16MiB", "16MB", `capsule.yaml:10: budget.memory: "MB" is not a unit of memory: write a number and one of B, KiB`},
		{"16MiB", "0", `capsule.yaml:10: budget.memory: nothing runs without: give some`},
		{"tokens: 1e3", "token: 1", `capsule.yaml:10: budget.token: there is no such field: known here are cpu, energy, memory`},
		{"delay: 50ms", "delay: 1us", `capsule.yaml:11: restart.delay: 1µs is too short`},
		{"delay-max: 2s", "delay-max: 2ms", `capsule.yaml:11: restart.delay-max: 2ms is less than the delay of 50ms: raise it`},
		{"window: 30s", "window: 1ms", `capsule.yaml:11: restart.window: 1ms is less than the delay`},
		{"limit: 3", "limit: 0", `capsule.yaml:11: restart.limit: 0 is out of range: a whole number from 1 to 1000`},
		{"500ms", "2h", `capsule.yaml:12: probe.within: 2h0m0s is out of range: give 1ms to 1h`},
		{", reason: it says what time it is", "", `capsule.yaml:14: requests[0]: the field "reason" is missing: give it, why it needs this, in one line`},
		{"reason: it says what time it is", "reason: '    '", `capsule.yaml:14: requests[0].reason: it is empty: say in one line why`},
		{"reason: it says what time it is", "reason: ''", `capsule.yaml:14: requests[0].reason: there is too little of it: why`},
		{"reason: it says what time it is", `reason: "a\u001b[2J"`, `capsule.yaml:14: requests[0].reason: "a\x1b[2J" will not do: why`},
		{"[READ, WRITE]", "[READ, LEAD]", `capsule.yaml:17: requests[1].rights[1]: "LEAD" is not a right: there are READ|WRITE`},
		{"[READ, WRITE]", "[READ, ENDORSE]", `capsule.yaml:17: requests[1].rights[1]: ENDORSE is never given to a capsule: leave it out`},
		{"[READ, WRITE]", "[READ, READ]", `capsule.yaml:17: requests[1].rights: the same is there twice: keep one`},
		{"[READ, WRITE]", "READ", `capsule.yaml:17: requests[1].rights: it is a text: a list of rights`},
		{"name: notes", "name: clock", `capsule.yaml:15: requests[1].name: "clock" is asked for already: rename one`},
		{"of: other, ", "", `capsule.yaml:19: requests[2]: a request of kind endpoint needs 'of': name the capsule that serves it`},
		{"kind: clock", "kind: clock, of: x", `capsule.yaml:14: requests[0].of: a request of kind clock is of nothing: leave it out`},
		{"kind: clock", "kind: clock, bytes: 1", `capsule.yaml:14: requests[0].bytes: only a region has bytes: leave it out`},
		{"colour: green", "colour: &a green", `capsule.yaml:4: colour: anchors and aliases are not read: write the value out`},
		{"colour: green", "colour: *a", `not YAML`},
		{"colour: green", "name: b", `capsule.yaml:4: name: it is there for the second time: keep one`},
		{"colour: green", "<<: {a: b}", `capsule.yaml:4: a field's name is wanted here`},
		{"colour: green", "a/b: c", `capsule.yaml:4: unknown field "a/b": take it out`},
		{"colour: green", "colour: !!binary aGk=", `capsule.yaml:4: colour: "aGk=" is no text, number`},
		{"colour: green", "colour: .inf", `capsule.yaml:4: colour: ".inf" is no text, number`},
		{"colour: green", "colour: [[[[[[[[[1]]]]]]]]]", `more than 8 levels: no field is that deep`},
		{"colour: green", "colour: green\n---\n", `more than one document: keep the first`},
		{"version: 1", "\tversion: 1", `it is not YAML`},
	}
	for _, test := range tests {
		text := strings.Replace(good, test.old, test.change, 1)
		_, err := Parse(FileName, []byte(text))
		switch {
		case text == good:
			t.Errorf("%q: nothing was changed", test.old)
		case test.want == "" && err != nil:
			t.Errorf("%q: %v", test.change, err)
		case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
			t.Errorf("%q: got\n%v\nwant\n%s", test.change, err, test.want)
		}
	}
	for _, text := range []string{"", "# nothing\n"} {
		if _, err := Parse("m", []byte(text)); err == nil || !strings.Contains(err.Error(), "it is empty: start from") {
			t.Errorf("empty: %v", err)
		}
	}
	if _, err := Parse("m", make([]byte, BytesMax+1)); err == nil || !strings.Contains(err.Error(), "at most 65536") {
		t.Errorf("too long: %v", err)
	}
}

// TestAllProblemsAtOnce checks that nobody has to mend one line after the
// other, and that a manifest that is all wrong is not answered at length.
func TestAllProblemsAtOnce(t *testing.T) {
	_, err := Parse("m", []byte("version: 3\nname: A\nimage: a.wasm\nrequests:\n  - {name: x}\n"))
	want := "m:1: version: \"3\" will not do: write 'version: 1'\n" +
		"m:2: name: \"A\" will not do: up to 32 small letters, digits and hyphens, a letter first\n" +
		"m:5: requests[0]: the field \"kind\" is missing: give it, clock, random, folder, endpoint, region or model\n" +
		"m:5: requests[0]: the field \"reason\" is missing: give it, why it needs this, in one line of at most 200 characters: somebody decides by it"
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
	many := "version: 1\n"
	for c := 'a'; c < 'z'; c++ {
		many += "x" + string(c) + ": 1\n"
	}
	if _, err = Parse("m", []byte(many)); err == nil || strings.Count(err.Error(), "\n") != ProblemsMax || !strings.Contains(err.Error(), "m: and ") {
		t.Errorf("got\n%v", err)
	}
}

// FuzzParse checks that whatever is read ends in a manifest that keeps its
// promises, or an error.
func FuzzParse(f *testing.F) {
	f.Add([]byte(good))
	f.Add([]byte("version: 1\nname: a\ncommand: [python3, main.py]\nwalls-missing: [cpu]\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := Parse("fuzz.yaml", text)
		if err != nil {
			return
		}
		if m.Name == "" || len(m.Name) > NameBytesMax || (m.Image == "") == (len(m.Command) == 0) {
			t.Errorf("%+v", m)
		}
		for _, q := range m.Requests {
			if q.Reason == "" || q.Name == "" || q.Kind == "" || q.Rights&^abi.RightsAll != 0 {
				t.Errorf("%+v", q)
			}
		}
		if m.Restart.Delay <= 0 || m.Restart.DelayMax < m.Restart.Delay || m.Restart.Limit < 1 || m.Budget[abi.ResourceMemory] == 0 {
			t.Errorf("%+v", m)
		}
	})
}
