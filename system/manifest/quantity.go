package manifest

import (
	"phios/abi"
	"phios/internal/quantity"
)

// dimensionTable says what each resource is counted in.
var dimensionTable = [abi.ResourceCount]quantity.Dimension{
	abi.ResourceMemory: quantity.Bytes, abi.ResourceSlots: quantity.Count, abi.ResourceCPU: quantity.Nanoseconds,
	abi.ResourceTokens: quantity.Count, abi.ResourceNetwork: quantity.Bytes, abi.ResourceEnergy: quantity.Microjoules,
}

// amount reads a quantity of a resource: "64MiB", "1.5s", "1e6".
func amount(r abi.Resource, text string) (uint64, error) {
	return quantity.Parse(dimensionTable[r], r.String(), text)
}
