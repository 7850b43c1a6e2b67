package nn

import (
	"encoding/json"
	"strconv"

	"phios/abi"
)

// options are those of WasmEdge's that mean something here.
type options struct {
	Tokens     int             `json:"n-predict"`
	Temp       float64         `json:"temp"`
	TopK       int             `json:"top-k"`
	TopP       float64         `json:"top-p"`
	MinP       float64         `json:"min-p"`
	Repeat     float64         `json:"repeat-penalty"`
	Presence   float64         `json:"presence-penalty"`
	Frequency  float64         `json:"frequency-penalty"`
	Seed       uint64          `json:"seed"`
	Stop       string          `json:"reverse-prompt"`
	JSONSchema json.RawMessage `json:"json-schema"`
	Grammar    string          `json:"grammar"`
}

// request is a request of the system, by the names of package api/inference,
// which capsules do not import.
type request struct {
	Prompt     string      `json:"prompt"`
	Tokens     int         `json:"tokens_max,omitempty"`
	Sampling   sampling    `json:"sampling"`
	Stop       []string    `json:"stop,omitempty"`
	Constraint *constraint `json:"constraint,omitempty"`
}

type sampling struct {
	Temperature float64 `json:"temperature,omitempty"`
	TopK        int     `json:"top_k,omitempty"`
	TopP        float64 `json:"top_p,omitempty"`
	MinP        float64 `json:"min_p,omitempty"`
	Repetition  float64 `json:"repetition_penalty,omitempty"`
	Presence    float64 `json:"presence_penalty,omitempty"`
	Frequency   float64 `json:"frequency_penalty,omitempty"`
	Seed        uint64  `json:"seed,omitempty"`
}

type constraint struct {
	Kind string `json:"kind"`
	Text string `json:"text"`
}

// parse reads options; none are none.
func parse(text []byte) (options, bool) {
	var o options
	if len(text) == 0 {
		return o, true
	}
	return o, json.Unmarshal(text, &o) == nil
}

// body is the request of a context: its options over those of its graph.
func (l *Layer) body(x *context) ([]byte, Errno) {
	o, _ := parse(l.graphs[x.graph].options) // it was parsed before
	if len(x.options) > 0 {
		if json.Unmarshal(x.options, &o) != nil {
			return nil, ErrnoInvalidArgument
		}
	}
	r := request{Prompt: string(x.prompt), Tokens: max(o.Tokens, 0), Sampling: sampling{
		Temperature: o.Temp, TopK: o.TopK, TopP: o.TopP, MinP: o.MinP, Repetition: o.Repeat, Presence: o.Presence,
		Frequency: o.Frequency, Seed: o.Seed,
	}}
	if o.Stop != "" {
		r.Stop = []string{o.Stop}
	}
	switch {
	case o.Grammar != "":
		r.Constraint = &constraint{"gbnf", o.Grammar}
	case len(o.JSONSchema) > 0:
		r.Constraint = &constraint{"json_schema", string(o.JSONSchema)}
		var quoted string
		if json.Unmarshal(o.JSONSchema, &quoted) == nil { // WasmEdge takes it as a text
			r.Constraint.Text = quoted
		}
	}
	b, err := json.Marshal(r)
	if err != nil {
		return nil, ErrnoInvalidArgument
	}
	return b, ErrnoOK
}

// compute takes (context), and runs the model to the end of the text.
func (l *Layer) compute(c call) Errno {
	x := l.context(c)
	if x == nil {
		return ErrnoInvalidArgument
	}
	if errno := l.start(x); errno != ErrnoOK {
		return errno
	}
	for x.running {
		if errno := l.next(x); errno != ErrnoOK {
			return errno
		}
	}
	return ErrnoOK
}

// computeSingle takes (context), and brings the next piece of the text;
// end_of_sequence when there is none any more.
func (l *Layer) computeSingle(c call) Errno {
	x := l.context(c)
	if x == nil {
		return ErrnoInvalidArgument
	}
	if !x.running {
		if x.single { // it has just ended
			x.single, x.piece = false, nil
			return ErrnoEndOfSequence
		}
		if errno := l.start(x); errno != ErrnoOK {
			return errno
		}
		x.single = true
	}
	return l.next(x)
}

// finishSingle takes (context), and ends a text that is read piece by piece.
func (l *Layer) finishSingle(c call) Errno {
	x := l.context(c)
	if x == nil {
		return ErrnoInvalidArgument
	}
	l.stop(x)
	x.piece, x.single = nil, false
	return ErrnoOK
}

// start begins a text with a context's inputs.
func (l *Layer) start(x *context) Errno {
	l.stop(x)
	x.text, x.piece, x.read, x.written, x.single = nil, nil, 0, 0, false
	body, errno := l.body(x)
	if errno != ErrnoOK {
		return errno
	}
	var m abi.Message
	m.Words = [abi.MessageWords]uint64{3: abi.AIJSON | abi.AIStream}
	if !m.SetPayload(body) {
		region, status := l.lay(body)
		if region != 0 {
			defer l.drop(region)
		}
		if !status.OK() {
			return errnoOf(status)
		}
		m.Length, m.Words[1], m.Handles[0], m.HandleCount = 0, uint64(len(body)), region, 1
	}
	if status := l.infer(x, &m); !status.OK() {
		return errnoOf(status)
	}
	x.running, x.number = true, m.Words[0]<<abi.AINumberShift
	return ErrnoOK
}

// lay puts a request into a region of its own.
func (l *Layer) lay(body []byte) (abi.Handle, abi.Status) {
	budget, status := l.door.Named("budget")
	if !status.OK() {
		return 0, abi.StatusRange
	}
	a := abi.Args{W: [abi.ArgWords]uint64{uint64(len(body))}}
	if status := l.door.Invoke(budget, abi.RegionCreate, &a); !status.OK() {
		return 0, status
	}
	region := abi.Handle(a.W[0])
	for at := 0; at < len(body); at += abi.FramePayloadMax {
		a := abi.Args{W: [abi.ArgWords]uint64{uint64(at)}, Bytes: body[at:min(len(body), at+abi.FramePayloadMax)]}
		if status := l.door.Invoke(region, abi.RegionWrite, &a); !status.OK() {
			return region, status
		}
	}
	return region, abi.StatusOK
}

// next adds the next piece of a text that is under way.
func (l *Layer) next(x *context) Errno {
	m := abi.Message{Words: [abi.MessageWords]uint64{3: abi.AINext | x.number}}
	if status := l.infer(x, &m); !status.OK() {
		x.running = false
		return errnoOf(status)
	}
	x.piece = append([]byte(nil), m.Payload()...)
	if len(x.text)+len(x.piece) > OutputBytesMax {
		l.stop(x)
		return ErrnoTooLarge
	}
	x.text = append(x.text, x.piece...)
	if uint32(m.Words[2]) != 0 { //nolint:gosec // G115: its low half
		x.running = false
		x.read, x.written = uint32(m.Words[3]), uint32(m.Words[3]>>32) //nolint:gosec // G115: its halves
	}
	return ErrnoOK
}

// stop ends a text that is under way.
func (l *Layer) stop(x *context) {
	if x.running {
		x.running = false
		_ = l.infer(x, &abi.Message{Words: [abi.MessageWords]uint64{3: abi.AIStop | x.number}}) // it may have ended
	}
}

// infer is a call of the model.
func (l *Layer) infer(x *context, m *abi.Message) abi.Status {
	m.Words[2] = abi.AIInfer
	status := l.door.Invoke(l.graphs[x.graph].model, abi.EndpointCall, &abi.Args{Message: m})
	if !status.OK() {
		return status
	}
	for _, h := range m.Handles[:min(m.HandleCount, abi.MessageHandleMax)] {
		l.drop(h) // nobody asked for it
	}
	return m.Check()
}

func (l *Layer) drop(h abi.Handle) { _ = l.door.Invoke(h, abi.CapDelete, &abi.Args{}) } // it may be void already

// metadata is output 1.
func (x *context) metadata() []byte {
	b := strconv.AppendUint([]byte(`{"input_tokens":`), uint64(x.read), 10)
	b = strconv.AppendUint(append(b, `,"output_tokens":`...), uint64(x.written), 10)
	return append(b, '}')
}
