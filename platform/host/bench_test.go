package host

import (
	"fmt"
	"testing"

	"phios/abi"
	"phios/platform"
)

// touch reads or writes a byte of each page, as write says.
func touch(memory []byte, write func(*byte)) {
	for i := 0; i < len(memory); i += page {
		write(&memory[i])
	}
}

func increment(b *byte) { *b++ }

var benchmarkSizes = []uint64{page, 1 << 20, 64 << 20}

func sizeName(bytes uint64) string {
	if bytes < 1<<20 {
		return fmt.Sprintf("%dKiB", bytes>>10)
	}
	return fmt.Sprintf("%dMiB", bytes>>20)
}

// BenchmarkCreateTouch measures new memory until each page has been written.
func BenchmarkCreateTouch(b *testing.B) {
	for _, large := range []bool{false, true} {
		b.Run(fmt.Sprintf("64MiB/large=%v", large), func(b *testing.B) {
			m := open(b, Config{})
			address, _ := m.Arena()
			const size = 64 << 20
			for b.Loop() {
				backing, status := m.Create(address, size, large)
				mustBe(b, "Create", status, abi.StatusOK)
				if m.LargePages(backing) != large {
					b.Log("this host has no large pages")
				}
				memory, _ := m.Bytes(platform.SpaceKernel, address, size)
				touch(memory, increment)
				b.StopTimer()
				m.Destroy(backing, address, size)
				b.StartTimer()
			}
		})
	}
}

// filled returns a machine with written memory and a view of it.
func filled(b *testing.B, size uint64, large bool, access platform.Access) (*Machine, platform.Space, platform.View) {
	b.Helper()
	m := open(b, Config{})
	address, _ := m.Arena()
	backing, status := m.Create(address, size, large)
	mustBe(b, "Create", status, abi.StatusOK)
	memory, _ := m.Bytes(platform.SpaceKernel, address, size)
	touch(memory, increment)
	return m, newSpace(b, m), platform.View{Backing: backing, Address: address, Bytes: size, Access: access}
}

// BenchmarkPlaceRemove measures a view that nobody touches.
func BenchmarkPlaceRemove(b *testing.B) {
	for _, size := range benchmarkSizes {
		b.Run(sizeName(size), func(b *testing.B) {
			m, s, v := filled(b, size, false, platform.AccessPrivate)
			for b.Loop() {
				mustBe(b, "Place", m.Place(s, v), abi.StatusOK)
				m.Remove(s, v.Address, v.Bytes)
			}
		})
	}
}

// BenchmarkPlaceTouch measures a view of 64 MiB until each page was read.
func BenchmarkPlaceTouch(b *testing.B) {
	var sum byte
	for _, access := range []platform.Access{platform.AccessShared, platform.AccessPrivate} {
		for _, large := range []bool{false, true} {
			b.Run(fmt.Sprintf("access=%d/large=%v", access, large), func(b *testing.B) {
				m, s, v := filled(b, 64<<20, large, access)
				for b.Loop() {
					mustBe(b, "Place", m.Place(s, v), abi.StatusOK)
					memory, _ := m.Bytes(s, v.Address, v.Bytes)
					touch(memory, func(x *byte) { sum += *x })
					b.StopTimer()
					m.Remove(s, v.Address, v.Bytes)
					b.StartTimer()
				}
			})
		}
	}
	b.Logf("sum %d", sum) // keeps the reads
}

// BenchmarkZero measures the revocation of a view that was read in full.
func BenchmarkZero(b *testing.B) {
	zero := func(size uint64, large bool) func(*testing.B) {
		return func(b *testing.B) {
			b.Helper()
			m, s, v := filled(b, size, large, platform.AccessPrivate)
			buffer := make([]byte, size)
			for b.Loop() {
				b.StopTimer()
				m.Remove(s, v.Address, v.Bytes)
				mustBe(b, "Place", m.Place(s, v), abi.StatusOK)
				mustBe(b, "Read", m.Read(s, v.Address, buffer), abi.StatusOK)
				b.StartTimer()
				m.Zero(s, v.Address, v.Bytes)
			}
		}
	}
	for _, size := range benchmarkSizes {
		b.Run(sizeName(size), zero(size, false))
	}
	b.Run("64MiB/large", zero(64<<20, true))
}

func BenchmarkPinUnpin(b *testing.B) {
	for _, size := range []uint64{page, 1 << 20} {
		b.Run(sizeName(size), func(b *testing.B) {
			m, _, v := filled(b, size, false, platform.AccessPrivate)
			for b.Loop() {
				mustBe(b, "Pin", m.Pin(v.Address, v.Bytes), abi.StatusOK)
				m.Unpin(v.Address, v.Bytes)
			}
		})
	}
}

func BenchmarkDirtied(b *testing.B) {
	for _, size := range benchmarkSizes {
		b.Run(sizeName(size), func(b *testing.B) {
			m, s, v := filled(b, size, false, platform.AccessPrivate)
			mustBe(b, "Place", m.Place(s, v), abi.StatusOK)
			for b.Loop() {
				m.Dirtied(s, v.Address, v.Bytes)
			}
		})
	}
}

func BenchmarkRead(b *testing.B) {
	for _, size := range []int{64, 512, 64 << 10} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			m, s, v := filled(b, 1<<20, false, platform.AccessShared)
			mustBe(b, "Place", m.Place(s, v), abi.StatusOK)
			buffer := make([]byte, size)
			for b.Loop() {
				mustBe(b, "Read", m.Read(s, v.Address, buffer), abi.StatusOK)
			}
		})
	}
}

func BenchmarkNewFreeSpace(b *testing.B) {
	m := open(b, Config{})
	for b.Loop() {
		m.FreeSpace(newSpace(b, m))
	}
}
