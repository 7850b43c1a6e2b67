// Package prng is the pseudo-random source of everything that a seed must
// replay: simulator, faults and property tests. It is xoshiro256** seeded by
// splitmix64, so that its numbers are the same in every release of Go, which
// math/rand does not promise for a helper such as Below.
//
// It is not for secrets.
//
// The generator is that of Blackman and Vigna, "Scrambled Linear Pseudorandom
// Number Generators" (ACM TOMS 47(4), 2021).
package prng

import "math/bits"

// Source is a stream of numbers. Its zero value is not usable; see [New]. One
// goroutine at a time may use it.
type Source struct {
	state [4]uint64
}

// New returns the stream of a seed.
func New(seed uint64) *Source {
	s := &Source{}
	for i := range s.state {
		seed += 0x9e3779b97f4a7c15
		s.state[i] = mix(seed)
	}
	return s
}

// Uint64 returns 64 random bits.
func (s *Source) Uint64() uint64 {
	result := bits.RotateLeft64(s.state[1]*5, 7) * 9
	shifted := s.state[1] << 17
	s.state[2] ^= s.state[0]
	s.state[3] ^= s.state[1]
	s.state[1] ^= s.state[2]
	s.state[0] ^= s.state[3]
	s.state[2] ^= shifted
	s.state[3] = bits.RotateLeft64(s.state[3], 45)
	return result
}

// Below returns a number from 0 to n-1. It takes exactly one number of the
// stream; the bias, at most n in 2⁶⁴, is the price of that. Below(0) is 0.
func (s *Source) Below(n uint64) uint64 {
	high, _ := bits.Mul64(s.Uint64(), n)
	return high
}

// Chance reports true perThousand times out of a thousand. It takes one number
// of the stream whatever the chance, so that changing one chance does not
// shift the rest of a run.
func (s *Source) Chance(perThousand uint16) bool {
	return s.Below(1000) < uint64(perThousand)
}

// Split returns a new stream that is independent of what s yields next.
func (s *Source) Split() *Source { return New(s.Uint64()) }

// mix is the output function of splitmix64.
func mix(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}
