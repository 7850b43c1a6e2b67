package ops

import (
	"encoding/binary"

	"phios/abi"
)

// Problem is why the machine could not do what was allowed.
type Problem uint64

// The problems.
const (
	ProblemNone        Problem = iota
	ProblemNotFound            // nothing has this name
	ProblemExists              // something has this name already
	ProblemNotFolder           // a folder is needed here
	ProblemFolder              // a folder cannot be used so
	ProblemNotEmpty            // the folder has entries
	ProblemNoSpace             // the disk is full
	ProblemTooLarge            // the file or the folder is over a limit
	ProblemNameTooLong         // a name or a path is over a limit
	ProblemLinks               // a link where none may be, or too many
	ProblemForbidden           // the machine's own permissions forbid it
	ProblemReadOnly            // the disk is read-only
	ProblemBusy                // it is in use
	ProblemInvalid             // it means nothing here
	ProblemSpecial             // neither a file nor a folder: not opened
	ProblemAcrossDisks         // the two paths are on different disks
	ProblemInputOutput         // the disk failed
	problemEnd
)

// ParseProblem returns the problem that an answer names; what is unknown is
// ProblemInputOutput.
func ParseProblem(m *abi.Message) Problem {
	if p := Problem(m.Words[WordProblem]); p < problemEnd {
		return p
	}
	return ProblemInputOutput
}

// Kind is the kind of a thing in a folder.
type Kind uint8

// The kinds.
const (
	KindOther Kind = iota
	KindFile
	KindFolder
	KindLink
	kindEnd
)

// Info is what Stat answers.
type Info struct {
	Kind Kind
	// ID tells things of one disk apart; zero is unknown.
	ID    uint64
	Links uint64
	Size  uint64 // bytes
	// Accessed and Modified and Changed are nanoseconds since 1970.
	Accessed, Modified, Changed uint64
}

// StatBytes is the length of an Info in an answer: seven words, little-endian,
// in the order of the fields.
const StatBytes = 7 * 8

// Put appends the Info to b.
func (i *Info) Put(b []byte) []byte {
	for _, w := range [...]uint64{uint64(i.Kind), i.ID, i.Links, i.Size, i.Accessed, i.Modified, i.Changed} {
		b = binary.LittleEndian.AppendUint64(b, w)
	}
	return b
}

// ParseInfo reads an Info; false when b is not one.
func ParseInfo(b []byte) (Info, bool) {
	if len(b) != StatBytes {
		return Info{}, false
	}
	at := func(i int) uint64 { return binary.LittleEndian.Uint64(b[8*i:]) }
	if at(0) >= uint64(kindEnd) {
		return Info{}, false
	}
	kind := Kind(at(0)) //nolint:gosec // G115: checked above
	return Info{Kind: kind, ID: at(1), Links: at(2), Size: at(3), Accessed: at(4), Modified: at(5), Changed: at(6)}, true
}

// Entry is a name in a folder.
type Entry struct {
	Kind Kind
	Name string
}

// Put appends the entry to b: the kind in a byte, the length of the name in
// two, the name. It returns false, and b as it was, when the name is empty or
// too long or the entry would make b longer than limit.
func (e *Entry) Put(b []byte, limit int) ([]byte, bool) {
	if e.Name == "" || len(e.Name) > NameBytesMax || len(b)+entryHead+len(e.Name) > limit {
		return b, false
	}
	b = append(b, byte(e.Kind))
	b = binary.LittleEndian.AppendUint16(b, uint16(len(e.Name))) //nolint:gosec // G115: checked above
	return append(b, e.Name...), true
}

// ParseEntry reads the first entry of b and returns what follows it; false
// when b does not begin with one.
func ParseEntry(b []byte) (e Entry, rest []byte, ok bool) {
	if len(b) < entryHead || b[0] >= byte(kindEnd) {
		return Entry{}, nil, false
	}
	n := int(binary.LittleEndian.Uint16(b[1:]))
	if n == 0 || n > NameBytesMax || n > len(b)-entryHead {
		return Entry{}, nil, false
	}
	return Entry{Kind: Kind(b[0]), Name: string(b[entryHead : entryHead+n])}, b[entryHead+n:], true
}
