//go:build !linux

package cpu

import "errors"

// pin and unpin are not known on this system.
func pin([]byte) error   { return errors.ErrUnsupported }
func unpin([]byte) error { return errors.ErrUnsupported }
