package remote

import (
	"bytes"
	"encoding/binary"
	"io"
	"testing"

	"phios/abi"
	"phios/capsule"
)

// recorded is a program that has said everything in advance.
type recorded struct{ *bytes.Reader }

func (recorded) Write(b []byte) (int, error) { return len(b), nil }
func (recorded) Close() error                { return nil }

var _ io.ReadWriteCloser = recorded{}

// closedDoor refuses everything and checks that what comes to it is in order.
type closedDoor struct{ tb testing.TB }

func (d closedDoor) Invoke(_ abi.Handle, _ abi.Call, a *abi.Args) abi.Status {
	if len(a.Bytes) > abi.FramePayloadMax {
		d.tb.Errorf("%d bytes", len(a.Bytes))
	}
	if a.Message != nil && a.Message.Check() != abi.StatusOK {
		d.tb.Error("a message that is not in order")
	}
	return abi.StatusBadHandle
}
func (closedDoor) Named(string) (abi.Handle, abi.Status)  { return 0, abi.StatusBadHandle }
func (closedDoor) Charge(abi.Resource, uint64) abi.Status { return abi.StatusBudget }
func (closedDoor) Alive() bool                            { return true }
func encoded(frames ...abi.Frame) []byte {
	var all []byte
	buffer := make([]byte, abi.FrameBytesMax)
	for i := range frames {
		n, _ := abi.EncodeFrame(buffer, &frames[i])
		all = binary.LittleEndian.AppendUint32(all, uint32(n))
		all = append(all, buffer[:n]...)
	}
	return all
}

// FuzzStream feeds the node's side whatever a program can say.
func FuzzStream(f *testing.F) {
	f.Add([]byte{})
	f.Add(bytes.Repeat([]byte{0xff}, 100))
	f.Add(encoded(
		abi.Frame{Call: abi.SessionNamed, Parts: abi.PartBytes, Bytes: []byte("clock")},
		abi.Frame{Call: abi.RegionRead, Parts: abi.PartRoom, Bytes: make([]byte, 10)},
		abi.Frame{Call: abi.EndpointCall, Parts: abi.PartMessage | abi.PartLabel | abi.PartMint},
		abi.Frame{Call: abi.SessionReady},
		abi.Frame{Call: abi.SessionOutput, W: [abi.ArgWords]uint64{1}, Parts: abi.PartBytes, Bytes: []byte("x")},
		abi.Frame{Call: abi.SessionServe, Parts: abi.PartMessage},
		abi.Frame{Call: abi.SessionExit, W: [abi.ArgWords]uint64{1, 1}},
	))
	f.Fuzz(func(t *testing.T, said []byte) {
		s := NewSession(NewStream(recorded{bytes.NewReader(said)}), capsule.Spec{Door: closedDoor{t}})
		exit := s.Run()
		checkExit(t, exit)
		if s.Serves() {
			m := abi.Message{}
			if s.Serve(closedDoor{t}, &m).OK() && m.Check() != abi.StatusOK {
				t.Error("an answer that is not in order")
			}
		}
	})
}

// FuzzRings is FuzzStream with slots that hold anything, and a place beside
// them that does.
func FuzzRings(f *testing.F) {
	f.Add([]byte{}, []byte{})
	f.Add(encoded(abi.Frame{Call: abi.SessionNamed, Parts: abi.PartBytes, Bytes: []byte("clock")}), []byte("clock"))
	f.Add(encoded(abi.Frame{Call: abi.EndpointCall, Parts: abi.PartMessage | abi.PartLabel | abi.PartMint}), []byte{})
	f.Fuzz(func(t *testing.T, slot, beside []byte) {
		node, link := ringLinks(t)
		rings := link.(*Rings)
		clear(rings.slot[:])
		copy(rings.slot[:], slot)
		copy(rings.bulkOut, beside)
		if status := rings.out.Send(rings.slot[:], receiveNSMax); !status.OK() {
			t.Fatal(status)
		}
		link.Sever() // what was sent before is received
		s := NewSession(node, capsule.Spec{Door: closedDoor{t}})
		checkExit(t, s.Run())
	})
}

func checkExit(t *testing.T, e capsule.Exit) {
	t.Helper()
	if e.Cause > capsule.CauseLost || len(e.Detail) > 4*DetailBytesMax {
		t.Errorf("exit %v %q", e.Cause, e.Detail)
	}
	for _, r := range e.Detail {
		if r < ' ' {
			t.Errorf("control character in %q", e.Detail)
		}
	}
}
