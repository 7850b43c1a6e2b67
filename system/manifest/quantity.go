package manifest

import (
	"fmt"
	"math/big"
	"regexp"
	"slices"
	"strings"

	"phios/abi"
)

// unit is a name for a number of something.
type unit struct {
	name  string
	count int64
}

// unitTable says in which units each resource may be given; the first is the
// one that a bare number counts.
var unitTable = [abi.ResourceCount][]unit{
	abi.ResourceMemory:  {{"B", 1}, {"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40}},
	abi.ResourceSlots:   {{"", 1}},
	abi.ResourceCPU:     {{"ns", 1}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"m", 60e9}, {"h", 3600e9}},
	abi.ResourceTokens:  {{"", 1}},
	abi.ResourceNetwork: {{"B", 1}, {"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40}},
	abi.ResourceEnergy:  {{"uJ", 1}, {"mJ", 1e3}, {"J", 1e6}, {"kJ", 1e9}},
}

// quantityTable is what a number with a unit looks like. The limits keep the
// arithmetic small whatever is written.
var quantityTable = regexp.MustCompile(`^([0-9]{1,20}(?:\.[0-9]{1,9})?(?:e[0-9]{1,2})?) ?([A-Za-z]*)$`)

// amount reads a quantity of a resource: "64MiB", "1.5s", "1e6". It is exact:
// what is not a whole number of the smallest unit is an error.
func amount(r abi.Resource, text string) (uint64, error) {
	parts := quantityTable.FindStringSubmatch(text)
	if parts == nil {
		return 0, fmt.Errorf("%q is not an amount of %v: write a number%s", text, r, unitsOf(r))
	}
	units := unitTable[r]
	i := slices.IndexFunc(units, func(u unit) bool { return u.name == parts[2] })
	if parts[2] == "" {
		i = 0
	}
	if i < 0 {
		return 0, fmt.Errorf("%q is not a unit of %v: write a number%s", parts[2], r, unitsOf(r))
	}
	n, ok := new(big.Rat).SetString(parts[1])
	if !ok {
		return 0, fmt.Errorf("%q is not a number", parts[1])
	}
	n.Mul(n, new(big.Rat).SetInt64(units[i].count))
	if !n.IsInt() || !n.Num().IsUint64() {
		return 0, fmt.Errorf("%q is not a whole number of %v that fits 64 bits", text, r)
	}
	return n.Num().Uint64(), nil
}

// unitsOf names the units of a resource, for an error.
func unitsOf(r abi.Resource) string {
	var names []string
	for _, u := range unitTable[r] {
		if u.name != "" {
			names = append(names, u.name)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return " and one of " + strings.Join(names, ", ")
}
