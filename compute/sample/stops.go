package sample

// Limits of stop strings.
const (
	StopsMax     = 16
	StopBytesMax = 256
)

// Stops finds the first of several strings in text that comes in pieces. What
// may be the beginning of one is held back, and given out once it cannot be any
// more. How the text is cut into pieces makes no difference: the string that
// ends first wins, and of those that end together the longest.
//
// It follows each string as Knuth, Morris and Pratt do (Fast Pattern Matching
// in Strings, 1977), so a byte costs a constant time for each string.
type Stops struct {
	patterns []pattern
	held     string // always the beginning of a pattern
	found    string
	stopped  bool
}

type pattern struct {
	text string
	// border[i] is the length of the longest proper beginning of text that
	// text[:i] ends with.
	border  []int
	matched int
}

// NewStops makes a matcher. Empty strings, strings over StopBytesMax and those
// after the first StopsMax are left out; a service refuses them before.
func NewStops(stops []string) *Stops {
	s := &Stops{}
	for _, text := range stops {
		if text == "" || len(text) > StopBytesMax || len(s.patterns) == StopsMax {
			continue
		}
		border := make([]int, len(text)+1)
		for i, n := 1, 0; i < len(text); i++ {
			for n > 0 && text[i] != text[n] {
				n = border[n]
			}
			if text[i] == text[n] {
				n++
			}
			border[i+1] = n
		}
		s.patterns = append(s.patterns, pattern{text: text, border: border})
	}
	return s
}

func (p *pattern) step(b byte) bool {
	for p.matched > 0 && p.text[p.matched] != b {
		p.matched = p.border[p.matched]
	}
	if p.text[p.matched] == b {
		p.matched++
	}
	return p.matched == len(p.text)
}

// Write takes the next piece and returns the text that may be shown. When
// stopped is true a stop string was found: emit ends where it begins, and what
// is written afterwards is dropped.
func (s *Stops) Write(text string) (emit string, stopped bool) {
	if s.stopped {
		return "", true
	}
	for i := range len(text) {
		found := ""
		for j := range s.patterns {
			p := &s.patterns[j]
			if p.step(text[i]) && len(p.text) > len(found) {
				found = p.text
			}
		}
		if found != "" {
			emit = beginning(s.held, text, len(s.held)+i+1-len(found))
			s.held, s.found, s.stopped = "", found, true
			return emit, true
		}
	}
	longest := 0
	for j := range s.patterns {
		longest = max(longest, s.patterns[j].matched)
	}
	show := len(s.held) + len(text) - longest
	emit = beginning(s.held, text, show)
	s.held = s.pending(longest)
	return emit, false
}

// beginning returns the first n bytes of a followed by b.
func beginning(a, b string, n int) string {
	if a == "" {
		return b[:n]
	}
	if n <= len(a) {
		return a[:n]
	}
	return a + b[:n-len(a)]
}

// pending is the held text: the beginning of a pattern with that many bytes
// matched. It keeps no text of the caller alive.
func (s *Stops) pending(n int) string {
	for i := range s.patterns {
		if p := &s.patterns[i]; p.matched == n {
			return p.text[:n]
		}
	}
	return ""
}

// Flush ends the text and returns what was held back.
func (s *Stops) Flush() string {
	held := s.held
	s.held = ""
	for i := range s.patterns {
		s.patterns[i].matched = 0
	}
	return held
}

// Found is the stop string that was found, or empty.
func (s *Stops) Found() string { return s.found }
