package bench

import (
	"fmt"
	"os"
	"testing"

	"phios/capsule/worker"
	"phios/platform/host/jail"
)

// peerVerb makes this test program the other process.
const peerVerb = "bench-peer"

func TestMain(m *testing.M) {
	_ = jail.Main() // becomes the command that it was asked for
	if len(os.Args) == 2 && os.Args[1] == worker.Verb {
		os.Exit(worker.Main())
	}
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
