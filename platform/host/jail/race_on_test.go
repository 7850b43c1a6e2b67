//go:build race

package jail

// raced says that the race detector is in the program: its shadow memory is
// more than any limit of these tests.
const raced = true
