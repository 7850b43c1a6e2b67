package host

import (
	"bytes"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"phios/abi"
	"phios/platform"
)

// runChild is what TestWithoutPrivilege runs in another process: 0 is success.
func runChild(what string) int {
	if what != "nobody" {
		return 2
	}
	for _, check := range []func() error{childPins, childCounts, childReads} {
		if err := check(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return 0
}

// childPins meets the limit of Linux: the machine's own is set higher.
func childPins() error {
	limit := unix.Rlimit{Cur: 4 * page, Max: 4 * page}
	if err := unix.Setrlimit(unix.RLIMIT_MEMLOCK, &limit); err != nil {
		return fmt.Errorf("setrlimit: %w", err)
	}
	m, err := New(Config{PinBytes: 1 << 30})
	if err != nil {
		return err
	}
	defer m.Close()
	address, _ := m.Arena()
	if _, status := m.Create(address, 16*page, false); !status.OK() {
		return status
	}
	if status := m.Pin(address, 8*page); status != abi.StatusPinLimit {
		return fmt.Errorf("Pin over RLIMIT_MEMLOCK: %s", status.Name())
	}
	if status := m.Pin(address+page, 2*page); !status.OK() {
		return fmt.Errorf("Pin under RLIMIT_MEMLOCK: %w", status)
	}
	// The refused pin overlaps the one that stands and must not end it.
	if status := m.Pin(address, 8*page); status != abi.StatusPinLimit {
		return fmt.Errorf("second Pin over RLIMIT_MEMLOCK: %s", status.Name())
	}
	if text, err := os.ReadFile("/proc/self/status"); err != nil || !bytes.Contains(text, []byte("VmLck:\t       8 kB")) {
		return fmt.Errorf("the pin that stood was lost: %w", err)
	}
	m.Unpin(address, 16*page)
	byDefault, err := New(Config{})
	if err != nil {
		return err
	}
	defer byDefault.Close()
	if byDefault.pins.bytesMax != 4*page {
		return fmt.Errorf("the limit by default is %d", byDefault.pins.bytesMax)
	}
	return nil
}

// childCounts reads /proc/self/pagemap as anyone may.
func childCounts() error {
	m, err := New(Config{})
	if err != nil {
		return err
	}
	defer m.Close()
	address, _ := m.Arena()
	b, status := m.Create(address, 4*page, false)
	if !status.OK() {
		return status
	}
	s, status := m.NewSpace()
	if !status.OK() {
		return status
	}
	v := platform.View{Backing: b, Address: address, Bytes: 4 * page, Access: platform.AccessPrivate}
	if status := m.Place(s, v); !status.OK() {
		return status
	}
	if status := m.Read(s, address, make([]byte, 4*page)); !status.OK() {
		return status
	}
	if status := m.Write(s, address+page, []byte("own")); !status.OK() {
		return status
	}
	if n := m.Dirtied(s, address, 4*page); n != 1 {
		return fmt.Errorf("%d pages dirtied, want 1 (pagemap is descriptor %d)", n, m.pagemap)
	}
	return nil
}

// childReads has the read-only descriptor of another's memory as number 3 and
// tries to make more of it.
func childReads() error {
	text := make([]byte, 7)
	if _, err := unix.Pread(3, text, 0); err != nil || string(text) != "to read" {
		return fmt.Errorf("reading: %q, %w", text, err)
	}
	if os.Geteuid() != 65534 {
		return nil // the owner may open it again, if it can reach it
	}
	if fd, err := unix.Open("/proc/self/fd/3", unix.O_RDWR, 0); !errors.Is(err, unix.EACCES) {
		return fmt.Errorf("opened again for writing as %d: %w", fd, err)
	}
	if err := unix.Fchmod(3, 0o777); !errors.Is(err, unix.EPERM) {
		return fmt.Errorf("made writable for all: %w", err)
	}
	return nil
}
