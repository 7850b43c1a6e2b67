package schedule

import "time"

// pace is what was measured of the model's speed and of how requests come.
// Averages are exponential, of a weight of one in eight.
type pace struct {
	idle   bool // nothing ran since: the next step starts at once
	waited bool // the next step has waited already
	came   time.Time
	gap    time.Duration // between requests
	took   time.Duration // a step
	rate   float64       // tokens in a second, of steps that were mostly prompt
}

func average(old, latest time.Duration) time.Duration {
	if old == 0 {
		return latest
	}
	return old + (latest-old)/8
}

// rest notes that nothing runs.
func (p *pace) rest() { p.idle = true }

// arrive notes that n requests came at once.
func (p *pace) arrive(now time.Time, n int) {
	if !p.came.IsZero() {
		p.gap = average(p.gap, now.Sub(p.came)/time.Duration(n))
	}
	p.came = now
}

// stepped notes a step of that many tokens, of which so many were of prompts.
func (p *pace) stepped(took time.Duration, tokens, prompts int) {
	p.idle = false
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

// window is how long the next step should wait for company; zero is not at all.
//
// Who comes while a step runs waits for its end: half a step on average. Waiting
// for w catches w/gap requests, and holds up the running ones by w each. So it
// pays when step/2 * w/gap > w * running, however long w is; and only when
// requests have come of late at such gaps. After idleness there is nobody to
// expect, and the first request starts at once.
func (p *pace) window(now time.Time, running int, most time.Duration) time.Duration {
	w := min(max(p.took/10, windowMin), most)
	if p.idle || p.waited || p.gap == 0 || most < windowMin ||
		p.gap > w || now.Sub(p.came) > 2*w || p.took < 2*p.gap*time.Duration(running) {
		return 0
	}
	return w
}
