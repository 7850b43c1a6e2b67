package capsules

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"phios/abi"
	"phios/api/control"
)

// server answers what comes through one door.
type server struct {
	m    *Manager
	door *socket
}

// operation is how one is answered.
type operation struct {
	need abi.Rights
	do   func(s *server, x *exchange) (any, error)
}

// exchange is one request on its way.
type exchange struct {
	ctx  context.Context //nolint:containedctx // it lives as long as its request
	body *bufio.Reader
	out  http.ResponseWriter
	// begun says that the answer's bytes are on their way.
	begun bool
}

const (
	look = abi.RightInspect
	act  = abi.RightManage
)

// operations are what can be asked.
func operations() map[string]operation {
	return map[string]operation{
		control.OpInfo:    {look, func(s *server, _ *exchange) (any, error) { return s.m.Info(s.door.rights), nil }},
		control.OpInstall: {act, (*server).install},
		control.OpImages:  {look, func(s *server, _ *exchange) (any, error) { return s.m.Images(), nil }},
		control.OpRun:     {act, with(func(s *server, x *exchange, r control.RunRequest) (any, error) { return s.m.Run(x.ctx, r) })},
		control.OpList:    {look, func(s *server, _ *exchange) (any, error) { return s.m.List(), nil }},
		control.OpInspect: {look, with(func(s *server, _ *exchange, r control.Named) (any, error) { return s.m.Inspect(r.Capsule) })},
		control.OpCaps:    {look, func(s *server, _ *exchange) (any, error) { return s.m.Caps(), nil }},
		control.OpGrant:   {act, with(func(s *server, _ *exchange, r control.Grant) (any, error) { return control.Empty{}, s.m.Grant(r) })},
		control.OpRevoke: {act, with(func(s *server, _ *exchange, r control.RevokeRequest) (any, error) {
			return control.Empty{}, s.m.Revoke(r.Capsule, r.Name)
		})},
		control.OpKill: {act, with(func(s *server, x *exchange, r control.Named) (any, error) {
			return control.Empty{}, s.m.Kill(x.ctx, r.Capsule)
		})},
		control.OpLogs:    {look, with((*server).logs)},
		control.OpReload:  {act, with(func(s *server, x *exchange, r control.ReloadRequest) (any, error) { return s.m.Reload(x.ctx, r) })},
		control.OpFreeze:  {act, with((*server).freeze)},
		control.OpThaw:    {act, (*server).thaw},
		control.OpDenials: {look, with(func(s *server, _ *exchange, r control.Named) (any, error) { return s.m.Denials(r.Capsule) })},
		control.OpPropose: {look, with(func(s *server, _ *exchange, r control.Named) (any, error) { return s.m.Propose(r.Capsule) })},
		control.OpCall:    {act, with(func(s *server, x *exchange, r control.CallRequest) (any, error) { return s.m.Call(x.ctx, r) })},
		control.OpTop:     {look, with((*server).top)},
		control.OpDoor:    {act, with((*server).openDoor)},
		control.OpStop:    {act, (*server).stop},
	}
}

// with reads a request of type R first.
func with[R any](do func(*server, *exchange, R) (any, error)) func(*server, *exchange) (any, error) {
	return func(s *server, x *exchange) (any, error) {
		var r R
		if err := x.read(&r); err != nil {
			return nil, err
		}
		return do(s, x, r)
	}
}

// read reads the request's line.
func (x *exchange) read(into any) error {
	text, err := x.line()
	if err != nil {
		return err
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return badRequest("the request cannot be read: "+err.Error(), "use a client of this node's version")
	}
	if decoder.More() {
		return badRequest("there is more than one request", "ask one at a time")
	}
	return nil
}

// line reads the first line of the body, without its end.
func (x *exchange) line() ([]byte, error) {
	var text []byte
	for {
		part, err := x.body.ReadSlice('\n')
		text = append(text, part...)
		switch {
		case len(text) > control.RequestBytesMax:
			return nil, badRequest("the request is too long", "make it shorter")
		case err == nil, errors.Is(err, io.EOF) && len(text) > 0:
			return text, nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, badRequest("the request ended early", "send it again")
		}
	}
}

// ServeHTTP answers one request.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := &exchange{ctx: r.Context(), out: w, body: bufio.NewReader(http.MaxBytesReader(w, r.Body, control.FrozenBytesMax))}
	select {
	case s.door.slots <- struct{}{}:
		defer func() { <-s.door.slots }()
	default:
		x.fail(refused("answer", abi.StatusBusy))
		return
	}
	name, under := strings.CutPrefix(r.URL.Path, control.Prefix)
	op, ok := s.m.operations[name]
	if r.Method != http.MethodPost || !under || !ok {
		x.fail(unknown("operation", r.Method+" "+r.URL.Path, "use a client of this node's version"))
		return
	}
	if err := s.m.desk.check(x.ctx, s.door, op.need); err != nil {
		x.fail(err)
		return
	}
	answer, err := op.do(s, x)
	if err != nil {
		x.fail(err)
		return
	}
	if answer != nil {
		x.show(answer)
	}
}

// show sends one value as a line.
func (x *exchange) show(v any) {
	if !x.begun {
		x.out.Header().Set("Content-Type", "application/json")
		x.begun = true
	}
	_ = json.NewEncoder(x.out).Encode(v) // an asker that left is no trouble
	_ = http.NewResponseController(x.out).Flush()
}

// fail sends an error; when the answer is on its way already, it is cut off.
func (x *exchange) fail(err error) {
	refusal := asError(err)
	if x.begun {
		x.show(control.InstallProgress{Error: refusal})
		return
	}
	x.out.Header().Set("Content-Type", "application/json")
	x.out.WriteHeader(statusCode(refusal))
	_ = json.NewEncoder(x.out).Encode(refusal) // an asker that left is no trouble
}

func statusCode(e *control.Error) int {
	switch e.Code {
	case control.CodeUnknown:
		return http.StatusNotFound
	case control.CodeExists:
		return http.StatusConflict
	case control.CodeMachine:
		return http.StatusInternalServerError
	case abi.StatusRights.Name(), abi.StatusRevoked.Name():
		return http.StatusForbidden
	default:
		return http.StatusBadRequest
	}
}

// asError finds the error that is sent.
func asError(err error) *control.Error {
	if e, ok := errors.AsType[*control.Error](err); ok {
		return e
	}
	if status, ok := errors.AsType[abi.Status](err); ok {
		return &control.Error{Code: status.Name(), Message: err.Error()}
	}
	return &control.Error{Code: control.CodeMachine, Message: err.Error()}
}

func (s *server) install(x *exchange) (any, error) {
	_ = http.NewResponseController(x.out).EnableFullDuplex() // HTTP/1.1 can: progress is told while files come
	var r control.InstallRequest
	if err := x.read(&r); err != nil {
		return nil, err
	}
	img, err := s.m.Install(r, x.body, func(p control.InstallProgress) { x.show(p) })
	if err != nil {
		return nil, err
	}
	return control.InstallProgress{Stage: "keep", Image: &img}, nil
}

func (s *server) logs(x *exchange, r control.LogsRequest) (any, error) {
	return nil, s.m.Logs(x.ctx, r, func(line control.LogLine) error {
		x.show(line)
		return x.ctx.Err()
	})
}

// topMin is the shortest time between two looks.
const topMin = 100 * time.Millisecond

func (s *server) top(x *exchange, r control.TopRequest) (any, error) {
	machine := s.m.node.Machine()
	parker := machine.NewParker()
	stop := context.AfterFunc(x.ctx, parker.Unpark)
	defer stop()
	for x.ctx.Err() == nil {
		x.show(s.m.Top())
		if r.Every <= 0 {
			return nil, nil //nolint:nilnil // the answer has been sent
		}
		parker.Park(machine.Now() + int64(max(r.Every, topMin)))
	}
	return nil, nil //nolint:nilnil // the asker has left
}

func (s *server) freeze(x *exchange, r control.Named) (any, error) {
	err := s.m.Freeze(r.Capsule, func(frozen io.Reader, bytes int64) error {
		x.out.Header().Set("Content-Type", "application/octet-stream")
		x.out.Header().Set("Content-Length", strconv.FormatInt(bytes, 10)) // an asker sees when it is cut short
		x.begun = true
		_, err := io.Copy(x.out, frozen)
		return err
	})
	if err != nil && x.begun {
		return nil, nil //nolint:nilnil // the asker has left, and the capsule goes on
	}
	return nil, err
}

// stop answers before the node ends.
func (s *server) stop(x *exchange) (any, error) {
	x.show(control.Empty{})
	s.m.Stop()
	return nil, nil //nolint:nilnil // the answer has been sent
}

func (s *server) thaw(x *exchange) (any, error) {
	var r control.ThawRequest
	if err := x.read(&r); err != nil {
		return nil, err
	}
	return s.m.Thaw(x.ctx, r, x.body)
}

// openDoor makes or closes a door. Only the node's own socket may: a door that
// could make others would outlive its own closing.
func (s *server) openDoor(_ *exchange, r control.DoorRequest) (any, error) {
	if s.door.name != control.SocketName {
		return nil, &control.Error{Code: abi.StatusRights.Name(), Message: "this socket may not make or close doors", Remedy: "ask through the node's own socket"}
	}
	return s.m.Door(r)
}
