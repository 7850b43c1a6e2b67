// Package native runs any executable as a capsule: the tier for Python, Node
// and whatever else is not WebAssembly.
//
// A program is a process in a jail (platform/host/jail). It sees the system's
// programs and libraries and its own folder, all read-only, a small /tmp, and
// nothing else of the machine. Descriptor 3, whose number the variable PHI_FD
// repeats, is a Unix stream socket over which it speaks to the kernel: frames
// of package abi with their length before them, as capsule/remote says.
//
// # Windows
//
// Whoever maps a region gets its descriptor, which arrives with the first byte
// of the answer; the address in the call is a number that the program chooses,
// a multiple of the page, and that names the window from then on. The
// descriptor shows all of the region, so only all of it can be mapped; a part
// is read and written by calls. Nobody can take a descriptor back: where a
// window ends, because it was revoked or because the program gave it up, the
// process is killed, and the end of the window is the death of the process. A
// program that wants to live on reads and writes by calls.
//
// Lock order: Program.mu is held for nothing but its fields; the guest's mu too.
//
// Ledger: S4, S22-ABI, S44.
package native

import (
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"syscall"

	"phios/capsule"
	"phios/platform/host"
	"phios/platform/host/jail"
)

// Limits of a native program, where the configuration gives none.
const (
	ProcessesDefault      = 128
	TemporaryBytesDefault = 16 << 20
	MemoryBytesDefault    = 256 << 20
)

// Config says what is the same for all programs of the tier.
type Config struct {
	// Machine is where regions lie that programs map; nil maps none.
	Machine *host.Machine
	// ProcessesMax is how many processes and threads a program may have.
	ProcessesMax int
	// CPUPercent is how much of one processor it may use; zero is all
	// processors. Its budget limits it besides.
	CPUPercent int
	// TemporaryBytes is the size of its /tmp.
	TemporaryBytes uint64
	// Folders are shown besides the system's own.
	Folders []jail.Bind
}

// Tier starts native programs. It has no state of its own.
type Tier struct{ config Config }

// New makes the tier.
func New(c Config) *Tier {
	if c.ProcessesMax == 0 {
		c.ProcessesMax = ProcessesDefault
	}
	if c.CPUPercent == 0 {
		c.CPUPercent = 100 * runtime.NumCPU()
	}
	if c.TemporaryBytes == 0 {
		c.TemporaryBytes = TemporaryBytesDefault
	}
	return &Tier{c}
}

// Start starts the command of a spec behind its walls. An error says what is
// missing; then nothing is left running. The caller closes the program.
func (t *Tier) Start(spec capsule.Spec) (capsule.Program, error) { //nolint:gocritic // hugeParam: once a program
	if len(spec.Command) == 0 {
		return nil, fmt.Errorf("capsule %s: no command: give one in its manifest", spec.Name)
	}
	if spec.Frozen != nil {
		return nil, fmt.Errorf("capsule %s: native programs cannot be frozen or thawed: start it anew", spec.Name)
	}
	if spec.Require.Has(capsule.WallSandbox) {
		return nil, fmt.Errorf("capsule %s: it requires WebAssembly's sandbox, and a native program has none: run it in another tier", spec.Name)
	}
	config, err := t.jail(&spec)
	if err != nil {
		return nil, fmt.Errorf("capsule %s: %w", spec.Name, err)
	}
	p := &Program{spec: spec, stopping: make(chan struct{})}
	if err := p.start(config, t.config.Machine); err != nil {
		return nil, fmt.Errorf("capsule %s: %w", spec.Name, err)
	}
	return p, nil
}

// jail says how the process of a spec is started.
func (t *Tier) jail(spec *capsule.Spec) (*jail.Config, error) {
	program, folders, err := resolve(spec)
	if err != nil {
		return nil, err
	}
	memory := spec.MemoryBytesMax
	if memory == 0 {
		memory = MemoryBytesDefault
	}
	config := &jail.Config{
		Name:           spec.Name,
		Require:        jail.Walls(spec.Require),
		Folders:        append(append(systemFolders(), folders...), t.config.Folders...),
		Devices:        []string{"/dev/null", "/dev/zero", "/dev/urandom"},
		TemporaryBytes: t.config.TemporaryBytes,
		Command:        append(append([]string{program}, spec.Command[1:]...), spec.Args...),
		Env:            environment(spec.Env),
		MemoryBytes:    memory,
		ProcessesMax:   t.config.ProcessesMax,
		CPUPercent:     t.config.CPUPercent,
	}
	if spec.Folder != "" {
		config.Folder = workFolder
	}
	return config, nil
}

// environment is what a program finds besides what it was given, which comes
// last and so wins.
func environment(own []string) []string {
	return append([]string{"PATH=" + systemPath, "HOME=/tmp", "LANG=C.UTF-8", "PHI_FD=3"}, own...)
}

// connect returns the node's end of a new connection and the program's.
func connect() (*net.UnixConn, *os.File, error) {
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("make a pair of sockets: %w", err)
	}
	ours, theirs := os.NewFile(uintptr(pair[0]), "node"), os.NewFile(uintptr(pair[1]), "program")
	conn, err := net.FileConn(ours)
	_ = ours.Close() // conn has a copy
	if err != nil {
		_ = theirs.Close() // nothing was written
		return nil, nil, fmt.Errorf("use a socket: %w", err)
	}
	stream, ok := conn.(*net.UnixConn)
	if !ok {
		return nil, nil, errors.Join(errors.New("a Unix socket is none"), conn.Close(), theirs.Close())
	}
	return stream, theirs, nil
}

var _ capsule.Program = (*Program)(nil)
