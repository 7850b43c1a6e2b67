// Package supervisor decides what happens when a capsule has ended: whether it
// is started again, when, and when it is given up. It has no clock and starts
// nothing: whoever runs the capsule tells it the time, and does what it says.
//
// The policy is that of Erlang's supervisors, an intensity limit over a sliding
// window, with a delay before each restart that doubles while the program does
// not stay up. A program that was up for a whole window begins anew.
package supervisor

import (
	"time"

	"phios/capsule"
	"phios/capsule/manifest"
)

// The limits of a policy. What asks for more gets these.
const (
	RestartsMax = 1000 // in one window
	DelayMax    = time.Hour
)

// Act is what to do now.
type Act uint8

// The acts.
const (
	Restart Act = iota // start it again, at the decision's time
	Done               // leave it: it has done what it was to do
	Failed             // give it up: it failed, and may not or not again be restarted
)

var actNames = [...]string{"restart", "done", "failed"}

// String returns the act in one word.
func (a Act) String() string {
	if int(a) < len(actNames) {
		return actNames[a]
	}
	return "unknown"
}

// Decision is what to do about a capsule that has ended.
type Decision struct {
	Act Act
	// At is when to restart.
	At time.Time
	// Why is for people, of a capsule that is given up.
	Why string
}

// Supervisor follows the life of one capsule. The zero value never restarts.
// It is used by one goroutine at a time.
type Supervisor struct {
	policy  manifest.Restart
	started time.Time
	// recent are the restarts within the window, the oldest first; at most
	// policy.Limit of them.
	recent []time.Time
	// delay is the wait before the next restart.
	delay time.Duration
	total int
}

// New returns a supervisor by a manifest's policy. What the policy leaves out
// is as strict as it can be: no limit means no restart, no window means for
// ever.
func New(policy manifest.Restart) *Supervisor {
	policy.Limit = min(max(policy.Limit, 0), RestartsMax)
	policy.Delay = min(max(policy.Delay, 0), DelayMax)
	policy.DelayMax = min(max(policy.DelayMax, policy.Delay), DelayMax)
	policy.Window = max(policy.Window, 0)
	return &Supervisor{policy: policy, delay: policy.Delay}
}

// Started says that the capsule was started, for the first time or again.
func (s *Supervisor) Started(now time.Time) { s.started = now }

// Restarts returns how many restarts there were in all.
func (s *Supervisor) Restarts() int { return s.total }

// Ended says that the capsule has ended, and returns what to do. A decision to
// restart counts as the restart. Times must not go backwards; one that does is
// taken for the latest before it.
func (s *Supervisor) Ended(now time.Time, exit capsule.Exit) Decision {
	if now.Before(s.started) {
		now = s.started
	}
	if d, over := s.final(exit); over {
		return d
	}
	s.forget(now)
	if s.policy.Window > 0 && now.Sub(s.started) >= s.policy.Window {
		s.delay = s.policy.Delay // it was up long enough to count as well
	}
	if len(s.recent) >= s.policy.Limit {
		return Decision{Act: Failed, Why: "it ended more often than its manifest's limit of restarts"}
	}
	at := now.Add(s.delay)
	s.recent = append(s.recent, now)
	s.total++
	s.delay = min(2*s.delay, s.policy.DelayMax)
	return Decision{Act: Restart, At: at}
}

// final returns the decision for an end that calls for no restart.
func (s *Supervisor) final(exit capsule.Exit) (Decision, bool) {
	switch {
	case exit.Cause == capsule.CauseStopped:
		return Decision{Act: Done}, true // somebody wanted it to end
	case s.policy.Policy == manifest.RestartAlways:
		return Decision{}, false
	case exit.OK():
		return Decision{Act: Done}, true
	case s.policy.Policy == manifest.RestartOnFailure:
		return Decision{}, false
	default:
		return Decision{Act: Failed, Why: "its manifest does not let it be restarted"}, true
	}
}

// forget drops the restarts that the window has passed.
func (s *Supervisor) forget(now time.Time) {
	if s.policy.Window == 0 {
		return
	}
	kept := s.recent[:0]
	for _, at := range s.recent {
		if now.Sub(at) < s.policy.Window {
			kept = append(kept, at)
		}
	}
	s.recent = kept
}
