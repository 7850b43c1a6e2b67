// Package quantity reads amounts with units, as people write them in
// manifests: "64MiB", "1.5s", "1e6". It is exact: what is not a whole number of
// the smallest unit is an error, and never rounded.
package quantity

import (
	"fmt"
	"math/big"
	"regexp"
	"slices"
	"strings"
)

// Dimension says what an amount counts.
type Dimension uint8

// The dimensions, by the unit that a bare number counts.
const (
	Count Dimension = iota
	Bytes
	Nanoseconds
	Microjoules
	dimensions
)

// unit is a name for a number of something.
type unit struct {
	name  string
	count int64
}

// unitTable says in which units each dimension may be given; the first is the
// one that a bare number counts.
var unitTable = [dimensions][]unit{
	Count:       {{"", 1}},
	Bytes:       {{"B", 1}, {"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40}},
	Nanoseconds: {{"ns", 1}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"m", 60e9}, {"h", 3600e9}},
	Microjoules: {{"uJ", 1}, {"mJ", 1e3}, {"J", 1e6}, {"kJ", 1e9}},
}

// quantityTable is what a number with a unit looks like. The limits keep the
// arithmetic small whatever is written.
var quantityTable = regexp.MustCompile(`^([0-9]{1,20}(?:\.[0-9]{1,9})?(?:e[0-9]{1,2})?) ?([A-Za-z]*)$`)

// Parse reads an amount of what is counted in d, and returns it in the smallest
// unit. The error calls it by the name what, and says what can be written.
func Parse(d Dimension, what, text string) (uint64, error) {
	if d >= dimensions {
		return 0, fmt.Errorf("%v has no units", what)
	}
	parts := quantityTable.FindStringSubmatch(text)
	if parts == nil {
		return 0, fmt.Errorf("%q is not an amount of %s: write a number%s", text, what, d.units())
	}
	units := unitTable[d]
	i := slices.IndexFunc(units, func(u unit) bool { return u.name == parts[2] })
	if parts[2] == "" {
		i = 0
	}
	if i < 0 {
		return 0, fmt.Errorf("%q is not a unit of %s: write a number%s", parts[2], what, d.units())
	}
	n, ok := new(big.Rat).SetString(parts[1])
	if !ok {
		return 0, fmt.Errorf("%q is not a number", parts[1])
	}
	n.Mul(n, new(big.Rat).SetInt64(units[i].count))
	if !n.IsInt() || !n.Num().IsUint64() {
		return 0, fmt.Errorf("%q is not a whole number of %s that fits 64 bits", text, what)
	}
	return n.Num().Uint64(), nil
}

// units names the units of a dimension, for an error.
func (d Dimension) units() string {
	var names []string
	for _, u := range unitTable[d] {
		if u.name != "" {
			names = append(names, u.name)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return " and one of " + strings.Join(names, ", ")
}
