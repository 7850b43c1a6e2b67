package wasi

import (
	"encoding/binary"

	"phios/capsule/ambient/ops"
)

// folderPath returns the folder of a number and a path, by the parameters that
// they are in.
func (l *Layer) folderPath(c *call, fd, at, n int) (*descriptor, string, Errno) {
	d, errno := l.of(c.u32(fd), kindFolder, errnoNotdir)
	if errno != errnoOK {
		return nil, "", errno
	}
	p, errno := c.path(c.u32(at), c.u32(n))
	if errno != errnoOK {
		return nil, "", errno
	}
	if len(p) > ops.PathBytesMax {
		return nil, "", errnoNametoolong
	}
	return d, p, errnoOK
}

// doPath does an operation that takes a folder, a path and nothing else.
func doPath(operation ops.Operation) func(l *Layer, c *call) Errno {
	return func(l *Layer, c *call) Errno {
		d, p, errno := l.folderPath(c, 0, 1, 2)
		if errno != errnoOK {
			return errno
		}
		_, errno = l.ask(d.handle, ops.Request{Operation: operation, Data: []byte(p)})
		return errno
	}
}

// The flags and rights of path_open.
const (
	openCreate    = 1 << 0
	openFolder    = 1 << 1
	openExclusive = 1 << 2
	openTruncate  = 1 << 3
	openFlagsAll  = openCreate | openFolder | openExclusive | openTruncate
	lookupFollow  = 1 << 0
	rightRead     = 1 << 1
	rightWrite    = 1 << 6
)

// openFlags translates what path_open asks for.
func openFlags(follow, how, flags uint32, rights uint64) (ops.OpenFlags, Errno) {
	if how&^openFlagsAll != 0 || flags&^flagsAll != 0 {
		return 0, errnoInval
	}
	if flags&(flagDsync|flagRsync|flagSync) != 0 {
		return 0, errnoNotsup // fd_sync asks for it when it matters
	}
	var f ops.OpenFlags
	set := func(on bool, flag ops.OpenFlags) {
		if on {
			f |= flag
		}
	}
	folder := how&openFolder != 0
	set(folder, ops.OpenFolder)
	set(follow&lookupFollow == 0, ops.OpenNoFollow)
	set(how&openCreate != 0, ops.OpenCreate)
	set(how&openExclusive != 0 && how&openCreate != 0, ops.OpenExclusive)
	set(how&openTruncate != 0, ops.OpenTruncate)
	set(flags&flagAppend != 0, ops.OpenAppend)
	// Libraries ask for every right when they open a folder.
	set(rights&rightRead != 0, ops.OpenRead)
	set(rights&rightWrite != 0 && !folder, ops.OpenWrite)
	if folder && f&ops.Changes != 0 {
		return 0, errnoInval
	}
	return f, errnoOK
}

// pathOpen is path_open.
func pathOpen(l *Layer, c *call) Errno {
	folder, p, errno := l.folderPath(c, 0, 2, 3)
	if errno != errnoOK {
		return errno
	}
	flags, errno := openFlags(c.u32(1), c.u32(4), c.u32(7), c.u64(5))
	if errno != errnoOK {
		return errno
	}
	if !c.writable(c.u32(8), 4) {
		return errnoFault
	}
	fd, ok := l.room()
	if !ok {
		return errnoMfile
	}
	m, errno := l.ask(folder.handle, ops.Request{Operation: ops.Open, A: uint64(flags), Data: []byte(p)})
	if errno != errnoOK {
		return errno
	}
	k := ops.Kind(min(m.Words[ops.WordA], 255))
	if m.HandleCount != 1 || k != ops.KindFile && k != ops.KindFolder {
		l.dropAll(m)
		return errnoIO
	}
	d := &descriptor{kind: kindFolder, handle: m.Handles[0], opened: true}
	if k == ops.KindFile {
		d.kind, d.flags = kindFile, flags
	}
	l.table[fd] = d
	return c.put32(c.u32(8), fd)
}

// pathFileStat is path_filestat_get.
func pathFileStat(l *Layer, c *call) Errno {
	d, p, errno := l.folderPath(c, 0, 2, 3)
	if errno != errnoOK {
		return errno
	}
	info, errno := l.stat(d.handle, ops.Request{Operation: ops.Stat, A: uint64(c.u32(1) & lookupFollow), Data: []byte(p)})
	if errno != errnoOK {
		return errno
	}
	return c.storeStat(c.u32(4), typeOf(info.Kind), info)
}

// The flags of the functions that set times.
const (
	timeAccessed    = 1 << 0
	timeAccessedNow = 1 << 1
	timeModified    = 1 << 2
	timeModifiedNow = 1 << 3
	timeFlagsAll    = timeAccessed | timeAccessedNow | timeModified | timeModifiedNow
)

// pathSetTimes is path_filestat_set_times. Now is what the program's clock
// says; one without a clock sets no time that it does not know.
func pathSetTimes(l *Layer, c *call) Errno {
	d, p, errno := l.folderPath(c, 0, 2, 3)
	if errno != errnoOK {
		return errno
	}
	flags := c.u32(6)
	if flags&^timeFlagsAll != 0 || flags&(timeAccessed|timeAccessedNow) == timeAccessed|timeAccessedNow ||
		flags&(timeModified|timeModifiedNow) == timeModified|timeModifiedNow {
		return errnoInval
	}
	r := ops.Request{Operation: ops.SetTimes, A: ops.TimeKeep, B: ops.TimeKeep, Data: []byte(p)}
	if flags&(timeAccessedNow|timeModifiedNow) != 0 {
		if _, ok := l.named(NameClock); !ok {
			return errnoNotcapable
		}
		now, errno := l.now(clockRealtime)
		if errno != errnoOK {
			return errno
		}
		if flags&timeAccessedNow != 0 {
			r.A = now
		}
		if flags&timeModifiedNow != 0 {
			r.B = now
		}
	}
	if flags&timeAccessed != 0 {
		r.A = c.u64(4)
	}
	if flags&timeModified != 0 {
		r.B = c.u64(5)
	}
	_, errno = l.ask(d.handle, r)
	return errno
}

// pathRename is path_rename. Both paths must start from one folder: a request
// goes through one capability. EXDEV is what programs expect where a name
// cannot be moved, and copy then.
func pathRename(l *Layer, c *call) Errno {
	from, old, errno := l.folderPath(c, 0, 1, 2)
	if errno != errnoOK {
		return errno
	}
	to, name, errno := l.folderPath(c, 3, 4, 5)
	if errno != errnoOK {
		return errno
	}
	if from.handle != to.handle {
		return errnoXdev
	}
	_, errno = l.ask(from.handle, ops.Request{Operation: ops.Rename, A: uint64(len(old)), Data: []byte(old + name)})
	return errno
}

// pathReadLink is path_readlink. A longer target is cut, as readlink does.
func pathReadLink(l *Layer, c *call) Errno {
	d, p, errno := l.folderPath(c, 0, 1, 2)
	if errno != errnoOK {
		return errno
	}
	if !c.writable(c.u32(3), c.u32(4)) || !c.writable(c.u32(5), 4) {
		return errnoFault
	}
	m, errno := l.ask(d.handle, ops.Request{Operation: ops.ReadLink, Data: []byte(p)})
	if errno != errnoOK {
		return errno
	}
	target := m.Payload()
	target = target[:min(uint32(len(target)), c.u32(4))] //nolint:gosec // G115: at most MessageBytesMax
	if errno := c.store(c.u32(3), target); errno != errnoOK {
		return errno
	}
	return c.put32(c.u32(5), uint32(len(target))) //nolint:gosec // G115: at most MessageBytesMax
}

// noLinks is path_link and path_symlink. A program that makes links decides
// what other programs of this machine, which follow them, will open.
func noLinks(*Layer, *call) Errno { return errnoNotsup }

// fdReadFolder is fd_readdir. The cookie is the place in the server's list,
// plus nothing: zero begins anew. Entries are cut at the end of the buffer,
// which tells the program that there are more.
func fdReadFolder(l *Layer, c *call) Errno {
	d, errno := l.of(c.u32(0), kindFolder, errnoNotdir)
	if errno != errnoOK {
		return errno
	}
	at, room, cookie := c.u32(1), c.u32(2), c.u64(3)
	if !c.writable(at, room) || !c.writable(c.u32(4), 4) {
		return errnoFault
	}
	if cookie > ops.EntriesMax {
		return errnoInval
	}
	var used uint32
	for used < room {
		m, errno := l.ask(d.handle, ops.Request{Operation: ops.List, A: cookie})
		if errno != errnoOK {
			return errno
		}
		n, entries, errno := c.storeEntries(at+used, room-used, cookie, m.Payload())
		if errno != errnoOK {
			return errno
		}
		if entries == 0 {
			break
		}
		used, cookie = used+n, cookie+entries
	}
	return c.put32(c.u32(4), used)
}

// storeEntries writes what fits of a list, and returns how many bytes and how
// many entries that are.
func (c *call) storeEntries(at, room uint32, cookie uint64, list []byte) (used uint32, entries uint64, errno Errno) {
	for len(list) > 0 && used < room {
		e, rest, ok := ops.ParseEntry(list)
		if !ok {
			return used, entries, errnoIO
		}
		list = rest
		entries++
		var b [24 + ops.NameBytesMax]byte
		binary.LittleEndian.PutUint64(b[0:], cookie+entries)
		binary.LittleEndian.PutUint32(b[16:], uint32(len(e.Name))) //nolint:gosec // G115: at most NameBytesMax
		b[20] = typeOf(e.Kind)
		n := uint32(24 + copy(b[24:], e.Name)) //nolint:gosec // G115: at most NameBytesMax more
		n = min(n, room-used)
		if errno := c.store(at+used, b[:n]); errno != errnoOK {
			return used, entries, errno
		}
		used += n
	}
	return used, entries, errnoOK
}
