package notify

// disarm takes a timer out of the heap, if it is there. Timers.mu is held.
func (t *Timers) disarm(e *timer) {
	i := int(e.heap)
	if i < 0 {
		return
	}
	e.heap = -1
	last := len(t.heap) - 1
	moved := t.heap[last]
	t.heap = t.heap[:last]
	if i == last {
		return
	}
	t.place(i, moved)
	t.down(i)
	t.up(i)
}

// before orders places: by time, and by number among those of one time, so that
// a run can be repeated. Timers.mu is held.
func (t *Timers) before(a, b uint32) bool {
	x, y := t.timers[a].at, t.timers[b].at
	return x < y || x == y && a < b
}

// place puts a timer at a position of the heap. Timers.mu is held.
func (t *Timers) place(position int, i uint32) {
	t.heap[position] = i
	t.timers[i].heap = int32(position) //nolint:gosec // G115: at most TimersMax
}

// up moves the timer at a position to where none above it is later.
// Timers.mu is held.
func (t *Timers) up(position int) {
	i := t.heap[position]
	for position > 0 {
		parent := (position - 1) / 2
		if !t.before(i, t.heap[parent]) {
			break
		}
		t.place(position, t.heap[parent])
		position = parent
	}
	t.place(position, i)
}

// down moves the timer at a position to where none below it is earlier.
// Timers.mu is held.
func (t *Timers) down(position int) {
	i := t.heap[position]
	for 2*position+1 < len(t.heap) {
		child := 2*position + 1
		if child+1 < len(t.heap) && t.before(t.heap[child+1], t.heap[child]) {
			child++
		}
		if !t.before(t.heap[child], i) {
			break
		}
		t.place(position, t.heap[child])
		position = child
	}
	t.place(position, i)
}
