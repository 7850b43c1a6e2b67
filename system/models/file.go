package models

import (
	"errors"
	"io/fs"

	"phios/abi"
	"phios/kernel/gate"
	"phios/platform"
	"phios/platform/host"
)

// The rights with which a model's file is shown.
const readable = abi.RightInvoke | abi.RightRead | abi.RightMap | abi.RightInspect

// mapFile answers AIMapModel with a region that shows the model's file: the
// same pages for all who map it, and those that the engine computes with.
//
// The holder's capability derives from a branch of its own, so that what was
// shown ends with the grant.
func (c *call) mapFile() abi.Status {
	h := c.holder
	h.mu.Lock()
	shown, gone := h.shown, h.gone
	h.mu.Unlock()
	if gone {
		return abi.StatusRevoked
	}
	file, bytes, status := c.model.region(c.port)
	if !status.OK() {
		c.tell(errors.New("its file cannot be mapped: " + status.Error()))
		return status
	}
	if shown == 0 {
		// GRANT is the server's, to answer with a copy; the copy has what may be
		// passed on, and so not GRANT.
		mint := abi.Whole(readable)
		mint.Rights, mint.Expires = readable|abi.RightGrant, h.expires
		a := abi.Args{Mint: &mint}
		if status := c.port.Invoke(file, abi.CapMint, &a); !status.OK() {
			return status
		}
		shown = h.show(c.port, abi.Handle(a.W[0]))
		if shown == 0 {
			return abi.StatusRevoked
		}
	}
	m := c.message
	m.Words = [abi.MessageWords]uint64{0, bytes}
	m.Length, m.Moves = 0, 0
	m.Handles[0], m.HandleCount = shown, 1
	return abi.StatusOK
}

// show keeps the holder's branch of the region; of two, the first stays. It
// returns the one that is kept, zero when the grant has ended.
func (h *holder) show(p *gate.Port, branch abi.Handle) abi.Handle {
	h.mu.Lock()
	kept := h.shown
	if kept == 0 && !h.gone {
		h.shown, kept = branch, branch
	}
	gone := h.gone
	h.mu.Unlock()
	if kept != branch {
		drop(p, branch)
	}
	if gone {
		return 0
	}
	return kept
}

// region returns the region that shows the model's file, made the first time on
// the budget that pays for the model's object, and the length of the file.
func (m *model) region(p *gate.Port) (abi.Handle, uint64, abi.Status) {
	m.mu.Lock()
	defer m.mu.Unlock() // held over the kernel's calls: two files would be shown
	if m.file != 0 {
		return m.file, m.bytes, abi.StatusOK
	}
	machine, ok := m.models.c.Machine.(*host.Machine)
	if !ok || m.models.c.Open == nil {
		return 0, 0, abi.StatusUnsupported
	}
	f, release, err := m.models.c.Open(m.name)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return 0, 0, abi.StatusEmpty
		}
		return 0, 0, abi.StatusUnsupported
	}
	defer release()
	b, bytes, err := machine.Import(f)
	if err != nil {
		return 0, 0, abi.StatusUnsupported
	}
	whole := (bytes + platform.PageBytes - 1) &^ (platform.PageBytes - 1)
	h, status := p.AdoptBacking(m.budget, b, whole)
	if !status.OK() {
		machine.Discard(b)
		return 0, 0, status
	}
	m.file, m.bytes = h, bytes
	return h, bytes, abi.StatusOK
}
