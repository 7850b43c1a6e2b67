// Command go is the sharer of apps/shared-region that is written in Go.
package main

import (
	phi "phios/sdk/go"
	"phios/sdk/go/server"
)

// sharer holds the window, once there is one.
type sharer struct{ window *phi.Window }

func init() { //nolint:gochecknoinits // a server has no main that runs
	server.Handle(new(sharer).answer)
}

func main() {}

func (s *sharer) answer(m *phi.Message) error {
	verb, word := m.Text(), m.Words[0]
	m.Clear()
	if verb == "map" {
		return s.open(word)
	}
	if s.window == nil {
		return phi.StatusState
	}
	switch verb {
	case "sum":
		for _, b := range s.window.Bytes {
			m.Words[0] += uint64(b)
		}
	case "write":
		for i := range s.window.Bytes {
			s.window.Bytes[i] = byte(word)
		}
	case "unmap":
		err := s.window.Unmap()
		s.window = nil
		return err
	default:
		return phi.StatusBadArgument
	}
	return nil
}

// open shows so many bytes of the region.
func (s *sharer) open(bytes uint64) error {
	if s.window != nil {
		return nil
	}
	shared, err := phi.Named("shared")
	if err != nil {
		return err
	}
	s.window, err = shared.Region().Map(0, bytes, phi.Shared)
	return err
}
