package abi

// This file says which functions a WebAssembly program imports. Each is one
// kernel call with its arguments spread over parameters; all return a status
// as an i32. docs/abi.md is generated from it, and so is what the engine
// offers: a function that is not here does not exist.

// Param says how one argument of a host function is passed.
type Param uint8

// The ways to pass an argument. Pointers are i32 offsets into the program's
// memory; what they point to is laid out as in wire.go.
const (
	ParamHandle   Param = iota + 1 // i64: the handle that the call is invoked on
	ParamWord                      // i64: the next argument word
	ParamSmall                     // i32, zero-extended: the next argument word
	ParamWords                     // pointer to ArgWords words, all of the argument
	ParamResult                    // pointer to 8 bytes: the next result word
	ParamResults                   // pointer to ArgWords words, all of the result
	ParamMessage                   // pointer to MessageBytes: the message, both ways
	ParamMint                      // pointer to MintBytes
	ParamLabel                     // pointer to LabelBytes, read
	ParamLabelOut                  // pointer to LabelBytes, written
	ParamBytes                     // pointer and length: bytes that are read
	ParamRoom                      // pointer and length: bytes that are written
)

// The session's calls: between a program and its own tier, not the kernel's.
// They travel in frames like all others.
const (
	// SessionNamed asks which capability was granted under the name in Bytes:
	// the handle; StatusDenied when it was asked for and not granted,
	// StatusBadHandle when nobody asked for it. Of an endpoint or a region that
	// exists and was not granted, the handle has no rights, so that the call
	// which is refused says what it lacked.
	SessionNamed Call = 0x4000 + iota
	// SessionArgument asks for the argument that the program was started with.
	SessionArgument
	// SessionOutput writes Bytes to what people see; word 0 is 1 or 2.
	SessionOutput
	// SessionServe brings a message to the program's handler, and its answer
	// back. The node calls, the program answers.
	SessionServe
	// SessionReady says that the program can serve.
	SessionReady
	// SessionExit says that the program has ended; word 0 is its code.
	SessionExit
	// SessionRingSend and SessionRingReceive pass Bytes through a ring that
	// lies in a window of the program's memory.
	SessionRingSend
	SessionRingReceive
)

// HostFunction is a function that programs import.
type HostFunction struct {
	// Module and Name are what is imported.
	Module, Name string
	// Call is the call that it makes; its Descriptor says what it needs.
	Call Call
	// Params are the parameters in order.
	Params []Param
	// Operation, when not zero, is put into the message's word 2: the
	// operation of a service, by its contract.
	Operation uint64
	// Does is one line for the manual where the call's own does not fit.
	Does string
}

// The operations of phi:ai, in word 2 of a message to a model.
//
// A request of up to MessageBytesMax lies in the message. A longer one lies in
// a region that goes along as the first handle: at the offset in word 0, of the
// length in word 1. With a region and a length of zero the request is in the
// message, and the region is room for the answer.
//
// Word 3 holds the most tokens to generate in its low half, zero for as many
// as fit; above it AIJSON and its like; and in its top 16 bits, from
// AINumberShift on, the number of a stream or a batch.
//
// An answer of up to MessageBytesMax lies in the message. A longer one is
// written into the region, from the offset in word 0 on, over the request.
// Words 0 and 1 are the offset and the length of what is there. Word 2 holds
// the reason why a text ended in its low half, and in its high half how many
// bytes of the answer found no room. Word 3 holds the tokens of the prompt in
// its low half, and those that were generated in its high half.
const (
	// AIInfer runs the model on a prompt: plain text, or with AIJSON a request
	// of package api/inference, whose answer is JSON too. It needs RUN.
	AIInfer = iota + 1
	// AIEmbed turns texts, with a zero byte between each two, into vectors of
	// 32-bit numbers, one after the other. Word 2 of the answer holds how many
	// numbers a vector has, in its low half. It needs RUN.
	AIEmbed
	// AIMapModel asks for a region that shows the model's file, for reading:
	// the first handle of the answer. Word 1 is the length of the file. It
	// needs MAP.
	AIMapModel
	// AISelectDevice asks which unit would run the model under constraints:
	// none, or JSON. The answer is the unit's name; its word 2 is 1 when the
	// model is loaded, its word 3 the expected nanoseconds to the first token.
	AISelectDevice
	// AIBatchStart opens a batch, whose number is word 0 of the answer. A
	// request with that number and AIBatch is kept, and its place in the batch
	// is word 0 of the answer. It needs RUN.
	AIBatchStart
	// AIBatchEnd runs the requests of the batch of that number together, and
	// answers all, in order: each 16 bytes of head and the text. The head is a
	// status and a reason of 16 bits each, and the tokens of the prompt, the
	// tokens generated and the bytes of the text, of 32 bits each.
	AIBatchEnd
)

// What word 3 of a request to a model says beside the limit.
const (
	// AIJSON: the request is JSON.
	AIJSON = 1 << (32 + iota)
	// AIStream: answer at once with the number of a stream, in word 0.
	AIStream
	// AINext: answer with the next piece of the stream of that number, when
	// there is one. The last one has a reason, and with it the stream is over.
	AINext
	// AIStop: end the stream, or forget the batch, of that number.
	AIStop
	// AIBatch: keep the request for the batch of that number.
	AIBatch

	// AINumberShift is where the number of a stream or a batch begins.
	AINumberShift = 48
)

// Why a text ended, in word 2 of an answer. Zero: it goes on.
const (
	AIReasonStop      = iota + 1 // the model's own end, or a stop string
	AIReasonLength               // as many tokens as were allowed, or as fit
	AIReasonTools                // the model asks for tools to be called
	AIReasonBudget               // the budget is spent
	AIReasonDeadline             // the deadline passed
	AIReasonCancelled            // the caller is no more
)

// HostFunctions returns all host functions, by module and in the order of the
// manual. The caller owns the list; the Params are shared and not changed.
func HostFunctions() []HostFunction {
	const h, w, s, r, m = ParamHandle, ParamWord, ParamSmall, ParamResult, ParamMessage
	p := func(list ...Param) []Param { return list }
	return []HostFunction{
		{Module: "phi:cap", Name: "mint", Call: CapMint, Params: p(h, ParamMint, r)},
		{Module: "phi:cap", Name: "delete", Call: CapDelete, Params: p(h)},
		{Module: "phi:cap", Name: "revoke", Call: CapRevoke, Params: p(h)},
		{Module: "phi:cap", Name: "inspect", Call: CapInspect, Params: p(h, ParamResults, ParamLabelOut)},
		{Module: "phi:cap", Name: "seal", Call: CapSeal, Params: p(h, w, r)},
		{Module: "phi:cap", Name: "unseal", Call: CapUnseal, Params: p(h, w, r)},
		{Module: "phi:cap", Name: "named", Call: SessionNamed, Params: p(ParamBytes, r), Does: "Finds the capability that was granted under a name: denied when it was asked for and not granted, bad-handle when the manifest does not ask for it."},

		{Module: "phi:ipc", Name: "endpoint_create", Call: EndpointCreate, Params: p(h, w, w, ParamLabel, r)},
		{Module: "phi:ipc", Name: "call", Call: EndpointCall, Params: p(h, m)},
		{Module: "phi:ipc", Name: "send", Call: EndpointSend, Params: p(h, m)},
		{Module: "phi:ipc", Name: "receive", Call: EndpointReceive, Params: p(h, m)},
		{Module: "phi:ipc", Name: "reply", Call: EndpointReply, Params: p(h, m)},
		{Module: "phi:ipc", Name: "reply_receive", Call: EndpointReplyReceive, Params: p(h, w, m)},
		{Module: "phi:ipc", Name: "charge", Call: ReplyCharge, Params: p(h, w, w)},
		{Module: "phi:ipc", Name: "check", Call: ReplyCheck, Params: p(h)},
		{Module: "phi:ipc", Name: "notification_create", Call: NotificationCreate, Params: p(h, r)},
		{Module: "phi:ipc", Name: "signal", Call: NotificationSignal, Params: p(h, w)},
		{Module: "phi:ipc", Name: "wait", Call: NotificationWait, Params: p(h, w, w, r)},
		{Module: "phi:ipc", Name: "poll", Call: NotificationPoll, Params: p(h, w, r)},
		{Module: "phi:ipc", Name: "timer_create", Call: TimerCreate, Params: p(h, w, w, r)},
		{Module: "phi:ipc", Name: "timer_arm", Call: TimerArm, Params: p(h, w, w)},
		{Module: "phi:ipc", Name: "timer_cancel", Call: TimerCancel, Params: p(h)},
		{Module: "phi:ipc", Name: "interrupt_bind", Call: InterruptBind, Params: p(h, w, w)},
		{Module: "phi:ipc", Name: "interrupt_ack", Call: InterruptAck, Params: p(h)},

		{Module: "phi:mem", Name: "create", Call: RegionCreate, Params: p(h, w, w, r, r)},
		{Module: "phi:mem", Name: "map", Call: RegionMap, Params: p(h, w, w, w, s, r), Does: "Shows a window of a region in the program's memory, over pages that the program offers: the last parameter before the result is their offset, and they must be the program's own and not in use."},
		{Module: "phi:mem", Name: "unmap", Call: RegionUnmap, Params: p(s), Does: "Takes a window away. The pages are the program's own again, and zero."},
		{Module: "phi:mem", Name: "read", Call: RegionRead, Params: p(h, w, ParamRoom)},
		{Module: "phi:mem", Name: "write", Call: RegionWrite, Params: p(h, w, ParamBytes)},
		{Module: "phi:mem", Name: "pin", Call: RegionPin, Params: p(h)},
		{Module: "phi:mem", Name: "unpin", Call: RegionUnpin, Params: p(h)},
		{Module: "phi:mem", Name: "settle", Call: RegionSettle, Params: p(h, r)},
		{Module: "phi:mem", Name: "inspect", Call: RegionInspect, Params: p(h, ParamResults, ParamLabelOut)},
		{Module: "phi:mem", Name: "ring_send", Call: SessionRingSend, Params: p(s, s, s, w, ParamBytes), Does: "Sends through a ring in a window: its offset, the bytes of a message, the slots, and how many nanoseconds to wait."},
		{Module: "phi:mem", Name: "ring_receive", Call: SessionRingReceive, Params: p(s, s, s, w, ParamRoom), Does: "Receives from a ring in a window: its offset, the bytes of a message, the slots, and how many nanoseconds to wait."},

		{Module: "phi:sys", Name: "task_create", Call: TaskCreate, Params: p(h, w, w, w, r, r)},
		{Module: "phi:sys", Name: "task_grant", Call: TaskGrant, Params: p(h, w, w, ParamMint, r)},
		{Module: "phi:sys", Name: "task_start", Call: TaskStart, Params: p(h, w, w)},
		{Module: "phi:sys", Name: "task_kill", Call: TaskKill, Params: p(h)},
		{Module: "phi:sys", Name: "task_inspect", Call: TaskInspect, Params: p(h, ParamResults, ParamLabelOut)},
		{Module: "phi:sys", Name: "fault", Call: TaskFault, Params: p(w, w, w, w, ParamResults)},
		{Module: "phi:sys", Name: "exit", Call: TaskExit, Params: p(w)},
		{Module: "phi:sys", Name: "argument", Call: SessionArgument, Params: p(r), Does: "Says what the program was started with."},
		{Module: "phi:sys", Name: "budget_carve", Call: BudgetCarve, Params: p(h, ParamWords, r)},
		{Module: "phi:sys", Name: "budget_spend", Call: BudgetSpend, Params: p(h, w, w)},
		{Module: "phi:sys", Name: "budget_inspect", Call: BudgetInspect, Params: p(h, w, ParamResults)},
		{Module: "phi:sys", Name: "label_endorse", Call: LabelEndorse, Params: p(h, w)},
		{Module: "phi:sys", Name: "label_declassify", Call: LabelDeclassify, Params: p(h, w)},
		{Module: "phi:sys", Name: "label_inspect", Call: LabelInspect, Params: p(h, ParamLabelOut)},

		{Module: "phi:ai", Name: "infer", Call: EndpointCall, Params: p(h, m), Operation: AIInfer, Does: "Runs a model on a prompt and returns what it says."},
		{Module: "phi:ai", Name: "embed", Call: EndpointCall, Params: p(h, m), Operation: AIEmbed, Does: "Turns text into vectors."},
		{Module: "phi:ai", Name: "map_model", Call: EndpointCall, Params: p(h, m), Operation: AIMapModel, Does: "Asks for a region that shows a model's weights."},
		{Module: "phi:ai", Name: "select_device", Call: EndpointCall, Params: p(h, m), Operation: AISelectDevice, Does: "Asks which unit will run a model under the given constraints."},
		{Module: "phi:ai", Name: "batch_start", Call: EndpointCall, Params: p(h, m), Operation: AIBatchStart, Does: "Opens a batch: requests until its end are run together."},
		{Module: "phi:ai", Name: "batch_end", Call: EndpointCall, Params: p(h, m), Operation: AIBatchEnd, Does: "Closes a batch and waits for its answers."},
	}
}

// The names of what a WebAssembly program exports to be called.
const (
	// ExportMessage returns the offset of MessageBytes in which the engine
	// puts a message for ExportHandle and finds the answer.
	ExportMessage = "phi_message"
	// ExportHandle answers the message; it returns a status as an i32.
	ExportHandle = "phi_handle"
	// ExportStart is called once, after _initialize, with the argument (i64);
	// it returns a status as an i32.
	ExportStart = "phi_start"
)
