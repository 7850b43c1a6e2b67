package wasi

import (
	"phios/abi"
	"phios/capsule"
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
	// Args and Env are what args_get and environ_get tell. Of more than
	// ListBytesMax bytes, all that does not fit is left out.
	Args, Env []string
	// Output takes what the program writes to 1 and 2, a line or OutputBytesMax
	// at a time. The bytes are the layer's again afterwards. Nil drops them.
	Output func(stream int, text []byte)
	// Folders are shown as file descriptors from 3 on, in order. Of more than
	// FoldersMax the rest is left out.
	Folders []Folder
	// Notifications are the names of capabilities that poll_oneoff can wait
	// for: each is a file descriptor, in order, after those of the folders.
	// Of more than NotificationsMax the rest is left out.
	Notifications []string
}

// The limits.
const (
	FoldersMax       = 16
	NotificationsMax = 16
	ListBytesMax     = 64 << 10 // of Args, and of Env
	OutputBytesMax   = 4 << 10  // of a line
	FilesMax         = 256      // file descriptors of a program
)

// Layer is one program's WASI. One goroutine at a time uses it.
type Layer struct {
	door   capsule.Door
	config Config
	exited bool
	code   uint32
}

// New returns the layer of a program.
func New(c Config) *Layer { return &Layer{door: c.Door, config: c} }

// Use makes the layer call through another door of the same task: while the
// program serves a message, the one that serves it.
func (l *Layer) Use(door capsule.Door) { l.door = door }

// Exited returns the code of a program that has called proc_exit, and whether
// it has. The engine asks after each function, and does not return to the
// program.
func (l *Layer) Exited() (code uint32, ok bool) { return l.code, l.exited }

// Flush passes on what the program wrote and did not end with a newline. The
// engine calls it when main returns and after each message.
func (l *Layer) Flush() {}

// Close gives back every capability that the layer has opened.
func (l *Layer) Close() {}

// exit is proc_exit.
func (l *Layer) exit(code uint32) { l.exited, l.code = true, code }

// invoke does one call through the door.
func (l *Layer) invoke(h abi.Handle, c abi.Call, a *abi.Args) abi.Status {
	return l.door.Invoke(h, c, a)
}
