package schedule

import "time"

// pace is what was measured of the model's speed and of how requests come.
// Averages are exponential, of a weight of one in eight.
type pace struct {
	idle  bool      // nothing ran since: the next step starts at once
	until time.Time // the end of the window in which the next step waits; zero before
	came  time.Time
	gap   time.Duration // between the last two requests, when nothing was idle between
	took  time.Duration // a step
	rate  float64       // tokens in a second, of steps that were mostly prompt
}

func average(old, latest time.Duration) time.Duration {
	if old == 0 {
		return latest
	}
	return old + (latest-old)/8
}

// rest notes that nothing runs.
func (p *pace) rest() { p.idle, p.came, p.gap = true, time.Time{}, 0 }

// arrive notes when a request came. Only the last gap counts: requests come in
// bursts, as when an agent sends its helpers out, and a mean over bursts and
// pauses says nothing about either.
func (p *pace) arrive(at time.Time) {
	if !p.came.IsZero() {
		p.gap = max(at.Sub(p.came), time.Microsecond)
	}
	p.came = at
}

// stepped notes a step of that many tokens, of which so many were of prompts.
func (p *pace) stepped(took time.Duration, tokens, prompts int) {
	p.idle, p.until = false, time.Time{}
	p.took = average(p.took, took)
	if prompts < chunkMin || took <= 0 {
		return
	}
	rate := float64(tokens) / took.Seconds()
	if p.rate == 0 {
		p.rate = rate
	}
	p.rate += (rate - p.rate) / 8
}

// budget is how many tokens a step of that length may have.
func (p *pace) budget(goal time.Duration, most int) int {
	if p.rate == 0 {
		return min(most, 16*chunkMin) // Small until it is known what that costs.
	}
	return min(max(int(p.rate*goal.Seconds()), chunkMin), most)
}

// window is how much longer the next step should wait for company; zero is not
// at all.
//
// Who comes while a step runs waits for its end: half a step on average. Waiting
// for w catches w/gap requests, and holds up the running ones by w each. So it
// pays when step/2 * w/gap > w * running, however long w is; and only while
// requests keep coming. After idleness there is nobody to expect, and the first
// request starts at once.
func (p *pace) window(now time.Time, running int, most time.Duration) time.Duration {
	w := min(max(p.took/10, windowMin), most)
	if p.idle || p.gap == 0 || most < windowMin || p.gap > w || p.took < 2*p.gap*time.Duration(running) {
		return 0
	}
	if p.until.IsZero() {
		p.until = now.Add(w)
	}
	return max(min(p.until.Sub(now), 2*p.gap-now.Sub(p.came)), 0)
}
