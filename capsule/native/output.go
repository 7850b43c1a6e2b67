package native

import (
	"bufio"
	"errors"
	"fmt"
	"os"
)

// LineBytesMax is the length of the longest line that is shown in one piece.
const LineBytesMax = 4096

// output is a pipe in which a program writes for people.
type output struct{ r, w *os.File }

// newOutputs makes the pipes for both streams.
func newOutputs() ([2]output, error) {
	var list [2]output
	for i := range list {
		r, w, err := os.Pipe()
		if err != nil {
			if i > 0 {
				err = errors.Join(err, list[0].r.Close(), list[0].w.Close())
			}
			return list, fmt.Errorf("make a pipe: %w", err)
		}
		list[i] = output{r, w}
	}
	return list, nil
}

// read passes on what the program writes, a line at a time, until nobody has
// the other end. While the reader of the lines takes his time the program
// waits: there is one line here and 64 KiB in the pipe.
func (p *Program) read(stream int, r *os.File) {
	defer func() { _ = r.Close() }() // only read
	lines := bufio.NewReaderSize(r, LineBytesMax)
	for {
		line, err := lines.ReadSlice('\n')
		if len(line) > 0 && p.spec.Output != nil {
			p.spec.Output(stream, line)
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return
		}
	}
}
