package bench

import "testing"

// TestMap keeps what mapping a model may cost.
func TestMap(t *testing.T) {
	rows, err := mapRows(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		t.Logf("%s: %v %s", r.Name, r.Value, r.Unit)
		if !r.OK {
			t.Errorf("%s: %v %s, at most %v", r.Name, r.Value, r.Unit, *r.Target)
		}
	}
}
