package phi

import "sync"

// windows holds what is offered to the node while a window is open. Without
// it, a program that forgets a window would have the memory collected and used
// again with somebody else's pages in it.
var windows struct { //nolint:gochecknoglobals // it has to outlive every forgotten Window
	mu   sync.Mutex
	open map[*Window]struct{} // guarded by mu
}

// keep holds a window, unless there are too many.
func keep(w *Window) bool {
	windows.mu.Lock()
	defer windows.mu.Unlock()
	if len(windows.open) >= windowsMax {
		return false
	}
	if windows.open == nil {
		windows.open = map[*Window]struct{}{}
	}
	windows.open[w] = struct{}{}
	return true
}

// release lets a window go.
func release(w *Window) {
	windows.mu.Lock()
	defer windows.mu.Unlock()
	delete(windows.open, w)
}
