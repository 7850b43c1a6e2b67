package bench

import (
	"fmt"
	"os"
	"testing"
)

// peerVerb makes this test program the other process.
const peerVerb = "bench-peer"

func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == peerVerb {
		if err := Peer(os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// here is the command that starts this program as the other process.
func here() []string { return []string{"/proc/self/exe", peerVerb} }
