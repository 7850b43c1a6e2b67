package manifest

import (
	"math"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"phios/abi"
	"phios/capsule"
	"phios/internal/quantity"
)

// dimensionTable says what each resource is counted in.
var dimensionTable = [abi.ResourceCount]quantity.Dimension{
	abi.ResourceMemory: quantity.Bytes, abi.ResourceSlots: quantity.Count, abi.ResourceCPU: quantity.Nanoseconds,
	abi.ResourceTokens: quantity.Count, abi.ResourceNetwork: quantity.Bytes, abi.ResourceEnergy: quantity.Microjoules,
}

// has reports whether the manifest says anything at a path.
func (r *reader) has(at string) bool { return r.nodes[at] != nil }

// text returns the text at a path, otherwise when there is none.
func (r *reader) text(at, otherwise string) string {
	if n := r.nodes[at]; n != nil {
		return n.Value
	}
	return otherwise
}

// texts returns the list of texts at a path.
func (r *reader) texts(at string) []string {
	n := r.nodes[at]
	if n == nil {
		return nil
	}
	list := make([]string, 0, len(n.Content))
	for _, item := range n.Content {
		list = append(list, item.Value)
	}
	return list
}

// number returns the whole number at a path. The schema has bounded it.
func (r *reader) number(at string, otherwise int) int {
	n := r.nodes[at]
	if n == nil {
		return otherwise
	}
	if v, err := strconv.ParseInt(n.Value, 0, 32); err == nil {
		return int(v)
	}
	r.problem(at, "%q is not a whole number: write it in digits", clip(n.Value))
	return otherwise
}

// amount returns the quantity at a path, at most limit.
func (r *reader) amount(at string, d quantity.Dimension, what string, limit uint64) uint64 {
	n := r.nodes[at]
	if n == nil {
		return 0
	}
	v, err := quantity.Parse(d, what, n.Value)
	if err != nil {
		r.problem(at, "%v", err)
	} else if v > limit {
		r.problem(at, "%q is out of range: give less", n.Value)
	}
	return v
}

// duration returns the time at a path.
func (r *reader) duration(at string, otherwise time.Duration) time.Duration {
	if !r.has(at) {
		return otherwise
	}
	v := r.amount(at, quantity.Nanoseconds, "time", math.MaxInt64)
	return time.Duration(min(v, math.MaxInt64))
}

// read fills the manifest from values that are in the schema's form, and
// checks what the schema cannot say.
func (r *reader) read() {
	m := r.m
	m.Name, m.Purpose, m.Colour = r.text("/name", ""), r.text("/purpose", ""), r.text("/colour", "")
	m.Image, m.Command = r.text("/image", ""), r.texts("/command")
	m.Arguments, m.Environment = r.texts("/arguments"), r.environment()
	m.Serves, m.Domain = r.number("/serves", 0), r.text("/domain", "")
	m.WallsMissing = r.texts("/walls-missing")
	r.program()
	r.budget()
	r.restart()
	r.probe()
	if n := r.nodes["/requests"]; n != nil {
		for i := range n.Content {
			r.request("/requests/" + strconv.Itoa(i))
		}
	}
}

func (r *reader) environment() map[string]string {
	n := r.nodes["/environment"]
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	variables := map[string]string{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		variables[n.Content[i].Value] = n.Content[i+1].Value
	}
	return variables
}

// program checks what runs, and where.
func (r *reader) program() {
	m := r.m
	native := len(m.Command) > 0
	if native == (m.Image != "") {
		r.problem("", "a capsule runs one thing: give 'image' (a module) or 'command' (a native program)")
		return
	}
	if m.Image != "" && !local(m.Image) {
		r.problem("/image", "%q leads out of the capsule's folder: put the module beside the manifest", clip(m.Image))
	}
	m.Tier = r.text("/tier", capsule.TierWorker)
	if native && !r.has("/tier") {
		m.Tier = capsule.TierNative
	}
	if native != (m.Tier == capsule.TierNative) {
		r.problem("/tier", "tier %q does not go with %s: 'native' runs a command, 'inline' and 'worker' run an image", m.Tier, given(m))
	}
	if native && len(m.Arguments) > 0 {
		r.problem("/arguments", "a native capsule's arguments are the rest of 'command': put them there")
	}
	if m.Tier == capsule.TierInline && r.has("/domain") {
		r.problem("/domain", "an inline capsule is in the node's own process: leave it out, or take tier worker")
	}
	if m.Tier == capsule.TierInline && r.has("/walls-missing") {
		r.problem("/walls-missing", "no wall but the sandbox stands around an inline capsule: leave it out, or take tier worker")
	}
}

// given names what the manifest says to run.
func given(m *Manifest) string {
	if m.Image != "" {
		return "an image"
	}
	return "a command"
}

// local reports whether a path stays in the folder, written in its shortest
// form.
func local(name string) bool {
	return name == path.Clean(name) && name != "." && name != ".." && !path.IsAbs(name) && !strings.HasPrefix(name, "../")
}

func (r *reader) budget() {
	r.m.Budget = abi.Amounts{
		abi.ResourceMemory: memoryDefaultBytes, abi.ResourceSlots: slotsDefault, abi.ResourceCPU: uint64(cpuDefault),
		abi.ResourceEnergy: energyDefault,
	}
	for resource := range abi.Resource(abi.ResourceCount) {
		if at := "/budget/" + resource.String(); r.has(at) {
			r.m.Budget[resource] = r.amount(at, dimensionTable[resource], resource.String(), math.MaxInt64)
		}
	}
	for _, held := range []abi.Resource{abi.ResourceMemory, abi.ResourceSlots, abi.ResourceCPU} {
		if r.m.Budget[held] == 0 {
			r.problem("/budget/"+held.String(), "nothing runs without: give some, or leave it out for the usual amount")
		}
	}
}

func (r *reader) restart() {
	r.m.Restart = Restart{
		Policy:   r.text("/restart/policy", RestartOnFailure),
		Delay:    r.duration("/restart/delay", delayDefault),
		DelayMax: r.duration("/restart/delay-max", 0),
		Limit:    r.number("/restart/limit", restartsDefault),
		Window:   r.duration("/restart/window", windowDefault),
	}
	s := &r.m.Restart
	if !r.has("/restart/delay-max") {
		s.DelayMax = max(s.Delay, delayMaxDefault)
	}
	if s.Delay < time.Millisecond {
		r.problem("/restart/delay", "%v is too short: a capsule that always fails would keep the node busy, give at least 1ms", s.Delay)
	}
	if s.DelayMax < s.Delay {
		r.problem("/restart/delay-max", "%v is less than the delay of %v: raise it", s.DelayMax, s.Delay)
	}
	if s.Window < s.Delay {
		r.problem("/restart/window", "%v is less than the delay of %v, so the limit would never be met: raise it", s.Window, s.Delay)
	}
}

func (r *reader) probe() {
	r.m.Probe = Probe{Text: r.text("/probe/text", ""), Within: r.duration("/probe/within", withinDefault)}
	if r.has("/probe") && r.m.Serves == 0 {
		r.problem("/probe", "a capsule that serves nothing answers no probe: give 'serves', or leave the probe out")
	}
	if len(r.m.Probe.Text) > abi.MessageBytesMax {
		r.problem("/probe/text", "%d bytes, at most %d: shorten it", len(r.m.Probe.Text), abi.MessageBytesMax)
	}
	if r.m.Probe.Within < time.Millisecond || r.m.Probe.Within > time.Hour {
		r.problem("/probe/within", "%v is out of range: give 1ms to 1h", r.m.Probe.Within)
	}
}

// request reads one request.
func (r *reader) request(at string) {
	q := Request{
		Name: r.text(at+"/name", ""), Kind: r.text(at+"/kind", ""), Of: r.text(at+"/of", ""),
		Bytes: r.amount(at+"/bytes", quantity.Bytes, "bytes", 1<<46), Reason: strings.TrimSpace(r.text(at+"/reason", "")),
	}
	for i, name := range r.texts(at + "/rights") {
		right, ok := abi.ParseRight(name)
		switch {
		case !ok:
			r.problem(at+"/rights/"+strconv.Itoa(i), "%q is not a right: there are %v", clip(name), abi.RightsAll)
		case right&(abi.RightEndorse|abi.RightDeclassify) != 0:
			r.problem(at+"/rights/"+strconv.Itoa(i), "%v is never given to a capsule: leave it out", right)
		}
		q.Rights |= right
	}
	if q.Reason == "" {
		r.problem(at+"/reason", "it is empty: say in one line why, somebody decides by it")
	}
	needs := slices.Contains([]string{KindEndpoint, KindRegion, KindModel}, q.Kind)
	switch {
	case needs && q.Of == "":
		r.problem(at, "a request of kind %s needs 'of': name %s", q.Kind, whatOf(q.Kind))
	case !needs && q.Of != "":
		r.problem(at+"/of", "a request of kind %s is of nothing: leave it out", q.Kind)
	}
	if q.Kind != KindRegion && r.has(at+"/bytes") {
		r.problem(at+"/bytes", "only a region has bytes: leave it out")
	}
	if slices.ContainsFunc(r.m.Requests, func(other Request) bool { return other.Name == q.Name }) {
		r.problem(at+"/name", "%q is asked for already: rename one", q.Name)
	}
	r.m.Requests = append(r.m.Requests, q)
}

// whatOf says what the field 'of' names.
func whatOf(kind string) string {
	switch kind {
	case KindEndpoint:
		return "the capsule that serves it"
	case KindRegion:
		return "the region"
	default:
		return "the model"
	}
}

// RequestNamed returns the request of a name, nil when there is none.
func (m *Manifest) RequestNamed(name string) *Request {
	i := slices.IndexFunc(m.Requests, func(q Request) bool { return q.Name == name })
	if i < 0 {
		return nil
	}
	return &m.Requests[i]
}
