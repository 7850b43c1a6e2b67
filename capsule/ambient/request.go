package ambient

import (
	"os"

	"phios/abi"
	"phios/capsule/ambient/ops"
	"phios/kernel/gate"
)

// request is a request while it is served.
type request struct {
	ops.Request

	port    *gate.Port
	message *abi.Message
	badge   uint64
	grant   *grant
	opened  *opened // nil when it came through the grant itself
}

// rootOf returns the folder from which the request's paths start; nil when it
// came through a file.
func (f *Folder) rootOf(r *request) *os.Root {
	if r.opened == nil {
		return f.root
	}
	return r.opened.place
}

// Serve answers one request.
func (f *Folder) Serve(p *gate.Port, m *abi.Message) abi.Status {
	defer dropHandles(p, m.Handles, m.HandleCount)
	r := request{port: p, message: m, badge: m.Badge}
	if status := ops.Parse(m, &r.Request); !status.OK() {
		return status
	}
	if status := f.find(&r); !status.OK() {
		return status
	}
	if lacks := needs(&r) &^ r.grant.rights; lacks != 0 {
		f.refuse(&r, lacks)
		return abi.StatusRights
	}
	problem, status := f.do(&r)
	if status.OK() && problem != ops.ProblemNone {
		ops.Fail(m, problem)
	}
	return status
}

// find finds what the request's badge stands for.
func (f *Folder) find(r *request) abi.Status {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.uses++
	if o, ok := f.open[r.badge]; ok {
		o.lastUse = f.uses
		r.opened, r.grant = o, o.grant
		return abi.StatusOK
	}
	if g, ok := f.grants[r.badge]; ok {
		r.grant = g
		return abi.StatusOK
	}
	return abi.StatusState // closed, or withdrawn
}

// needs says which rights of the grant a request needs.
func needs(r *request) abi.Rights {
	// Nothing is learnt or changed by the rest.
	//exhaustive:ignore
	switch r.Operation {
	case ops.Read, ops.Stat, ops.List, ops.ReadLink:
		return abi.RightRead
	case ops.Write, ops.Resize, ops.SetTimes, ops.MakeFolder, ops.RemoveFolder, ops.RemoveFile, ops.Rename:
		return abi.RightWrite
	case ops.Open:
		var need abi.Rights
		flags := ops.OpenFlags(r.A)
		if flags&ops.Changes != 0 {
			need |= abi.RightWrite
		}
		if flags&ops.OpenRead != 0 || need == 0 {
			need |= abi.RightRead
		}
		return need
	default:
		return 0
	}
}

// refuse tells whoever wants to know of a request that was refused.
func (f *Folder) refuse(r *request, lacks abi.Rights) {
	if f.denied == nil {
		return
	}
	d := Denial{Badge: r.grant.badge, Operation: r.Operation, Lacks: lacks}
	if r.Operation != ops.Write {
		d.Path = string(r.Data)
	}
	f.denied(d)
}

// do does a request that is allowed.
func (f *Folder) do(r *request) (ops.Problem, abi.Status) {
	if r.opened != nil && r.opened.file != nil {
		return f.doFile(r)
	}
	return f.doFolder(r)
}

// doFile does a request to an open file.
func (f *Folder) doFile(r *request) (ops.Problem, abi.Status) {
	// The rest are not a file's.
	//exhaustive:ignore
	switch r.Operation {
	case ops.Close:
		f.shut(r.port, r.opened)
		ops.Succeed(r.message, 0, 0, nil)
		return ops.ProblemNone, abi.StatusOK
	case ops.Read:
		return read(r)
	case ops.Write:
		return write(r)
	case ops.Stat:
		if len(r.Data) > 0 {
			return ops.ProblemNotFolder, abi.StatusOK
		}
		info, err := r.opened.file.Stat()
		return tell(r, info, err)
	case ops.Resize:
		if r.opened.flags&ops.OpenWrite == 0 {
			return ops.ProblemInvalid, abi.StatusOK
		}
		return f.finish(r, r.opened.file.Truncate(int64(r.A))) //nolint:gosec // G115: Parse bounds it
	case ops.Sync:
		return f.finish(r, r.opened.file.Sync())
	case ops.ClockNow, ops.ClockResolution, ops.ClockSleep, ops.RandomBytes:
		return 0, abi.StatusBadCall
	default:
		return ops.ProblemNotFolder, abi.StatusOK
	}
}

// doFolder does a request to a folder.
func (f *Folder) doFolder(r *request) (ops.Problem, abi.Status) { //nolint:revive // cyclomatic: one case an operation
	root, path := f.rootOf(r), string(r.Data)
	// The rest are not a folder's.
	//exhaustive:ignore
	switch r.Operation {
	case ops.Open:
		return f.openPath(r, root, path)
	case ops.Close:
		if r.opened != nil {
			f.shut(r.port, r.opened)
		}
		return f.finish(r, nil)
	case ops.Stat:
		if path == "" {
			path = "."
		}
		look := root.Lstat
		if r.A == 1 {
			look = root.Stat
		}
		info, err := look(path)
		if err != nil {
			return f.finish(r, err)
		}
		return tell(r, info, nil)
	case ops.List:
		return f.listFolder(r, root)
	case ops.SetTimes:
		return f.setTimes(r, root, path)
	case ops.MakeFolder:
		return f.finish(r, root.Mkdir(path, 0o700))
	case ops.RemoveFolder, ops.RemoveFile:
		return f.remove(r, root, path)
	case ops.Rename:
		return f.finish(r, root.Rename(path[:r.A], path[r.A:]))
	case ops.ReadLink:
		target, err := root.Readlink(path)
		if err == nil {
			ops.Succeed(r.message, uint64(len(target)), 0, []byte(target))
			return ops.ProblemNone, abi.StatusOK
		}
		return f.finish(r, err)
	case ops.Sync:
		return f.finish(r, nil) // a folder holds no data that was written
	case ops.Read, ops.Write, ops.Resize:
		return ops.ProblemFolder, abi.StatusOK
	default:
		return 0, abi.StatusBadCall
	}
}

// finish answers a request that was tried and has nothing more to say.
func (f *Folder) finish(r *request, err error) (ops.Problem, abi.Status) {
	if err == nil {
		ops.Succeed(r.message, 0, 0, nil)
		return ops.ProblemNone, abi.StatusOK
	}
	if escapes(err) {
		f.refuse(r, 0)
		return ops.ProblemNone, abi.StatusDenied
	}
	return problemOf(err), abi.StatusOK
}
