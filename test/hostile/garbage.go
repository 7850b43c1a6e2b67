package hostile

import (
	"fmt"
	"strings"

	"phios/abi"
)

// GarbageSource returns a C program that calls every function that a program
// can import, with whatever a seed comes to. Its handler takes eight
// bytes of seed, makes 500 calls, and answers with how many were refused and
// how many succeeded, in hexadecimal.
//
// It is written from the table that the engine is made from, so that no
// function is forgotten. Left out are those that end the caller: what they do
// to it is their purpose.
func GarbageSource() string {
	var b strings.Builder
	b.WriteString(garbageHead)
	var calls []string
	for _, f := range abi.HostFunctions() {
		if f.Call == abi.TaskExit || f.Call == abi.TaskFault {
			continue
		}
		params, arguments := signature(f)
		name := strings.NewReplacer(":", "_").Replace(f.Module) + "_" + f.Name
		fmt.Fprintf(&b, "__attribute__((import_module(%q), import_name(%q))) u32 %s(%s);\n", f.Module, f.Name, name, params)
		calls = append(calls, fmt.Sprintf("\tcase %d: return %s(%s);\n", len(calls), name, arguments))
	}
	fmt.Fprintf(&b, "\nstatic u32 once(void) {\n\tswitch (next() %% %d) {\n%s\t}\n\treturn 0;\n}\n", len(calls), strings.Join(calls, ""))
	b.WriteString(garbageTail)
	return b.String()
}

// signature returns a function's parameters in C, and what to call it with.
func signature(f abi.HostFunction) (params, arguments string) {
	var types, values []string
	add := func(t, v string) { types, values = append(types, t), append(values, v) }
	for _, p := range f.Params {
		if f.Call == abi.NotificationWait && len(types) == 2 {
			add("u64", "1") // a deadline that has passed: to wait for ever is no harm
			continue
		}
		// All others are pointers.
		//exhaustive:ignore
		switch p {
		case abi.ParamHandle:
			add("u64", "handle()")
		case abi.ParamWord:
			add("u64", "word()")
		case abi.ParamSmall:
			add("u32", "(u32)word()")
		case abi.ParamMessage:
			add("u32", "message()")
		case abi.ParamBytes, abi.ParamRoom:
			add("u32", "pointer()")
			add("u32", "length()")
		default:
			add("u32", "pointer()")
		}
	}
	if len(types) == 0 {
		return "void", ""
	}
	return strings.Join(types, ", "), strings.Join(values, ", ")
}

const garbageHead = `typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

static u64 state = 1;

static u64 next(void) {
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

/* Half of the words are small, some at the edges, the rest anything. */
static u64 word(void) {
	static const u64 edges[] = {0, 1, 4095, 4096, 65535, 65536, 0x7fffffff, 0x80000000u, 0xffffffffu, ~0ull, 1ull << 63, 1ull << 32};
	switch (next() % 4) {
	case 0: return edges[next() % (sizeof edges / sizeof *edges)];
	case 1: return next();
	default: return next() % 64;
	}
}

/* Handles as the kernel makes them, with indices and generations that may or
   may not be ours. */
static u64 handle(void) {
	switch (next() % 4) {
	case 0: return next();
	case 1: return 0;
	default: return (next() % 32) | (1 + next() % 4) << 24;
	}
}

static u8 room[1 << 16] __attribute__((aligned(4096)));

static u32 pointer(void) {
	switch (next() % 4) {
	case 0: return (u32)next();
	case 1: return (u32)word();
	default: return (u32)room + (u32)(next() % (sizeof room - 1024));
	}
}

static u32 length(void) { return next() % 2 ? (u32)(next() % 600) : (u32)word(); }

/* A message whose head is garbage in places, and whose deadline has passed, so
   that nothing waits; or one that reaches past the end of memory. */
static u32 message(void) {
	u8 *at = room + (next() % (sizeof room - 1024)) / 8 * 8;
	for (u32 i = 0; i < 656; i++) at[i] = next() % 3 ? 0 : (u8)next();
	*(u64 *)(at + 32) = 1;
	if (next() % 2) *(u16 *)(at + 136) = (u16)(next() % 520);
	if (next() % 2) at[138] = (u8)(next() % 10), at[139] = 0, *(u32 *)(at + 140) = 0;
	return next() % 8 ? (u32)at : 0xfffffd80u + (u32)(next() % 640);
}

`

const garbageTail = `
static u64 letter[82];

__attribute__((export_name("phi_message"))) u32 phi_message(void) { return (u32)letter; }

__attribute__((export_name("phi_handle"))) u32 phi_handle(void) {
	state = letter[18] | 1;
	u64 refused = 0, succeeded = 0;
	for (u32 i = 0; i < 500; i++) {
		if (once()) refused++; else succeeded++;
	}
	for (u32 i = 0; i < 82; i++) ((volatile u64 *)letter)[i] = 0; /* no library, so no memset */
	u8 *at = (u8 *)letter + 144;
	u64 numbers[2] = {refused, succeeded};
	for (int i = 0; i < 2; i++) {
		for (int shift = 12; shift >= 0; shift -= 4) *at++ = "0123456789abcdef"[numbers[i] >> shift & 15];
		*at++ = ' ';
	}
	*(u16 *)((u8 *)letter + 136) = (u16)(at - ((u8 *)letter + 144));
	return 0;
}
`
