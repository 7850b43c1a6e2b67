package llama

import (
	"fmt"
	"os"
	"strings"
	"time"
)

// tickTime is the unit of times in /proc: Linux reports a hundredth of a second
// on every processor that we run on.
const tickTime = 10 * time.Millisecond

// usage is the time of processors that a process has used, and the memory that
// is its own. The kernel is asked, for the helper might say anything. A
// process that is gone has none.
func (h *helper) usage() (busy time.Duration, resident uint64) {
	if text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", h.pid)); err == nil {
		// The name, in parentheses, may hold anything; the times are the 12th
		// and 13th fields behind it.
		if fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:])); len(fields) > 12 {
			busy = time.Duration(count(fields[11])+count(fields[12])) * tickTime
		}
	}
	if text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", h.pid)); err == nil {
		// Resident pages less those of files, such as the mapped weights.
		if fields := strings.Fields(string(text)); len(fields) > 2 {
			if all, shared := count(fields[1]), count(fields[2]); all > shared {
				resident = (all - shared) * uint64(os.Getpagesize())
			}
		}
	}
	return busy, resident
}

// count reads a number of the kernel's.
func count(s string) uint64 {
	var n uint64
	for _, c := range s {
		if c < '0' || c > '9' {
			return 0
		}
		n = n*10 + uint64(c-'0')
	}
	return n
}
