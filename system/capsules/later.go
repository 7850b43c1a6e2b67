package capsules

import (
	"context"
	"io"

	"phios/abi"
	"phios/api/control"
)

// Reload is not built yet.
func (m *Manager) Reload(context.Context, control.ReloadRequest) (control.Reloaded, error) {
	return control.Reloaded{}, refused("reload", abi.StatusUnsupported)
}

// Freeze is not built yet.
func (m *Manager) Freeze(context.Context, string, io.Writer) error {
	return refused("freeze", abi.StatusUnsupported)
}

// Thaw is not built yet.
func (m *Manager) Thaw(context.Context, control.ThawRequest, io.Reader) (control.Inspection, error) {
	return control.Inspection{}, refused("thaw", abi.StatusUnsupported)
}

// Propose is not built yet.
func (m *Manager) Propose(string) (control.Proposal, error) {
	return control.Proposal{}, refused("propose", abi.StatusUnsupported)
}
