package jail

import (
	"os"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"
)

// exitRefused is the exit code of a jailed process that could not go on.
const exitRefused = 125

// Inside is what a worker finds when it is in a jail.
type Inside struct {
	// Args are the configuration's.
	Args []string
	// Walls are those that stand.
	Walls Walls
}

// Main puts up the walls when this process is one that [Start] has started. It
// is the first thing that main does, before there are goroutines or open files.
//
// It returns nil in any other process. In a jailed one it either becomes the
// command and does not return, or returns what a worker needs to go on. A
// process that cannot go on ends with code 125, and Start says why.
func Main() *Inside {
	if len(os.Args) != 2 || os.Args[0] != argument {
		return nil
	}
	runtime.LockOSThread()
	number, err := strconv.Atoi(os.Args[1])
	if err != nil || number < 3 || number > 3+FilesMax {
		unix.Exit(exitRefused)
	}
	unix.CloseOnExec(number)
	control := os.NewFile(uintptr(number), "jail control")
	var s setup
	if err := readValue(control, &s); err != nil {
		unix.Exit(exitRefused)
	}
	b := builder{setup: &s}
	if err := b.build(); err != nil {
		_ = writeValue(control, report{Error: err.Error()}) // nobody hears: the exit says it too
		unix.Exit(exitRefused)
	}
	if err := writeValue(control, report{Walls: b.stand, Reasons: b.reasons}); err != nil {
		unix.Exit(exitRefused)
	}
	var word [1]byte
	if n, err := control.Read(word[:]); err != nil || n != 1 || word[0] != goOn {
		unix.Exit(exitRefused)
	}
	if len(s.Command) > 0 {
		err := unix.Exec(s.Command[0], s.Command, s.Env)
		_ = writeValue(control, report{Error: "run " + s.Command[0] + ": " + err.Error() + "; is it, and all it needs, among the folders?"})
		unix.Exit(exitRefused)
	}
	closeFile(control)
	runtime.UnlockOSThread()
	return &Inside{Args: s.Args, Walls: b.stand}
}
