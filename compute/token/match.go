package token

// matcher finds pieces that stand in a text as they are. Of those that begin at
// one place the longest wins, and the leftmost place first, as Hugging Face's
// tokenizers do. (llama.cpp takes the longest of the whole text first; the two
// differ only where special tokens overlap, which no known vocabulary has.)
type matcher struct {
	starts [256]bool
	// lengths are the lengths that occur with a first byte, longest first.
	lengths [256][]int
	ids     map[string]int32
}

// special tokens that are longer than this are not looked for, so that a hostile
// vocabulary cannot make each byte of a text cost more.
const (
	specialBytesMax   = 512
	specialLengthsMax = 64
)

// add makes the matcher find text.
func (m *matcher) add(text string, id int32) {
	if text == "" || len(text) > specialBytesMax {
		return
	}
	c := text[0]
	at := 0
	for at < len(m.lengths[c]) && m.lengths[c][at] > len(text) {
		at++
	}
	if at == len(m.lengths[c]) || m.lengths[c][at] != len(text) {
		if len(m.lengths[c]) == specialLengthsMax {
			return
		}
		m.lengths[c] = append(m.lengths[c], 0)
		copy(m.lengths[c][at+1:], m.lengths[c][at:])
		m.lengths[c][at] = len(text)
	}
	if m.ids == nil {
		m.ids = make(map[string]int32)
	}
	m.starts[c] = true
	m.ids[text] = id
}

// match finds the longest piece that begins at a place; n is zero for none.
func (m *matcher) match(text string, at int) (id int32, n int) {
	c := text[at]
	if !m.starts[c] {
		return 0, 0
	}
	for _, n := range m.lengths[c] {
		if at+n > len(text) {
			continue
		}
		if id, ok := m.ids[text[at:at+n]]; ok {
			return id, n
		}
	}
	return 0, 0
}
