package wasm

import (
	"io"

	"phios/abi"
)

func (i *Instance) thaw(io.Reader) error { return abi.StatusUnsupported }

// Freeze writes the program's state.
func (i *Instance) Freeze(io.Writer) error { return abi.StatusUnsupported }
