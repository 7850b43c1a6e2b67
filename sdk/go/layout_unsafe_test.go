package phi

import (
	"bytes"
	"testing"
	"unsafe"

	"phios/abi"
)

// TestLayout holds the structures to what the node reads, byte by byte.
func TestLayout(t *testing.T) {
	kernel := abi.Message{
		Label: abi.Label{Sources: 1, Readers: 2}, Badge: 3, Reply: 4, Deadline: -5,
		Words: [4]uint64{6, 7, 8, 9}, HandleCount: 2, Moves: 2,
	}
	kernel.Handles[0], kernel.Handles[1] = 10, 11
	kernel.SetPayload([]byte("payload"))
	want := make([]byte, abi.MessageBytes)
	if n, ok := abi.EncodeMessage(want, &kernel); !ok || n != abi.MessageHeadBytes+7 {
		t.Fatal("the kernel's message does not encode")
	}
	m := Message{Label: Label{Sources: 1, Readers: 2}, Badge: 3, ReplyTo: 4, Deadline: -5, Words: [4]uint64{6, 7, 8, 9}}
	if m.SetText("payload") != nil || m.Attach(10) != nil || m.AttachMoved(11) != nil {
		t.Fatal("the message does not take what fits")
	}
	compare(t, "message", memory(&m), want)

	mint := abi.Mint{
		Rights: 1, Pass: 2, Badge: 3, Ceiling: abi.Label{Sources: 4, Readers: 5}, Expires: -6,
		Uses: 7, Copies: 8, Base: 9, Bytes: 10, Payer: 11,
	}
	want = make([]byte, abi.MintBytes)
	if _, ok := abi.EncodeMint(want, &mint); !ok {
		t.Fatal("the kernel's mint does not encode")
	}
	compare(t, "mint", memory(&Mint{
		Rights: 1, Pass: 2, Badge: 3, Ceiling: Label{Sources: 4, Readers: 5}, Expires: -6,
		Uses: 7, Copies: 8, Base: 9, Bytes: 10, Payer: 11,
	}), want)
}

// memory returns the bytes that a value lies in.
//
// Safety: the slice covers the value and does not outlive the test.
func memory[T any](v *T) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(v)), unsafe.Sizeof(*v))
}

func compare(t *testing.T, what string, got, want []byte) {
	t.Helper()
	if !bytes.Equal(got, want) {
		t.Errorf("%s lies as\n%v\nand should as\n%v", what, got, want)
	}
}

// TestMessage fills a message to its limits.
func TestMessage(t *testing.T) {
	var m Message
	if err := m.SetBytes(make([]byte, MessageBytesMax+1)); err != StatusRange { //nolint:errorlint // never wrapped
		t.Errorf("too many bytes: %v", err)
	}
	if err := m.SetBytes(make([]byte, MessageBytesMax)); err != nil || len(m.Bytes()) != MessageBytesMax {
		t.Errorf("as many bytes as fit: %v", err)
	}
	for i := range MessageHandleMax {
		if err := m.Attach(Capability(i + 1)); err != nil {
			t.Errorf("capability %d: %v", i, err)
		}
	}
	if err := m.AttachMoved(9); err != StatusRange || m.moves != 0 { //nolint:errorlint // never wrapped
		t.Errorf("one capability too many: %v, moves %b", err, m.moves)
	}
	m.Badge = 7
	m.Clear()
	if len(m.Bytes()) != 0 || len(m.Capabilities()) != 0 || m.Badge != 7 {
		t.Error("clearing leaves something, or takes the badge")
	}
}

// TestStatus compares the texts with the kernel's.
func TestStatus(t *testing.T) {
	for s := range abi.Status(abi.StatusCount + 1) {
		if mine := Status(s); mine.Error() != s.Error() || mine.Name() != s.Name() {
			t.Errorf("status %d: %q, want %q", s, mine.Error(), s.Error())
		}
	}
	if n := testing.AllocsPerRun(100, func() { _ = Endpoint{}.Call(&Message{}) }); n != 0 {
		t.Errorf("a call allocates %v times", n)
	}
}

// TestWindow opens windows up to their limit; the kernel refuses each.
func TestWindow(t *testing.T) {
	var r Region
	for _, bytes := range []uint64{0, 1, PageBytes + 1, 1 << 32} {
		if _, err := r.Map(0, bytes, Shared); err != StatusRange { //nolint:errorlint // never wrapped
			t.Errorf("a window of %d bytes: %v", bytes, err)
		}
	}
	for range 2 * windowsMax { // A refused window is not kept.
		if _, err := r.Map(0, PageBytes, Private); err != StatusUnsupported { //nolint:errorlint // never wrapped
			t.Fatalf("without a node: %v", err)
		}
	}
	kept := make([]Window, windowsMax+1)
	for i := range kept {
		if keep(&kept[i]) != (i < windowsMax) {
			t.Fatalf("window %d of at most %d", i, windowsMax)
		}
	}
	for i := range kept {
		release(&kept[i])
	}
}
