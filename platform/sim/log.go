package sim

import (
	"phios/abi"
	"phios/platform"
)

// LogBytesMax bounds what a log keeps.
const LogBytesMax = 64 << 20

// Log is a [platform.Log] in memory that outlives what writes to it, so that a
// test can stop a kernel at any record and start it again.
type Log struct {
	machine *Machine
	records [][]byte
	bytes   int
}

var _ platform.Log = (*Log)(nil)

// NewLog returns an empty log, which fails as the machine's faults say.
func (m *Machine) NewLog() *Log { return &Log{machine: m} }

// Append keeps a copy of the record, or answers StatusJournal, when the fault
// is due or the log is full, and keeps nothing.
func (l *Log) Append(record []byte) abi.Status {
	if l.machine.fault(l.machine.config.Faults.LogAppend) || len(record) > LogBytesMax-l.bytes {
		return abi.StatusJournal
	}
	l.records = append(l.records, append([]byte(nil), record...))
	l.bytes += len(record)
	return abi.StatusOK
}

// Records returns the records in order. They stay the log's: the caller
// changes nothing of them.
func (l *Log) Records() [][]byte { return l.records }
