package capsules

import (
	"context"
	"time"

	"phios/abi"
	"phios/api/control"
	"phios/capsule"
	"phios/capsule/manifest"
)

// probeWithin is how long a new program has, when the manifest does not say.
const probeWithin = 5 * time.Second

// Reload puts another image in the place of the one that runs. The new program
// is started beside the old one and asked its manifest's probe; then it takes
// the mailbox over, and with it everything that was accepted. Until it has
// served for the probe's window the old one stands by, with its memory as it
// was: calls that had come to it are finished there, and if the new one ends it
// serves again.
func (m *Manager) Reload(ctx context.Context, r control.ReloadRequest) (control.Reloaded, error) {
	c, err := m.cell(r.Capsule)
	if err != nil {
		return control.Reloaded{}, err
	}
	name := r.Image
	if name == "" {
		name = c.imageName()
	}
	img, err := m.store.named(name)
	if err != nil {
		return control.Reloaded{}, err
	}
	s, err := c.beginSwap(img)
	if err != nil {
		return control.Reloaded{}, err
	}
	done := s.swap(context.WithoutCancel(ctx)) // an asker that leaves leaves no half of it
	return done, m.save()
}

func (c *cell) imageName() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.image.manifest.Name
}

// swapping is a reload on its way.
type swapping struct {
	cell             *cell
	before, after    *instance
	imgBefore, image *image
}

// beginSwap starts the new program beside the old one.
func (c *cell) beginSwap(img *image) (*swapping, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.swapping || c.state != control.StateServing || c.instance == nil {
		return nil, &control.Error{Code: abi.StatusState.Name(), Message: c.name + " does not serve now", Remedy: "'phi ps' shows its state; 'phi run' starts it"}
	}
	if img.manifest.Serves == 0 {
		return nil, &control.Error{Code: control.CodeManifest, Message: "the new manifest does not say that it serves", Remedy: "write 'serves: N' in it"}
	}
	if _, ok := c.m.tiers.ByName[img.manifest.Tier]; !ok {
		return nil, &control.Error{Code: abi.StatusUnsupported.Name(), Message: "this node has no tier " + img.manifest.Tier}
	}
	after, err := c.launch(img, nil)
	if err != nil {
		return nil, err
	}
	c.swapping = true
	return &swapping{cell: c, before: c.instance, after: after, imgBefore: c.image, image: img}, nil
}

// swap decides which program serves, and returns when that is settled.
func (s *swapping) swap(ctx context.Context) control.Reloaded {
	within := s.image.manifest.Probe.Within
	if within <= 0 {
		within = probeWithin
	}
	done := control.Reloaded{From: s.imgBefore.hash, To: s.image.hash}
	if why := s.probe(ctx, s.image.manifest.Probe, within); why != "" {
		return s.keepOld(done, why)
	}
	machine := s.cell.m.node.Machine()
	begun := machine.Now()
	s.before.retire()
	if status := s.after.order(nil, nil); status != abi.StatusOK {
		s.restoreOld()
		return s.keepOld(done, "the new program could not take over: "+status.Error())
	}
	done.Swapped = time.Duration(machine.Now() - begun)
	s.cell.serves(s.after, s.image)
	window, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	select {
	case <-s.after.gone:
		<-s.after.done // what it had in hand is kept by then
		s.restoreOld()
		return s.keepOld(done, "the new program ended: "+s.after.why())
	case <-window.Done():
	}
	s.before.end(capsule.Exit{Cause: capsule.CauseStopped})
	<-s.before.done
	s.cell.logs.remark("reloaded: " + s.image.hash[:12] + " serves")
	s.settle(s.after)
	return done
}

// probe finds out whether the new program works: empty when it does, and else
// why not.
func (s *swapping) probe(ctx context.Context, p manifest.Probe, within time.Duration) string {
	window, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	select {
	case <-s.after.ready:
	case <-window.Done():
		return "the new program did not come to serving in " + within.String()
	}
	var message abi.Message
	message.SetPayload([]byte(p.Text))                                // the manifest was checked: it fits
	switch status := s.after.order(&message, window.Done()); status { //nolint:exhaustive // the others are the program's answer
	case abi.StatusOK:
		return ""
	case abi.StatusTimeout:
		return "the new program did not answer its probe in " + within.String()
	case abi.StatusPeerDead:
		return "the new program ended: " + s.after.why()
	default:
		return "the new program answered its probe with: " + status.Error()
	}
}

// restoreOld lets the old program serve again.
func (s *swapping) restoreOld() {
	s.after.retire()
	s.cell.serves(s.before, s.imgBefore)
	if status := s.before.restore(); status != abi.StatusOK {
		s.before.end(capsule.Exit{Cause: capsule.CauseLost, Detail: "its mailbox could not be given back: " + status.Error()})
		return
	}
	_ = s.before.order(nil, nil) // it may have ended meanwhile: settle sees to that
}

// keepOld ends the new program and tells why the old one serves.
func (s *swapping) keepOld(done control.Reloaded, why string) control.Reloaded {
	s.after.end(capsule.Exit{Cause: capsule.CauseStopped})
	<-s.after.done
	s.cell.logs.remark("rolled back: " + why)
	s.settle(s.before)
	done.To, done.RolledBack = done.From, why
	return done
}

// settle ends the reload. When the program that serves now has ended
// meanwhile, that is an end like any other.
func (s *swapping) settle(i *instance) {
	c := s.cell
	c.mu.Lock()
	c.swapping = false
	c.mu.Unlock()
	select {
	case <-i.gone:
		<-i.done
		c.ended(i)
	default:
	}
}

// serves notes which instance serves, and of which image.
func (c *cell) serves(i *instance, img *image) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.instance, c.image = i, img
}

// why says how an instance ended.
func (i *instance) why() string {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.exit.Cause.String() + detail(i.exit)
}
