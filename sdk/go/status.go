package phi

import "strconv"

// Status is the result of a call: zero is success, every other value a
// constant that says what was refused. It is an error, and comparable:
// err == phi.StatusTimeout.
type Status uint32 //nolint:errname // the whole vocabulary of results, and one is success

// Error returns what the status means and, where there is one, the remedy.
func (s Status) Error() string {
	if int(s) < len(statusTexts) {
		return statusTexts[s]
	}
	return "unknown status " + strconv.FormatUint(uint64(s), 10)
}

// Name returns the status's short name, such as "mailbox-full", as the tools
// print it.
func (s Status) Name() string {
	if int(s) < len(statusNames) {
		return statusNames[s]
	}
	return "status-" + strconv.FormatUint(uint64(s), 10)
}

// err returns nil for success. It does not allocate: the numbers are small.
func (s Status) err() error {
	if s == StatusOK {
		return nil
	}
	return s
}
