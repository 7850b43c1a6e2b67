package abi

// Call is the number of an operation at the door.
type Call uint16

// The calls, grouped by the object that they act on. [Describe] says for each
// what it needs and what its words mean.
const (
	CallNone Call = iota

	CapMint
	CapDelete
	CapRevoke
	CapInspect
	CapSeal
	CapUnseal

	TaskCreate
	TaskGrant
	TaskStart
	TaskKill
	TaskInspect
	TaskFault
	TaskExit

	BudgetCarve
	BudgetSpend
	BudgetInspect

	RegionCreate
	RegionMap
	RegionUnmap
	RegionRead
	RegionWrite
	RegionPin
	RegionUnpin
	RegionSettle
	RegionInspect

	EndpointCreate
	EndpointCall
	EndpointSend
	EndpointReceive
	EndpointReply
	EndpointReplyReceive
	ReplyCharge
	ReplyCheck

	NotificationCreate
	NotificationSignal
	NotificationWait
	NotificationPoll

	TimerCreate
	TimerArm
	TimerCancel

	InterruptBind
	InterruptAck

	LabelEndorse
	LabelDeclassify
	LabelInspect

	callEnd
)

// CallCount is one more than the highest call number.
const CallCount = int(callEnd)

// ArgWords is the number of argument words of a call.
const ArgWords = 6

// Args are the arguments of a call, and its results. The caller owns them and
// may use them again for the next call.
type Args struct {
	// W are the argument words; results replace them from the front.
	W [ArgWords]uint64
	// Label is the ceiling or label that some calls take or return.
	Label Label
	// Message is what IPC calls carry, both ways.
	Message *Message
	// Mint is how CapMint and TaskGrant make the new capability less.
	Mint *Mint
	// Bytes is what RegionRead fills and RegionWrite copies.
	Bytes []byte
}

// The flags of RegionMap and TaskGrant.
const (
	RegionShared  = 1 // RegionMap: read and write the region itself; needs WRITE
	RegionPrivate = 2 // RegionMap: read it; written pages become private copies
	GrantCopy     = 0 // TaskGrant: the giver keeps its capability
	GrantMove     = 1 // TaskGrant: the giver's capability itself goes
)

// Descriptor says what a call needs.
type Descriptor struct {
	// Name is the call's name: noun, then verb.
	Name string
	// Type is the type of object that the handle must name; ObjectNone when
	// any will do. A service object passes as an endpoint.
	Type ObjectType
	// Need are the rights that the handle must carry.
	Need Rights
	// Self says that the call acts on the caller and takes no handle.
	Self bool
	// In and Out name the argument words before and after.
	In, Out string
	// Does is one line for the manual.
	Does string
}

// Describe returns the descriptor of a call, and whether there is such a call.
func Describe(c Call) (Descriptor, bool) {
	if c == CallNone || int(c) >= len(descriptors) {
		return Descriptor{}, false
	}
	return descriptors[c], true
}

// String returns the call's name.
func (c Call) String() string {
	if d, ok := Describe(c); ok {
		return d.Name
	}
	return "UnknownCall"
}

const (
	use    = RightInvoke
	spend  = RightInvoke | RightWrite
	manage = RightInvoke | RightManage
)

var descriptors = [CallCount]Descriptor{
	CapMint:    {Name: "CapMint", Need: RightDerive, In: "-; Mint", Out: "handle", Does: "Makes a lesser capability to the same object in the caller's own CSpace."},
	CapDelete:  {Name: "CapDelete", Out: "-", Does: "Empties the slot; everything derived from the capability is revoked."},
	CapRevoke:  {Name: "CapRevoke", Need: RightRevoke, Out: "-", Does: "Revokes everything derived from the capability; the capability itself stays."},
	CapInspect: {Name: "CapInspect", Out: "type, rights | pass << 32, badge, object id, base, bytes; Label = ceiling", Does: "Says what the capability is. Every holder may ask."},
	CapSeal:    {Name: "CapSeal", Need: RightDerive, In: "sealer handle (MANAGE)", Out: "handle", Does: "Derives a sealed capability: it can be passed on, but neither used nor derived from."},
	CapUnseal:  {Name: "CapUnseal", In: "sealer handle (MANAGE)", Out: "handle", Does: "Derives the usable capability from one sealed with the same sealer."},

	TaskCreate:  {Name: "TaskCreate", Type: ObjectBudget, Need: spend, In: "slots, fault endpoint handle or 0, fault badge", Out: "handle, task id", Does: "Makes a task that lives on the budget; its faults go to the endpoint as calls."},
	TaskGrant:   {Name: "TaskGrant", Type: ObjectTask, Need: manage, In: "handle to give (GRANT), flags; Mint when copying", Out: "handle in the other task", Does: "Puts a capability into the task's CSpace."},
	TaskStart:   {Name: "TaskStart", Type: ObjectTask, Need: manage, In: "program, argument", Out: "-", Does: "Lets the task run a program."},
	TaskKill:    {Name: "TaskKill", Type: ObjectTask, Need: manage, Out: "-", Does: "Stops the task and every task below it, at once."},
	TaskInspect: {Name: "TaskInspect", Type: ObjectTask, Need: use | RightInspect, Out: "task id, state, parent id, depth, slots used, slots; Label = the task's label", Does: "Says how the task is."},
	TaskFault:   {Name: "TaskFault", Self: true, In: "code, three words", Out: "the answer's words", Does: "Reports a fault of the caller to its fault endpoint and waits for the answer; without one the caller is killed."},
	TaskExit:    {Name: "TaskExit", Self: true, In: "code", Out: "-", Does: "Ends the calling task."},

	BudgetCarve:   {Name: "BudgetCarve", Type: ObjectBudget, Need: manage, In: "six amounts", Out: "handle", Does: "Makes a child budget out of what is available."},
	BudgetSpend:   {Name: "BudgetSpend", Type: ObjectBudget, Need: spend, In: "resource, amount", Out: "-", Does: "Spends from the budget; refused before anything changes when it is not covered."},
	BudgetInspect: {Name: "BudgetInspect", Type: ObjectBudget, Need: use | RightInspect, In: "0 available, 1 held, 2 spent", Out: "six amounts", Does: "Says what is left, held or spent."},

	RegionCreate:  {Name: "RegionCreate", Type: ObjectBudget, Need: spend, In: "bytes, 0", Out: "handle, address", Does: "Makes zeroed memory, charged to the budget, at an address of its own; from 2 MiB on in large pages where the machine has them."},
	RegionMap:     {Name: "RegionMap", Type: ObjectRegion, Need: use | RightMap | RightRead, In: "offset, bytes, RegionShared or RegionPrivate, offered address or 0", Out: "address", Does: "Shows a window of the region in the caller's space, at the region's address plus the offset; a program whose memory does not reach there offers a place in its own."},
	RegionUnmap:   {Name: "RegionUnmap", Self: true, In: "address", Out: "-", Does: "Takes a window of the caller's away, also one that was revoked."},
	RegionRead:    {Name: "RegionRead", Type: ObjectRegion, Need: use | RightRead, In: "offset; Bytes", Out: "-", Does: "Copies bytes out of the region."},
	RegionWrite:   {Name: "RegionWrite", Type: ObjectRegion, Need: use | RightWrite, In: "offset; Bytes", Out: "-", Does: "Copies bytes into the region."},
	RegionPin:     {Name: "RegionPin", Type: ObjectRegion, Need: use | RightPin, Out: "-", Does: "Keeps the region in physical memory."},
	RegionUnpin:   {Name: "RegionUnpin", Type: ObjectRegion, Need: use | RightPin, Out: "-", Does: "Ends one pin."},
	RegionSettle:  {Name: "RegionSettle", Type: ObjectRegion, Need: use | RightMap, Out: "pages newly charged", Does: "Charges the private pages that writers made since the last time."},
	RegionInspect: {Name: "RegionInspect", Type: ObjectRegion, Need: use | RightInspect, Out: "bytes, address, node, mappings, pins, page bytes; Label = the region's label", Does: "Says how the region is."},

	EndpointCreate:       {Name: "EndpointCreate", Type: ObjectBudget, Need: spend, In: "mailbox capacity, service type or 0; Label = ceiling", Out: "handle", Does: "Makes a place where calls and messages meet their server."},
	EndpointCall:         {Name: "EndpointCall", Type: ObjectEndpoint, Need: use | RightSend, In: "-; Message", Out: "-; Message", Does: "Sends and waits for the answer. An in-process server runs on the caller's thread."},
	EndpointSend:         {Name: "EndpointSend", Type: ObjectEndpoint, Need: use | RightSend, In: "-; Message", Out: "-", Does: "Leaves a message in the mailbox; never waits."},
	EndpointReceive:      {Name: "EndpointReceive", Type: ObjectEndpoint, Need: use | RightReceive, In: "-; Message (Deadline)", Out: "-; Message", Does: "Takes the oldest message, waiting for one."},
	EndpointReply:        {Name: "EndpointReply", Type: ObjectReply, Need: use | RightSend, In: "-; Message", Out: "-", Does: "Answers one call. The reply capability is used up."},
	EndpointReplyReceive: {Name: "EndpointReplyReceive", Type: ObjectEndpoint, Need: use | RightReceive, In: "reply handle or 0; Message", Out: "-; Message", Does: "Answers one call and takes the next message."},
	ReplyCharge:          {Name: "ReplyCharge", Type: ObjectReply, Need: use | RightSend, In: "resource, amount", Out: "-", Does: "Charges the caller for what is being done for it."},
	ReplyCheck:           {Name: "ReplyCheck", Type: ObjectReply, Need: use, Out: "-", Does: "Says whether the caller still waits: a server that must not act late asks first."},

	NotificationCreate: {Name: "NotificationCreate", Type: ObjectBudget, Need: spend, Out: "handle", Does: "Makes a word of 32 bits that can be signalled and waited for."},
	NotificationSignal: {Name: "NotificationSignal", Type: ObjectNotification, Need: use | RightSend, In: "bits", Out: "-", Does: "Sets some of 32 bits and wakes the waiter; never blocks."},
	NotificationWait:   {Name: "NotificationWait", Type: ObjectNotification, Need: use | RightReceive, In: "mask, deadline", Out: "bits", Does: "Waits until a bit of the mask is set; takes and clears those."},
	NotificationPoll:   {Name: "NotificationPoll", Type: ObjectNotification, Need: use | RightReceive, In: "mask", Out: "bits", Does: "Takes and clears the bits of the mask without waiting."},

	TimerCreate: {Name: "TimerCreate", Type: ObjectBudget, Need: spend, In: "notification handle (SEND), bits", Out: "handle", Does: "Makes a timer that signals bits."},
	TimerArm:    {Name: "TimerArm", Type: ObjectTimer, Need: use | RightWrite, In: "absolute time, period or 0", Out: "-", Does: "Sets when the timer fires."},
	TimerCancel: {Name: "TimerCancel", Type: ObjectTimer, Need: use | RightWrite, Out: "-", Does: "Stops the timer."},

	InterruptBind: {Name: "InterruptBind", Type: ObjectInterrupt, Need: use | RightReceive, In: "notification handle (SEND), bits", Out: "-", Does: "Lets the interrupt signal bits."},
	InterruptAck:  {Name: "InterruptAck", Type: ObjectInterrupt, Need: use | RightReceive, Out: "-", Does: "Lets the interrupt come again."},

	LabelEndorse:    {Name: "LabelEndorse", Need: use | RightEndorse, In: "sources to forget", Out: "-", Does: "Vouches for what a task, a region or a notification holds: removes sources, at most those of the capability's ceiling."},
	LabelDeclassify: {Name: "LabelDeclassify", Need: use | RightDeclassify, In: "readers to admit", Out: "-", Does: "Lets more audiences read what a task, a region or a notification holds, at most those that the capability's ceiling leaves out."},
	LabelInspect:    {Name: "LabelInspect", Need: use | RightInspect, Out: "-; Label", Does: "Says the label of a task, a region or a notification, or an endpoint's ceiling."},
}

// What a supervisor is told with the first word of a fault message, and what
// it answers with the first word of its reply. Codes from FaultProgram on are
// a program's own.
const (
	FaultExit    = 1 // the task ended by itself; sent, not called: no answer
	FaultProgram = 16

	FaultResume = 0
	FaultKill   = 1
)
