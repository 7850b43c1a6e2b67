package supervisor

import (
	"math/rand/v2"
	"testing"
	"time"

	"phios/capsule"
	"phios/capsule/manifest"
)

var (
	begin = time.Unix(1_000_000, 0)
	fine  = capsule.Exit{Cause: capsule.CauseReturned}
	bad   = capsule.Exit{Cause: capsule.CauseReturned, Code: 3}
	trap  = capsule.Exit{Cause: capsule.CauseTrap}
	stop  = capsule.Exit{Cause: capsule.CauseStopped}
)

func policy(name string) manifest.Restart {
	return manifest.Restart{Policy: name, Delay: time.Second, DelayMax: 5 * time.Second, Limit: 3, Window: time.Minute}
}

// TestEnds: which ends lead to a restart under which policy.
func TestEnds(t *testing.T) {
	for _, c := range []struct {
		policy string
		exit   capsule.Exit
		want   Act
	}{
		{manifest.RestartNever, fine, Done},
		{manifest.RestartNever, bad, Failed},
		{manifest.RestartNever, trap, Failed},
		{manifest.RestartNever, stop, Done},
		{manifest.RestartOnFailure, fine, Done},
		{manifest.RestartOnFailure, bad, Restart},
		{manifest.RestartOnFailure, trap, Restart},
		{manifest.RestartOnFailure, capsule.Exit{Cause: capsule.CauseLost}, Restart},
		{manifest.RestartOnFailure, capsule.Exit{Cause: capsule.CauseBudget}, Restart},
		{manifest.RestartOnFailure, stop, Done},
		{manifest.RestartAlways, fine, Restart},
		{manifest.RestartAlways, trap, Restart},
		{manifest.RestartAlways, stop, Done},
		{"", fine, Done},
		{"", trap, Failed},
	} {
		s := New(policy(c.policy))
		s.Started(begin)
		if got := s.Ended(begin.Add(time.Second), c.exit).Act; got != c.want {
			t.Errorf("policy %q, %v: got %v, want %v", c.policy, c.exit, got, c.want)
		}
	}
}

// TestDelays: the delay doubles to its limit, and a quiet window begins anew.
func TestDelays(t *testing.T) {
	p := policy(manifest.RestartAlways)
	p.Limit = 10
	s := New(p)
	now := begin
	for i, want := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 5 * time.Second, 5 * time.Second} {
		s.Started(now)
		d := s.Ended(now, trap)
		if got := d.At.Sub(now); d.Act != Restart || got != want {
			t.Fatalf("restart %d: %v after %v, want after %v", i, d.Act, got, want)
		}
		now = d.At
	}
	s.Started(now)
	now = now.Add(time.Minute)
	if d := s.Ended(now, trap); d.At.Sub(now) != time.Second {
		t.Errorf("after a quiet window the delay is %v, want 1s", d.At.Sub(now))
	}
	if s.Restarts() != 6 {
		t.Errorf("%d restarts, want 6", s.Restarts())
	}
}

// TestIntensity: the limit is per window, and the window slides.
func TestIntensity(t *testing.T) {
	s := New(policy(manifest.RestartAlways))
	now := begin
	for range 3 {
		s.Started(now)
		d := s.Ended(now, trap)
		if d.Act != Restart {
			t.Fatalf("got %v, want a restart", d.Act)
		}
		now = d.At
	}
	s.Started(now)
	if d := s.Ended(now, trap); d.Act != Failed || d.Why == "" {
		t.Errorf("the fourth in a window: %v %q, want failed and a reason", d.Act, d.Why)
	}
	s.Started(now)
	if d := s.Ended(begin.Add(time.Minute+time.Second), trap); d.Act != Restart {
		t.Errorf("after the window: %v, want a restart", d.Act)
	}
}

// TestNoWindow: without a window the limit is for ever.
func TestNoWindow(t *testing.T) {
	p := policy(manifest.RestartAlways)
	p.Window = 0
	s := New(p)
	now := begin
	for i := range 4 {
		s.Started(now)
		now = now.Add(1000 * time.Hour)
		if got, want := s.Ended(now, trap).Act == Restart, i < 3; got != want {
			t.Errorf("end %d: restarted %v, want %v", i, got, want)
		}
	}
}

// TestProperties: whatever happens when, no window holds more restarts than the
// limit, no delay is out of its bounds, and a stopped capsule stays down.
func TestProperties(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		p := manifest.Restart{
			Policy: manifest.RestartAlways, Limit: r.IntN(6) - 1,
			Delay: time.Duration(r.IntN(2000)-100) * time.Millisecond, DelayMax: time.Duration(r.IntN(8000)) * time.Millisecond,
			Window: time.Duration(r.IntN(30)) * time.Second,
		}
		s, now := New(p), begin
		var restarts []time.Time
		for range 200 {
			s.Started(now)
			now = now.Add(time.Duration(r.IntN(10_000)) * time.Millisecond)
			if d := s.Ended(now, stop); d.Act != Done {
				t.Fatalf("seed %d: a stopped capsule: %v", seed, d.Act)
			}
			d := s.Ended(now, trap)
			if d.Act == Failed {
				continue
			}
			restarts = append(restarts, now)
			if wait := d.At.Sub(now); wait < max(p.Delay, 0) || wait > max(p.Delay, p.DelayMax, 0) {
				t.Fatalf("seed %d: a delay of %v with %+v", seed, wait, p)
			}
			within := 0
			for _, at := range restarts {
				if p.Window == 0 || now.Sub(at) < p.Window {
					within++
				}
			}
			if within > max(p.Limit, 0) {
				t.Fatalf("seed %d: %d restarts in a window, limit %d", seed, within, p.Limit)
			}
			now = d.At
		}
	}
}
