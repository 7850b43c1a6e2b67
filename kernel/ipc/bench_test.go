package ipc

import (
	"runtime"
	"sync"
	"testing"

	"phios/abi"
	"phios/platform"
	"phios/platform/platformtest"
)

// letter is what a message of 64 bytes is: the channels carry the same as the
// mailboxes.
type letter struct {
	Label  abi.Label
	Badge  uint64
	Sender uint64
	Words  [abi.MessageWords]uint64
	Length uint16
	Data   [64]byte
}

// payload is the bytes alone, for a channel that carries less.
type payload struct{ Data [64]byte }

// relaxMax is how often a receiver looks again before it sleeps.
const relaxMax = 8

const benchCapacity = 256

// relax stands for the machine's: it gives others a moment, on another
// processor first and then on this one.
func relax() {
	for range 200 {
	}
	runtime.Gosched()
}

// receiveOne waits for a message, copies it out and drops it.
func receiveOne(b *Mailbox, p *platform.Parker, into *abi.Message) {
	for range relaxMax {
		if b.Head() != nil {
			break
		}
		relax()
	}
	if b.Head() == nil {
		_ = b.Wait(p, 0)
	}
	b.Head().Open(into)
	b.Drop()
}

func BenchmarkAlternating(b *testing.B) {
	b.Run("mailbox", func(b *testing.B) {
		box := mustNew(b, benchCapacity)
		consume(b, box)
		m, into := message(1, 64), &abi.Message{}
		for b.Loop() {
			_ = box.Send(m, Stamp{Badge: 1})
			box.Head().Open(into)
			box.Drop()
		}
	})
	b.Run("channel", alternatingChannel[letter])
	b.Run("channel-bytes", alternatingChannel[payload])
}

func alternatingChannel[T any](b *testing.B) {
	b.Helper()
	ch := make(chan T, benchCapacity)
	var m, into T
	for b.Loop() {
		ch <- m
		into = <-ch
	}
	_ = into
}

func benchmarkMailbox(b *testing.B, producers int) {
	b.Helper()
	box := mustNew(b, benchCapacity)
	consume(b, box)
	p, into := platformtest.NewParker(), &abi.Message{}
	var group sync.WaitGroup
	for i := range producers {
		share := b.N / producers
		if i == 0 {
			share = b.N - share*(producers-1)
		}
		group.Go(func() {
			m := message(1, 64)
			for range share {
				for box.Send(m, Stamp{Badge: 1}) != abi.StatusOK {
					relax()
				}
			}
		})
	}
	b.ResetTimer()
	for range b.N {
		receiveOne(box, p, into)
	}
	group.Wait()
}

func benchmarkChannel[T any](b *testing.B, producers int) {
	b.Helper()
	ch := make(chan T, benchCapacity)
	var group sync.WaitGroup
	for i := range producers {
		share := b.N / producers
		if i == 0 {
			share = b.N - share*(producers-1)
		}
		group.Go(func() {
			var m T
			for range share {
				ch <- m
			}
		})
	}
	b.ResetTimer()
	var into T
	for range b.N {
		into = <-ch
	}
	_ = into
	group.Wait()
}

func BenchmarkOneProducer(b *testing.B) {
	b.Run("mailbox", func(b *testing.B) { benchmarkMailbox(b, 1) })
	b.Run("channel", func(b *testing.B) { benchmarkChannel[letter](b, 1) })
	b.Run("channel-bytes", func(b *testing.B) { benchmarkChannel[payload](b, 1) })
}

func BenchmarkFourProducers(b *testing.B) {
	b.Run("mailbox", func(b *testing.B) { benchmarkMailbox(b, 4) })
	b.Run("channel", func(b *testing.B) { benchmarkChannel[letter](b, 4) })
	b.Run("channel-bytes", func(b *testing.B) { benchmarkChannel[payload](b, 4) })
}

// BenchmarkPingPong sends one message to and fro between two goroutines.
func BenchmarkPingPong(b *testing.B) {
	b.Run("mailbox", func(b *testing.B) {
		there, back := mustNew(b, 1), mustNew(b, 1)
		consume(b, there)
		consume(b, back)
		var group sync.WaitGroup
		group.Go(func() {
			p, m := platformtest.NewParker(), &abi.Message{}
			for range b.N {
				receiveOne(there, p, m)
				_ = back.Send(m, Stamp{})
			}
		})
		p, m := platformtest.NewParker(), message(1, 64)
		for range b.N {
			_ = there.Send(m, Stamp{})
			receiveOne(back, p, m)
		}
		group.Wait()
	})
	b.Run("channel", func(b *testing.B) {
		there, back := make(chan letter, 1), make(chan letter, 1)
		var group sync.WaitGroup
		group.Go(func() {
			for range b.N {
				back <- <-there
			}
		})
		var m letter
		for range b.N {
			there <- m
			m = <-back
		}
		group.Wait()
	})
}

// BenchmarkCall begins a call, answers it on the caller's own thread and takes
// the answer.
func BenchmarkCall(b *testing.B) {
	c := newCall()
	m, into := message(1, 64), &abi.Message{}
	for b.Loop() {
		_ = c.Reply(c.Begin(), m, Stamp{Badge: 1})
		_ = c.Wait(0)
		c.Take(into)
	}
}
