package host

import (
	"testing"

	"phios/platform"
	"phios/platform/platformtest"
)

// open returns a machine that the test's end closes.
func open(t testing.TB, config Config) *Machine {
	t.Helper()
	m, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return m
}

func TestConformance(t *testing.T) {
	platformtest.Run(t, func(t *testing.T) platform.Machine { return open(t, Config{}) })
}
