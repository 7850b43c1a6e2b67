package jail

import (
	"encoding/json"
	"fmt"
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
	if len(os.Args) < 2 || len(os.Args) > 3 || os.Args[0] != argument {
		return nil
	}
	runtime.LockOSThread()
	number, err := strconv.Atoi(os.Args[1])
	if err != nil || number < 3 || number > 3+FilesMax {
		unix.Exit(exitRefused)
	}
	control := os.NewFile(uintptr(number), "jail control")
	b := builder{setup: new(setup)}
	if len(os.Args) == 3 {
		err = b.resume(os.Args[2])
	} else if err = readValue(control, b.setup); err == nil {
		err = b.build(number)
	}
	if err != nil {
		_ = writeValue(control, report{Error: err.Error()}) // nobody hears: the exit says it too
		unix.Exit(exitRefused)
	}
	if err := writeValue(control, report{Walls: b.stand, Reasons: b.reasons}); err != nil {
		unix.Exit(exitRefused)
	}
	unix.CloseOnExec(number)
	var word [1]byte
	if n, err := control.Read(word[:]); err != nil || n != 1 || word[0] != goOn {
		unix.Exit(exitRefused)
	}
	if len(b.Command) > 0 {
		err := b.execute()
		_ = writeValue(control, report{Error: err.Error()}) // nobody hears: the exit says it too
		unix.Exit(exitRefused)
	}
	closeFile(control)
	runtime.UnlockOSThread()
	return &Inside{Args: b.Args, Walls: b.stand}
}

// execute becomes the command. It returns only when that fails.
func (b *builder) execute() error {
	if err := b.limitData(); err != nil {
		return err
	}
	err := unix.Exec(b.Command[0], b.Command, b.Env)
	return fmt.Errorf("run %s: %w; is it, and all it needs, among the folders?", b.Command[0], err)
}

// halfway is what a worker that starts itself again hands on.
type halfway struct {
	Walls, Stand Walls
	Reasons      []string
	Args         []string
	DataBytes    uint64
}

// restart starts this program again, with the walls that stand.
func (b *builder) restart(control int) error {
	text, err := json.Marshal(halfway{b.Walls, b.stand, b.reasons, b.Args, b.DataBytes})
	if err != nil {
		return err //nolint:wrapcheck // cannot happen
	}
	return executeAgain(b.self, []string{argument, strconv.Itoa(control), string(text)}, b.Env)
}

// resume goes on with what restart has handed on.
func (b *builder) resume(text string) error {
	var h halfway
	if err := json.Unmarshal([]byte(text), &h); err != nil {
		return err //nolint:wrapcheck // from ourselves
	}
	b.Walls, b.stand, b.reasons, b.Args = h.Walls, h.Stand, h.Reasons, h.Args
	b.DataBytes = h.DataBytes
	if err := b.limitData(); err != nil {
		return err
	}
	b.try(WallSeccomp, b.seccomp)
	return nil
}
