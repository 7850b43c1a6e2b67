package remote

import (
	"encoding/binary"
	"io"
	"sync"

	"phios/abi"
)

// Stream is a Link over a stream of bytes, such as a Unix socket: before each
// frame its length, 32 bits, little-endian.
type Stream struct {
	conn io.ReadWriteCloser
	out  []byte
	in   []byte
	once sync.Once
}

var _ Link = (*Stream)(nil)

// frameFixedBytesMax is the length of the longest frame without Bytes.
const frameFixedBytesMax = abi.FrameBytesMax - abi.FramePayloadMax

// NewStream makes a Link of a connection, which it keeps and which Sever
// closes. Closing it must end a Read and a Write that wait.
func NewStream(conn io.ReadWriteCloser) *Stream { return &Stream{conn: conn} }

// Send passes f on; see Link.
func (s *Stream) Send(f *abi.Frame) abi.Status {
	bytes := 0
	if f.Parts&abi.PartBytes != 0 {
		bytes = len(f.Bytes)
	}
	if bytes > abi.FramePayloadMax {
		return abi.StatusBadArgument
	}
	s.out = room(s.out, lengthBytes+frameFixedBytesMax+bytes)
	n, ok := abi.EncodeFrame(s.out[lengthBytes:], f)
	if !ok {
		return abi.StatusBadArgument
	}
	binary.LittleEndian.PutUint32(s.out, uint32(n)) //nolint:gosec // G115: at most FrameBytesMax
	if _, err := s.conn.Write(s.out[:lengthBytes+n]); err != nil {
		return abi.StatusPeerDead
	}
	return abi.StatusOK
}

// Receive waits for the next frame; see Link. A stream that ends within a
// frame has ended.
func (s *Stream) Receive(f *abi.Frame) abi.Status {
	s.in = room(s.in, frameFixedBytesMax)
	if _, err := io.ReadFull(s.conn, s.in[:lengthBytes]); err != nil {
		return abi.StatusPeerDead
	}
	n := binary.LittleEndian.Uint32(s.in)
	if n < abi.FrameHeadBytes || n > abi.FrameBytesMax {
		return abi.StatusRange
	}
	s.in = room(s.in, int(n))
	if _, err := io.ReadFull(s.conn, s.in); err != nil {
		return abi.StatusPeerDead
	}
	count := binary.LittleEndian.Uint32(s.in[abi.FrameAtByteCount:])
	if count > abi.FramePayloadMax {
		return abi.StatusRange
	}
	f.Bytes = room(f.Bytes, int(count))
	return abi.DecodeFrame(s.in, f)
}

// Sever closes the connection.
func (s *Stream) Sever() {
	s.once.Do(func() { _ = s.conn.Close() }) // the peer finds out either way
}
