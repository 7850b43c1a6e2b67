//go:build !amd64

package jail

// callsOld are calls that newer processors do without.
func callsOld() []string { return nil }
