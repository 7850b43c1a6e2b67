package wasi

import (
	"encoding/binary"

	"phios/abi"
	"phios/capsule/ambient/ops"
)

// fdRead is fd_read.
func fdRead(l *Layer, c *call) Errno {
	d, errno := l.at(c.u32(0))
	if errno != errnoOK {
		return errno
	}
	list, errno := l.vectors(c, c.u32(1), c.u32(2))
	if errno != errnoOK {
		return errno
	}
	if !c.writable(c.u32(3), 4) {
		return errnoFault
	}
	var n uint32
	switch d.kind {
	case kindInput:
	case kindFile:
		n, errno = l.readFile(c, d, list, d.offset)
		d.offset += uint64(n)
	case kindNotification:
		n, errno = l.readBits(c, d, list)
	case kindFolder:
		return errnoIsdir
	case kindOutput:
		return errnoBadf
	default:
		return errnoBadf
	}
	if errno != errnoOK {
		return errno
	}
	return c.put32(c.u32(3), n)
}

// fdPread is fd_pread.
func fdPread(l *Layer, c *call) Errno {
	d, errno := l.regular(c.u32(0))
	if errno != errnoOK {
		return errno
	}
	list, errno := l.vectors(c, c.u32(1), c.u32(2))
	if errno != errnoOK {
		return errno
	}
	if !c.writable(c.u32(4), 4) {
		return errnoFault
	}
	n, errno := l.readFile(c, d, list, c.u64(3))
	if errno != errnoOK {
		return errno
	}
	return c.put32(c.u32(4), n)
}

// readFile fills the buffers from an offset on. What was read before something
// failed counts.
func (l *Layer) readFile(c *call, d *descriptor, list []vector, offset uint64) (uint32, Errno) {
	if d.flags&ops.OpenRead == 0 {
		return 0, errnoBadf
	}
	var done uint32
	for _, v := range list {
		for v.n > 0 {
			part := min(v.n, abi.MessageBytesMax)
			m, errno := l.ask(d.handle, ops.Request{Operation: ops.Read, A: offset, B: uint64(part)})
			if errno != errnoOK {
				return done, unless(done, errno)
			}
			got := min(uint32(m.Length), part)
			if errno := c.store(v.at, m.Data[:got]); errno != errnoOK {
				return done, unless(done, errno)
			}
			done, offset, v.at, v.n = done+got, offset+uint64(got), v.at+got, v.n-got
			if got < part {
				return done, errnoOK // the end
			}
		}
	}
	return done, errnoOK
}

// unless drops the error of what was done in part: the next call meets it.
func unless(done uint32, errno Errno) Errno {
	if done > 0 {
		return errnoOK
	}
	return errno
}

// readBits gives the program the bits that a notification has signalled, as
// eight bytes; EAGAIN when there are none.
func (l *Layer) readBits(c *call, d *descriptor, list []vector) (uint32, Errno) {
	if len(list) == 0 || list[0].n < 8 {
		return 0, errnoInval
	}
	if errno := l.takeBits(d); errno != errnoOK {
		return 0, errno
	}
	if d.bits == 0 {
		return 0, errnoAgain
	}
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], d.bits)
	d.bits = 0
	return 8, c.store(list[0].at, b[:])
}

// fdWrite is fd_write.
func fdWrite(l *Layer, c *call) Errno {
	d, errno := l.at(c.u32(0))
	if errno != errnoOK {
		return errno
	}
	list, errno := l.vectors(c, c.u32(1), c.u32(2))
	if errno != errnoOK {
		return errno
	}
	if !c.writable(c.u32(3), 4) {
		return errnoFault
	}
	var n uint32
	switch d.kind {
	case kindOutput:
		n = l.writeOutput(c, d, list)
	case kindFile:
		n, d.offset, errno = l.writeFile(c, d, list, d.offset)
	case kindInput, kindFolder, kindNotification:
		return errnoBadf
	default:
		return errnoBadf
	}
	if errno != errnoOK {
		return errno
	}
	return c.put32(c.u32(3), n)
}

// fdPwrite is fd_pwrite.
func fdPwrite(l *Layer, c *call) Errno {
	d, errno := l.regular(c.u32(0))
	if errno != errnoOK {
		return errno
	}
	list, errno := l.vectors(c, c.u32(1), c.u32(2))
	if errno != errnoOK {
		return errno
	}
	if !c.writable(c.u32(4), 4) {
		return errnoFault
	}
	n, _, errno := l.writeFile(c, d, list, c.u64(3))
	if errno != errnoOK {
		return errno
	}
	return c.put32(c.u32(4), n)
}

func (l *Layer) writeOutput(c *call, d *descriptor, list []vector) uint32 {
	var n uint32
	for _, v := range list {
		if b, ok := c.memory.Slice(v.at, v.n); ok {
			l.output[d.stream].add(b) // which copies it
			n += v.n
		}
	}
	return n
}

// writeFile writes the buffers and returns how much, and the offset after it.
// What was written before something failed counts.
func (l *Layer) writeFile(c *call, d *descriptor, list []vector, offset uint64) (uint32, uint64, Errno) {
	if d.flags&ops.OpenWrite == 0 {
		return 0, offset, errnoBadf
	}
	var done uint32
	for _, v := range list {
		for v.n > 0 {
			part := min(v.n, abi.MessageBytesMax)
			b, ok := c.memory.Slice(v.at, part)
			if !ok {
				return done, offset, unless(done, errnoFault)
			}
			m, errno := l.ask(d.handle, ops.Request{Operation: ops.Write, A: offset, Data: b})
			if errno != errnoOK {
				return done, offset, unless(done, errno)
			}
			put := uint32(min(m.Words[ops.WordA], uint64(part)))
			offset = m.Words[ops.WordB]
			done, v.at, v.n = done+put, v.at+put, v.n-put
			if put < part {
				return done, offset, errnoOK
			}
		}
	}
	return done, offset, errnoOK
}

// regular returns the descriptor of a file, and why another is none.
func (l *Layer) regular(fd uint32) (*descriptor, Errno) {
	d, errno := l.at(fd)
	if errno != errnoOK {
		return nil, errno
	}
	switch d.kind {
	case kindFile:
		return d, errnoOK
	case kindFolder:
		return nil, errnoIsdir
	case kindInput, kindOutput, kindNotification:
		return nil, errnoSpipe
	default:
		return nil, errnoBadf
	}
}

// The ways to seek.
const (
	seekSet     = 0
	seekCurrent = 1
	seekEnd     = 2
)

// fdSeek is fd_seek.
func fdSeek(l *Layer, c *call) Errno {
	d, errno := l.regular(c.u32(0))
	if errno != errnoOK {
		return errno
	}
	if !c.writable(c.u32(3), 8) {
		return errnoFault
	}
	var base uint64
	switch c.u32(2) {
	case seekSet:
	case seekCurrent:
		base = d.offset
	case seekEnd:
		info, errno := l.stat(d.handle, ops.Request{Operation: ops.Stat})
		if errno != errnoOK {
			return errno
		}
		base = info.Size
	default:
		return errnoInval
	}
	// Both are at most FileBytesMax or wrap over it, so the sum tells.
	at := base + c.u64(1)
	if at > ops.FileBytesMax {
		return errnoInval
	}
	d.offset = at
	return c.put64(c.u32(3), at)
}

// fdTell is fd_tell.
func fdTell(l *Layer, c *call) Errno {
	d, errno := l.regular(c.u32(0))
	if errno != errnoOK {
		return errno
	}
	return c.put64(c.u32(1), d.offset)
}

// fdSync is fd_sync and fd_datasync.
func fdSync(l *Layer, c *call) Errno {
	d, errno := l.at(c.u32(0))
	if errno != errnoOK {
		return errno
	}
	switch d.kind {
	case kindFile, kindFolder:
		_, errno = l.ask(d.handle, ops.Request{Operation: ops.Sync})
		return errno
	case kindOutput:
		l.output[d.stream].flush()
		return errnoOK
	case kindInput, kindNotification:
		return errnoInval
	default:
		return errnoInval
	}
}

// fdAdvise is fd_advise: advice that is not taken, as is everyone's right.
func fdAdvise(l *Layer, c *call) Errno {
	if _, errno := l.regular(c.u32(0)); errno != errnoOK {
		return errno
	}
	if c.u32(3) > 5 {
		return errnoInval
	}
	return errnoOK
}

// fdAllocate is fd_allocate. It makes the file long enough and reserves
// nothing, so it does not promise that the disk has room, and says so.
func fdAllocate(l *Layer, c *call) Errno {
	if _, errno := l.regular(c.u32(0)); errno != errnoOK {
		return errno
	}
	return errnoNotsup
}

// fdSetSize is fd_filestat_set_size.
func fdSetSize(l *Layer, c *call) Errno {
	d, errno := l.regular(c.u32(0))
	if errno != errnoOK {
		return errno
	}
	if c.u64(1) > ops.FileBytesMax {
		return errnoFbig
	}
	_, errno = l.ask(d.handle, ops.Request{Operation: ops.Resize, A: c.u64(1)})
	return errno
}

// fdSetTimes is fd_filestat_set_times. The machine sets times by path.
func fdSetTimes(l *Layer, c *call) Errno {
	if _, errno := l.at(c.u32(0)); errno != errnoOK {
		return errno
	}
	return errnoNotsup
}

// fdFileStat is fd_filestat_get.
func fdFileStat(l *Layer, c *call) Errno {
	d, errno := l.at(c.u32(0))
	if errno != errnoOK {
		return errno
	}
	if d.kind != kindFile && d.kind != kindFolder {
		return c.storeStat(c.u32(1), d.fileType(), ops.Info{Links: 1})
	}
	info, errno := l.stat(d.handle, ops.Request{Operation: ops.Stat})
	if errno != errnoOK {
		return errno
	}
	return c.storeStat(c.u32(1), typeOf(info.Kind), info)
}

// stat asks what is known of a file or a folder.
func (l *Layer) stat(h abi.Handle, r ops.Request) (ops.Info, Errno) {
	m, errno := l.ask(h, r)
	if errno != errnoOK {
		return ops.Info{}, errno
	}
	info, ok := ops.ParseInfo(m.Payload())
	if !ok {
		return ops.Info{}, errnoIO
	}
	return info, errnoOK
}

func typeOf(k ops.Kind) uint8 {
	switch k {
	case ops.KindFile:
		return typeFile
	case ops.KindFolder:
		return typeFolder
	case ops.KindLink:
		return typeLink
	case ops.KindOther:
		return typeUnknown
	default:
		return typeUnknown
	}
}

// storeStat writes a filestat. Which disk it is on is not told.
func (c *call) storeStat(at uint32, fileType uint8, i ops.Info) Errno {
	var b [64]byte
	binary.LittleEndian.PutUint64(b[8:], i.ID)
	b[16] = fileType
	binary.LittleEndian.PutUint64(b[24:], i.Links)
	binary.LittleEndian.PutUint64(b[32:], i.Size)
	binary.LittleEndian.PutUint64(b[40:], i.Accessed)
	binary.LittleEndian.PutUint64(b[48:], i.Modified)
	binary.LittleEndian.PutUint64(b[56:], i.Changed)
	return c.store(at, b[:])
}
