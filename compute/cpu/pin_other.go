//go:build !linux

package cpu

import "errors"

// pin is not known on this system.
func pin([]byte, bool) error { return errors.ErrUnsupported }
