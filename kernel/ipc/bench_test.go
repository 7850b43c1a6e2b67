package ipc

import (
	"runtime"
	"sync"
	"testing"

	"phios/abi"
	"phios/platform"
)

// payload is what the channels carry: the bytes and nothing else, less than a
// message is.
type payload struct{ data [64]byte }

const benchCapacity = 64

// receiveOne waits for a message, copies it out and drops it.
func receiveOne(b *Mailbox, p *platform.Parker, into *abi.Message) {
	for b.Head() == nil {
		b.Wait(p, 0)
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
			box.Send(m, Stamp{Badge: 1})
			box.Head().Open(into)
			box.Drop()
		}
	})
	b.Run("channel", func(b *testing.B) {
		ch := make(chan payload, benchCapacity)
		var m, into payload
		for b.Loop() {
			ch <- m
			into = <-ch
		}
		_ = into
	})
}

func benchmarkMailbox(b *testing.B, producers int) {
	box := mustNew(b, benchCapacity)
	consume(b, box)
	p, into := newParker(), &abi.Message{}
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
					runtime.Gosched()
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

func benchmarkChannel(b *testing.B, producers int) {
	ch := make(chan payload, benchCapacity)
	var group sync.WaitGroup
	for i := range producers {
		share := b.N / producers
		if i == 0 {
			share = b.N - share*(producers-1)
		}
		group.Go(func() {
			var m payload
			for range share {
				ch <- m
			}
		})
	}
	b.ResetTimer()
	var into payload
	for range b.N {
		into = <-ch
	}
	_ = into
	group.Wait()
}

func BenchmarkOneProducer(b *testing.B) {
	b.Run("mailbox", func(b *testing.B) { benchmarkMailbox(b, 1) })
	b.Run("channel", func(b *testing.B) { benchmarkChannel(b, 1) })
}

func BenchmarkFourProducers(b *testing.B) {
	b.Run("mailbox", func(b *testing.B) { benchmarkMailbox(b, 4) })
	b.Run("channel", func(b *testing.B) { benchmarkChannel(b, 4) })
}

// BenchmarkPingPong sends one message to and fro between two goroutines.
func BenchmarkPingPong(b *testing.B) {
	b.Run("mailbox", func(b *testing.B) {
		there, back := mustNew(b, 1), mustNew(b, 1)
		consume(b, there)
		consume(b, back)
		var group sync.WaitGroup
		group.Go(func() {
			p, m := newParker(), &abi.Message{}
			for range b.N {
				receiveOne(there, p, m)
				back.Send(m, Stamp{})
			}
		})
		p, m := newParker(), message(1, 64)
		for range b.N {
			there.Send(m, Stamp{})
			receiveOne(back, p, m)
		}
		group.Wait()
	})
	b.Run("channel", func(b *testing.B) {
		there, back := make(chan payload, 1), make(chan payload, 1)
		var group sync.WaitGroup
		group.Go(func() {
			for range b.N {
				back <- <-there
			}
		})
		var m payload
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
		c.Reply(c.Begin(), m, Stamp{Badge: 1})
		c.Wait(0)
		c.Take(into)
	}
}
