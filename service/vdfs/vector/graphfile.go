package vector

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// The file of a graph, little end first:
//
//	magic "phiosGRA"  version u32  links u32  generation u64  rows u64  entry u32  top u32  upper u64
//	base u32 × rows·2·links  place u32 × rows  upper u32 × upper  (0 u32)  crc u32  0 u32
const (
	graphMagic   = "phiosGRA"
	graphVersion = 1
	graphHeader  = 48
	graphEnd     = ".graph"
	graphNewEnd  = ".graph-new"
)

// encodeGraph makes the file of a graph.
func encodeGraph(g *Graph) []byte {
	b := []byte(graphMagic)
	b = binary.LittleEndian.AppendUint32(b, graphVersion)
	b = binary.LittleEndian.AppendUint32(b, uint32(g.links))
	b = binary.LittleEndian.AppendUint64(b, g.generation)
	b = binary.LittleEndian.AppendUint64(b, uint64(g.rows))
	b = binary.LittleEndian.AppendUint32(b, g.entry)
	b = binary.LittleEndian.AppendUint32(b, uint32(g.top))
	b = binary.LittleEndian.AppendUint64(b, uint64(len(g.upper)))
	for _, list := range [][]uint32{g.base, g.place, g.upper} {
		for _, v := range list {
			b = binary.LittleEndian.AppendUint32(b, v)
		}
	}
	if len(b)%8 != 0 {
		b = binary.LittleEndian.AppendUint32(b, 0)
	}
	return sealed(b, 0)
}

// parseGraph reads the file of a graph and believes nothing in it: every number
// that a walk follows is within bounds.
func parseGraph(b []byte) (*Graph, error) {
	bad := func(what string) (*Graph, error) {
		return nil, fmt.Errorf("%w: the file of the graph has %s: build the graph again", ErrCorrupt, what)
	}
	if len(b) < graphHeader+trailerBytes || string(b[:8]) != graphMagic || binary.LittleEndian.Uint32(b[8:]) != graphVersion {
		return bad("another start")
	}
	if !unsealed(b) {
		return bad("a wrong sum")
	}
	links, rows, upper := binary.LittleEndian.Uint32(b[12:]), binary.LittleEndian.Uint64(b[24:]), binary.LittleEndian.Uint64(b[40:])
	if links < 4 || links > linksMax || rows > RowsMax || upper > RowsMax*linksMax*levelsMax {
		return bad("another size")
	}
	numbers := int(rows)*2*int(links) + int(rows) + int(upper)
	if len(b) != graphHeader+(4*numbers+7)&^7+trailerBytes {
		return bad("another size")
	}
	all := make([]uint32, numbers)
	for i := range all {
		all[i] = binary.LittleEndian.Uint32(b[graphHeader+4*i:])
	}
	g := &Graph{
		generation: binary.LittleEndian.Uint64(b[16:]), rows: int(rows), links: int(links),
		entry: binary.LittleEndian.Uint32(b[32:]), top: int(binary.LittleEndian.Uint32(b[36:])),
	}
	bases := g.rows * 2 * g.links
	g.base, g.place, g.upper = all[:bases:bases], all[bases:bases+g.rows:bases+g.rows], all[bases+g.rows:]
	if !g.sound() {
		return bad("links that lead nowhere")
	}
	return g, nil
}

// sound reports whether a walk stays within the graph: each row has the lists
// that its number says, in order, and links lead to rows that are on the level.
func (g *Graph) sound() bool { //nolint:revive // cyclomatic: one line a bound
	at := 0
	for row := range g.rows {
		want := none
		if n := levelOf(row); n > 0 {
			want = uint32(at)
			at += n * g.links
		}
		if g.place[row] != want {
			return false
		}
	}
	if at != len(g.upper) || g.rows > 0 && (int(g.entry) >= g.rows || levelOf(int(g.entry)) != g.top) {
		return false
	}
	on := func(links []uint32, level int) bool {
		for _, other := range links {
			if other != none && (int(other) >= g.rows || level > 0 && levelOf(int(other)) < level) {
				return false
			}
		}
		return true
	}
	if !on(g.base, 0) {
		return false
	}
	for row := range g.rows {
		for level := 1; level <= levelOf(row); level++ {
			if !on(g.neighbours(uint32(row), level), level) {
				return false
			}
		}
	}
	return true
}

// SaveGraph writes the graph in use beside the rows, so that [Open] finds it.
// Losing the file costs nothing but building again.
func (s *Store) SaveGraph() (err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := s.current.Load()
	if v == nil || v.graph == nil {
		return fmt.Errorf("%w: no graph is in use: build one first", ErrInput)
	}
	f, err := s.folder.OpenFile(fileName(v.generation, graphNewEnd), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(encodeGraph(v.graph))
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return s.folder.Rename(fileName(v.generation, graphNewEnd), fileName(v.generation, graphEnd))
}

// loadGraph uses the graph beside the rows, if there is one and it is whole. It
// fails only when the disk does.
func (s *Store) loadGraph(generation uint64) error {
	b, err := s.folder.ReadFile(fileName(generation, graphEnd))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if g, err := parseGraph(b); err == nil {
		// One of more rows than were committed is from before a crash.
		if err := s.UseGraph(g); err != nil && !errors.Is(err, ErrInput) {
			return err
		}
	}
	return nil
}
