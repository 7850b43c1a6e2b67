// Code generated from package abi by go test ./sdk -rewrite. DO NOT EDIT.

//go:build !wasip1

package phi

// Outside a node there is no kernel to call. With these the package still
// builds and is checked on the machine of whoever writes the program.

func capMint(Capability, *Mint, *uint64) Status { return StatusUnsupported }

func capDelete(Capability) Status { return StatusUnsupported }

func capRevoke(Capability) Status { return StatusUnsupported }

func capInspect(Capability, *[ArgWords]uint64, *Label) Status { return StatusUnsupported }

func capSeal(Capability, uint64, *uint64) Status { return StatusUnsupported }

func capUnseal(Capability, uint64, *uint64) Status { return StatusUnsupported }

func capNamed(*byte, uint32, *uint64) Status { return StatusUnsupported }

func ipcEndpointCreate(Capability, uint64, uint64, *Label, *uint64) Status { return StatusUnsupported }

func ipcCall(Capability, *Message) Status { return StatusUnsupported }

func ipcSend(Capability, *Message) Status { return StatusUnsupported }

func ipcReceive(Capability, *Message) Status { return StatusUnsupported }

func ipcReply(Capability, *Message) Status { return StatusUnsupported }

func ipcReplyReceive(Capability, uint64, *Message) Status { return StatusUnsupported }

func ipcCharge(Capability, uint64, uint64) Status { return StatusUnsupported }

func ipcCheck(Capability) Status { return StatusUnsupported }

func ipcNotificationCreate(Capability, *uint64) Status { return StatusUnsupported }

func ipcSignal(Capability, uint64) Status { return StatusUnsupported }

func ipcWait(Capability, uint64, uint64, *uint64) Status { return StatusUnsupported }

func ipcPoll(Capability, uint64, *uint64) Status { return StatusUnsupported }

func ipcTimerCreate(Capability, uint64, uint64, *uint64) Status { return StatusUnsupported }

func ipcTimerArm(Capability, uint64, uint64) Status { return StatusUnsupported }

func ipcTimerCancel(Capability) Status { return StatusUnsupported }

func ipcInterruptBind(Capability, uint64, uint64) Status { return StatusUnsupported }

func ipcInterruptAck(Capability) Status { return StatusUnsupported }

func memCreate(Capability, uint64, uint64, *uint64, *uint64) Status { return StatusUnsupported }

func memMap(Capability, uint64, uint64, uint64, uint32, *uint64) Status { return StatusUnsupported }

func memUnmap(uint32) Status { return StatusUnsupported }

func memRead(Capability, uint64, *byte, uint32) Status { return StatusUnsupported }

func memWrite(Capability, uint64, *byte, uint32) Status { return StatusUnsupported }

func memPin(Capability) Status { return StatusUnsupported }

func memUnpin(Capability) Status { return StatusUnsupported }

func memSettle(Capability, *uint64) Status { return StatusUnsupported }

func memInspect(Capability, *[ArgWords]uint64, *Label) Status { return StatusUnsupported }

func memRingSend(uint32, uint32, uint32, uint64, *byte, uint32) Status { return StatusUnsupported }

func memRingReceive(uint32, uint32, uint32, uint64, *byte, uint32) Status { return StatusUnsupported }

func sysTaskCreate(Capability, uint64, uint64, uint64, *uint64, *uint64) Status {
	return StatusUnsupported
}

func sysTaskGrant(Capability, uint64, uint64, *Mint, *uint64) Status { return StatusUnsupported }

func sysTaskStart(Capability, uint64, uint64) Status { return StatusUnsupported }

func sysTaskKill(Capability) Status { return StatusUnsupported }

func sysTaskInspect(Capability, *[ArgWords]uint64, *Label) Status { return StatusUnsupported }

func sysFault(uint64, uint64, uint64, uint64, *[ArgWords]uint64) Status { return StatusUnsupported }

func sysExit(uint64) Status { return StatusUnsupported }

func sysArgument(*uint64) Status { return StatusUnsupported }

func sysBudgetCarve(Capability, *[ArgWords]uint64, *uint64) Status { return StatusUnsupported }

func sysBudgetSpend(Capability, uint64, uint64) Status { return StatusUnsupported }

func sysBudgetInspect(Capability, uint64, *[ArgWords]uint64) Status { return StatusUnsupported }

func sysLabelEndorse(Capability, uint64) Status { return StatusUnsupported }

func sysLabelDeclassify(Capability, uint64) Status { return StatusUnsupported }

func sysLabelInspect(Capability, *Label) Status { return StatusUnsupported }

func aiInfer(Capability, *Message) Status { return StatusUnsupported }

func aiEmbed(Capability, *Message) Status { return StatusUnsupported }

func aiMapModel(Capability, *Message) Status { return StatusUnsupported }

func aiSelectDevice(Capability, *Message) Status { return StatusUnsupported }

func aiBatchStart(Capability, *Message) Status { return StatusUnsupported }

func aiBatchEnd(Capability, *Message) Status { return StatusUnsupported }
