// Code generated from package abi by go test ./sdk -rewrite. DO NOT EDIT.

package phi

// The functions of the node. None keeps a pointer, so noescape holds: what a
// program passes stays on its stack.

//go:wasmimport phi:cap mint
//go:noescape
func capMint(h Capability, p *Mint, r *uint64) Status

//go:wasmimport phi:cap delete
//go:noescape
func capDelete(h Capability) Status

//go:wasmimport phi:cap revoke
//go:noescape
func capRevoke(h Capability) Status

//go:wasmimport phi:cap inspect
//go:noescape
func capInspect(h Capability, p *[ArgWords]uint64, p2 *Label) Status

//go:wasmimport phi:cap seal
//go:noescape
func capSeal(h Capability, w uint64, r *uint64) Status

//go:wasmimport phi:cap unseal
//go:noescape
func capUnseal(h Capability, w uint64, r *uint64) Status

//go:wasmimport phi:cap named
//go:noescape
func capNamed(p *byte, n uint32, r *uint64) Status

//go:wasmimport phi:ipc endpoint_create
//go:noescape
func ipcEndpointCreate(h Capability, w uint64, w2 uint64, p *Label, r *uint64) Status

//go:wasmimport phi:ipc call
//go:noescape
func ipcCall(h Capability, p *Message) Status

//go:wasmimport phi:ipc send
//go:noescape
func ipcSend(h Capability, p *Message) Status

//go:wasmimport phi:ipc receive
//go:noescape
func ipcReceive(h Capability, p *Message) Status

//go:wasmimport phi:ipc reply
//go:noescape
func ipcReply(h Capability, p *Message) Status

//go:wasmimport phi:ipc reply_receive
//go:noescape
func ipcReplyReceive(h Capability, w uint64, p *Message) Status

//go:wasmimport phi:ipc charge
//go:noescape
func ipcCharge(h Capability, w uint64, w2 uint64) Status

//go:wasmimport phi:ipc check
//go:noescape
func ipcCheck(h Capability) Status

//go:wasmimport phi:ipc notification_create
//go:noescape
func ipcNotificationCreate(h Capability, r *uint64) Status

//go:wasmimport phi:ipc signal
//go:noescape
func ipcSignal(h Capability, w uint64) Status

//go:wasmimport phi:ipc wait
//go:noescape
func ipcWait(h Capability, w uint64, w2 uint64, r *uint64) Status

//go:wasmimport phi:ipc poll
//go:noescape
func ipcPoll(h Capability, w uint64, r *uint64) Status

//go:wasmimport phi:ipc timer_create
//go:noescape
func ipcTimerCreate(h Capability, w uint64, w2 uint64, r *uint64) Status

//go:wasmimport phi:ipc timer_arm
//go:noescape
func ipcTimerArm(h Capability, w uint64, w2 uint64) Status

//go:wasmimport phi:ipc timer_cancel
//go:noescape
func ipcTimerCancel(h Capability) Status

//go:wasmimport phi:ipc interrupt_bind
//go:noescape
func ipcInterruptBind(h Capability, w uint64, w2 uint64) Status

//go:wasmimport phi:ipc interrupt_ack
//go:noescape
func ipcInterruptAck(h Capability) Status

//go:wasmimport phi:mem create
//go:noescape
func memCreate(h Capability, w uint64, w2 uint64, r *uint64, r2 *uint64) Status

//go:wasmimport phi:mem map
//go:noescape
func memMap(h Capability, w uint64, w2 uint64, w3 uint64, w4 uint32, r *uint64) Status

//go:wasmimport phi:mem unmap
//go:noescape
func memUnmap(w uint32) Status

//go:wasmimport phi:mem read
//go:noescape
func memRead(h Capability, w uint64, p *byte, n uint32) Status

//go:wasmimport phi:mem write
//go:noescape
func memWrite(h Capability, w uint64, p *byte, n uint32) Status

//go:wasmimport phi:mem pin
//go:noescape
func memPin(h Capability) Status

//go:wasmimport phi:mem unpin
//go:noescape
func memUnpin(h Capability) Status

//go:wasmimport phi:mem settle
//go:noescape
func memSettle(h Capability, r *uint64) Status

//go:wasmimport phi:mem inspect
//go:noescape
func memInspect(h Capability, p *[ArgWords]uint64, p2 *Label) Status

//go:wasmimport phi:mem ring_send
//go:noescape
func memRingSend(w uint32, w2 uint32, w3 uint32, w4 uint64, p *byte, n uint32) Status

//go:wasmimport phi:mem ring_receive
//go:noescape
func memRingReceive(w uint32, w2 uint32, w3 uint32, w4 uint64, p *byte, n uint32) Status

//go:wasmimport phi:sys task_create
//go:noescape
func sysTaskCreate(h Capability, w uint64, w2 uint64, w3 uint64, r *uint64, r2 *uint64) Status

//go:wasmimport phi:sys task_grant
//go:noescape
func sysTaskGrant(h Capability, w uint64, w2 uint64, p *Mint, r *uint64) Status

//go:wasmimport phi:sys task_start
//go:noescape
func sysTaskStart(h Capability, w uint64, w2 uint64) Status

//go:wasmimport phi:sys task_kill
//go:noescape
func sysTaskKill(h Capability) Status

//go:wasmimport phi:sys task_inspect
//go:noescape
func sysTaskInspect(h Capability, p *[ArgWords]uint64, p2 *Label) Status

//go:wasmimport phi:sys fault
//go:noescape
func sysFault(w uint64, w2 uint64, w3 uint64, w4 uint64, p *[ArgWords]uint64) Status

//go:wasmimport phi:sys exit
//go:noescape
func sysExit(w uint64) Status

//go:wasmimport phi:sys argument
//go:noescape
func sysArgument(r *uint64) Status

//go:wasmimport phi:sys budget_carve
//go:noescape
func sysBudgetCarve(h Capability, p *[ArgWords]uint64, r *uint64) Status

//go:wasmimport phi:sys budget_spend
//go:noescape
func sysBudgetSpend(h Capability, w uint64, w2 uint64) Status

//go:wasmimport phi:sys budget_inspect
//go:noescape
func sysBudgetInspect(h Capability, w uint64, p *[ArgWords]uint64) Status

//go:wasmimport phi:sys label_endorse
//go:noescape
func sysLabelEndorse(h Capability, w uint64) Status

//go:wasmimport phi:sys label_declassify
//go:noescape
func sysLabelDeclassify(h Capability, w uint64) Status

//go:wasmimport phi:sys label_inspect
//go:noescape
func sysLabelInspect(h Capability, p *Label) Status

//go:wasmimport phi:ai infer
//go:noescape
func aiInfer(h Capability, p *Message) Status

//go:wasmimport phi:ai embed
//go:noescape
func aiEmbed(h Capability, p *Message) Status

//go:wasmimport phi:ai map_model
//go:noescape
func aiMapModel(h Capability, p *Message) Status

//go:wasmimport phi:ai select_device
//go:noescape
func aiSelectDevice(h Capability, p *Message) Status

//go:wasmimport phi:ai batch_start
//go:noescape
func aiBatchStart(h Capability, p *Message) Status

//go:wasmimport phi:ai batch_end
//go:noescape
func aiBatchEnd(h Capability, p *Message) Status
