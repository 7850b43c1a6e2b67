package server

import phi "phios/sdk/go"

// message is where the node puts each request and finds its answer.
var message phi.Message

//go:wasmexport phi_message
func phiMessage() *phi.Message { return &message }

//go:wasmexport phi_handle
func phiHandle() uint32 { return uint32(answer(&message)) }

//go:wasmexport phi_start
func phiStart(argument uint64) uint32 { return uint32(begin(argument)) }
