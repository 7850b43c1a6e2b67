package docs_test

import (
	"fmt"
	"strings"

	"phios/abi"
)

// paramTable says how each way to pass an argument looks to a program: its
// WebAssembly types, and what the manual calls it.
var paramTable = map[abi.Param]struct{ types, name string }{
	abi.ParamHandle:   {"i64", "handle"},
	abi.ParamWord:     {"i64", "word"},
	abi.ParamSmall:    {"i32", "small word"},
	abi.ParamWords:    {"i32", "*words"},
	abi.ParamResult:   {"i32", "*result"},
	abi.ParamResults:  {"i32", "*results"},
	abi.ParamMessage:  {"i32", "*message"},
	abi.ParamMint:     {"i32", "*mint"},
	abi.ParamLabel:    {"i32", "*label"},
	abi.ParamLabelOut: {"i32", "*label out"},
	abi.ParamBytes:    {"i32 i32", "*bytes, length"},
	abi.ParamRoom:     {"i32 i32", "*room, length"},
}

// sessionTable says what the calls of the session carry.
var sessionTable = []struct {
	call                abi.Call
	name, in, out, does string
}{
	{abi.SessionNamed, "SessionNamed", "Bytes: a name", "handle", "Finds the capability that was granted under a name."},
	{abi.SessionArgument, "SessionArgument", "-", "word", "Says what the program was started with."},
	{abi.SessionOutput, "SessionOutput", "1 or 2; Bytes", "-", "Shows people what the program writes."},
	{abi.SessionServe, "SessionServe", "Message", "Status; Message", "The other way round: the node calls, the program answers."},
	{abi.SessionReady, "SessionReady", "-", "-", "Says that the program can serve."},
	{abi.SessionExit, "SessionExit", "code", "-", "Says that the program has ended."},
	{abi.SessionRingSend, "SessionRingSend", "-", "-", "Of WebAssembly only: see `phi:mem`."},
	{abi.SessionRingReceive, "SessionRingReceive", "-", "-", "Of WebAssembly only: see `phi:mem`."},
}

// hostManual writes what a WebAssembly program imports and exports.
func hostManual() string {
	var b strings.Builder
	b.WriteString("\n# What a WebAssembly program imports\n\n" +
		"Each function returns a status as an `i32`, 0 for ok. Authority is only in\n" +
		"handles. Pointers are `i32` offsets into the program's own memory; what they point\n" +
		"to lies as the layouts below say. A pointer that leads out of the memory is\n" +
		"`range`. Words are taken in the order of the call's column \"in\", and results are\n" +
		"written in the order of its column \"out\", only when the call succeeded.\n\n" +
		"A parameter is a *handle* or a *word* (`i64`), a *small word* (`i32`), a pointer\n" +
		"(`*`), or a pointer and a length. Besides these there is `wasi_snapshot_preview1`,\n" +
		"whose clocks, randomness and folders are capabilities too: without the grant they\n" +
		"answer as if the machine had none.\n")
	module := ""
	for _, f := range abi.HostFunctions() {
		if f.Module != module {
			module = f.Module
			fmt.Fprintf(&b, "\n## %s\n\n| function | parameters | type | call | needs | what it does |\n|---|---|---|---|---|---|\n", module)
		}
		var names, types []string
		for _, p := range f.Params {
			names, types = append(names, paramTable[p].name), append(types, paramTable[p].types)
		}
		need, does := "-", f.Does
		if d, ok := abi.Describe(f.Call); ok {
			need = d.Need.String()
			if does == "" {
				does = d.Does
			}
		}
		call := callName(f.Call)
		if f.Operation != 0 {
			call = fmt.Sprintf("%s, word 2 = %d", call, f.Operation)
		}
		fmt.Fprintf(&b, "| `%s` | %s | (%s) → i32 | %s | %s | %s |\n",
			f.Name, cell(strings.Join(names, ", ")), strings.Join(types, " "), call, cell(need), cell(does))
	}
	b.WriteString("\n## What it exports\n\n" +
		"`memory`, and one of two sets. A *command* exports `_start`: it runs and ends. A\n" +
		"*reactor* serves messages:\n\n" +
		"| export | type | what it is |\n|---|---|---|\n" +
		"| `_initialize` | () | optional; called once, first |\n")
	fmt.Fprintf(&b, "| `%s` | (i64) → i32 | optional; called once, with the argument of the start; returns a status |\n", abi.ExportStart)
	fmt.Fprintf(&b, "| `%s` | () → i32 | the offset of %d bytes for a message |\n", abi.ExportMessage, abi.MessageBytes)
	fmt.Fprintf(&b, "| `%s` | () → i32 | answers the message that lies there, and leaves the answer in its place; returns a status |\n", abi.ExportHandle)
	return b.String()
}

// callName returns the name of a call of the kernel or of the session.
func callName(c abi.Call) string {
	for _, s := range sessionTable {
		if s.call == c {
			return "`" + s.name + "`"
		}
	}
	return "`" + c.String() + "`"
}

// field is one line of a layout.
type field struct {
	at, bytes int
	name      string
}

// layoutManual writes how things lie in memory and in frames, and how native
// programs speak.
func layoutManual() string {
	var b strings.Builder
	b.WriteString("\n# Layouts\n\nAll numbers are little-endian. What is not in use is zero.\n")
	layout := func(name string, fields ...field) {
		fmt.Fprintf(&b, "\n## %s\n\n| offset | bytes | field |\n|---|---|---|\n", name)
		for _, f := range fields {
			fmt.Fprintf(&b, "| %d | %d | %s |\n", f.at, f.bytes, f.name)
		}
	}
	layout(fmt.Sprintf("Label, %d bytes", abi.LabelBytes),
		field{abi.LabelAtSources, 8, "sources"}, field{abi.LabelAtReaders, 8, "readers"})
	layout(fmt.Sprintf("Mint, %d bytes", abi.MintBytes),
		field{abi.MintAtRights, 4, "rights"}, field{abi.MintAtPass, 4, "rights that may be passed on"}, field{abi.MintAtBadge, 8, "badge"},
		field{abi.MintAtCeiling, abi.LabelBytes, "ceiling, a label"}, field{abi.MintAtExpires, 8, "absolute time in ns, or 0"},
		field{abi.MintAtUses, 4, "uses, all bits set for no limit"}, field{abi.MintAtCopies, 4, "copies, all bits set for no limit"},
		field{abi.MintAtBase, 8, "start of the window"}, field{abi.MintAtBytes, 8, "length of the window, 0 for the parent's"},
		field{abi.MintAtPayer, 8, "handle of a budget that pays, or 0"})
	layout(fmt.Sprintf("Message, %d bytes; in a frame %d and its data", abi.MessageBytes, abi.MessageHeadBytes),
		field{abi.MessageAtLabel, abi.LabelBytes, "label"}, field{abi.MessageAtBadge, 8, "badge, set by the kernel"},
		field{abi.MessageAtReply, 8, "reply handle, set by the kernel"}, field{abi.MessageAtDeadline, 8, "absolute time in ns; 0 waits for ever"},
		field{abi.MessageAtWords, 8 * abi.MessageWords, fmt.Sprintf("%d words", abi.MessageWords)},
		field{abi.MessageAtHandles, 8 * abi.MessageHandleMax, fmt.Sprintf("%d handles", abi.MessageHandleMax)},
		field{abi.MessageAtLength, 2, "length of the data"}, field{abi.MessageAtHandleCount, 1, "number of handles"},
		field{abi.MessageAtMoves, 1, "bit i: handle i is given away"}, field{abi.MessageAtReserved, 4, "0"},
		field{abi.MessageAtData, abi.MessageBytesMax, "data"})
	layout(fmt.Sprintf("Frame, %d bytes and its parts", abi.FrameHeadBytes),
		field{abi.FrameAtCall, 2, "call"}, field{abi.FrameAtParts, 2, "parts: 1 label, 2 mint, 4 message, 8 bytes, 16 room for bytes in the answer"},
		field{abi.FrameAtStatus, 2, "status, in an answer"}, field{abi.FrameAtReserved, 2, "0"},
		field{abi.FrameAtByteCount, 4, "length of bytes or room"}, field{abi.FrameAtPadding, 4, "0"},
		field{abi.FrameAtHandle, 8, "handle"}, field{abi.FrameAtWords, 8 * abi.ArgWords, fmt.Sprintf("%d words", abi.ArgWords)})
	b.WriteString("\nThe parts follow the head in this order without gaps: label, mint, message, bytes.\n")
	fmt.Fprintf(&b, "A frame carries at most %d bytes, and has at most %d in all.\n", abi.FramePayloadMax, abi.FrameBytesMax)
	b.WriteString("\n# The session of a native program\n\n" +
		"A native program speaks with the node over a Unix stream socket: the length of a\n" +
		"frame as a `u32`, then the frame. Both sides take turns. A program that has called\n" +
		"waits for the answer, a frame with the same call and a status. A program that has\n" +
		"nothing to do waits for a frame with `SessionServe`, answers it with another, and\n" +
		"may call while it works on the answer. The SDKs do all of this.\n\n" +
		"| number | call | in | out | what it does |\n|---|---|---|---|---|\n")
	for _, s := range sessionTable {
		fmt.Fprintf(&b, "| %#x | `%s` | %s | %s | %s |\n", uint16(s.call), s.name, s.in, s.out, s.does)
	}
	return b.String()
}
