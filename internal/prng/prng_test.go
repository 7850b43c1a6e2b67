package prng

import "testing"

// TestSplitmixVector checks the seeding against the published first numbers of
// splitmix64 with seed 1234567.
func TestSplitmixVector(t *testing.T) {
	want := [4]uint64{6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431}
	if got := New(1234567).state; got != want {
		t.Fatalf("state %v, want %v", got, want)
	}
}

// TestXoshiroVector checks the generator against the reference implementation
// with the state 1, 2, 3, 4.
func TestXoshiroVector(t *testing.T) {
	s := &Source{state: [4]uint64{1, 2, 3, 4}}
	for i, want := range []uint64{11520, 0, 1509978240, 1215971899390074240, 1216172134540287360} {
		if got := s.Uint64(); got != want {
			t.Fatalf("number %d is %d, want %d", i, got, want)
		}
	}
}

func TestBelowStaysBelowAndReachesAll(t *testing.T) {
	s := New(1)
	var seen [7]int
	for range 7000 {
		seen[s.Below(7)]++
	}
	for i, n := range seen {
		if n < 800 || n > 1200 {
			t.Errorf("%d came %d times of about 1000", i, n)
		}
	}
	if s.Below(0) != 0 || s.Below(1) != 0 {
		t.Error("Below(0) and Below(1) must be 0")
	}
}

func TestChance(t *testing.T) {
	s := New(2)
	hits := 0
	for range 10000 {
		if s.Chance(0) {
			t.Fatal("a chance of nothing came true")
		}
		if !s.Chance(1000) {
			t.Fatal("a certainty did not come true")
		}
		if s.Chance(250) {
			hits++
		}
	}
	if hits < 2300 || hits > 2700 {
		t.Errorf("%d of 10000 came true, want about 2500", hits)
	}
}

func TestSplitDiffers(t *testing.T) {
	s := New(3)
	a, b := s.Split(), s.Split()
	if a.Uint64() == b.Uint64() || a.Uint64() == s.Uint64() {
		t.Fatal("streams coincide")
	}
	if first, again := New(4).Uint64(), New(4).Uint64(); first != again {
		t.Fatal("a seed must replay")
	}
}

func TestAllocs(t *testing.T) {
	s := New(5)
	if n := testing.AllocsPerRun(100, func() { s.Below(10) }); n != 0 {
		t.Fatalf("%v allocations", n)
	}
}
