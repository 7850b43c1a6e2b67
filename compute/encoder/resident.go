package encoder

import (
	_ "embed"

	"phios/compute/gguf"
)

// The weights are a string: the linker puts it where nothing is ever written,
// and it is paged in like code, once for all nodes of a machine.
//
//go:embed use-lite.gguf
var residentTable string

//go:embed use-lite.LICENSE
var licenceTable string

// Licence returns the licence of the resident weights.
func Licence() string { return licenceTable }

// Resident returns the resident model's file. It is read-only memory: writing to
// it ends the process.
func Resident() []byte { return bytesOf(residentTable) }

// Open makes an encoder of the resident model.
func Open(threads int) (*Encoder, error) {
	f, err := gguf.Parse(Resident())
	if err != nil {
		return nil, err
	}
	return New(f, threads)
}
