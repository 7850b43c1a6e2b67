package capsules

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"phios/abi"
	"phios/api/control"
	"phios/capsule"
)

// frozenVersion is that of the format: one line of JSON, then the tier's own
// bytes.
const frozenVersion = 1

// frozenHead is the line before a program's state.
type frozenHead struct {
	Frozen  int             `json:"frozen"`
	Name    string          `json:"name"`
	Image   string          `json:"image"`
	Hash    string          `json:"hash"`
	Options options         `json:"options"`
	Grants  []control.Grant `json:"grants"`
}

// Freeze stops a capsule between two messages and gives its state to deliver,
// with its length. What is in its mailbox stays there: a thaw under the same
// name on this node serves it. When the tier cannot freeze, or deliver fails,
// the capsule goes on.
func (m *Manager) Freeze(name string, deliver func(frozen io.Reader, bytes int64) error) error {
	c, err := m.cell(name)
	if err != nil {
		return err
	}
	c.mu.Lock()
	i := c.instance
	if c.swapping || c.state != control.StateServing || i == nil {
		c.mu.Unlock()
		return &control.Error{Code: abi.StatusState.Name(), Message: name + " does not serve now", Remedy: "'phi ps' shows its state"}
	}
	c.swapping = true
	head := c.frozenHead()
	c.mu.Unlock()
	i.retire()
	err = c.freeze(i, head, deliver)
	if err != nil {
		status := i.restore()
		if status == abi.StatusOK {
			_ = i.order(nil, nil) // it may have ended: that is seen to below
		}
	} else {
		i.end(capsule.Exit{Cause: capsule.CauseStopped, Detail: "frozen"})
		<-i.done
	}
	c.mu.Lock()
	c.swapping = false
	if err == nil {
		c.instance = nil
		c.expireOnce() // its run has ended
		c.logs.remark("frozen")
		c.set(control.StateFrozen)
	}
	c.mu.Unlock()
	select {
	case <-i.gone:
		c.ended(i)
	default:
	}
	if err != nil {
		return err
	}
	return m.save()
}

// frozenHead says what a frozen capsule is.
//
// Preconditions:
//   - c.mu is held
func (c *cell) frozenHead() frozenHead {
	head := frozenHead{Frozen: frozenVersion, Name: c.name, Image: c.image.manifest.Name, Hash: c.image.hash, Options: c.options}
	for _, g := range c.grants {
		if g.Duration == control.DurationForever {
			head.Grants = append(head.Grants, g.Grant)
		}
	}
	return head
}

// freeze writes an instance while nobody is in it, and delivers what was
// written when it is whole.
func (c *cell) freeze(i *instance, head frozenHead, deliver func(io.Reader, int64) error) error {
	f, err := os.CreateTemp(c.m.store.folder, ".frozen-")
	if err != nil {
		return machine("freeze "+c.name, err)
	}
	defer func() { _ = errors.Join(f.Close(), os.Remove(f.Name())) }() // it was delivered, or is given up
	if err := c.freezeTo(i, head, f); err != nil {
		return err
	}
	size, err := f.Seek(0, io.SeekEnd)
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		return machine("freeze "+c.name, err)
	}
	return deliver(f, size)
}

func (c *cell) freezeTo(i *instance, head frozenHead, w io.Writer) error {
	if !i.turn.take(i.gone) {
		return refused("freeze "+c.name, abi.StatusPeerDead)
	}
	defer i.turn.pass()
	text, err := json.Marshal(head)
	if err != nil {
		return fmt.Errorf("encode what is frozen: %w", err)
	}
	out := bufio.NewWriter(w)
	_, err = out.Write(append(text, '\n'))
	if err == nil {
		err = i.program.Freeze(out)
	}
	if err = errors.Join(err, out.Flush()); err != nil {
		if status, ok := errors.AsType[abi.Status](err); ok {
			return refused("freeze "+c.name, status)
		}
		return machine("freeze "+c.name, err)
	}
	return nil
}

// Thaw starts a capsule from what Freeze wrote. Its image must be installed.
func (m *Manager) Thaw(ctx context.Context, r control.ThawRequest, frozen io.Reader) (control.Inspection, error) {
	body := bufio.NewReaderSize(io.LimitReader(frozen, control.FrozenBytesMax), control.RequestBytesMax)
	text, err := body.ReadSlice('\n')
	var head frozenHead
	if err == nil {
		err = json.Unmarshal(text, &head)
	}
	if err != nil || head.Frozen != frozenVersion {
		return control.Inspection{}, badRequest("this is no frozen capsule", "give a file that 'phi freeze' of this version wrote")
	}
	if r.As != "" {
		head.Name = r.As
	}
	if !r.Grants {
		head.Grants = nil // a file is no authority: whoever thaws it decides
	}
	img, err := m.store.image(head.Hash)
	if err != nil {
		return control.Inspection{}, &control.Error{Code: control.CodeImage, Message: "the image of " + head.Name + " is not here: " + err.Error(), Remedy: "install " + head.Image + " as it was"}
	}
	c, err := m.thaw(head, img, body)
	if err != nil {
		return control.Inspection{}, err
	}
	if err := c.settled(ctx); err != nil {
		return control.Inspection{}, err
	}
	m.regrant()
	if err := m.save(); err != nil {
		return control.Inspection{}, err
	}
	return m.Inspect(head.Name)
}

// thaw starts the frozen program, in its own cell when that is still here.
func (m *Manager) thaw(head frozenHead, img *image, body io.Reader) (*cell, error) {
	m.mu.Lock()
	c := m.cells[head.Name]
	m.mu.Unlock()
	if c != nil {
		c.mu.Lock()
		if c.state == control.StateFrozen {
			defer c.mu.Unlock()
			if c.image.hash != img.hash {
				return nil, &control.Error{Code: control.CodeImage, Message: "what is frozen under " + head.Name + " is another image", Remedy: "thaw it under a name of its own"}
			}
			c.set(control.StateStarting)
			return c, c.startLocked(&thawed{program: body})
		}
		c.mu.Unlock()
	}
	return m.run(head.Name, img, head.Options, head.Grants, &thawed{program: body})
}
