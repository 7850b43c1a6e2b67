package quantity

import (
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	tests := []struct {
		of   Dimension
		text string
		want uint64
		says string // of the error; empty when there is none
	}{
		{Bytes, "64MiB", 64 << 20, ""},
		{Bytes, "12", 12, ""},
		{Bytes, "0.5KiB", 512, ""},
		{Count, "1e6", 1_000_000, ""},
		{Nanoseconds, "90m", 5400e9, ""},
		{Nanoseconds, "1.5 s", 1_500_000_000, ""},
		{Microjoules, "2.5J", 2_500_000, ""},
		{Count, "18446744073709551615", ^uint64(0), ""},
		{Count, "18446744073709551616", 0, "fits 64 bits"},
		{Bytes, "99e99", 0, "fits 64 bits"},
		{Bytes, "0.3B", 0, "whole number"},
		{Bytes, "-1", 0, "one of B, KiB, MiB, GiB, TiB"},
		{Bytes, "1/3", 0, "not an amount of things"},
		{Count, "1KiB", 0, "not a unit of things: write a number"},
		{Nanoseconds, "1e999999999s", 0, "not an amount"},
		{Nanoseconds, "", 0, "not an amount"},
		{dimensions, "1", 0, "no units"},
	}
	for _, test := range tests {
		got, err := Parse(test.of, "things", test.text)
		if got != test.want || (err == nil) != (test.says == "") {
			t.Errorf("%q: got %d, %v", test.text, got, err)
		}
		if err != nil && !strings.Contains(err.Error(), test.says) {
			t.Errorf("%q: %v, want it to say %q", test.text, err, test.says)
		}
	}
}

// FuzzParse checks that whatever is written is read exactly or refused.
func FuzzParse(f *testing.F) {
	f.Add(uint8(Bytes), "64MiB")
	f.Add(uint8(Nanoseconds), "1.000000001s")
	f.Fuzz(func(t *testing.T, of uint8, text string) {
		n, err := Parse(Dimension(of), "things", text)
		if err != nil && n != 0 {
			t.Errorf("%q: %d and %v", text, n, err)
		}
	})
}
