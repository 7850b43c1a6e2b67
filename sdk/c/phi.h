// Generated from package abi, not to be edited: go test ./sdk -rewrite

/* The statuses. */
#define PHI_OK 0x0u
#define PHI_ERROR_BAD_HANDLE 0x1u
#define PHI_ERROR_REVOKED 0x2u
#define PHI_ERROR_RIGHTS 0x3u
#define PHI_ERROR_TYPE 0x4u
#define PHI_ERROR_BAD_CALL 0x5u
#define PHI_ERROR_BAD_ARGUMENT 0x6u
#define PHI_ERROR_RANGE 0x7u
#define PHI_ERROR_OVERLAP 0x8u
#define PHI_ERROR_DEPTH 0x9u
#define PHI_ERROR_CYCLE 0xau
#define PHI_ERROR_SELF 0xbu
#define PHI_ERROR_TABLE_FULL 0xcu
#define PHI_ERROR_PEER_FULL 0xdu
#define PHI_ERROR_MAILBOX_FULL 0xeu
#define PHI_ERROR_EMPTY 0xfu
#define PHI_ERROR_BUDGET 0x10u
#define PHI_ERROR_LIMIT 0x11u
#define PHI_ERROR_NO_MEMORY 0x12u
#define PHI_ERROR_PIN_LIMIT 0x13u
#define PHI_ERROR_PEER_DEAD 0x14u
#define PHI_ERROR_TIMEOUT 0x15u
#define PHI_ERROR_KILLED 0x16u
#define PHI_ERROR_LABEL 0x17u
#define PHI_ERROR_EXPIRED 0x18u
#define PHI_ERROR_EXHAUSTED 0x19u
#define PHI_ERROR_COPIES 0x1au
#define PHI_ERROR_SEALED 0x1bu
#define PHI_ERROR_BUSY 0x1cu
#define PHI_ERROR_DENIED 0x1du
#define PHI_ERROR_STATE 0x1eu
#define PHI_ERROR_UNSUPPORTED 0x1fu
#define PHI_ERROR_AUTHORITY 0x20u
#define PHI_ERROR_JOURNAL 0x21u

/* The rights. */
#define PHI_RIGHT_READ 0x1u
#define PHI_RIGHT_WRITE 0x2u
#define PHI_RIGHT_MAP 0x4u
#define PHI_RIGHT_EXECUTE 0x8u
#define PHI_RIGHT_PIN 0x10u
#define PHI_RIGHT_DMA 0x20u
#define PHI_RIGHT_SEND 0x40u
#define PHI_RIGHT_RECEIVE 0x80u
#define PHI_RIGHT_GRANT 0x100u
#define PHI_RIGHT_DERIVE 0x200u
#define PHI_RIGHT_REVOKE 0x400u
#define PHI_RIGHT_INVOKE 0x800u
#define PHI_RIGHT_MANAGE 0x1000u
#define PHI_RIGHT_INSPECT 0x2000u
#define PHI_RIGHT_ENDORSE 0x4000u
#define PHI_RIGHT_DECLASSIFY 0x8000u
#define PHI_RIGHT_LOAD 0x10000u
#define PHI_RIGHT_RUN 0x20000u
#define PHI_RIGHT_QUANTIZE 0x40000u
#define PHI_RIGHT_DELETE 0x80000u

/* The resources that budgets count. */
#define PHI_RESOURCE_MEMORY 0x0u
#define PHI_RESOURCE_SLOTS 0x1u
#define PHI_RESOURCE_CPU 0x2u
#define PHI_RESOURCE_TOKENS 0x3u
#define PHI_RESOURCE_NETWORK 0x4u
#define PHI_RESOURCE_ENERGY 0x5u

/* The types of object. */
#define PHI_OBJECT_NONE 0x0u
#define PHI_OBJECT_TASK 0x1u
#define PHI_OBJECT_REGION 0x2u
#define PHI_OBJECT_ENDPOINT 0x3u
#define PHI_OBJECT_NOTIFICATION 0x4u
#define PHI_OBJECT_TIMER 0x5u
#define PHI_OBJECT_INTERRUPT 0x6u
#define PHI_OBJECT_BUDGET 0x7u
#define PHI_OBJECT_REPLY 0x8u
#define PHI_OBJECT_MODEL 0x9u
#define PHI_OBJECT_FILE 0xau
#define PHI_OBJECT_SOCKET 0xbu
#define PHI_OBJECT_DEVICE 0xcu
#define PHI_OBJECT_UNIT 0xdu

/* The other numbers of the contract. */
#define PHI_MESSAGE_WORDS 0x4u
#define PHI_MESSAGE_BYTES_MAX 0x200u
#define PHI_MESSAGE_HANDLE_MAX 0x8u
#define PHI_ARG_WORDS 0x6u
#define PHI_PAYLOAD_BYTES_MAX 0x10000u
#define PHI_REGION_SHARED 0x1u
#define PHI_REGION_PRIVATE 0x2u
#define PHI_GRANT_COPY 0x0u
#define PHI_GRANT_MOVE 0x1u
#define PHI_FAULT_EXIT 0x1u
#define PHI_FAULT_PROGRAM 0x10u
#define PHI_FAULT_RESUME 0x0u
#define PHI_FAULT_KILL 0x1u
#define PHI_UNLIMITED 0xffffffffu

/* phi_status_text says what a status means and, where there is one, the remedy. */
static inline const char *phi_status_text(phi_status status) {
	switch (status) {
	case 0: return "ok";
	case 1: return "no such capability in this task: the handle is stale, forged or another task's";
	case 2: return "the capability was revoked: ask its giver for a new one";
	case 3: return "the capability lacks a right that this call needs: ask its giver for a wider one";
	case 4: return "the capability is to another type of object";
	case 5: return "no such call: see the list of calls in docs/abi.md";
	case 6: return "an argument has a value that means nothing here";
	case 7: return "offset and length reach past the end";
	case 8: return "the window overlaps one that is mapped: unmap that one first";
	case 9: return "the chain is at its limit: derive from a capability nearer to the origin";
	case 10: return "the call would wait for its own caller";
	case 11: return "a task cannot grant to itself: derive instead";
	case 12: return "the capability table is full: delete a capability first";
	case 13: return "the receiver's capability table is full: it must delete a capability first";
	case 14: return "the mailbox is full: let the receiver catch up, then send again";
	case 15: return "nothing is there yet";
	case 16: return "the budget does not cover this: ask the parent for more";
	case 17: return "a limit of the kernel is reached";
	case 18: return "the machine is out of memory";
	case 19: return "the limit on pinned memory forbids this: raise RLIMIT_MEMLOCK or pin less";
	case 20: return "the other side is gone";
	case 21: return "the deadline has passed";
	case 22: return "this task was killed";
	case 23: return "the data's label exceeds what this sink accepts: endorse or declassify it first";
	case 24: return "the capability has expired: ask its giver for a new one";
	case 25: return "the capability's uses are spent: ask its giver for a new one";
	case 26: return "the capability may not be copied again: move it instead";
	case 27: return "the capability is sealed: unseal it first";
	case 28: return "someone else is using this: try again";
	case 29: return "a hook refused the call";
	case 30: return "the object's state does not allow this now";
	case 31: return "this machine cannot do this";
	case 32: return "this change of label exceeds the capability's authority";
	case 33: return "the journal cannot record this, so it was not done: check the journal's disk";
	default: return "unknown status";
	}
}

/* The functions of the node; docs/abi.md says what each does. */
PHI_IMPORT("phi:cap", "mint") phi_status phi_cap_mint(phi_cap h, const phi_mint *p, uint64_t *r);
PHI_IMPORT("phi:cap", "delete") phi_status phi_cap_delete(phi_cap h);
PHI_IMPORT("phi:cap", "revoke") phi_status phi_cap_revoke(phi_cap h);
PHI_IMPORT("phi:cap", "inspect") phi_status phi_cap_inspect(phi_cap h, uint64_t *p, phi_label *p2);
PHI_IMPORT("phi:cap", "seal") phi_status phi_cap_seal(phi_cap h, uint64_t w, uint64_t *r);
PHI_IMPORT("phi:cap", "unseal") phi_status phi_cap_unseal(phi_cap h, uint64_t w, uint64_t *r);
PHI_IMPORT("phi:cap", "named") phi_status phi_cap_named(const void *p, uint32_t n, uint64_t *r);
PHI_IMPORT("phi:ipc", "endpoint_create") phi_status phi_ipc_endpoint_create(phi_cap h, uint64_t w, uint64_t w2, const phi_label *p, uint64_t *r);
PHI_IMPORT("phi:ipc", "call") phi_status phi_ipc_call(phi_cap h, phi_msg *p);
PHI_IMPORT("phi:ipc", "send") phi_status phi_ipc_send(phi_cap h, phi_msg *p);
PHI_IMPORT("phi:ipc", "receive") phi_status phi_ipc_receive(phi_cap h, phi_msg *p);
PHI_IMPORT("phi:ipc", "reply") phi_status phi_ipc_reply(phi_cap h, phi_msg *p);
PHI_IMPORT("phi:ipc", "reply_receive") phi_status phi_ipc_reply_receive(phi_cap h, uint64_t w, phi_msg *p);
PHI_IMPORT("phi:ipc", "charge") phi_status phi_ipc_charge(phi_cap h, uint64_t w, uint64_t w2);
PHI_IMPORT("phi:ipc", "check") phi_status phi_ipc_check(phi_cap h);
PHI_IMPORT("phi:ipc", "notification_create") phi_status phi_ipc_notification_create(phi_cap h, uint64_t *r);
PHI_IMPORT("phi:ipc", "signal") phi_status phi_ipc_signal(phi_cap h, uint64_t w);
PHI_IMPORT("phi:ipc", "wait") phi_status phi_ipc_wait(phi_cap h, uint64_t w, uint64_t w2, uint64_t *r);
PHI_IMPORT("phi:ipc", "poll") phi_status phi_ipc_poll(phi_cap h, uint64_t w, uint64_t *r);
PHI_IMPORT("phi:ipc", "timer_create") phi_status phi_ipc_timer_create(phi_cap h, uint64_t w, uint64_t w2, uint64_t *r);
PHI_IMPORT("phi:ipc", "timer_arm") phi_status phi_ipc_timer_arm(phi_cap h, uint64_t w, uint64_t w2);
PHI_IMPORT("phi:ipc", "timer_cancel") phi_status phi_ipc_timer_cancel(phi_cap h);
PHI_IMPORT("phi:ipc", "interrupt_bind") phi_status phi_ipc_interrupt_bind(phi_cap h, uint64_t w, uint64_t w2);
PHI_IMPORT("phi:ipc", "interrupt_ack") phi_status phi_ipc_interrupt_ack(phi_cap h);
PHI_IMPORT("phi:mem", "create") phi_status phi_mem_create(phi_cap h, uint64_t w, uint64_t w2, uint64_t *r, uint64_t *r2);
PHI_IMPORT("phi:mem", "map") phi_status phi_mem_map(phi_cap h, uint64_t w, uint64_t w2, uint64_t w3, uint32_t w4, uint64_t *r);
PHI_IMPORT("phi:mem", "unmap") phi_status phi_mem_unmap(uint32_t w);
PHI_IMPORT("phi:mem", "read") phi_status phi_mem_read(phi_cap h, uint64_t w, void *p, uint32_t n);
PHI_IMPORT("phi:mem", "write") phi_status phi_mem_write(phi_cap h, uint64_t w, const void *p, uint32_t n);
PHI_IMPORT("phi:mem", "pin") phi_status phi_mem_pin(phi_cap h);
PHI_IMPORT("phi:mem", "unpin") phi_status phi_mem_unpin(phi_cap h);
PHI_IMPORT("phi:mem", "settle") phi_status phi_mem_settle(phi_cap h, uint64_t *r);
PHI_IMPORT("phi:mem", "inspect") phi_status phi_mem_inspect(phi_cap h, uint64_t *p, phi_label *p2);
PHI_IMPORT("phi:mem", "ring_send") phi_status phi_mem_ring_send(uint32_t w, uint32_t w2, uint32_t w3, uint64_t w4, const void *p, uint32_t n);
PHI_IMPORT("phi:mem", "ring_receive") phi_status phi_mem_ring_receive(uint32_t w, uint32_t w2, uint32_t w3, uint64_t w4, void *p, uint32_t n);
PHI_IMPORT("phi:sys", "task_create") phi_status phi_sys_task_create(phi_cap h, uint64_t w, uint64_t w2, uint64_t w3, uint64_t *r, uint64_t *r2);
PHI_IMPORT("phi:sys", "task_grant") phi_status phi_sys_task_grant(phi_cap h, uint64_t w, uint64_t w2, const phi_mint *p, uint64_t *r);
PHI_IMPORT("phi:sys", "task_start") phi_status phi_sys_task_start(phi_cap h, uint64_t w, uint64_t w2);
PHI_IMPORT("phi:sys", "task_kill") phi_status phi_sys_task_kill(phi_cap h);
PHI_IMPORT("phi:sys", "task_inspect") phi_status phi_sys_task_inspect(phi_cap h, uint64_t *p, phi_label *p2);
PHI_IMPORT("phi:sys", "fault") phi_status phi_sys_fault(uint64_t w, uint64_t w2, uint64_t w3, uint64_t w4, uint64_t *p);
PHI_IMPORT("phi:sys", "exit") phi_status phi_sys_exit(uint64_t w);
PHI_IMPORT("phi:sys", "argument") phi_status phi_sys_argument(uint64_t *r);
PHI_IMPORT("phi:sys", "budget_carve") phi_status phi_sys_budget_carve(phi_cap h, const uint64_t *p, uint64_t *r);
PHI_IMPORT("phi:sys", "budget_spend") phi_status phi_sys_budget_spend(phi_cap h, uint64_t w, uint64_t w2);
PHI_IMPORT("phi:sys", "budget_inspect") phi_status phi_sys_budget_inspect(phi_cap h, uint64_t w, uint64_t *p);
PHI_IMPORT("phi:sys", "label_endorse") phi_status phi_sys_label_endorse(phi_cap h, uint64_t w);
PHI_IMPORT("phi:sys", "label_declassify") phi_status phi_sys_label_declassify(phi_cap h, uint64_t w);
PHI_IMPORT("phi:sys", "label_inspect") phi_status phi_sys_label_inspect(phi_cap h, phi_label *p);
PHI_IMPORT("phi:ai", "infer") phi_status phi_ai_infer(phi_cap h, phi_msg *p);
PHI_IMPORT("phi:ai", "embed") phi_status phi_ai_embed(phi_cap h, phi_msg *p);
PHI_IMPORT("phi:ai", "map_model") phi_status phi_ai_map_model(phi_cap h, phi_msg *p);
PHI_IMPORT("phi:ai", "select_device") phi_status phi_ai_select_device(phi_cap h, phi_msg *p);
PHI_IMPORT("phi:ai", "batch_start") phi_status phi_ai_batch_start(phi_cap h, phi_msg *p);
PHI_IMPORT("phi:ai", "batch_end") phi_status phi_ai_batch_end(phi_cap h, phi_msg *p);
// End of the generated part.
