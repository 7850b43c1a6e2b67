package cpu

import "syscall"

// pin keeps bytes in physical memory, or lets them go.
func pin(b []byte, pinned bool) error {
	if pinned {
		return syscall.Mlock(b)
	}
	return syscall.Munlock(b)
}
