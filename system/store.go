package system

import (
	"fmt"
	"sync"

	"phios/abi"
	"phios/kernel/journal"
	"phios/platform"
	"phios/platform/host/logfile"
)

// memoryBytesMax bounds a journal in memory. When it is full the kernel grants
// nothing more, as with a disk that is full.
const memoryBytesMax = 64 << 20

// Recovery says what was found of an earlier run.
type Recovery struct {
	// Resumed says that there was a journal, which goes on.
	Resumed bool
	// Records is how many records it held.
	Records uint64
	// TornBytes came behind the last whole record, as a crash leaves them, and
	// are kept in TornPath.
	TornBytes int64
	TornPath  string
}

// store is where the journal is kept.
type store struct {
	log      platform.Log
	file     *logfile.File // nil in memory
	at       journal.Position
	recovery Recovery
}

// openStore opens the journal's log, checks what is in it and finds its end.
func openStore(c Config) (*store, error) {
	switch {
	case c.Log != nil:
		return &store{log: c.Log}, nil
	case c.DataDir == "":
		return &store{log: &memoryLog{}}, nil
	}
	if err := makeFolder(c.DataDir); err != nil {
		return nil, err
	}
	var verifier journal.Verifier
	var record journal.Record
	file, found, err := logfile.Open(JournalPath(c.DataDir), logfile.Options{Record: func(b []byte) error {
		if fault := verifier.Feed(b, &record); fault != journal.FaultNone {
			return fmt.Errorf("%v: move the journal away and find out who changed it", fault)
		}
		return nil
	}})
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	return &store{
		log: file, file: file, at: verifier.Position(),
		recovery: Recovery{
			Resumed: found.Records > 0, Records: found.Records, TornBytes: found.TornBytes, TornPath: found.TornPath,
		},
	}, nil
}

func (s *store) sync() abi.Status {
	if s.file == nil {
		return abi.StatusOK
	}
	return s.file.Sync()
}

func (s *store) close() error {
	if s.file == nil {
		return nil
	}
	return s.file.Close()
}

func (s *store) records(record func([]byte)) bool {
	m, ok := s.log.(*memoryLog)
	if ok {
		m.each(record)
	}
	return ok
}

// memoryLog is a log that is gone with the process.
type memoryLog struct {
	mu    sync.Mutex
	bytes []byte // guarded by mu: the records, one behind the other
	ends  []int  // guarded by mu: where each ends
}

// Append keeps a copy of the record: StatusJournal when the log is full.
func (m *memoryLog) Append(record []byte) abi.Status {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(record) > memoryBytesMax-len(m.bytes) {
		return abi.StatusJournal
	}
	m.bytes = append(m.bytes, record...)
	m.ends = append(m.ends, len(m.bytes))
	return abi.StatusOK
}

func (m *memoryLog) each(record func([]byte)) {
	m.mu.Lock()
	bytes, ends := m.bytes, m.ends
	m.mu.Unlock()
	begin := 0
	for _, end := range ends {
		record(bytes[begin:end:end])
		begin = end
	}
}
