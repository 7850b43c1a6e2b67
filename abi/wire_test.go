package abi

import (
	"bytes"
	"reflect"
	"testing"
)

// sampleMessage returns a message in which every field is set.
func sampleMessage() Message {
	m := Message{
		Label: Label{Sources: 1, Readers: 2}, Badge: 3, Reply: MakeHandle(4, 5), Deadline: -6,
		Words: [MessageWords]uint64{7, 8, 9, 10}, HandleCount: 2, Moves: 2,
	}
	m.Handles[0], m.Handles[1] = MakeHandle(11, 12), MakeHandle(13, 14)
	m.SetPayload([]byte("payload"))
	return m
}

func sampleMint() Mint {
	return Mint{
		Rights: RightRead, Pass: RightsAll, Badge: 1, Ceiling: Label{Sources: 2, Readers: 3},
		Expires: -4, Uses: Unlimited, Copies: 5, Base: 6, Bytes: 7, Payer: MakeHandle(8, 9),
	}
}

// encodedMessage returns the bytes of m, in a slice without room behind them.
func encodedMessage(tb testing.TB, m *Message) []byte {
	tb.Helper()
	b := bytes.Repeat([]byte{0xee}, MessageBytes) // what is not written shows
	n, ok := EncodeMessage(b, m)
	if !ok || n != MessageHeadBytes+int(m.Length) {
		tb.Fatalf("encoded %d bytes, %v", n, ok)
	}
	return b[:n:n]
}

// TestOffsets holds the layout to the numbers that programs are built with.
func TestOffsets(t *testing.T) {
	m, mint := sampleMessage(), sampleMint()
	message := encodedMessage(t, &m)
	minted := make([]byte, MintBytes)
	EncodeMint(minted, &mint)
	tests := []struct {
		name  string
		bytes []byte
		at    int
		want  uint64
	}{
		{"sources", message, 0, 1},
		{"readers", message, 8, 2},
		{"badge", message, 16, 3},
		{"reply", message, 24, 5<<24 | 4},
		{"deadline", message, 32, ^uint64(5)},
		{"word 0", message, 40, 7},
		{"word 3", message, 64, 10},
		{"handle 0", message, 72, 12<<24 | 11},
		{"handle 1", message, 80, 14<<24 | 13},
		{"handle 2", message, 88, 0},
		{"counts", message, 136, 7 | 2<<16 | 2<<24},
		{"rights", minted, 0, uint64(RightRead) | uint64(RightsAll)<<32},
		{"mint badge", minted, 8, 1},
		{"ceiling", minted, 16, 2},
		{"expires", minted, 32, ^uint64(3)},
		{"uses", minted, 40, uint64(Unlimited) | 5<<32},
		{"base", minted, 48, 6},
		{"bytes", minted, 56, 7},
		{"payer", minted, 64, 9<<24 | 8},
	}
	for _, test := range tests {
		if got := get64(test.bytes[test.at:]); got != test.want {
			t.Errorf("%s at %d: got %#x, want %#x", test.name, test.at, got, test.want)
		}
	}
	if got := string(message[144:]); got != "payload" {
		t.Errorf("data: got %q", got)
	}
	if MessageHeadBytes != 144 || MessageBytes != 656 || MintBytes != 72 || LabelBytes != 16 || FrameHeadBytes != 72 {
		t.Error("a length has changed")
	}
}

func TestMessageReadBack(t *testing.T) {
	want := sampleMessage()
	full := Message{HandleCount: MessageHandleMax, Moves: 0xff, Length: MessageBytesMax}
	for i := range full.Handles {
		full.Handles[i] = Handle(i + 1)
	}
	full.Data[MessageBytesMax-1] = 1
	for _, m := range []Message{{}, want, full} {
		got := full // what was there before must not stay
		if status := DecodeMessage(encodedMessage(t, &m), &got); status != StatusOK || got != m {
			t.Errorf("%v: got %+v, want %+v", status, got, m)
		}
	}
	stale := want
	stale.Handles[5], stale.Data[100] = 1, 1 // not in use, so not sent
	var got Message
	if status := DecodeMessage(append(encodedMessage(t, &stale), "behind"...), &got); status != StatusOK || got != want {
		t.Errorf("%v: got %+v, want %+v", status, got, want)
	}
}

func TestMessageRefused(t *testing.T) {
	sample := sampleMessage()
	good := encodedMessage(t, &sample)
	tests := []struct {
		name  string
		spoil func(b []byte) []byte
		want  Status
	}{
		{"empty", func([]byte) []byte { return nil }, StatusRange},
		{"short head", func(b []byte) []byte { return b[:MessageHeadBytes-1] }, StatusRange},
		{"short data", func(b []byte) []byte { return b[:len(b)-1] }, StatusRange},
		{"length past the end", func(b []byte) []byte { b[MessageAtLength]++; return b }, StatusRange},
		{"length over the limit", func(b []byte) []byte {
			put16(b[MessageAtLength:], MessageBytesMax+1)
			return append(b, make([]byte, MessageBytesMax)...)
		}, StatusRange},
		{"too many handles", func(b []byte) []byte { b[MessageAtHandleCount] = MessageHandleMax + 1; return b }, StatusRange},
		{"moves no handle", func(b []byte) []byte { b[MessageAtMoves] = 4; return b }, StatusBadArgument},
		{"unused handle", func(b []byte) []byte { b[MessageAtHandles+8*2+7] = 1; return b }, StatusBadArgument},
		{"reserved", func(b []byte) []byte { b[MessageAtReserved+3] = 1; return b }, StatusBadArgument},
	}
	for _, test := range tests {
		got, before := Message{Badge: 99}, Message{Badge: 99}
		if status := DecodeMessage(test.spoil(bytes.Clone(good)), &got); status != test.want || got != before {
			t.Errorf("%s: got %v, want %v; message changed: %v", test.name, status, test.want, got != before)
		}
	}
}

func TestEncodeRefuses(t *testing.T) {
	m, mint := sampleMessage(), sampleMint()
	if _, ok := EncodeMessage(make([]byte, MessageHeadBytes+int(m.Length)-1), &m); ok {
		t.Error("message: wrote past the end")
	}
	for _, bad := range []Message{{Length: MessageBytesMax + 1}, {HandleCount: MessageHandleMax + 1}, {Moves: 1}} {
		if _, ok := EncodeMessage(make([]byte, 2*MessageBytes), &bad); ok {
			t.Errorf("encoded %d bytes, %d handles, moves %d", bad.Length, bad.HandleCount, bad.Moves)
		}
	}
	if _, ok := EncodeMint(make([]byte, MintBytes-1), &mint); ok {
		t.Error("mint: wrote past the end")
	}
	if _, ok := EncodeLabel(make([]byte, LabelBytes-1), Label{}); ok {
		t.Error("label: wrote past the end")
	}
	if DecodeMint(make([]byte, MintBytes-1), &mint) != StatusRange || mint != sampleMint() {
		t.Error("mint: read past the end, or changed it")
	}
	label := LabelBottom()
	if DecodeLabel(make([]byte, LabelBytes-1), &label) != StatusRange || label != LabelBottom() {
		t.Error("label: read past the end, or changed it")
	}
}

func sampleFrame() Frame {
	return Frame{
		Call: EndpointCall, Parts: PartLabel | PartMint | PartMessage | PartBytes, Status: StatusLabel,
		Handle: MakeHandle(1, 2), W: [ArgWords]uint64{1, 2, 3, 4, 5, 6},
		Label: Label{Sources: 3, Readers: 4}, Mint: sampleMint(), Message: sampleMessage(), Bytes: []byte("bytes"),
	}
}

func encodedFrame(tb testing.TB, f *Frame) []byte {
	tb.Helper()
	b := bytes.Repeat([]byte{0xee}, FrameBytesMax)
	n, ok := EncodeFrame(b, f)
	if !ok {
		tb.Fatalf("not encoded: %+v", f)
	}
	return b[:n:n]
}

func TestFrameReadBack(t *testing.T) {
	for parts := range partsEnd {
		want := Frame{Call: 1, Parts: parts, Handle: 2, Status: 3, W: [ArgWords]uint64{5: 9}}
		if parts&PartLabel != 0 {
			want.Label = sampleFrame().Label
		}
		if parts&PartMint != 0 {
			want.Mint = sampleMint()
		}
		if parts&PartMessage != 0 {
			want.Message = sampleMessage()
		}
		want.Bytes = []byte{}
		if parts&PartBytes != 0 {
			want.Bytes = []byte("bytes")
		}
		if parts&PartRoom != 0 {
			want.Bytes = make([]byte, 3)
		}
		dst := make([]byte, FrameBytesMax)
		n, ok := EncodeFrame(dst, &want)
		if both := parts&PartBytes != 0 && parts&PartRoom != 0; ok == both {
			t.Errorf("parts %05b: encoded: %v", parts, ok)
		} else if both {
			continue
		}
		if _, ok := EncodeFrame(dst[:n-1], &want); ok {
			t.Errorf("parts %05b: wrote past the end", parts)
		}
		got := Frame{Bytes: bytes.Repeat([]byte{0xee}, 10)}
		if status := DecodeFrame(dst[:n], &got); status != StatusOK || !reflect.DeepEqual(got, want) {
			t.Errorf("parts %05b: %v: got %+v, want %+v", parts, status, got, want)
		}
		for cut := range n {
			got := Frame{Bytes: make([]byte, 10)}
			if status := DecodeFrame(dst[:cut], &got); status != StatusRange {
				t.Fatalf("parts %05b cut to %d of %d: %v", parts, cut, n, status)
			}
		}
	}
}

func TestFrameRefused(t *testing.T) {
	sample := sampleFrame()
	good := encodedFrame(t, &sample)
	tests := []struct {
		name  string
		spoil func(b []byte) []byte
		want  Status
	}{
		{"good", func(b []byte) []byte { return b }, StatusOK},
		{"something behind", func(b []byte) []byte { return append(b, 0) }, StatusBadArgument},
		{"reserved", func(b []byte) []byte { b[FrameAtReserved] = 1; return b }, StatusBadArgument},
		{"padding", func(b []byte) []byte { b[FrameAtPadding+3] = 1; return b }, StatusBadArgument},
		{"unknown part", func(b []byte) []byte { b[FrameAtParts+1] = 1; return b }, StatusBadArgument},
		{"bytes and room", func(b []byte) []byte { b[FrameAtParts] |= byte(PartRoom); return b }, StatusBadArgument},
		{"count without bytes", func(b []byte) []byte { b[FrameAtParts] &^= byte(PartBytes); return b }, StatusBadArgument},
		{"more bytes than sent", func(b []byte) []byte { b[FrameAtByteCount]++; return b }, StatusRange},
		{"fewer bytes than sent", func(b []byte) []byte { b[FrameAtByteCount]--; return b }, StatusBadArgument},
		{"bytes over the limit", func(b []byte) []byte { b[FrameAtByteCount+3] = 0xff; return b }, StatusRange},
		{"bad message", func(b []byte) []byte {
			b[FrameHeadBytes+LabelBytes+MintBytes+MessageAtReserved] = 1
			return b
		}, StatusBadArgument},
	}
	for _, test := range tests {
		f := Frame{Bytes: make([]byte, 0, 16)}
		if status := DecodeFrame(test.spoil(bytes.Clone(good)), &f); status != test.want {
			t.Errorf("%s: got %v, want %v", test.name, status, test.want)
		}
		if cap(f.Bytes) != 16 {
			t.Errorf("%s: the buffer is another one", test.name)
		}
	}
	small := Frame{Bytes: make([]byte, 0, 4)}
	if status := DecodeFrame(good, &small); status != StatusRange {
		t.Errorf("small buffer: got %v", status)
	}
	long := Frame{Parts: PartBytes, Bytes: make([]byte, FramePayloadMax+1)}
	if _, ok := EncodeFrame(make([]byte, 2*FrameBytesMax), &long); ok {
		t.Error("encoded more bytes than a frame may have")
	}
}

// TestFrameAnswer plays a call and its answer through frames.
func TestFrameAnswer(t *testing.T) {
	f := Frame{Call: RegionRead, Parts: PartRoom | PartMessage, Bytes: make([]byte, 4), Message: sampleMessage()}
	var a Args
	f.Args(&a)
	if a.Message != &f.Message || a.Mint != nil || len(a.Bytes) != 4 || a.Label != (Label{}) {
		t.Errorf("got %+v", a)
	}
	copy(a.Bytes, "read")
	a.W[0], a.Label, a.Message.Badge = 7, LabelTop(), 8
	f.Answer(&a, StatusOK)
	got := Frame{Bytes: make([]byte, 4)}
	if status := DecodeFrame(encodedFrame(t, &f), &got); status != StatusOK {
		t.Fatal(status)
	}
	if got.W[0] != 7 || got.Label != LabelTop() || got.Message.Badge != 8 || string(got.Bytes) != "read" {
		t.Errorf("got %+v", got)
	}

	f = Frame{Call: CapMint, Parts: PartRoom | PartMint | PartLabel, Bytes: make([]byte, 4), W: [ArgWords]uint64{1}}
	f.Args(&a)
	if a.Mint != &f.Mint || a.Message != nil {
		t.Errorf("got %+v", a)
	}
	f.Answer(&a, StatusRights)
	if b := encodedFrame(t, &f); len(b) != FrameHeadBytes || DecodeFrame(b, &got) != StatusOK ||
		got.Status != StatusRights || got.W != [ArgWords]uint64{} {
		t.Errorf("a refused call answers with %+v", got)
	}
}

func TestWireAllocs(t *testing.T) {
	f := sampleFrame()
	dst := make([]byte, FrameBytesMax)
	got := Frame{Bytes: make([]byte, 16)}
	var a Args
	if n := testing.AllocsPerRun(100, func() {
		n, _ := EncodeFrame(dst, &f)
		_ = DecodeFrame(dst[:n], &got)
		got.Args(&a)
		got.Answer(&a, StatusOK)
	}); n != 0 {
		t.Errorf("a frame allocates %v times", n)
	}
}

func FuzzDecodeMessage(f *testing.F) {
	m := sampleMessage()
	f.Add(encodedMessage(f, &m))
	f.Add(encodedMessage(f, &Message{}))
	f.Fuzz(func(t *testing.T, src []byte) {
		var m, again Message
		if DecodeMessage(src, &m) != StatusOK {
			return
		}
		b := encodedMessage(t, &m)
		if !bytes.HasPrefix(src, b) {
			t.Errorf("%x decodes to %+v, which encodes as %x", src, m, b)
		}
		if status := DecodeMessage(b, &again); status != StatusOK || again != m {
			t.Errorf("%v: got %+v then %+v", status, m, again)
		}
	})
}

func FuzzDecodeMint(f *testing.F) {
	m := sampleMint()
	b := make([]byte, MintBytes)
	EncodeMint(b, &m)
	f.Add(b)
	f.Fuzz(func(t *testing.T, src []byte) {
		var m, again Mint
		if DecodeMint(src, &m) != StatusOK {
			return
		}
		b := make([]byte, MintBytes)
		if n, ok := EncodeMint(b, &m); !ok || !bytes.Equal(src[:n], b) {
			t.Errorf("%x decodes to %+v, which encodes as %x", src, m, b)
		}
		if status := DecodeMint(b, &again); status != StatusOK || again != m {
			t.Errorf("%v: got %+v then %+v", status, m, again)
		}
	})
}

func FuzzDecodeFrame(f *testing.F) {
	sample := sampleFrame()
	f.Add(encodedFrame(f, &sample))
	for parts := range partsEnd {
		sample.Parts = parts
		if n, ok := EncodeFrame(make([]byte, FrameBytesMax), &sample); ok {
			f.Add(encodedFrame(f, &sample)[:n])
		}
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		const buffer = 64
		fr := Frame{Bytes: make([]byte, buffer)}
		if DecodeFrame(src, &fr) != StatusOK {
			return
		}
		b := encodedFrame(t, &fr)
		if !bytes.Equal(src, b) {
			t.Errorf("%x decodes to %+v, which encodes as %x", src, fr, b)
		}
		again := Frame{Bytes: make([]byte, buffer)}
		if status := DecodeFrame(b, &again); status != StatusOK || !reflect.DeepEqual(again, fr) {
			t.Errorf("%v: got %+v then %+v", status, fr, again)
		}
	})
}

func BenchmarkFrame(b *testing.B) {
	f := sampleFrame()
	f.Parts = PartMessage
	dst := make([]byte, FrameBytesMax)
	got := Frame{Bytes: make([]byte, 16)}
	b.Run("encode", func(b *testing.B) {
		for b.Loop() {
			EncodeFrame(dst, &f)
		}
	})
	n, _ := EncodeFrame(dst, &f)
	b.Run("decode", func(b *testing.B) {
		for b.Loop() {
			_ = DecodeFrame(dst[:n], &got)
		}
	})
}
