package fuel

// Kind says what an import or export is, as the binary format numbers it.
type Kind byte

// The kinds.
const (
	KindFunction Kind = iota
	KindTable
	KindMemory
	KindGlobal
)

// Features is the set of what a module uses beyond the first edition of
// WebAssembly.
type Features uint16

// The features. An engine has to have those that a module uses.
const (
	FeatureSignExtension Features = 1 << iota
	FeatureSaturatingFloat
	FeatureMultiValue
	FeatureReferenceTypes
	FeatureBulkMemory
	FeatureSIMD
	FeatureAtomics
	FeatureTailCall
)

// String lists the features, separated by commas.
func (f Features) String() string {
	names := [...]string{
		"sign-extension", "saturating-float", "multi-value", "reference-types",
		"bulk-memory", "simd", "atomics", "tail-call",
	}
	list := ""
	for i, n := range names {
		if f&(1<<i) == 0 {
			continue
		}
		if list != "" {
			list += ","
		}
		list += n
	}
	return list
}

// Import is one thing the module asks for, always a function.
type Import struct {
	Module, Name string
	// Type is the index of its type in the module.
	Type uint32
}

// Export is one thing the guest itself exports. What the rewriter adds is not
// among them.
type Export struct {
	Name string
	Kind Kind
}

// GlobalFact is a mutable global, exported as GlobalPrefix and Index.
type GlobalFact struct {
	Index uint32
	// Type is the value type as the binary format writes it: 0x7f i32, 0x7e
	// i64, 0x7d f32, 0x7c f64, 0x7b v128, 0x70 funcref, 0x6f externref.
	Type byte
}

// Numeric reports whether the value is a number of at most 64 bits, which a
// snapshot can hold.
func (g GlobalFact) Numeric() bool { return g.Type >= typeF64 && g.Type <= typeI32 }

// Result is a rewritten module and what its original holds.
type Result struct {
	// Module is the rewritten module; the caller owns it.
	Module []byte
	// Imports and Exports are the guest's own, in the order of the module.
	Imports []Import
	Exports []Export
	// Mutable lists the guest's mutable globals.
	Mutable []GlobalFact
	// HasMemory says that there is a memory, of MinPages to MaxPages of 64
	// KiB. MaxPages is MemoryPagesMax when the module names none.
	HasMemory          bool
	MinPages, MaxPages uint32
	// HasData says that the export Data is there, HasStart that Start is.
	HasData, HasStart bool
	// TablesMutated says that some instruction changes a table or may drop an
	// element segment: what is in tables does not follow from the module then.
	TablesMutated bool
	// DataDropped says that some instruction drops or reads a data segment, so
	// that a snapshot has to know which are left.
	DataDropped bool
	// Uses are the features of the guest. The rewritten module uses
	// FeatureBulkMemory besides.
	Uses Features
	// Functions is the number of functions the guest defines.
	Functions int
}

// Freezable reports whether memory and numeric globals are all the state that
// an instance of the module has, and if not, why.
func (r *Result) Freezable() (reason string, ok bool) {
	if r.TablesMutated {
		return "it changes its tables", false
	}
	if r.DataDropped {
		return "it reads or drops data segments as it runs", false
	}
	for _, g := range r.Mutable {
		if !g.Numeric() {
			return "it has a mutable global that is a vector or a reference", false
		}
	}
	return "", true
}
