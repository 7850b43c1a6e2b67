package wasi

import "phios/capsule/ambient/ops"

// ModuleName is the module from which programs import the functions.
const ModuleName = "wasi_snapshot_preview1"

// Memory is the program's memory. It is asked again in each call, because it
// may have grown or moved since the last.
type Memory interface {
	// Size returns how many bytes there are; those of a memory of 4 GiB do
	// not fit and are reported as the greatest uint32.
	Size() uint32
	// Slice returns n bytes at an offset, which alias the memory, and false
	// when they are not all inside.
	Slice(offset, n uint32) ([]byte, bool)
}

// ValueKind is the type of a parameter or a result.
type ValueKind uint8

// The kinds.
const (
	I32 ValueKind = iota
	I64
)

// Function is one function that programs import.
type Function struct {
	Name            string
	Params, Results []ValueKind
	// Call does it. The parameters are on the stack from the front, and the
	// results replace them there; the stack has room for the longer of the
	// two. It never panics, whatever the program passes. After it, the engine
	// asks Layer.Exited.
	Call func(l *Layer, m Memory, stack []uint64)
}

// call is a call of a function while it is being done.
type call struct {
	memory Memory
	stack  []uint64
}

// u32 and u64 return a parameter.
func (c *call) u32(i int) uint32 { return uint32(c.stack[i]) } //nolint:gosec // G115: an i32 is the low half of its slot
func (c *call) u64(i int) uint64 { return c.stack[i] }

// row is a line of the table below: the parameters are one letter each, w for
// i32 and d for i64.
type row struct {
	name, params string
	do           func(l *Layer, c *call) Errno
}

// Functions returns all functions of the module. The caller owns the list.
func Functions() []Function {
	rows := table()
	functions := make([]Function, 0, len(rows))
	for _, r := range rows {
		f := Function{Name: r.name, Params: kinds(r.params), Results: []ValueKind{I32}}
		f.Call = func(l *Layer, m Memory, stack []uint64) {
			l.current = call{m, stack}
			stack[0] = uint64(r.do(l, &l.current))
			l.current = call{}
		}
		if r.name == "proc_exit" {
			f.Results = nil
			f.Call = func(l *Layer, _ Memory, stack []uint64) { l.exit(uint32(stack[0])) } //nolint:gosec // G115: an i32 is the low half of its slot
		}
		functions = append(functions, f)
	}
	return functions
}

func kinds(letters string) []ValueKind {
	list := make([]ValueKind, len(letters))
	for i, letter := range letters {
		if letter == 'd' {
			list[i] = I64
		}
	}
	return list
}

// table lists the functions in the order of the specification.
func table() []row {
	return []row{
		{"args_get", "ww", argsGet},
		{"args_sizes_get", "ww", argsSizes},
		{"environ_get", "ww", environGet},
		{"environ_sizes_get", "ww", environSizes},
		{"clock_res_get", "ww", clockRes},
		{"clock_time_get", "wdw", clockTime},
		{"fd_advise", "wddw", fdAdvise},
		{"fd_allocate", "wdd", fdAllocate},
		{"fd_close", "w", fdClose},
		{"fd_datasync", "w", fdSync},
		{"fd_fdstat_get", "ww", fdStatGet},
		{"fd_fdstat_set_flags", "ww", fdStatSetFlags},
		{"fd_fdstat_set_rights", "wdd", fdStatSetRights},
		{"fd_filestat_get", "ww", fdFileStat},
		{"fd_filestat_set_size", "wd", fdSetSize},
		{"fd_filestat_set_times", "wddw", fdSetTimes},
		{"fd_pread", "wwwdw", fdPread},
		{"fd_prestat_get", "ww", prestatGet},
		{"fd_prestat_dir_name", "www", prestatName},
		{"fd_pwrite", "wwwdw", fdPwrite},
		{"fd_read", "wwww", fdRead},
		{"fd_readdir", "wwwdw", fdReadFolder},
		{"fd_renumber", "ww", fdRenumber},
		{"fd_seek", "wdww", fdSeek},
		{"fd_sync", "w", fdSync},
		{"fd_tell", "ww", fdTell},
		{"fd_write", "wwww", fdWrite},
		{"path_create_directory", "www", doPath(ops.MakeFolder)},
		{"path_filestat_get", "wwwww", pathFileStat},
		{"path_filestat_set_times", "wwwwddw", pathSetTimes},
		{"path_link", "wwwwwww", noLinks},
		{"path_open", "wwwwwddww", pathOpen},
		{"path_readlink", "wwwwww", pathReadLink},
		{"path_remove_directory", "www", doPath(ops.RemoveFolder)},
		{"path_rename", "wwwwww", pathRename},
		{"path_symlink", "wwwww", noLinks},
		{"path_unlink_file", "www", doPath(ops.RemoveFile)},
		{"poll_oneoff", "wwww", pollOneoff},
		{"proc_exit", "w", nil},
		{"proc_raise", "w", noSystem},
		{"sched_yield", "", schedYield},
		{"random_get", "ww", randomGet},
		{"sock_accept", "www", noSockets},
		{"sock_recv", "wwwwww", noSockets},
		{"sock_send", "wwwww", noSockets},
		{"sock_shutdown", "ww", noSockets},
	}
}

// noSystem is for what this system does not have.
func noSystem(*Layer, *call) Errno { return errnoNosys }

// noSockets is for the four functions of sockets: there are none among the
// descriptors.
func noSockets(*Layer, *call) Errno { return errnoNotsup }
