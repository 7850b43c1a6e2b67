package cpu

import "syscall"

// pin keeps bytes in physical memory, unpin lets them go.
func pin(b []byte) error   { return syscall.Mlock(b) }
func unpin(b []byte) error { return syscall.Munlock(b) }
