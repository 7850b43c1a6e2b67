package bench

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"

	"phios/abi"
	"phios/platform"
	"phios/platform/host"
	"phios/platform/host/ring"
)

const (
	ringFaster  = 10 // times, than a Unix socket
	ringTimeout = 10 * time.Second
	// The kinds of peer, and the descriptor that each is given.
	peerRing       = "ring"
	peerSocket     = "socket"
	peerDescriptor = 3
)

// geometry is the shape of each of the two rings.
func geometry() ring.Geometry { return ring.Geometry{MessageBytes: 64, Slots: 16} }

// ringBytes is what each ring takes of the shared memory, in whole pages.
func ringBytes() int {
	return (geometry().Bytes() + platform.PageBytes - 1) &^ (platform.PageBytes - 1)
}

var (
	errNoPeer   = errors.New("no command is given that starts the other process")
	errPeerKind = errors.New("the other process is asked for something that it does not do")
)

// Peer is the other process of the measurements between two: it answers with
// what it is sent until its parent goes. kind is what [Kernel] has added to
// [Options.Peer]; what to answer on is its descriptor 3.
func Peer(kind string) error {
	switch kind {
	case peerRing:
		return echoRing()
	case peerSocket:
		return echoSocket()
	default:
		return fmt.Errorf("%w: %q", errPeerKind, kind)
	}
}

// ends lays both ends over the memory: what this side sends is in the first
// half when it is the parent, and in the second when it is the child.
func ends(sending, receiving []byte) (*ring.Producer, *ring.Consumer, error) {
	p, err := ring.NewProducer(sending, geometry())
	if err != nil {
		return nil, nil, err
	}
	c, err := ring.NewConsumer(receiving, geometry())
	return p, c, err
}

func echoRing() error {
	// Where there is but one processor, both share it, and the figure shows it.
	if undo, err := host.PinThread(1); err == nil {
		defer undo()
	}
	memory, err := syscall.Mmap(peerDescriptor, 0, 2*ringBytes(), syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	if err != nil {
		return fmt.Errorf("map the ring: %w", err)
	}
	p, c, err := ends(memory[ringBytes():], memory[:ringBytes()])
	if err != nil {
		return err
	}
	message := make([]byte, geometry().MessageBytes)
	for parent := os.Getppid(); ; {
		switch status := c.Receive(message, ringTimeout); {
		case status == abi.StatusPeerDead:
			return nil
		case status == abi.StatusTimeout && os.Getppid() == parent:
			continue // other families are being measured
		case status != abi.StatusOK:
			return status
		}
		if status := p.Send(message, ringTimeout); status != abi.StatusOK {
			return status
		}
	}
}

func echoSocket() error {
	message := make([]byte, geometry().MessageBytes)
	for {
		n, err := syscall.Read(peerDescriptor, message)
		if err != nil || n == 0 {
			return err
		}
		if _, err := syscall.Write(peerDescriptor, message[:n]); err != nil {
			return fmt.Errorf("answer: %w", err)
		}
	}
}

// start starts the other process with a file as its descriptor 3. It ends when
// what it answers on is closed; stop waits for that.
func (m *meter) start(kind string, file *os.File) (stop func(), err error) {
	if len(m.peer) == 0 {
		return nil, errNoPeer
	}
	arguments := append(append([]string(nil), m.peer[1:]...), kind)
	command := exec.CommandContext(m.ctx, m.peer[0], arguments...) //nolint:gosec // G204: the program itself
	command.Stderr = os.Stderr
	command.ExtraFiles = []*os.File{file}
	if err := command.Start(); err != nil {
		return nil, fmt.Errorf("start the other process: %w", err)
	}
	return func() {
		timer := time.AfterFunc(time.Second, func() { _ = command.Process.Kill() })
		defer timer.Stop()
		_ = command.Wait() // what went wrong in it has shown in the measurement
	}, nil
}

// ringPair shares memory with another process and returns the round trip.
func (m *meter) ringPair(machine *host.Machine) (trip work, stop func(), err error) {
	base, _ := machine.Arena()
	size := uint64(2 * ringBytes())
	backing, status := machine.Create(base, size, false)
	if status != abi.StatusOK {
		return nil, nil, status
	}
	memory, status := machine.Bytes(platform.SpaceKernel, base, size)
	if status != abi.StatusOK {
		return nil, nil, status
	}
	descriptor, _ := machine.Descriptor(backing)
	own, err := syscall.Dup(descriptor)
	if err != nil {
		return nil, nil, fmt.Errorf("share the memory: %w", err)
	}
	file := os.NewFile(uintptr(own), "ring")
	defer func() { _ = file.Close() }()
	p, c, err := ends(memory[:ringBytes()], memory[ringBytes():])
	if err != nil {
		return nil, nil, err
	}
	wait, err := m.start(peerRing, file)
	if err != nil {
		return nil, nil, err
	}
	message := make([]byte, geometry().MessageBytes)
	trip = func(n int) abi.Status {
		for range n {
			if status := p.Send(message, ringTimeout); status != abi.StatusOK {
				return status
			}
			if status := c.Receive(message, ringTimeout); status != abi.StatusOK {
				return status
			}
		}
		return abi.StatusOK
	}
	return trip, func() { p.Close(); wait() }, nil
}

// apart ties the measuring thread to another processor than the peer's.
func apart(trip work) work {
	return func(n int) abi.Status {
		if undo, err := host.PinThread(0); err == nil {
			defer undo()
		}
		return trip(n)
	}
}

// socketPair connects another process by a socket of whole messages and
// returns the round trip: blocking reads and writes, the best a socket does.
func (m *meter) socketPair() (trip work, stop func(), err error) {
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_SEQPACKET|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("make a socket: %w", err)
	}
	file := os.NewFile(uintptr(pair[1]), "socket")
	wait, err := m.start(peerSocket, file)
	_ = file.Close()
	if err != nil {
		_ = syscall.Close(pair[0])
		return nil, nil, err
	}
	message := make([]byte, geometry().MessageBytes)
	trip = func(n int) abi.Status {
		for range n {
			if _, err := syscall.Write(pair[0], message); err != nil {
				return abi.StatusPeerDead
			}
			if got, err := syscall.Read(pair[0], message); err != nil || got != len(message) {
				return abi.StatusPeerDead
			}
		}
		return abi.StatusOK
	}
	return trip, func() { _ = syscall.Close(pair[0]); wait() }, nil
}

// ringRows measures a round trip to another process, by ring and by socket.
// Both processes are this program. For the ring each is tied to a processor of
// its own, since two that share one measure how Linux switches; the socket is
// faster when Linux may wake the reader where the writer is, and so is left
// free.
func ringRows(m *meter) ([]Row, error) {
	machine, err := host.New(host.Config{})
	if err != nil {
		return nil, err
	}
	defer machine.Close()
	rings, stopRings, err := m.ringPair(machine)
	if err != nil {
		return nil, err
	}
	defer stopRings()
	sockets, stopSockets, err := m.socketPair()
	if err != nil {
		return nil, err
	}
	defer stopSockets()
	all, err := m.interleave(apart(rings), sockets)
	if err != nil {
		return nil, err
	}
	const peer = "Unix socket (SEQPACKET)"
	ratio := all[1].over(all[0])
	return []Row{
		inform("ring: round trip between two processes, 64 B", all[0].median(), unitNS).against(peer, all[1].median(), ratio),
		atLeast("ring: times faster than a Unix socket", peer, ratio, ringFaster),
	}, nil
}
