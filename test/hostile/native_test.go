package hostile

import (
	"os"
	"strings"
	"testing"
	"time"

	"phios/sdk/python"
)

// TestNative lets a native program fork without end, look around, dial out,
// take memory, forge and babble.
func TestNative(t *testing.T) {
	harm, err := os.ReadFile("testdata/harm.py")
	if err != nil {
		t.Fatal(err)
	}
	const manifest = `version: 1
name: attacker
tier: native
command: [python3, harm.py]
serves: 16
budget: {memory: 64MiB, cpu: 5s, slots: 64}
restart: {policy: never}
`
	w := newWorld(t)
	// The program may live to say that it was held, or be killed for trying.
	names := []string{
		"proc", "passwords", "dial", "abstract", "write", "parent", "root", "mount", "trace", "forge", "garbage", "fork_bomb", "memory",
	}
	if os.Getuid() == 0 { // without a cgroup nothing counts shared memory: docs/CAVEATS.md
		names = append(names, "shared_memory")
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			w.t = t
			before := w.available()
			w.begin("attacker", manifest+missing("native"), map[string][]byte{"harm.py": harm, python.FileName: []byte(python.Source())})
			stop := make(chan struct{})
			others := w.others(stop)
			answer, code := w.ask("attacker", name, 20*time.Second)
			close(stop)
			if err := <-others; err != nil {
				t.Error(err)
			}
			t.Logf("%q %s", answer, code)
			if code == "" && !strings.HasPrefix(answer, "held") {
				t.Errorf("it got through: %q", answer)
			}
			w.gone("attacker", before)
		})
	}
}
