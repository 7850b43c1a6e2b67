/*
 * phi.h is the library for programs on ΦOS that are written in C or C++ and
 * compiled to WebAssembly: one header, nothing to link. It needs C11 or C++11 and
 * clang. With wasi-libc:
 *
 *     clang --target=wasm32-wasi -O2 -mexec-model=reactor -o notes.wasm notes.c
 *
 * and, for a program of a few KiB, without it:
 *
 *     clang --target=wasm32 -O2 -ffreestanding -nostdlib -Wl,--no-entry -o notes.wasm notes.c
 *
 * A program owns nothing but its capabilities. It finds those that its manifest
 * asked for and its parent granted by their names, and calls others through
 * them; a program that answers messages says so with PHI_SERVE:
 *
 *     static phi_status greet(phi_msg *m) { return phi_msg_set_text(m, "hello"); }
 *     PHI_SERVE(greet)
 *
 * A command has a main instead, and is built without -mexec-model=reactor.
 * Every call returns a phi_status, PHI_OK or why nothing was done. What a
 * pointer names stays the caller's: the node copies what it needs before the
 * call returns.
 */
#ifndef PHI_H
#define PHI_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#define PHI_SAME(a, b) static_assert((a) == (b), #a)
#else
#define PHI_SAME(a, b) _Static_assert((a) == (b), #a)
#endif

#define PHI_IMPORT(module, name) extern __attribute__((import_module(module), import_name(name)))
#define PHI_EXPORT(name) __attribute__((export_name(name), visibility("default")))

/* A status is zero for success; see phi_status_text. */
typedef uint32_t phi_status;

/* A capability: a place in the program's own table. Zero is none. */
typedef uint64_t phi_cap;

/* Where bytes come from, one bit a source, and who may see them. */
typedef struct {
	uint64_t sources, readers;
} phi_label;

/* What a call, a send or a reply carries. */
typedef struct {
	phi_label label;
	uint64_t badge;   /* of the capability through which it came */
	phi_cap reply;    /* answers a received call; zero: none expected */
	int64_t deadline; /* absolute nanoseconds; zero: wait for ever */
	uint64_t words[4];
	phi_cap handles[8]; /* the capabilities that go along */
	uint16_t length;    /* bytes of data in use */
	uint8_t handle_count;
	uint8_t moves; /* bit i: handles[i] is given away, not copied */
	uint32_t reserved;
	uint8_t data[512];
} phi_msg;

/* How a derived capability is less than the one it comes from. */
typedef struct {
	uint32_t rights, pass;
	uint64_t badge;
	phi_label ceiling;
	int64_t expires;
	uint32_t uses, copies;
	uint64_t base, bytes;
	phi_cap payer;
} phi_mint;

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

/* What word 3 of a request to a model says above the tokens, and why a text ended, in word 2 of the answer. */
#define PHI_AI_JSON 0x100000000u
#define PHI_AI_STREAM 0x200000000u
#define PHI_AI_NEXT 0x400000000u
#define PHI_AI_STOP 0x800000000u
#define PHI_AI_BATCH 0x1000000000u
#define PHI_AI_NUMBER_SHIFT 0x30u
#define PHI_AI_REASON_STOP 0x1u
#define PHI_AI_REASON_LENGTH 0x2u
#define PHI_AI_REASON_TOOLS 0x3u
#define PHI_AI_REASON_BUDGET 0x4u
#define PHI_AI_REASON_DEADLINE 0x5u
#define PHI_AI_REASON_CANCELLED 0x6u

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

/* The structures lie as the node reads them. */
PHI_SAME(offsetof(phi_label, sources), 0);
PHI_SAME(offsetof(phi_label, readers), 8);
PHI_SAME(sizeof(phi_label), 16);
PHI_SAME(offsetof(phi_msg, label), 0);
PHI_SAME(offsetof(phi_msg, badge), 16);
PHI_SAME(offsetof(phi_msg, reply), 24);
PHI_SAME(offsetof(phi_msg, deadline), 32);
PHI_SAME(offsetof(phi_msg, words), 40);
PHI_SAME(offsetof(phi_msg, handles), 72);
PHI_SAME(offsetof(phi_msg, length), 136);
PHI_SAME(offsetof(phi_msg, handle_count), 138);
PHI_SAME(offsetof(phi_msg, moves), 139);
PHI_SAME(offsetof(phi_msg, reserved), 140);
PHI_SAME(offsetof(phi_msg, data), 144);
PHI_SAME(sizeof(phi_msg), 656);
PHI_SAME(offsetof(phi_mint, rights), 0);
PHI_SAME(offsetof(phi_mint, pass), 4);
PHI_SAME(offsetof(phi_mint, badge), 8);
PHI_SAME(offsetof(phi_mint, ceiling), 16);
PHI_SAME(offsetof(phi_mint, expires), 32);
PHI_SAME(offsetof(phi_mint, uses), 40);
PHI_SAME(offsetof(phi_mint, copies), 44);
PHI_SAME(offsetof(phi_mint, base), 48);
PHI_SAME(offsetof(phi_mint, bytes), 56);
PHI_SAME(offsetof(phi_mint, payer), 64);
PHI_SAME(sizeof(phi_mint), 72);

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

/* phi_named finds the capability that was granted under a name. It returns
 * PHI_ERROR_DENIED when it was asked for and not granted. */
static inline phi_status phi_named(const char *name, phi_cap *found) {
	uint32_t n = 0;
	while (name[n]) n++;
	return phi_cap_named(name, n, found);
}

/* phi_whole is the mint that asks for the given rights, to use and to pass on,
 * and changes nothing else. */
static inline phi_mint phi_whole(uint32_t rights) {
	phi_mint m;
	m.rights = m.pass = rights;
	m.ceiling.sources = ~(uint64_t)0;
	m.ceiling.readers = 0;
	m.uses = m.copies = PHI_UNLIMITED;
	m.badge = m.base = m.bytes = m.payer = 0;
	m.expires = 0;
	return m;
}

/* phi_msg_clear empties a message of words, data and capabilities. A server
 * clears the request before it fills in the answer, unless it means to send
 * parts of it back. */
static inline void phi_msg_clear(phi_msg *m) {
	for (unsigned i = 0; i < PHI_MESSAGE_WORDS; i++) m->words[i] = 0;
	for (unsigned i = 0; i < PHI_MESSAGE_HANDLE_MAX; i++) m->handles[i] = 0;
	m->length = 0;
	m->handle_count = m->moves = 0;
	m->reserved = 0;
}

/* phi_msg_set copies n bytes into a message, or returns PHI_ERROR_RANGE for
 * more than PHI_MESSAGE_BYTES_MAX. */
static inline phi_status phi_msg_set(phi_msg *m, const void *bytes, size_t n) {
	if (n > PHI_MESSAGE_BYTES_MAX) return PHI_ERROR_RANGE;
	for (size_t i = 0; i < n; i++) m->data[i] = ((const uint8_t *)bytes)[i];
	m->length = (uint16_t)n;
	return PHI_OK;
}

/* phi_msg_set_text copies text, without its zero, into a message. */
static inline phi_status phi_msg_set_text(phi_msg *m, const char *text) {
	size_t n = 0;
	while (text[n]) n++;
	return phi_msg_set(m, text, n);
}

/* phi_msg_is tells whether the data of a message are this text. */
static inline int phi_msg_is(const phi_msg *m, const char *text) {
	size_t n = 0;
	while (n < m->length && text[n] && m->data[n] == (uint8_t)text[n]) n++;
	return n == m->length && !text[n];
}

/* phi_msg_attach sends a copy of a capability along; with moved not zero, the
 * capability itself. PHI_ERROR_RANGE when the message is full. */
static inline phi_status phi_msg_attach(phi_msg *m, phi_cap c, int moved) {
	if (m->handle_count >= PHI_MESSAGE_HANDLE_MAX) return PHI_ERROR_RANGE;
	if (moved) m->moves |= (uint8_t)(1u << m->handle_count);
	m->handles[m->handle_count++] = c;
	return PHI_OK;
}

/* Windows are offered in whole pages. PHI_WINDOW makes a place for one that
 * lasts as long as the program; regions of 2 MiB and more may lie in large
 * pages, which need a place at a multiple of those. */
#define PHI_PAGE_BYTES 4096u
#define PHI_LARGE_PAGE_BYTES (2u << 20)
#define PHI_WINDOW(name, size) \
	static uint8_t name[size] \
		__attribute__((aligned((size) < PHI_LARGE_PAGE_BYTES ? PHI_PAGE_BYTES : PHI_LARGE_PAGE_BYTES)))

/* phi_map shows bytes of a region from offset on at place, which is the
 * program's own and not in use, until phi_unmap. The mode is PHI_REGION_SHARED
 * or PHI_REGION_PRIVATE. Once the capability is revoked, the place reads as
 * zeros. */
static inline phi_status phi_map(phi_cap region, uint64_t offset, void *place, uint32_t bytes, uint64_t mode) {
	uint64_t at;
	return phi_mem_map(region, offset, bytes, mode, (uint32_t)(uintptr_t)place, &at);
}

/* phi_unmap takes a window away; its place is the program's own again. */
static inline phi_status phi_unmap(void *place) { return phi_mem_unmap((uint32_t)(uintptr_t)place); }

/* A ring passes messages of one size between two programs through a window
 * that both have; PHI_RING_BYTES is how much of it the ring takes. */
typedef struct {
	void *at;
	uint32_t message_bytes; /* a multiple of 64, at most 64 KiB */
	uint32_t slots;         /* a power of two */
} phi_ring;
#define PHI_RING_BYTES(message_bytes, slots) (256u + (message_bytes) * (slots))

/* phi_ring_send and phi_ring_receive pass one message of message_bytes and wait
 * at most so many nanoseconds: PHI_ERROR_TIMEOUT, or without a wait
 * PHI_ERROR_EMPTY. */
static inline phi_status phi_ring_send(const phi_ring *r, uint64_t wait, const void *bytes, uint32_t n) {
	return phi_mem_ring_send((uint32_t)(uintptr_t)r->at, r->message_bytes, r->slots, wait, bytes, n);
}
static inline phi_status phi_ring_receive(const phi_ring *r, uint64_t wait, void *bytes, uint32_t n) {
	return phi_mem_ring_receive((uint32_t)(uintptr_t)r->at, r->message_bytes, r->slots, wait, bytes, n);
}

/* phi_ai_ask runs a model on a prompt and writes what it says, of at most so
 * many tokens (zero for as many as fit), to text, with a zero behind it; what
 * does not fit into size is cut. reason says why the text ended, and may be
 * NULL. A prompt over PHI_MESSAGE_BYTES_MAX needs a region: see phi_ai_long. */
static inline phi_status phi_ai_ask(phi_cap model, const char *prompt, uint32_t tokens, char *text, uint32_t size, uint32_t *reason) {
	phi_msg m = {0};
	uint32_t n = 0;
	uint64_t number;
	phi_status status = phi_msg_set_text(&m, prompt);
	if (status) return status;
	m.words[3] = PHI_AI_STREAM | tokens;
	if ((status = phi_ai_infer(model, &m))) return status;
	number = m.words[0] << PHI_AI_NUMBER_SHIFT;
	do {
		phi_msg_clear(&m);
		m.words[3] = PHI_AI_NEXT | number;
		if ((status = phi_ai_infer(model, &m))) return status;
		for (uint16_t i = 0; i < m.length && n + 1 < size; i++) text[n++] = (char)m.data[i];
	} while (!(uint32_t)m.words[2]);
	if (size) text[n] = 0;
	if (reason) *reason = (uint32_t)m.words[2];
	return PHI_OK;
}

/* phi_ai_long lays out a request of n bytes that lies in a region at an offset,
 * where a long answer comes, too; what word 3 says is added by the caller.
 * After the call, words[1] bytes of the answer lie in the message or, when that
 * is over PHI_MESSAGE_BYTES_MAX, in the region. */
static inline phi_status phi_ai_long(phi_msg *m, phi_cap region, uint64_t offset, uint64_t n) {
	phi_msg_clear(m);
	m->words[0] = offset;
	m->words[1] = n;
	return phi_msg_attach(m, region, 0);
}

/* phi_ai_vector embeds a text and returns how many numbers its vector has, of
 * which the first size are written. A region of words[1] bytes, for vectors that
 * do not fit into the message, is room; zero goes without. */
static inline phi_status phi_ai_vector(phi_cap model, const char *text, phi_cap room, float *vector, uint32_t size, uint32_t *width) {
	phi_msg m = {0};
	const uint8_t *from = m.data;
	phi_status status = phi_msg_set_text(&m, text);
	if (!status && room) status = phi_msg_attach(&m, room, 0);
	if (!status) status = phi_ai_embed(model, &m);
	if (status) return status;
	*width = (uint32_t)m.words[2];
	if (size > *width) size = *width;
	if (size * 4 > m.words[1]) return PHI_ERROR_RANGE;
	if (m.words[1] > PHI_MESSAGE_BYTES_MAX) return phi_mem_read(room, 0, (uint8_t *)vector, size * 4);
	for (uint32_t i = 0; i < size * 4; i++) ((uint8_t *)vector)[i] = from[i];
	return PHI_OK;
}

/* phi_ai_map asks for a region that shows a model's file, and its length. */
static inline phi_status phi_ai_map(phi_cap model, phi_cap *region, uint64_t *bytes) {
	phi_msg m = {0};
	phi_status status = phi_ai_map_model(model, &m);
	if (status) return status;
	if (!m.handle_count) return PHI_ERROR_EMPTY;
	*region = m.handles[0];
	*bytes = m.words[1];
	return PHI_OK;
}

/* phi_ai_batch opens a batch: requests with PHI_AI_BATCH and the number, which
 * is shifted already, in words[3] are kept for phi_ai_batch_end. */
static inline phi_status phi_ai_batch(phi_cap model, uint64_t *number) {
	phi_msg m = {0};
	phi_status status = phi_ai_batch_start(model, &m);
	*number = m.words[0] << PHI_AI_NUMBER_SHIFT;
	return status;
}

/* PHI_SERVE makes a program one that serves: handler is called with each
 * message, one at a time, and leaves the answer in it. Use it once. */
#define PHI_SERVE(handler) \
	static phi_msg phi_served; \
	PHI_EXPORT("phi_message") phi_msg *phi_export_message(void) { return &phi_served; } \
	PHI_EXPORT("phi_handle") phi_status phi_export_handle(void) { return (handler)(&phi_served); }

/* PHI_START names what is called once before the first message, with the
 * argument that the program was started with. */
#define PHI_START(function) \
	PHI_EXPORT("phi_start") phi_status phi_export_start(uint64_t argument) { return (function)(argument); }

#ifdef __cplusplus
}
#endif
#endif
