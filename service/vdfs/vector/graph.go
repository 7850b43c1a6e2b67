package vector

// walk is the memory of a walk through a graph.
type walk struct{}

// Graph is to come.
type Graph struct{}

// Search is [Snapshot.Scan].
func (s Snapshot) Search(query []float32, k int, filter Bitmap) ([]Hit, error) {
	return s.Scan(query, k, filter)
}
