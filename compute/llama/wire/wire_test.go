package wire_test

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"

	"phios/compute/llama/wire"
)

func TestMessagesSurviveTheWire(t *testing.T) {
	g := wire.Greeting{Version: 1, Library: "libllama.so", Devices: []wire.Device{{Kind: wire.DeviceGPU, Name: "CUDA0", Description: "a card", MemoryBytes: 1 << 40}}}
	var g2 wire.Greeting
	if err := g2.Decode(g.Append(nil)); err != nil || !reflect.DeepEqual(g, g2) {
		t.Errorf("greeting: got %+v %v, want %+v", g2, err, g)
	}
	l := wire.Loaded{Architecture: "llama", Parameters: 7, FileType: 1, Vocabulary: 2, ContextTokens: 3, Width: 4, CacheTokens: 5, CellBytes: 6, Divisible: true}
	var l2 wire.Loaded
	if err := l2.Decode(l.Append(nil)); err != nil || l != l2 {
		t.Errorf("loaded: got %+v %v, want %+v", l2, err, l)
	}
	o := wire.Loading{ContextTokens: 1, CacheTokens: 2, Threads: 3, LayersOnDevice: -1, Locked: true}
	var o2 wire.Loading
	if err := o2.Decode(o.Append(nil)); err != nil || o != o2 {
		t.Errorf("loading: got %+v %v, want %+v", o2, err, o)
	}
	w := wire.Works{{Sequence: 255, Position: 1, Tokens: 2, Rows: 1}, {Tokens: 1}}
	var w2 wire.Works
	if err := w2.Decode(w.Append(nil)); err != nil || !reflect.DeepEqual(w, w2) {
		t.Errorf("works: got %+v %v, want %+v", w2, err, w)
	}
	f := wire.Failure{Code: wire.Full, Text: "full"}
	var f2 wire.Failure
	if err := f2.Decode(f.Append(nil)); err != nil || f != f2 {
		t.Errorf("failure: got %+v %v, want %+v", f2, err, f)
	}
}

func TestTextsAreBoundedAndClean(t *testing.T) {
	f := wire.Failure{Code: wire.Refused, Text: "\x1b[31m" + strings.Repeat("ä", 2*wire.TextBytesMax)}
	var got wire.Failure
	if err := got.Decode(f.Append(nil)); err != nil {
		t.Fatal(err)
	}
	if len(got.Text) > wire.TextBytesMax || strings.ContainsRune(got.Text, 0x1b) {
		t.Errorf("a text of %d bytes came through as %q", len(f.Text), got.Text[:8])
	}
}

func TestHostileMessagesAreRefused(t *testing.T) {
	var g wire.Greeting
	if err := g.Decode([]byte{1, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255}); !errors.Is(err, wire.ErrMalformed) {
		t.Errorf("four thousand million devices: %v", err)
	}
	var r wire.Range
	for _, bad := range []*wire.Range{{Sequence: 256}, {Low: 2, High: 1}, {High: 1 << 31}, {Bytes: wire.BulkBytes}} {
		if err := r.Decode(bad.Append(nil)); !errors.Is(err, wire.ErrMalformed) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
	for _, frame := range [][]byte{{255, 255, 255, 255, 1, 0, 0, 0, 0}, {4, 0, 0, 0, 1, 0, 0, 0, 0}, {5, 0, 0, 0, 99, 0, 0, 0, 0}} {
		if _, err := wire.Read(bytes.NewReader(frame)); !errors.Is(err, wire.ErrMalformed) {
			t.Errorf("frame % x: %v", frame, err)
		}
	}
	if err := wire.Write(&bytes.Buffer{}, wire.Frame{Payload: make([]byte, wire.FrameBytesMax)}); err == nil {
		t.Error("a frame that is too long was written")
	}
}

// FuzzDecode: no decoder panics, and what one takes it writes again as it was.
func FuzzDecode(f *testing.F) {
	f.Add(append([]byte{5, 0, 0, 0, 1, 0, 0, 0, 0}, 1, 2, 3))
	greeting := wire.Greeting{Version: 1, Devices: make([]wire.Device, 2)}
	f.Add(greeting.Append(nil))
	loaded := wire.Loaded{Architecture: "llama"}
	f.Add(loaded.Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		if frame, err := wire.Read(bytes.NewReader(b)); err == nil {
			var out bytes.Buffer
			if err := wire.Write(&out, frame); err != nil || !bytes.HasPrefix(b, out.Bytes()) {
				t.Errorf("frame % x was written as % x: %v", b, out.Bytes(), err)
			}
		}
		var (
			g wire.Greeting
			o wire.Loading
			l wire.Loaded
			w wire.Works
			r wire.Range
			x wire.Text
			s wire.Size
			e wire.Failure
		)
		again := func(err error, out []byte) {
			if err == nil && !bytes.Equal(out, b) {
				t.Errorf("% x was written as % x", b, out)
			}
		}
		again(g.Decode(b), g.Append(nil))
		again(o.Decode(b), o.Append(nil))
		again(l.Decode(b), l.Append(nil))
		again(w.Decode(b), w.Append(nil))
		again(r.Decode(b), r.Append(nil))
		again(x.Decode(b), x.Append(nil))
		again(s.Decode(b), s.Append(nil))
		again(e.Decode(b), e.Append(nil))
	})
}
