package hook

import "phios/abi"

// Gate is what a hook sees of any call at the gate.
type Gate struct {
	Task   uint64 // the caller
	Object uint64 // the object that the handle names, by the kernel's number
	Badge  uint64 // of the capability
	Rights abi.Rights
	Call   uint16 // the number of the operation
	Type   abi.ObjectType
}

// IPC is what a hook sees of a message.
type IPC struct {
	Task    uint64 // the sender
	Object  uint64 // the endpoint, by the kernel's number
	Badge   uint64 // of the capability that the message goes through
	Label   abi.Label
	Bytes   uint32 // inline
	Handles uint8  // capabilities that go along
	Type    abi.ObjectType
	Call    bool // an answer is expected
}

// SchedulerEvent is what happens to a task at the scheduler's point.
type SchedulerEvent uint8

// The events of the scheduler's point.
const (
	SchedulerStart SchedulerEvent = iota + 1
	SchedulerPark
	SchedulerWake
	SchedulerStop
)

// String returns the event's name in lower case.
func (e SchedulerEvent) String() string {
	switch e {
	case SchedulerStart:
		return "start"
	case SchedulerPark:
		return "park"
	case SchedulerWake:
		return "wake"
	case SchedulerStop:
		return "stop"
	default:
		return "unknown"
	}
}

// Scheduler is what a hook sees of a task that starts, stops, parks or wakes.
// A refusal matters where the kernel has a choice: a task is not started. To a
// park, a wake and a stop a hook can only look on.
type Scheduler struct {
	Task   uint64
	NowNS  int64 // the machine's clock
	WaitNS int64 // how long the task was parked; zero but at a wake
	Event  SchedulerEvent
}

// Inference is what a hook sees of work asked of a model.
type Inference struct {
	Task  uint64 // who asks
	Model uint64 // the badge by which the service knows the model
	Label abi.Label
	// Operation is by the service's contract: see abi.AIInfer.
	Operation uint16
	Prompt    uint32 // bytes to read
	Limit     uint32 // tokens to write, at most; zero does not say
}

// Network is what a hook sees of work asked of a socket.
type Network struct {
	Task      uint64 // who asks
	Socket    uint64 // the badge by which the service knows the socket
	Label     abi.Label
	Operation uint16 // by the network service's contract
	Bytes     uint32
}
