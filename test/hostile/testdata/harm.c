/* A capsule that does the kind of harm that the first letter of a message
   names, and says in its answer, as four numbers in hexadecimal, what came of
   it. It is written against the bare imports,
   so that nothing of the library softens it. */
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

#define IMPORT(module, name) __attribute__((import_module(module), import_name(#name)))
#define EXPORT(name) __attribute__((export_name(#name)))

IMPORT("phi:cap", named) u32 cap_named(const char *name, u32 length, u64 *handle);
IMPORT("phi:cap", inspect) u32 cap_inspect(u64 handle, u64 *words, u64 *label);
IMPORT("phi:ipc", send) u32 ipc_send(u64 handle, void *message);
IMPORT("phi:mem", map) u32 mem_map(u64 handle, u64 offset, u64 bytes, u64 how, u32 at, u64 *address);
IMPORT("phi:sys", task_create) u32 sys_task_create(u64 budget, u64 slots, u64 faults, u64 badge, u64 *handle, u64 *id);
IMPORT("phi:sys", task_start) u32 sys_task_start(u64 task, u64 program, u64 argument);
IMPORT("phi:mem", create) u32 mem_create(u64 budget, u64 bytes, u64 zero, u64 *handle, u64 *address);

/* The message: label 16, badge 8, reply 8, deadline 8, then the words. */
static u64 letter[82];
static u64 result[4];
#define WORDS result
#define DATA ((u8 *)letter + 144)

static u64 handle_of(const char *name) {
	u32 length = 0;
	u64 h = 0;
	while (name[length]) length++;
	return cap_named(name, length, &h) ? 0 : h;
}

/* Every index with the first generations: none but those granted may answer. */
static void forge(void) {
	u64 words[6], label[2], found = 0;
	for (u64 index = 0; index < 4096; index++)
		for (u64 generation = 0; generation < 4; generation++)
			if (!cap_inspect(index | generation << 24, words, label)) found++;
	WORDS[0] = found;
}

/* Messages to the peer until it takes no more. */
static void flood(void) {
	static u64 spam[82];
	u64 peer = handle_of("peer"), sent = 0;
	u32 status = 0;
	while (sent < 1000000 && !(status = ipc_send(peer, spam))) sent++;
	WORDS[0] = sent;
	WORDS[1] = status;
}

/* All memory that there is, touched. */
static void exhaust(void) {
	u64 pages = 0;
	for (; pages < 65536; pages++) {
		u32 at = (u32)__builtin_wasm_memory_grow(0, 1);
		if (at == 0xffffffffu) break;
		for (u32 i = 0; i < 65536; i += 4096) ((volatile u8 *)(at * 65536))[i] = 1;
	}
	WORDS[0] = pages;
}

/* Regions until the budget is empty. */
static void regions(void) {
	u64 budget = handle_of("budget"), made = 0, h, address;
	u32 status = 0;
	while (made < 100000 && !(status = mem_create(budget, 1 << 20, 0, &h, &address))) made++;
	WORDS[0] = made;
	WORDS[1] = status;
}

static u8 window[65536] __attribute__((aligned(65536)));

/* Maps the granted region for writing, then for reading, and writes. */
static void scribble(void) {
	u64 region = handle_of("region"), address = 0;
	WORDS[0] = mem_map(region, 0, 4096, 1, (u32)window, &address);
	WORDS[1] = mem_map(region, 0, 4096, 2, (u32)window, &address);
	if (!WORDS[1]) {
		WORDS[2] = window[0];
		window[0] = 0x66;
		WORDS[3] = window[0];
	}
}

/* Shows the granted region, shared. */
static u32 show(void) {
	u64 address = 0;
	return mem_map(handle_of("region"), 0, 4096, 1, (u32)window, &address);
}

/* Sends messages that lie where another capsule writes all the time. */
static void letters(void) {
	u64 peer = handle_of("peer");
	WORDS[3] = show();
	for (u32 i = 0; i < 200000; i++) {
		u32 status = ipc_send(peer, window);
		if (!status) WORDS[0]++; else WORDS[1]++;
		if (status >= 64) WORDS[2]++; /* no status at all */
	}
}

/* Changes length, counts and handles of that message. */
static void churn(void) {
	volatile u8 *at = window;
	WORDS[3] = show();
	for (u64 i = 0; i < 20000000; i++) {
		at[136 + i % 4] = (u8)(i >> 3);
		at[72 + i % 64] = (u8)i;
		if (i % 7 == 0) for (u32 n = 136; n < 144; n++) at[n] = 0;
	}
}

/* Tasks of its own in which it starts whatever programs the node has. */
static void impostors(void) {
	u64 budget = handle_of("budget"), task, id;
	for (u64 program = 0; program < 8; program++)
		for (u64 argument = 0; argument < 4; argument++) {
			if (sys_task_create(budget, 1, 0, 0, &task, &id)) WORDS[1]++;
			else if (!sys_task_start(task, program, argument)) WORDS[0]++;
		}
}

static u64 deeper(u64 n) {
	volatile u8 frame[256];
	frame[n % 256] = (u8)n;
	return deeper(n + 1) + frame[0];
}

/* The numbers, each of sixteen digits and a space. */
static void answer(void) {
	u8 *at = DATA;
	for (int i = 0; i < 4; i++) {
		for (int shift = 60; shift >= 0; shift -= 4) *at++ = "0123456789abcdef"[WORDS[i] >> shift & 15];
		*at++ = ' ';
	}
	*(u16 *)((u8 *)letter + 136) = (u16)(at - DATA);
}

EXPORT(phi_message) u32 phi_message(void) { return (u32)letter; }

EXPORT(phi_handle) u32 phi_handle(void) {
	u8 what = DATA[0];
	u32 status = 0;
	for (int i = 0; i < 4; i++) WORDS[i] = 0;
	letter[17] = 0; /* length, count and moves of the answer */
	switch (what) {
	case 'l': break; /* lives */
	case 's': for (volatile u64 i = 0;; i++) {}
	case 'd': WORDS[0] = deeper(0); break;
	case 'e': exhaust(); break;
	case 'f': flood(); break;
	case 'h': forge(); break;
	case 'w': scribble(); break;
	case 't': __builtin_trap();
	case 'r': regions(); break;
	case 'i': impostors(); break;
	case 'v': letters(); break;
	case 'c': churn(); break;
	case 'x': *(u16 *)((u8 *)letter + 136) = 0xffff; return 0; /* an answer that is none */
	case 'g': *((u8 *)letter + 138) = 8; for (int i = 0; i < 8; i++) letter[9 + i] = i; return 0; /* capabilities that it does not have */
	default: status = 6;
	}
	answer();
	return status;
}
