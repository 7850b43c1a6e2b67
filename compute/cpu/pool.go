package cpu

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// The bounds of a pool.
const (
	// threadsMax bounds the threads of a model.
	threadsMax = 256
	// spinTime is how long a thread looks for the next job before it sleeps. A
	// step is hundreds of jobs with microseconds between them, and waking a
	// sleeper costs more than a small job: sleeping at once loses nearly all of
	// a second core. An idle model takes nothing after this time.
	spinTime = time.Millisecond
	// looksBetweenYields is how often a waiting thread looks before it lets
	// others of this process run. It keeps a machine with fewer processors than
	// threads, or a busy one, moving.
	looksBetweenYields = 64
)

// job is one piece of work of a pool: run is called with pieces [lo, hi) that
// together are [0, n), each on one thread.
type job struct {
	run   func(thread, lo, hi int)
	n     int
	grain int
}

// pool is threads that work on one job at a time. The caller of do is thread 0
// and works as well; the others are goroutines that live until close.
//
// A job is open between two changes of the state. A thread joins an open job by
// counting itself into the state, and takes pieces until none is left; the
// caller closes the job when it finds none left, and waits for those who
// joined. A thread that is late, because the machine gave its processor to
// another, is not waited for: it finds the job closed and looks for the next.
// The rejected way, a barrier over all threads, makes each job as slow as the
// latest of them.
type pool struct {
	// state is the number of the job, odd while it is open, in the upper half,
	// and in the lower how many threads but the caller work on it.
	state atomic.Uint64
	// job is written while the state is closed and nobody is counted.
	job  job
	next atomic.Int64

	busy    *atomic.Int64 // nanoseconds of all threads but the caller
	threads []thread
	done    sync.WaitGroup
	ended   atomic.Bool
}

// thread is what the pool knows of one of its goroutines.
type thread struct {
	asleep atomic.Bool
	wake   chan struct{}
	_      [40]byte // two threads do not share a line of the processor's cache
}

const (
	jobStep   = 1 << 32 // the state's upper half counts opened and closed
	threadOne = 1
)

// newPool starts a pool of n threads, the caller's included. What the others
// spend, looking for work included, is added to busy.
func newPool(n int, busy *atomic.Int64) *pool {
	n = min(max(n, 1), threadsMax)
	p := &pool{busy: busy, threads: make([]thread, n-1)}
	for i := range p.threads {
		p.threads[i].wake = make(chan struct{}, 1)
		p.done.Add(1)
		go p.serve(i)
	}
	return p
}

// size is the number of threads, the caller's included.
func (p *pool) size() int { return len(p.threads) + 1 }

// do runs a job of n parts and returns when all of them are done. A piece is a
// multiple of grain parts, but the last. One goroutine does at a time.
func (p *pool) do(n, grain int, run func(thread, lo, hi int)) {
	if n <= 0 {
		return
	}
	if len(p.threads) == 0 || n <= grain {
		run(0, 0, n)
		return
	}
	p.job = job{run: run, n: n, grain: p.piece(n, grain)}
	p.next.Store(0)
	p.state.Add(jobStep)
	p.wake()
	p.work(0)
	p.state.Add(jobStep)
	for looks := 1; uint32(p.state.Load()) != 0; looks++ {
		if looks%looksBetweenYields == 0 {
			runtime.Gosched()
		}
	}
	p.job.run = nil
}

// piece is how many parts a thread takes at once: small enough that the threads
// end together, and large enough that taking costs nothing.
func (p *pool) piece(n, grain int) int {
	const piecesPerThread = 8
	size := n / (piecesPerThread * p.size())
	return max(size/grain, 1) * grain
}

func (p *pool) wake() {
	for i := range p.threads {
		t := &p.threads[i]
		if t.asleep.Load() && t.asleep.CompareAndSwap(true, false) {
			t.wake <- struct{}{}
		}
	}
}

// work takes pieces of the open job until none is left.
func (p *pool) work(thread int) {
	for {
		hi := int(p.next.Add(int64(p.job.grain)))
		lo := hi - p.job.grain
		if lo >= p.job.n {
			return
		}
		p.job.run(thread, lo, min(hi, p.job.n))
	}
}

// serve is the life of a thread.
func (p *pool) serve(index int) {
	defer p.done.Done()
	t := &p.threads[index]
	mark := time.Now()
	for last := uint64(0); ; {
		number, joined := p.look(last, mark)
		if !joined {
			p.busy.Add(int64(time.Since(mark)))
			if !p.sleep(t, last) {
				return
			}
			mark = time.Now()
			continue
		}
		last = number
		p.work(index + 1)
		p.state.Add(^uint64(threadOne - 1))
		now := time.Now()
		p.busy.Add(int64(now.Sub(mark)))
		mark = now
	}
}

// look waits for an open job that is not the last one and joins it. It gives up
// after spinTime.
func (p *pool) look(last uint64, since time.Time) (number uint64, joined bool) {
	for looks := 1; ; looks++ {
		s := p.state.Load()
		number = s / jobStep
		if number%2 == 1 && number != last {
			if p.state.CompareAndSwap(s, s+threadOne) {
				return number, true
			}
			continue
		}
		if looks%looksBetweenYields != 0 {
			continue
		}
		runtime.Gosched()
		if p.ended.Load() || time.Since(since) > spinTime {
			return 0, false
		}
	}
}

// sleep waits until there is a job, and is false when the pool ended. The order
// matters: who opens a job looks for sleepers after it, and who sleeps says so
// before the last look.
func (p *pool) sleep(t *thread, last uint64) bool {
	t.asleep.Store(true)
	number := p.state.Load() / jobStep
	if (number%2 == 1 && number != last) || p.ended.Load() {
		if !t.asleep.CompareAndSwap(true, false) {
			<-t.wake
		}
		return !p.ended.Load()
	}
	<-t.wake
	return !p.ended.Load()
}

// close ends the threads and waits for them. No job may be open.
func (p *pool) close() {
	if p.ended.Swap(true) {
		return
	}
	p.wake()
	p.done.Wait()
}
