package jail

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// argument is the hidden first argument of a process that is to be jailed; the
// number of the descriptor with its setup follows.
const argument = "phi-jail"

// goOn is the byte that lets a jailed process go on behind its walls.
const goOn = 1

// setup is what a jailed process is told to do.
type setup struct {
	Walls       Walls
	Folders     []Bind
	Devices     []string
	Temporary   uint64
	Command     []string
	Args        []string
	Folder      string
	Env         []string
	Descriptors uint64
	DataBytes   uint64 // limit on private memory, where no cgroup limits it
	Processes   uint64 // limit on processes, where no cgroup limits them
	UID         int    // what to become; -1 to stay
	Outside     [6]uint64
}

// report is what a jailed process says of its walls.
type report struct {
	Walls   Walls
	Reasons []string
	Error   string // why it cannot go on at all
}

// writeValue sends a value with its length before it.
func writeValue(w io.Writer, value any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("encode: %w", err)
	}
	if len(text) > SetupBytesMax {
		return fmt.Errorf("%d bytes of setup: at most %d; give it fewer arguments", len(text), SetupBytesMax)
	}
	_, err = w.Write(append(binary.LittleEndian.AppendUint32(nil, uint32(len(text))), text...)) //nolint:gosec // G115: bounded above
	return err                                                                                  //nolint:wrapcheck // the callers say what was written
}

// readValue receives what writeValue has sent.
func readValue(r io.Reader, value any) error {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return fmt.Errorf("read its length: %w", err)
	}
	length := binary.LittleEndian.Uint32(head[:])
	if length > SetupBytesMax {
		return errors.New("longer than a setup can be")
	}
	text := make([]byte, length)
	if _, err := io.ReadFull(r, text); err != nil {
		return fmt.Errorf("read: %w", err)
	}
	if err := json.Unmarshal(text, value); err != nil {
		return fmt.Errorf("decode: %w", err)
	}
	return nil
}
