package capsules

import (
	"bytes"
	"context"
	"sync"
	"time"

	"phios/api/control"
)

// logs keeps the last lines that a capsule wrote, for whoever looks.
type logs struct {
	wall func() time.Time

	mu      sync.Mutex
	partial [3][]byte         // guarded by mu: lines without an end yet, by stream
	lines   []control.LogLine // guarded by mu: a ring when full
	first   uint64            // guarded by mu: the number of the oldest line
	next    uint64            // guarded by mu: the number of the next line
	changed chan struct{}     // guarded by mu: closed with the next line
}

func newLogs(wall func() time.Time) *logs {
	return &logs{wall: wall, changed: make(chan struct{})}
}

// write takes what a program wrote. Lines that are too long are cut in parts.
func (l *logs) write(stream int, text []byte) {
	if stream != 1 && stream != 2 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(text) > 0 {
		end := bytes.IndexByte(text, '\n')
		whole := end >= 0
		if !whole {
			end = len(text)
		}
		room := control.LineBytesMax - len(l.partial[stream])
		if end > room {
			end, whole = room, true
		}
		l.partial[stream] = append(l.partial[stream], text[:end]...)
		text = text[end:]
		if !whole {
			return
		}
		if len(text) > 0 && text[0] == '\n' {
			text = text[1:]
		}
		l.add(stream, string(l.partial[stream]))
		l.partial[stream] = l.partial[stream][:0]
	}
}

// remark adds a line of the manager's own.
func (l *logs) remark(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.add(0, text)
}

// flush makes lines of what has no end, because the program has ended.
func (l *logs) flush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for stream, partial := range l.partial {
		if len(partial) > 0 {
			l.add(stream, string(partial))
		}
		l.partial[stream] = nil
	}
}

// add adds a line.
//
// Preconditions:
//   - l.mu is held
func (l *logs) add(stream int, text string) {
	line := control.LogLine{Time: l.wall(), Stream: stream, Text: text}
	if len(l.lines) < logLinesMax {
		l.lines = append(l.lines, line)
	} else {
		l.lines[l.next%logLinesMax] = line
		l.first++
	}
	l.next++
	close(l.changed)
	l.changed = make(chan struct{})
}

// read returns the lines from number at on, the number after them, and what is
// closed when there are more.
func (l *logs) read(at uint64) (lines []control.LogLine, next uint64, more <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	lost := uint64(0)
	if at < l.first {
		lost, at = l.first-at, l.first
	}
	for ; at < l.next; at++ {
		line := l.lines[at%logLinesMax]
		line.Lost, lost = lost, 0
		lines = append(lines, line)
	}
	return lines, l.next, l.changed
}

// from returns the number of the line with tail lines behind and with it.
func (l *logs) from(tail int) uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	if tail <= 0 || uint64(tail) > l.next-l.first {
		return l.first
	}
	return l.next - uint64(tail)
}

// follow shows lines until the context ends, or there are no more and over is
// closed. A nil over is never closed; without following it shows what there is.
func (l *logs) follow(ctx context.Context, r control.LogsRequest, show func(control.LogLine) error) error {
	at := l.from(r.Tail)
	for {
		lines, next, more := l.read(at)
		for _, line := range lines {
			if err := show(line); err != nil {
				return err
			}
		}
		if at = next; !r.Follow {
			return nil
		}
		select {
		case <-more:
		case <-ctx.Done():
			return nil
		}
	}
}
