// Package bench measures the kernel against its targets and against what a Go
// program would use in its place. `phi bench kernel` prints what [Kernel]
// returns; docs/benchmarks.md says how to read it.
//
// # Method
//
// The machine is shared and its clock is not steady, so a figure by itself
// says little. Everything that is compared runs interleaved: a short round of
// ours, a short round of the peer, and again. A value is the median of its
// rounds; a ratio is the median of the ratios of neighbouring rounds, so that
// what slows the machine for a while slows both sides of a pair.
//
// Rejected: testing.B, which runs ours to the end and then the peer, and so
// compares two different machines; the minimum of the rounds, which is the
// figure that nobody ever sees.
//
// Pauses are different: there the worst case is the figure. A sample during
// which Linux took a processor away from this process against its will is not
// the kernel's doing. It is kept apart from the longest, and the worst of all
// samples, and how many were kept apart, stand in rows of their own.
//
// # Families
//
// Rows that are measured in one world form a family; the family's name is the
// first word of its rows' names. Each family makes its own kernel on the real
// machine and takes it away again.
//
// Bounds: a series of rounds ends after seriesNSMax, whatever is asked for,
// and the whole run after [RunMax].
package bench
