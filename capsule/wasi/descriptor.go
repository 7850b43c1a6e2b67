package wasi

import (
	"encoding/binary"

	"phios/abi"
	"phios/capsule/ambient/ops"
)

// kind is what a file descriptor is to.
type kind uint8

const (
	kindInput        kind = iota // 0: always at its end
	kindOutput                   // 1 and 2
	kindFolder                   // shown from the beginning, or opened
	kindFile                     // opened
	kindNotification             // shown from the beginning
)

// descriptor is an entry of the table.
type descriptor struct {
	kind   kind
	stream int           // of an output: which
	handle abi.Handle    // of the rest: the capability
	shown  string        // where the program sees a granted folder; else empty
	opened bool          // the layer opened it, and gives it back
	flags  ops.OpenFlags // of a file
	offset uint64        // of a file
	bits   uint64        // of a notification: taken and not yet read
}

// at returns the descriptor of a number.
func (l *Layer) at(fd uint32) (*descriptor, Errno) {
	if uint64(fd) >= uint64(len(l.table)) || l.table[fd] == nil {
		return nil, errnoBadf
	}
	return l.table[fd], errnoOK
}

// of returns the descriptor of a number if it is of one kind, and other when
// it is not.
func (l *Layer) of(fd uint32, k kind, other Errno) (*descriptor, Errno) {
	d, errno := l.at(fd)
	if errno == errnoOK && d.kind != k {
		return nil, other
	}
	return d, errno
}

// room returns the lowest free number; false when DescriptorsMax are in use.
func (l *Layer) room() (uint32, bool) {
	for fd, d := range l.table {
		if d == nil {
			return uint32(fd), true
		}
	}
	if len(l.table) >= DescriptorsMax {
		return 0, false
	}
	l.table = append(l.table, nil)
	return uint32(len(l.table) - 1), true //nolint:gosec // G115: at most DescriptorsMax
}

// release gives back what the layer has opened.
func (l *Layer) release(d *descriptor) {
	if d.opened {
		_, _ = l.ask(d.handle, ops.Request{Operation: ops.Close}) // its server may be gone
		l.drop(d.handle)
	}
}

// fdClose is fd_close. What was shown from the beginning is only forgotten:
// the capability is the program's, and has its name.
func fdClose(l *Layer, c *call) Errno {
	d, errno := l.at(c.u32(0))
	if errno != errnoOK {
		return errno
	}
	l.table[c.u32(0)] = nil
	l.release(d)
	return errnoOK
}

// fdRenumber is fd_renumber.
func fdRenumber(l *Layer, c *call) Errno {
	from, to := c.u32(0), c.u32(1)
	d, errno := l.at(from)
	if errno != errnoOK {
		return errno
	}
	old, errno := l.at(to)
	if errno != errnoOK {
		return errno
	}
	if from == to {
		return errnoOK
	}
	l.table[from], l.table[to] = nil, d
	l.release(old)
	return errnoOK
}

// The file types of the specification.
const (
	typeUnknown   = 0
	typeCharacter = 2
	typeFolder    = 3
	typeFile      = 4
	typeLink      = 7
)

func (d *descriptor) fileType() uint8 {
	switch d.kind {
	case kindFolder:
		return typeFolder
	case kindFile:
		return typeFile
	case kindNotification:
		return typeUnknown
	case kindInput, kindOutput:
		return typeCharacter
	default:
		return typeUnknown
	}
}

// The rights of the specification, as far as they are told. They are told for
// libraries that look; what is allowed is decided where the capability leads.
const (
	rightsFile   = 1<<0 | 1<<1 | 1<<2 | 1<<4 | 1<<5 | 1<<6 | 1<<7 | 1<<8 | 1<<21 | 1<<22 | 1<<27
	rightsFolder = 1<<3 | 1<<4 | 1<<9 | 1<<10 | 1<<13 | 1<<14 | 1<<15 | 1<<16 | 1<<17 | 1<<18 | 1<<20 | 1<<21 | 1<<25 | 1<<26
	rightsInput  = 1<<1 | 1<<21 | 1<<27
	rightsOutput = 1<<6 | 1<<21 | 1<<27
)

func (d *descriptor) rights() (base, inheriting uint64) {
	switch d.kind {
	case kindFolder:
		return rightsFolder, rightsFolder | rightsFile
	case kindFile:
		return rightsFile, 0
	case kindOutput:
		return rightsOutput, 0
	case kindInput, kindNotification:
		return rightsInput, 0
	default:
		return 0, 0
	}
}

// The descriptor flags of the specification.
const (
	flagAppend   = 1 << 0
	flagDsync    = 1 << 1
	flagNonblock = 1 << 2
	flagRsync    = 1 << 3
	flagSync     = 1 << 4
	flagsAll     = flagAppend | flagDsync | flagNonblock | flagRsync | flagSync
)

// fdStatGet is fd_fdstat_get.
func fdStatGet(l *Layer, c *call) Errno {
	d, errno := l.at(c.u32(0))
	if errno != errnoOK {
		return errno
	}
	var b [24]byte
	b[0] = d.fileType()
	if d.flags&ops.OpenAppend != 0 {
		b[2] = flagAppend
	}
	base, inheriting := d.rights()
	binary.LittleEndian.PutUint64(b[8:], base)
	binary.LittleEndian.PutUint64(b[16:], inheriting)
	return c.store(c.u32(1), b[:])
}

// fdStatSetFlags is fd_fdstat_set_flags. Whether a file appends is decided
// when it is opened; not to block is what everything but poll_oneoff does.
func fdStatSetFlags(l *Layer, c *call) Errno {
	d, errno := l.at(c.u32(0))
	if errno != errnoOK {
		return errno
	}
	flags := c.u32(1)
	if flags&^flagsAll != 0 {
		return errnoInval
	}
	if flags&^flagNonblock != 0 && flags&^flagNonblock != flagAppend || flags&flagAppend != 0 != (d.flags&ops.OpenAppend != 0) {
		return errnoNotsup
	}
	return errnoOK
}

// fdStatSetRights is fd_fdstat_set_rights. Who wants to hold less mints a
// lesser capability; to pretend here would give a false safety.
func fdStatSetRights(l *Layer, c *call) Errno {
	if _, errno := l.at(c.u32(0)); errno != errnoOK {
		return errno
	}
	return errnoNotsup
}

// prestatGet and prestatName tell of the folders that are shown from the
// beginning. A number in use that is none answers ENOTDIR, at which Go goes on
// to the next, and only one that is free ends the list.
func prestatGet(l *Layer, c *call) Errno {
	d, errno := l.shownAt(c.u32(0))
	if errno != errnoOK {
		return errno
	}
	var b [8]byte                                              // the type, zero for a folder, and the length
	binary.LittleEndian.PutUint32(b[4:], uint32(len(d.shown))) //nolint:gosec // G115: at most PathBytesMax
	return c.store(c.u32(1), b[:])
}

func prestatName(l *Layer, c *call) Errno {
	d, errno := l.shownAt(c.u32(0))
	if errno != errnoOK {
		return errno
	}
	if uint64(c.u32(2)) < uint64(len(d.shown)) {
		return errnoNametoolong
	}
	return c.store(c.u32(1), []byte(d.shown))
}

func (l *Layer) shownAt(fd uint32) (*descriptor, Errno) {
	d, errno := l.at(fd)
	switch {
	case errno != errnoOK:
		return nil, errno
	case d.shown == "" && d.kind == kindNotification:
		return nil, errnoBadf // the list is over: folders come first
	case d.shown == "":
		return nil, errnoNotdir
	}
	return d, errnoOK
}
