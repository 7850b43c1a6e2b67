package worker

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"phios/abi"
	"phios/capsule"
	"phios/capsule/remote"
	"phios/capsule/wasm"
	"phios/platform"
	"phios/platform/host/share"
)

// Verb is the only argument of a process that is a worker.
const Verb = "phi-worker"

// socketDescriptor is where a worker finds its socket.
const socketDescriptor = 3

// The exit codes of a worker.
const (
	exitDone   = 0 // the node has closed the socket
	exitSocket = 3
	exitEngine = 4
	exitPacket = 5
)

// stopwatch is the engine's clock in a worker.
type stopwatch struct{ start time.Time }

// Now returns nanoseconds since the worker began.
func (s stopwatch) Now() int64 { return int64(time.Since(s.start)) } //nolint:forbidigo // a worker has no machine: this is its clock

func newStopwatch() stopwatch { return stopwatch{time.Now()} } //nolint:forbidigo // see Now

// inside is a worker as it sees itself. It believes what the node tells it.
type inside struct {
	conn   *net.UnixConn
	engine *wasm.Engine

	writing sync.Mutex

	mu      sync.Mutex
	inmates map[uint32]*inmate // guarded by mu; nil while one is being made
}

// Main is the whole life of a worker: main calls it when the only argument is
// Verb, and exits with the code that it returns when the node has gone. Where
// nobody has set up a worker it returns 3 at once.
func Main() int {
	conn, err := connection(os.NewFile(socketDescriptor, "worker socket"))
	if err != nil {
		complain(err)
		return exitSocket
	}
	engine, err := wasm.New(wasm.Config{CacheDir: cacheInside, Clock: newStopwatch()})
	if err != nil {
		complain(err)
		return exitEngine
	}
	warmUp()
	i := &inside{conn: conn, engine: engine, inmates: map[uint32]*inmate{}}
	i.answer(&packet{operation: opHello})
	return i.listen()
}

// nothing is the smallest program there is: a memory, and a start that does
// nothing.
const nothing = "\x00asm\x01\x00\x00\x00" + // magic, version
	"\x01\x04\x01\x60\x00\x00" + // one type: () -> ()
	"\x03\x02\x01\x00" + // one function of it
	"\x05\x03\x01\x00\x01" + // one memory, of at least a page
	"\x07\x13\x02\x06memory\x02\x00\x06_start\x00\x00" + // exported, both
	"\x0a\x04\x01\x02\x00\x0b" // the function's body

// warmUp runs a program that does nothing, so that the engine's code is in
// memory before somebody waits for it: a worker that is spare has the time. It
// does not matter whether it succeeds.
func warmUp() {
	engine, err := wasm.New(wasm.Config{Clock: newStopwatch()})
	if err != nil {
		return
	}
	defer engine.Close()
	image, err := engine.Install([]byte(nothing))
	if err != nil {
		return
	}
	if program, err := image.Start(capsule.Spec{Name: "warm-up", Door: noDoor{}}); err == nil {
		program.Run()
		program.Close()
	}
}

// noDoor leads nowhere.
type noDoor struct{}

func (noDoor) Invoke(abi.Handle, abi.Call, *abi.Args) abi.Status { return abi.StatusBadHandle }
func (noDoor) Named(string) (abi.Handle, abi.Status)             { return 0, abi.StatusBadHandle }
func (noDoor) Charge(abi.Resource, uint64) abi.Status            { return abi.StatusOK }
func (noDoor) Alive() bool                                       { return true }

// complain tells whoever looks at the pool's Stderr.
func complain(err error) { _, _ = fmt.Fprintln(os.Stderr, "phi worker:", err) } // there is nowhere else to say it

// listen does what the node asks. What takes long gets a goroutine, so that
// windows can be taken away at any time.
func (i *inside) listen() int {
	buffer := make([]byte, packetBytesMax+1)
	rights := make([]byte, syscall.CmsgSpace(4*packetFilesMax))
	for {
		n, nr, _, _, err := i.conn.ReadMsgUnix(buffer, rights)
		if err != nil {
			return exitDone
		}
		files, err := descriptors(rights[:nr])
		var p packet
		if err != nil || !p.decode(buffer[:n]) {
			complain(errors.Join(err, errors.New("the node sent what is no packet")))
			return exitPacket
		}
		i.do(&p, files)
	}
}

// descriptors takes the files that came with a packet.
func descriptors(rights []byte) ([]*os.File, error) {
	messages, err := syscall.ParseSocketControlMessage(rights)
	if err != nil {
		return nil, fmt.Errorf("descriptors: %w", err)
	}
	var files []*os.File
	for _, m := range messages {
		fds, err := syscall.ParseUnixRights(&m)
		if err != nil {
			return nil, fmt.Errorf("descriptors: %w", err)
		}
		for _, fd := range fds {
			files = append(files, os.NewFile(uintptr(fd), "from the node"))
		}
	}
	return files, nil
}

// do does one thing. It closes the files.
func (i *inside) do(p *packet, files []*os.File) {
	// The rest is quick.
	//exhaustive:ignore
	switch p.operation {
	case opStart:
		order := *p
		order.payload = append([]byte(nil), p.payload...)
		go i.start(&order, files)
		return
	case opStop, opClose, opFreeze:
		order := *p
		order.payload = nil
		go i.slow(&order, files)
		return
	}
	a := packet{operation: p.operation, number: p.number, capsule: p.capsule, status: abi.StatusPeerDead}
	if in := i.inmate(p.capsule); in != nil {
		a.status = in.quick(p, &a, files)
	}
	closeAll(files)
	i.answer(&a)
}

func closeAll(files []*os.File) {
	for _, f := range files {
		closeFile(f)
	}
}

// inmate returns a capsule of this worker, nil when there is none.
func (i *inside) inmate(id uint32) *inmate {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.inmates[id]
}

// answer sends an answer. When that fails the node has gone, and listen will
// find out.
func (i *inside) answer(p *packet) {
	i.writing.Lock()
	defer i.writing.Unlock()
	_, _, err := i.conn.WriteMsgUnix(p.encode(nil), nil, nil)
	if err != nil {
		complain(err)
	}
}

// start makes a capsule and lets it run.
func (i *inside) start(p *packet, files []*os.File) {
	a := packet{operation: p.operation, number: p.number, capsule: p.capsule}
	in, err := i.make(p.payload, files)
	closeAll(files)
	if err != nil {
		a.status, a.payload = abi.StatusState, []byte(err.Error())
		a.payload = a.payload[:min(len(a.payload), payloadBytesMax)]
		i.answer(&a)
		return
	}
	i.mu.Lock()
	i.inmates[p.capsule] = in
	i.mu.Unlock()
	i.answer(&a)
	in.live()
}

// make makes a capsule from what the node has sent.
func (i *inside) make(payload []byte, files []*os.File) (*inmate, error) {
	var t ticket
	var hash wasm.Hash
	if err := json.Unmarshal(payload, &t); err != nil {
		return nil, fmt.Errorf("what it is started with: %w", err)
	}
	if n, err := hex.Decode(hash[:], []byte(t.Hash)); err != nil || n != len(hash) || len(files) == 0 {
		return nil, errors.New("what it is started with: no hash, or no rings")
	}
	image, err := i.engine.Load(hash)
	if err != nil {
		return nil, err //nolint:wrapcheck // it says all
	}
	rings, err := share.Map(files[0], remote.RingsBytes)
	if err != nil {
		return nil, err //nolint:wrapcheck // it says all
	}
	link, err := remote.NewRings(rings, remote.SideProgram)
	if err != nil {
		return nil, errors.Join(err, share.Unmap(rings))
	}
	in := &inmate{link: link, rings: rings, door: remote.NewDoor(link), done: make(chan struct{})}
	spec := capsule.Spec{
		Name: t.Name, Door: in.door, Argument: t.Argument, Args: t.Args, Env: t.Env,
		MemoryBytesMax: t.MemoryBytesMax, Output: in.door.Output,
	}
	if len(files) > 1 {
		spec.Frozen = files[1]
	}
	if in.program, err = image.Start(spec); err != nil {
		return nil, errors.Join(err, share.Unmap(rings))
	}
	return in, nil
}

// slow does what waits for a program.
func (i *inside) slow(p *packet, files []*os.File) {
	a := packet{operation: p.operation, number: p.number, capsule: p.capsule}
	in := i.inmate(p.capsule)
	switch {
	case in == nil:
		a.status = abi.StatusPeerDead
	case p.operation == opFreeze:
		if len(files) == 0 {
			a.status = abi.StatusBadArgument
		} else if err := in.program.Freeze(files[0]); err != nil {
			a.status, a.payload = abi.StatusUnsupported, []byte(err.Error())
		}
	case p.operation == opStop:
		in.stop()
	default:
		i.mu.Lock()
		delete(i.inmates, p.capsule)
		i.mu.Unlock()
		in.stop()
		in.close()
	}
	closeAll(files)
	i.answer(&a)
}

// inmate is a capsule of this worker.
type inmate struct {
	link    *remote.Rings
	rings   []byte
	door    *remote.Door
	program *wasm.Instance
	done    chan struct{} // closed when nothing of it runs

	closing sync.Once
}

// live runs the program, and then its handler for each message.
func (in *inmate) live() {
	defer close(in.done)
	exit := in.program.Run()
	if !exit.OK() || !in.program.Serves() {
		_ = in.door.Exit(exit) // a node that has gone is not told
		return
	}
	_ = in.door.Ready() // nor asked
	var m abi.Message
	for in.door.Await(&m) == abi.StatusOK {
		status := in.program.Serve(in.door, &m)
		if exit, over := in.program.Ended(); over {
			_ = in.door.Exit(exit)
			return
		}
		_ = in.door.Answer(&m, status)
	}
}

// stop ends the program and waits for that.
func (in *inmate) stop() {
	in.program.Stop()
	in.door.Kill()
	in.link.Sever()
	<-in.done
}

// close gives back what a stopped program had.
func (in *inmate) close() {
	in.closing.Do(func() {
		in.program.Close()
		_ = share.Unmap(in.rings) // what Map has mapped can be unmapped
	})
}

// quick does what takes no time, and fills in the answer.
func (in *inmate) quick(p, a *packet, files []*os.File) abi.Status {
	memory := in.program.Memory()
	// The rest is slow, or nothing.
	//exhaustive:ignore
	switch p.operation {
	case opPlace:
		if len(files) != 1 {
			return abi.StatusBadArgument
		}
		return memory.Map(p.words[0], int(files[0].Fd()), p.words[1], p.words[2], platform.Access(p.access))
	case opZero:
		memory.Clear(p.words[0], p.words[1])
	case opRemove:
		memory.Remove(p.words[0], p.words[1])
	case opDirtied:
		a.words[0] = memory.Dirtied(p.words[0], p.words[1])
	case opUsage:
		u := in.program.Usage()
		a.words = [packetWords]uint64{u.MemoryBytes, u.CPUNanoseconds, u.Calls}
	default:
		return abi.StatusBadCall
	}
	return abi.StatusOK
}
