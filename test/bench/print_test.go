package bench

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
)

// examples is a row of each kind.
func examples() []Row {
	return []Row{
		atMost("call: one", 62.5, unitNS, 80).against("two Go channels", 310, 4.96),
		atLeast("call: times", "two Go channels", 4.96, 4),
		inform("gc: pause", 12, unitUS),
	}
}

func TestVerdict(t *testing.T) {
	for _, c := range []struct {
		row Row
		ok  bool
	}{
		{atMost("a", 5, unitNS, 5), true},
		{atMost("a", 5.0001, unitNS, 5), false},
		{atMost("a", 0, unitAllocs, 0), true},
		{atMost("a", 1, unitAllocs, 0), false},
		{atLeast("a", "b", 4, 4), true},
		{atLeast("a", "b", 3.9999, 4), false},
		{inform("a", 1e9, unitNS), true},
	} {
		if c.row.OK != c.ok {
			t.Errorf("%+v: ok is %v, want %v", c.row, c.row.OK, c.ok)
		}
	}
}

// Other programs read the array, so its objects have exactly these members.
func TestJSON(t *testing.T) {
	var b strings.Builder
	if err := Write(&b, JSON, examples()); err != nil {
		t.Fatal(err)
	}
	var rows []map[string]any
	if err := json.Unmarshal([]byte(b.String()), &rows); err != nil {
		t.Fatalf("not one JSON array: %v\n%s", err, b.String())
	}
	if len(rows) != 3 {
		t.Fatalf("%d rows, want 3", len(rows))
	}
	want := []string{"better", "name", "ok", "peer", "peer_value", "ratio", "target", "unit", "value"}
	for _, r := range rows {
		if got := slices.Sorted(maps.Keys(r)); !slices.Equal(got, want) {
			t.Errorf("members %v, want %v", got, want)
		}
	}
	for member, value := range map[string]any{
		"name": "call: one", "value": 62.5, "unit": "ns", "better": "lower", "target": 80.0,
		"peer": "two Go channels", "peer_value": 310.0, "ratio": 4.96, "ok": true,
	} {
		if rows[0][member] != value {
			t.Errorf("%s is %v, want %v", member, rows[0][member], value)
		}
	}
	if rows[1]["better"] != "higher" || rows[1]["peer_value"] != 1.0 || rows[1]["unit"] != "x" {
		t.Errorf("a row that is a ratio: %v", rows[1])
	}
	if rows[2]["target"] != nil || rows[2]["ratio"] != nil || rows[2]["ok"] != true {
		t.Errorf("a row that informs: %v", rows[2])
	}
	b.Reset()
	if err := Write(&b, JSON, nil); err != nil || strings.Join(strings.Fields(b.String()), "") != "[]" {
		t.Errorf("no rows are %q, %v", b.String(), err)
	}
}

func TestMissedTargetIsAnError(t *testing.T) {
	rows := append(examples(), atMost("fake: too slow", 100, unitNS, 1))
	for _, f := range []Format{Table, JSON, Markdown} {
		var b strings.Builder
		if err := Write(&b, f, rows); !errors.Is(err, ErrMissed) {
			t.Errorf("format %d: %v, want ErrMissed", f, err)
		}
		if !strings.Contains(b.String(), "fake: too slow") {
			t.Errorf("format %d: the rows are not written", f)
		}
		if err := Write(&b, f, examples()); err != nil {
			t.Errorf("format %d: %v with all targets met", f, err)
		}
	}
	if missed := Missed(rows); len(missed) != 1 || missed[0].Name != "fake: too slow" {
		t.Errorf("missed %v", missed)
	}
}

func TestTables(t *testing.T) {
	rows := append(examples(), atMost("fake: too slow", 100, unitNS, 1))
	var table, markdown strings.Builder
	_ = Write(&table, Table, rows)
	_ = Write(&markdown, Markdown, rows)
	for _, want := range []string{"processor: ", "Linux ", "62.5 ns", "≤ 80 ns", "two Go channels 310 ns", "4.96×", "≥ 4×", "missed", "1 of 4 rows"} {
		if !strings.Contains(table.String(), want) {
			t.Errorf("the table lacks %q:\n%s", want, table.String())
		}
	}
	if want := "| call: one | 62.5 ns | ≤ 80 ns | two Go channels 310 ns | 4.96× | ok |\n"; !strings.Contains(markdown.String(), want) {
		t.Errorf("the document lacks %q:\n%s", want, markdown.String())
	}
}

func TestQuantity(t *testing.T) {
	for _, c := range []struct {
		value float64
		unit  string
		want  string
	}{
		{0, unitAllocs, "0 allocs"},
		{1.234, unitNS, "1.23 ns"},
		{12.345, unitUS, "12.3 µs"},
		{123.4, unitNS, "123 ns"},
		{4, unitTimes, "4×"},
	} {
		if got := quantity(c.value, c.unit); got != c.want {
			t.Errorf("quantity(%v, %q) = %q, want %q", c.value, c.unit, got, c.want)
		}
	}
}
