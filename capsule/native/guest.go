package native

import (
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"

	"phios/abi"
	"phios/platform"
	"phios/platform/host"
)

// windowsMax is how many regions one program maps.
const windowsMax = 256

// guest is the address space of a native program: a list of the windows whose
// descriptors it has, or will get with the next answer.
type guest struct {
	machine *host.Machine
	// die kills the program and returns when nothing of it runs.
	die func()

	mu      sync.Mutex
	windows map[uint64]*window // guarded by mu, by address
}

// window is a region that the program maps.
type window struct {
	bytes uint64
	file  *os.File // until it was sent
}

var _ host.Guest = (*guest)(nil)

// Place notes a window; its descriptor goes along with the answer.
func (g *guest) Place(v platform.View) abi.Status {
	if g.machine == nil {
		return abi.StatusUnsupported
	}
	if v.Address%platform.PageBytes != 0 || v.Address+v.Bytes < v.Address {
		return abi.StatusRange
	}
	file, status := g.open(v)
	if status != abi.StatusOK {
		return status
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for address, w := range g.windows {
		if v.Address < address+w.bytes && address < v.Address+v.Bytes {
			status = abi.StatusOverlap
		}
	}
	if len(g.windows) >= windowsMax {
		status = abi.StatusLimit
	}
	if status != abi.StatusOK {
		_ = file.Close() // nothing was written
		return status
	}
	g.windows[v.Address] = &window{v.Bytes, file}
	return abi.StatusOK
}

// open returns a descriptor of a view, which must be of the whole region:
// StatusUnsupported when it is not.
func (g *guest) open(v platform.View) (*os.File, abi.Status) {
	var file *os.File
	if v.Access == platform.AccessShared {
		fd, ok := g.machine.Descriptor(v.Backing)
		if !ok {
			return nil, abi.StatusBadArgument
		}
		own, err := syscall.Dup(fd)
		if err != nil {
			return nil, abi.StatusLimit
		}
		syscall.CloseOnExec(own)
		file = os.NewFile(uintptr(own), "region")
	} else {
		var err error
		if file, err = g.machine.OpenReadOnly(v.Backing); err != nil {
			return nil, abi.StatusLimit
		}
	}
	stat, err := file.Stat()
	// A file that was imported may end within its last page.
	if err != nil || v.Offset != 0 || (stat.Size()+platform.PageBytes-1)&^(platform.PageBytes-1) != int64(v.Bytes) { //nolint:gosec // G115: bounded by the arena
		_ = file.Close() // nothing was written
		return nil, abi.StatusUnsupported
	}
	return file, abi.StatusOK
}

// Remove takes a window away that was not delivered. One that was, and the
// program could go on using behind the kernel's back, costs it its life.
func (g *guest) Remove(address, bytes uint64) { g.end(address, bytes) }

// Zero is Remove: when it returns nobody uses the window any more.
func (g *guest) Zero(address, bytes uint64) { g.end(address, bytes) }

func (g *guest) end(address, bytes uint64) {
	delivered := false
	g.mu.Lock()
	for at, w := range g.windows {
		if at >= address+bytes || address >= at+w.bytes {
			continue
		}
		delete(g.windows, at)
		if w.file == nil {
			delivered = true
		} else {
			_ = w.file.Close() // nothing was written
		}
	}
	g.mu.Unlock()
	if delivered {
		g.die()
	}
}

// Dirtied returns zero: the copies are pages of the program's own memory, which
// its cgroup counts.
func (g *guest) Dirtied(uint64, uint64) uint64 { return 0 }

// take returns the descriptors that wait for an answer to go along with.
func (g *guest) take() []*os.File {
	g.mu.Lock()
	defer g.mu.Unlock()
	var files []*os.File
	for _, w := range g.windows {
		if w.file != nil {
			files = append(files, w.file)
			w.file = nil
		}
	}
	return files
}

// close forgets all windows; the program is dead.
func (g *guest) close() {
	for _, file := range g.take() {
		_ = file.Close() // nothing was written
	}
	g.mu.Lock()
	clear(g.windows)
	g.mu.Unlock()
}

// conn is the node's end of the connection. It sends descriptors along with
// what is written, and notes when the program lets go.
type conn struct {
	*net.UnixConn

	guest *guest
	ended atomic.Bool
}

// Read receives, and notes the end.
func (c *conn) Read(b []byte) (int, error) {
	n, err := c.UnixConn.Read(b)
	if err != nil {
		c.ended.Store(true)
	}
	return n, err //nolint:wrapcheck // an io.Reader's
}

// Write sends b and the descriptors that wait.
func (c *conn) Write(b []byte) (int, error) {
	files := c.guest.take()
	if len(files) == 0 {
		n, err := c.UnixConn.Write(b)
		if err != nil {
			c.ended.Store(true)
		}
		return n, err //nolint:wrapcheck // an io.Writer's
	}
	numbers := make([]int, len(files))
	for i, file := range files {
		numbers[i] = int(file.Fd())
	}
	n, _, err := c.WriteMsgUnix(b, syscall.UnixRights(numbers...), nil)
	for _, file := range files {
		_ = file.Close() // nothing was written
	}
	if err == nil && n < len(b) {
		var more int
		more, err = c.UnixConn.Write(b[n:])
		n += more
	}
	if err != nil {
		c.ended.Store(true)
	}
	return n, err //nolint:wrapcheck // an io.Writer's
}
