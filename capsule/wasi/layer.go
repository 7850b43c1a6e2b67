package wasi

import (
	"phios/abi"
	"phios/capsule"
	"phios/capsule/ambient/ops"
)

// Folder is a folder that the program is shown before it opens anything.
type Folder struct {
	// Name is that of the capability.
	Name string
	// Path is where the program sees it, such as "/data".
	Path string
}

// Config is what a program gets.
type Config struct {
	// Door is the program's way to the kernel.
	Door capsule.Door
	// Args and Env are what args_get and environ_get tell. Those that reach
	// over ListBytesMax or hold a zero byte are left out.
	Args, Env []string
	// Output takes what the program writes to 1 and 2, a line or OutputBytesMax
	// at a time. The bytes are the layer's again afterwards. Nil drops them.
	Output func(stream int, text []byte)
	// Folders are shown as file descriptors from 3 on, in order: those that
	// were granted. After them come those of the variable EnvFolders. Of more
	// than FoldersMax the rest is left out.
	Folders []Folder
	// Notifications are the names of notifications that poll_oneoff can wait
	// for and fd_read takes the bits of: those that were granted are file
	// descriptors, in order, after the folders, and so are those of the
	// variable EnvNotifications. Of more than NotificationsMax the rest is left
	// out.
	Notifications []string
}

// The names of the capabilities that stand for a machine's surroundings.
const (
	NameClock  = "clock"
	NameRandom = "random"
	// NameBudget is a budget on which the layer may make a notification of its
	// own to sleep on. Without it a sleep is many calls of the clock.
	NameBudget = "budget"
)

// The limits.
const (
	FoldersMax       = 16
	NotificationsMax = 16
	ListBytesMax     = 64 << 10 // of Args, and of Env
	OutputBytesMax   = 4 << 10  // of a line
	DescriptorsMax   = 256      // open at a time
	VectorsMax       = 1024     // buffers of a read or a write
	TransferBytesMax = 1 << 20  // of a read or a write; more is done in part
	PathBytesMax     = 4096     // of a path; a request holds ops.PathBytesMax
	EventsMax        = 256      // of a poll_oneoff
)

// Layer is one program's WASI. One goroutine at a time uses it.
type Layer struct {
	door   capsule.Door
	home   capsule.Door // that of Config: it is there when no message is served
	args   list
	env    list
	output [2]output
	table  []*descriptor // by number; nil is free
	names  map[string]abi.Handle

	virtual uint64     // the time of a program without a clock
	bell    abi.Handle // what it sleeps on, zero when not made
	silent  bool       // it cannot be made

	// For requests: what is passed to a door escapes, and would be allocated in
	// each call.
	message abi.Message
	request ops.Request
	asking  abi.Args
	current call
	buffers []vector

	exited bool
	code   uint32
}

// New returns the layer of a program. It asks the door for the folders and
// notifications that were granted, and shows those.
func New(c Config) *Layer {
	l := &Layer{door: c.Door, home: c.Door, args: newList(c.Args), env: newList(c.Env), names: map[string]abi.Handle{}}
	for i := range l.output {
		l.output[i] = output{stream: i + 1, write: c.Output}
	}
	l.table = append(l.table, &descriptor{kind: kindInput}, &descriptor{kind: kindOutput, stream: 0}, &descriptor{kind: kindOutput, stream: 1})
	folders, notifications := withEnv(c)
	for _, f := range folders {
		if h, status := c.Door.Named(f.Name); status.OK() {
			l.table = append(l.table, &descriptor{kind: kindFolder, handle: h, shown: f.Path})
		}
	}
	for _, name := range notifications {
		if h, status := c.Door.Named(name); status.OK() {
			l.table = append(l.table, &descriptor{kind: kindNotification, handle: h})
		}
	}
	return l
}

// Use makes the layer call through another door of the same task: while the
// program serves a message, the one that serves it.
func (l *Layer) Use(door capsule.Door) { l.door = door }

// Exited returns the code of a program that has called proc_exit, and whether
// it has. The engine asks after each function, and does not return to the
// program.
func (l *Layer) Exited() (code uint32, ok bool) { return l.code, l.exited }

// Flush passes on what the program wrote and did not end with a newline. The
// engine calls it when main returns and after each message.
func (l *Layer) Flush() {
	for i := range l.output {
		l.output[i].flush()
	}
}

// Close flushes, and gives back every capability that the layer has opened or
// made. The layer is not used afterwards.
func (l *Layer) Close() {
	l.Flush()
	l.door = l.home
	for _, d := range l.table {
		if d != nil {
			l.release(d)
		}
	}
	l.table = nil
	if l.bell != 0 {
		l.drop(l.bell)
		l.bell = 0
	}
}

// Virtual returns the time of a program without a clock, and Advance lets it
// go on from there, never back: for a program that goes on with the memory of
// another. See clockTime.
func (l *Layer) Virtual() uint64 { return l.virtual }

// Advance is the other half of Virtual.
func (l *Layer) Advance(virtual uint64) { l.virtual = max(l.virtual, virtual) }

// exit is proc_exit.
func (l *Layer) exit(code uint32) { l.exited, l.code = true, code }

// invoke does one call through the door.
func (l *Layer) invoke(h abi.Handle, c abi.Call, a *abi.Args) abi.Status {
	return l.door.Invoke(h, c, a)
}

// drop deletes a capability of the layer's own.
func (l *Layer) drop(h abi.Handle) { _ = l.invoke(h, abi.CapDelete, &abi.Args{}) } // it may be void already

// named returns the capability of a name. What was found is kept, and so is a
// refusal: whoever is granted more while running is not looked for in every
// call, and finds it by the host function "named".
func (l *Layer) named(name string) (abi.Handle, bool) {
	h, known := l.names[name]
	if !known {
		var status abi.Status
		if h, status = l.door.Named(name); !status.OK() {
			h = 0
		}
		l.names[name] = h
	}
	return h, h != 0
}

// ask sends a request and returns the message of its answer, which is good
// until the next.
func (l *Layer) ask(h abi.Handle, r ops.Request) (*abi.Message, Errno) {
	l.request = r
	m := &l.message
	if status := l.request.Put(m); !status.OK() {
		return nil, errnoNametoolong // only paths can be too long
	}
	l.asking = abi.Args{Message: m}
	if status := l.invoke(h, abi.EndpointCall, &l.asking); !status.OK() {
		return nil, errnoOf(status)
	}
	if status := m.Check(); !status.OK() {
		return nil, errnoIO // the server speaks another language
	}
	p := ops.ParseProblem(m)
	if p != ops.ProblemNone || r.Operation != ops.Open {
		l.dropAll(m) // nobody asked for them, and they would fill the table
	}
	if p != ops.ProblemNone {
		return nil, errnoOfProblem(p)
	}
	return m, errnoOK
}

// dropAll deletes the capabilities that came with an answer.
func (l *Layer) dropAll(m *abi.Message) {
	for _, h := range m.Handles[:m.HandleCount] {
		l.drop(h)
	}
}
