package llama

import (
	"fmt"
	"os"
	"runtime"
	"syscall"

	"phios/compute/llama/wire"
)

// bulk is the memory that the unit and one helper share. It is an anonymous
// file whose size is sealed: a helper that could shorten it would make our own
// reads of it faults.
type bulk struct {
	file   *os.File
	mapped []byte
}

// Of the kernel's interface, what package syscall lacks.
const (
	memfdSealable = 2         // MFD_ALLOW_SEALING
	memfdClose    = 1         // MFD_CLOEXEC
	addSeals      = 1033      // F_ADD_SEALS
	sealSize      = 1 + 2 + 4 // F_SEAL_SEAL, F_SEAL_SHRINK, F_SEAL_GROW
)

// memfdNumber is the number of the call memfd_create: 319 on amd64, and 279 on
// all whose numbers are the common ones.
func memfdNumber() uintptr {
	if runtime.GOARCH == "amd64" {
		return 319
	}
	return 279
}

// newBulk makes the memory. It takes none before it is written.
func newBulk() (*bulk, error) {
	fd, err := memfd("phi-llama")
	if err != nil {
		return nil, fmt.Errorf("make memory to share with the llama helper: %w", err)
	}
	b := &bulk{file: os.NewFile(fd, "phi-llama")}
	err = syscall.Ftruncate(int(fd), wire.BulkBytes)
	if err == nil {
		_, _, errno := syscall.Syscall(syscall.SYS_FCNTL, fd, addSeals, sealSize)
		if errno != 0 {
			err = errno
		}
	}
	if err == nil {
		b.mapped, err = syscall.Mmap(int(fd), 0, wire.BulkBytes, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	}
	if err != nil {
		_ = b.file.Close()
		return nil, fmt.Errorf("make %d bytes to share with the llama helper: %w", wire.BulkBytes, err)
	}
	return b, nil
}

// data is what is behind the flags.
func (b *bulk) data() []byte { return b.mapped[wire.BulkStart:] }

func (b *bulk) close() {
	_ = syscall.Munmap(b.mapped)
	_ = b.file.Close()
}
