package abi

// Handle is the number by which a task names a slot of its own CSpace: the
// slot's index in the low 24 bits and the slot's generation above. A handle
// means nothing in another task. A generation is never used twice, so a stale
// handle is an error and never another object. Zero is never a handle.
type Handle uint64

// The layout of a handle.
const (
	HandleIndexBits  = 24
	HandleIndexMax   = 1<<HandleIndexBits - 1
	GenerationMax    = 1<<(64-HandleIndexBits) - 1
	handleIndexMask  = HandleIndexMax
	handleGeneration = HandleIndexBits
)

// MakeHandle returns the handle of a slot index and generation.
func MakeHandle(index uint32, generation uint64) Handle {
	return Handle(generation<<handleGeneration | uint64(index)&handleIndexMask)
}

// Index returns the slot index.
func (h Handle) Index() uint32 { return uint32(h & handleIndexMask) }

// Generation returns the slot's generation; those of valid handles are above
// zero.
func (h Handle) Generation() uint64 { return uint64(h) >> handleGeneration }

// ObjectType is the type of a kernel object.
type ObjectType uint8

// The object types. Those from ObjectModel on are service objects: endpoints
// with a badge, which to their holder look like any other object.
const (
	ObjectNone ObjectType = iota
	ObjectTask
	ObjectRegion
	ObjectEndpoint
	ObjectNotification
	ObjectTimer
	ObjectInterrupt
	ObjectBudget
	ObjectReply
	ObjectModel
	ObjectFile
	ObjectSocket
	ObjectDevice
	ObjectUnit
	objectTypeEnd
)

// ObjectTypeCount is the number of object types; valid ones are below it.
const ObjectTypeCount = int(objectTypeEnd)

var objectTypeNames = [...]string{
	"none", "task", "region", "endpoint", "notification", "timer", "interrupt",
	"budget", "reply", "model", "file", "socket", "device", "unit",
}

const (
	_ = uint(len(objectTypeNames) - int(objectTypeEnd))
	_ = uint(int(objectTypeEnd) - len(objectTypeNames))
)

// String returns the type's name in lower case.
func (t ObjectType) String() string {
	if int(t) < len(objectTypeNames) {
		return objectTypeNames[t]
	}
	return "unknown"
}

// Service reports whether t is a service object: an endpoint by another name.
func (t ObjectType) Service() bool { return t >= ObjectModel && t < objectTypeEnd }

// Resource is a kind of thing that budgets count.
type Resource uint8

// The resources, each with its unit. Memory and slots are held and come back
// when released; the others are spent.
const (
	ResourceMemory  Resource = iota // bytes
	ResourceSlots                   // CSpace slots
	ResourceCPU                     // nanoseconds
	ResourceTokens                  // model tokens
	ResourceNetwork                 // bytes
	ResourceEnergy                  // microjoules
	resourceEnd
)

// ResourceCount is the number of resources.
const ResourceCount = int(resourceEnd)

var resourceNames = [...]string{"memory", "slots", "cpu", "tokens", "network", "energy"}

const (
	_ = uint(len(resourceNames) - int(resourceEnd))
	_ = uint(int(resourceEnd) - len(resourceNames))
)

// String returns the resource's name in lower case.
func (r Resource) String() string {
	if int(r) < len(resourceNames) {
		return resourceNames[r]
	}
	return "unknown"
}

// Held reports whether what is taken of r is given back on release, as memory
// and slots are, and not spent for good.
func (r Resource) Held() bool { return r <= ResourceSlots }

// Amounts is a quantity of each resource, indexed by Resource.
type Amounts [ResourceCount]uint64

// GlobalAddress is the 128-bit address of a byte in a cluster: the node and
// the address in that node's arena.
type GlobalAddress struct {
	Node    uint64
	Address uint64
}
