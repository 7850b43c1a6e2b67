package capsules

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"phios/abi"
	"phios/api/control"
	"phios/kernel/gate"
)

// The limits of the control sockets.
const (
	doorsMax       = 16
	requestsMax    = 1024 // of all doors at once
	headerBytesMax = 16 << 10
	socketBytesMax = 107 // of a socket's path, by Linux
	headerTime     = 10 * time.Second
)

// desk is where the node is asked: an endpoint of the kernel, and the sockets
// that each stand for a capability to it.
type desk struct {
	m        *Manager
	endpoint abi.Handle
	stopped  chan struct{} // closed when somebody asked the node to stop
	stop     sync.Once

	mu    sync.Mutex
	doors map[string]*socket // guarded by mu: by file name
}

// socket is a door: whoever can open the file asks with its capability.
type socket struct {
	name, path string
	rights     abi.Rights
	key        abi.Handle // the supervisor's, from which the door's derives
	handle     abi.Handle // in the door's own task
	helper     *helper
	server     *http.Server
	slots      chan struct{}
	over       bool // guarded by desk.mu
}

// newDesk makes the control endpoint, and answers there.
func newDesk(m *Manager) (*desk, error) {
	d := &desk{m: m, stopped: make(chan struct{}), doors: map[string]*socket{}}
	var status abi.Status
	if d.endpoint, status = m.root.endpoint(1); status == abi.StatusOK {
		status = m.root.serve(d.endpoint, d)
	}
	if status != abi.StatusOK {
		return nil, refused("make the control endpoint", status)
	}
	m.noteObject(d.endpoint, "control")
	return d, nil
}

// Serve answers at the control endpoint. That the call came through is what
// the asker needed to know: the capability is live, and the gate let it pass.
func (*desk) Serve(_ *gate.Port, m *abi.Message) abi.Status {
	m.Withhold()
	return abi.StatusOK
}

// Listen opens a socket that stands for a capability to the control endpoint
// with some of MANAGE and INSPECT.
func (m *Manager) Listen(path string, rights abi.Rights) error {
	const most = abi.RightManage | abi.RightInspect
	if rights == 0 || rights&^most != 0 {
		return badRequest("a door has MANAGE, INSPECT or both", "name one of them")
	}
	if len(path) > socketBytesMax {
		return &control.Error{Code: control.CodeMachine, Message: "the path " + path + " is too long for a socket", Remedy: "use a data folder with a shorter path"}
	}
	s := &socket{name: filepath.Base(path), path: path, rights: rights, slots: make(chan struct{}, requestsMax)}
	if err := m.desk.furnish(s); err != nil {
		return err
	}
	listener, err := listen(path)
	if err != nil {
		m.desk.shut(s)
		return err
	}
	server := &server{m: m, door: s}
	s.server = &http.Server{Handler: server, ReadHeaderTimeout: headerTime, MaxHeaderBytes: headerBytesMax}
	s.server.SetKeepAlivesEnabled(false) // a request each: what is left of a body is nobody's
	m.desk.mu.Lock()
	_, taken := m.desk.doors[s.name]
	full := len(m.desk.doors) >= doorsMax
	if !taken && !full {
		m.desk.doors[s.name] = s
	}
	m.desk.mu.Unlock()
	if taken || full {
		_ = listener.Close()
		m.desk.shut(s)
		return &control.Error{Code: control.CodeExists, Message: "there is such a door, or too many", Remedy: "close one first"}
	}
	go func() { _ = s.server.Serve(listener) }() // it ends when the door is shut
	return nil
}

// furnish gives a door its task and its capability.
func (d *desk) furnish(s *socket) error {
	var err error
	if s.helper, err = d.m.helper("door "+s.name, programCaller); err != nil {
		return err
	}
	mint := abi.Whole(abi.RightInvoke | abi.RightSend | s.rights | abi.RightGrant)
	var status abi.Status
	if s.key, status = d.m.root.mint(d.endpoint, mint); status == abi.StatusOK {
		s.handle, status = d.m.root.give(s.helper.task, s.key, abi.Whole(mint.Rights&^abi.RightGrant))
	}
	if status != abi.StatusOK {
		d.shut(s)
		return refused("make the door's capability", status)
	}
	return nil
}

// listen makes a socket that its owner alone can open, in place of one that a
// dead node left.
func listen(path string) (net.Listener, error) {
	if info, err := os.Lstat(path); err == nil && info.Mode().Type() == fs.ModeSocket {
		var dialer net.Dialer
		if c, err := dialer.DialContext(context.Background(), "unix", path); err == nil {
			_ = c.Close()
			return nil, &control.Error{Code: control.CodeExists, Message: "a node listens at " + path, Remedy: "stop it with 'phi down', or use another data folder"}
		}
		if err := os.Remove(path); err != nil {
			return nil, machine("remove the socket of the last node", err)
		}
	}
	var config net.ListenConfig
	l, err := config.Listen(context.Background(), "unix", path)
	if err != nil {
		return nil, machine("open the control socket", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, machine("close the control socket to others", errors.Join(err, l.Close()))
	}
	return l, nil
}

// shut closes a door: its capability is revoked first.
func (d *desk) shut(s *socket) {
	d.m.root.drop(s.key)
	if s.server != nil {
		_ = s.server.Close()
	}
	d.mu.Lock()
	if d.doors[s.name] == s {
		delete(d.doors, s.name)
	}
	over := s.over
	s.over = true
	d.mu.Unlock()
	if !over && s.helper != nil {
		close(s.helper.gone)
		_ = d.m.root.do(s.helper.task, abi.TaskKill, &abi.Args{}) // with the node it dies anyway
		d.m.root.drop(s.helper.task, s.helper.budget)
	}
}

// close shuts all doors.
func (d *desk) close() {
	d.mu.Lock()
	list := make([]*socket, 0, len(d.doors))
	for _, s := range d.doors {
		list = append(list, s)
	}
	d.mu.Unlock()
	for _, s := range list {
		d.shut(s)
	}
}

// check asks the kernel whether the door may do what needs a right: its
// capability must be live, carry it, and get through the gate.
func (d *desk) check(ctx context.Context, s *socket, need abi.Rights) error {
	status, rights := abi.StatusKilled, abi.Rights(0)
	err := s.helper.do(ctx, func(p *gate.Port) {
		a := abi.Args{}
		if status = p.Invoke(s.handle, abi.CapInspect, &a); status != abi.StatusOK {
			return
		}
		if rights = abi.Rights(a.W[1]); !rights.Has(need) {
			status = abi.StatusRights
			return
		}
		message := abi.Message{Words: [abi.MessageWords]uint64{uint64(need)}}
		status = p.Invoke(s.handle, abi.EndpointCall, &abi.Args{Message: &message})
	})
	if err != nil {
		return err
	}
	switch status { //nolint:exhaustive // the others speak for themselves
	case abi.StatusOK:
		return nil
	case abi.StatusRights:
		return &control.Error{Code: status.Name(), Message: fmt.Sprintf("this socket may only %v, and that needs %v", s.rights, need), Remedy: "ask through the node's own socket"}
	default:
		return refused("ask through this socket", status)
	}
}

// Door makes another socket in the data folder, or closes one.
func (m *Manager) Door(r control.DoorRequest) (control.Door, error) {
	if !nameTable.MatchString(r.Name) || m.config.DataDir == "" {
		return control.Door{}, badRequest("a door cannot be called "+r.Name, "use lower-case letters, digits and hyphens")
	}
	name := r.Name + ".sock"
	path := filepath.Join(m.config.DataDir, name)
	if r.Close {
		m.desk.mu.Lock()
		s := m.desk.doors[name]
		m.desk.mu.Unlock()
		if s == nil || name == control.SocketName {
			return control.Door{}, unknown("door", r.Name, "name one that was opened")
		}
		m.desk.shut(s)
		return control.Door{Socket: path, Rights: control.Rights{}}, nil
	}
	rights, err := r.Rights.Set()
	if err != nil {
		return control.Door{}, err
	}
	if err := m.Listen(path, rights); err != nil {
		return control.Door{}, err
	}
	return control.Door{Socket: path, Rights: control.RightsOf(rights)}, nil
}

// Stopped is closed when somebody has asked the node to stop. Whoever started
// it then closes it.
func (m *Manager) Stopped() <-chan struct{} { return m.desk.stopped }

// Stop asks for the node's end.
func (m *Manager) Stop() { m.desk.stop.Do(func() { close(m.desk.stopped) }) }
