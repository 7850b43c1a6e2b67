package sdk_test

import (
	"flag"
	"fmt"
	"go/format"
	"os"
	"strings"
	"testing"

	"phios/abi"
)

// This file writes the part of each SDK that is the contract in another
// language: which functions the node offers, and the constants. The SDKs
// cannot import abi, for a program outside this repository takes them along as
// files; so a test keeps what is written there the same.

var rewrite = flag.Bool("rewrite", false, "write the generated parts of the SDKs from package abi")

// The lines between which the generated part of a file stands.
const (
	generatedBegin = "// Generated from package abi, not to be edited: go test ./sdk -rewrite"
	generatedEnd   = "// End of the generated part."
)

func TestGeneratedIsNew(t *testing.T) {
	keep(t, "go/abi.go", goFile("", goConstants()))
	keep(t, "go/host_wasip1.go", goFile("", goImports()))
	keep(t, "go/host_other.go", goFile("!wasip1", goStubs()))
	keep(t, "c/phi.h", between(t, "c/phi.h", cConstants()+cImports()))
	keep(t, "assemblyscript/phi.ts", between(t, "assemblyscript/phi.ts", tsConstants()+tsImports()))
}

// keep compares a file with what it should be, or makes it so.
func keep(t *testing.T, name, want string) {
	t.Helper()
	if *rewrite {
		if err := os.WriteFile(name, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is old: go test ./sdk -rewrite", name)
	}
}

// between returns the text of a file with its generated part replaced.
func between(t *testing.T, name, part string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(text), generatedBegin+"\n")
	_, after, ended := strings.Cut(rest, generatedEnd+"\n")
	if !found || !ended {
		t.Fatalf("%s has no lines %q and %q", name, generatedBegin, generatedEnd)
	}
	return before + generatedBegin + "\n" + part + generatedEnd + "\n" + after
}

// goFile completes a Go file of the package.
func goFile(constraint, body string) string {
	head := "// Code generated from package abi by go test ./sdk -rewrite. DO NOT EDIT.\n\n"
	if constraint != "" {
		head += "//go:build " + constraint + "\n\n"
	}
	text, err := format.Source([]byte(head + "package phi\n\n" + body))
	if err != nil {
		return err.Error() + "\n" + body
	}
	return string(text)
}

// camel turns a name such as mailbox-full or task_create into MailboxFull.
func camel(name string) string {
	var b strings.Builder
	for _, word := range strings.FieldsFunc(name, func(r rune) bool { return r == '-' || r == '_' }) {
		b.WriteString(strings.ToUpper(word[:1]) + word[1:])
	}
	return strings.NewReplacer("Id", "ID", "Dma", "DMA", "Cpu", "CPU", "Ok", "OK", "AiJson", "AIJSON", "Ai", "AI").Replace(b.String())
}

// shout turns a name such as mailbox-full into MAILBOX_FULL.
func shout(name string) string {
	return strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
}

// rightNames lists the rights by name, from the lowest bit.
func rightNames() []string { return strings.Split(abi.RightsAll.String(), "|") }

// constant is one number of the contract.
type constant struct {
	name  string // in lower case, with hyphens
	value uint64
	does  string
}

// group is a set of constants of one Go type.
type group struct {
	prefix, goType, does string
	list                 []constant
}

// groups returns all the numbers of the contract that programs use.
func groups() []group {
	status := group{prefix: "status", goType: "Status", does: "The statuses."}
	for s := range abi.Status(abi.StatusCount) {
		status.list = append(status.list, constant{s.Name(), uint64(s), s.Error()})
	}
	rights := group{prefix: "right", goType: "Rights", does: "The rights."}
	for i, name := range rightNames() {
		rights.list = append(rights.list, constant{strings.ToLower(name), 1 << i, ""})
	}
	resources := group{prefix: "resource", goType: "Resource", does: "The resources that budgets count."}
	units := [abi.ResourceCount]string{"bytes, held", "slots, held", "nanoseconds", "model tokens", "bytes", "microjoules"}
	for r := range abi.Resource(abi.ResourceCount) {
		resources.list = append(resources.list, constant{r.String(), uint64(r), units[r]})
	}
	objects := group{prefix: "object", goType: "ObjectType", does: "The types of object."}
	for o := range abi.ObjectType(abi.ObjectTypeCount) {
		objects.list = append(objects.list, constant{o.String(), uint64(o), ""})
	}
	numbers := group{does: "The other numbers of the contract.", list: []constant{
		{"message-words", abi.MessageWords, "words of a message"},
		{"message-bytes-max", abi.MessageBytesMax, "most bytes of data in a message"},
		{"message-handle-max", abi.MessageHandleMax, "most capabilities in a message"},
		{"arg-words", abi.ArgWords, "words of a call or its result"},
		{"payload-bytes-max", abi.FramePayloadMax, "most bytes of one read or write of a region"},
		{"region-shared", abi.RegionShared, "map: read and write the region itself"},
		{"region-private", abi.RegionPrivate, "map: read it; written pages become private copies"},
		{"grant-copy", abi.GrantCopy, "task grant: the giver keeps its capability"},
		{"grant-move", abi.GrantMove, "task grant: the giver's capability itself goes"},
		{"fault-exit", abi.FaultExit, "a task ended by itself"},
		{"fault-program", abi.FaultProgram, "codes from here on are a program's own"},
		{"fault-resume", abi.FaultResume, "answer to a fault: go on"},
		{"fault-kill", abi.FaultKill, "answer to a fault: stop the task"},
		{"unlimited", uint64(abi.Unlimited), "in a mint: no limit of its own"},
	}}
	return []group{status, rights, resources, objects, numbers, inference()}
}

// inference returns the numbers of requests to models.
func inference() group {
	return group{does: "What word 3 of a request to a model says above the tokens, and why a text ended, in word 2 of the answer.", list: []constant{
		{"ai-json", abi.AIJSON, "the request and the answer are JSON"},
		{"ai-stream", abi.AIStream, "answer with the number of a stream"},
		{"ai-next", abi.AINext, "the next piece of the stream of that number"},
		{"ai-stop", abi.AIStop, "end the stream, or forget the batch, of that number"},
		{"ai-batch", abi.AIBatch, "keep the request for the batch of that number"},
		{"ai-number-shift", abi.AINumberShift, "where the number begins"},
		{"ai-reason-stop", abi.AIReasonStop, "the model's own end, or a stop string"},
		{"ai-reason-length", abi.AIReasonLength, "as many tokens as were allowed, or as fit"},
		{"ai-reason-tools", abi.AIReasonTools, "the model asks for tools to be called"},
		{"ai-reason-budget", abi.AIReasonBudget, "the budget is spent"},
		{"ai-reason-deadline", abi.AIReasonDeadline, "the deadline passed"},
		{"ai-reason-cancelled", abi.AIReasonCancelled, "the caller is no more"},
	}}
}

// goConstants writes the constants and the texts of the statuses.
func goConstants() string {
	var b strings.Builder
	for _, g := range groups() {
		fmt.Fprintf(&b, "// %s\nconst (\n", g.does)
		for _, c := range g.list {
			name := camel(c.name)
			if g.prefix != "" {
				name = camel(g.prefix) + name
			}
			typ := ""
			if g.goType != "" {
				typ = " " + g.goType
			}
			fmt.Fprintf(&b, "%s%s = %#x", name, typ, c.value)
			if c.does != "" {
				b.WriteString(" // " + c.does)
			}
			b.WriteByte('\n')
		}
		b.WriteString(")\n\n")
	}
	b.WriteString("var statusNames = [...]string{\n")
	for s := range abi.Status(abi.StatusCount) {
		fmt.Fprintf(&b, "%q,\n", s.Name())
	}
	b.WriteString("}\n\nvar statusTexts = [...]string{\n")
	for s := range abi.Status(abi.StatusCount) {
		fmt.Fprintf(&b, "%q,\n", s.Error())
	}
	b.WriteString("}\n")
	return b.String()
}

// spelling says how a language writes the parameters of a host function.
type spelling map[abi.Param][]string

// params returns the parameters of a function, each as "name type" in the
// language's order, made by join.
func (s spelling) params(f abi.HostFunction, join func(name, typ string) string) []string {
	var list []string
	counts := map[string]int{}
	for _, p := range f.Params {
		for _, typ := range s[p] {
			name := "p"
			switch {
			case strings.HasPrefix(typ, "len:"):
				name, typ = "n", strings.TrimPrefix(typ, "len:")
			case p == abi.ParamHandle:
				name = "h"
			case p == abi.ParamWord, p == abi.ParamSmall:
				name = "w"
			case p == abi.ParamResult:
				name = "r"
			}
			counts[name]++
			if counts[name] > 1 {
				name = fmt.Sprintf("%s%d", name, counts[name])
			}
			list = append(list, join(name, typ))
		}
	}
	return list
}

// goSpelling needs no unsafe: the compiler takes typed pointers across the
// boundary.
var goSpelling = spelling{
	abi.ParamHandle: {"Capability"}, abi.ParamWord: {"uint64"}, abi.ParamSmall: {"uint32"},
	abi.ParamWords: {"*[ArgWords]uint64"}, abi.ParamResult: {"*uint64"}, abi.ParamResults: {"*[ArgWords]uint64"},
	abi.ParamMessage: {"*Message"}, abi.ParamMint: {"*Mint"}, abi.ParamLabel: {"*Label"}, abi.ParamLabelOut: {"*Label"},
	abi.ParamBytes: {"*byte", "len:uint32"}, abi.ParamRoom: {"*byte", "len:uint32"},
}

// goName is the name of the Go function: phi:sys task_create is sysTaskCreate.
func goName(f abi.HostFunction) string {
	return strings.TrimPrefix(f.Module, "phi:") + camel(f.Name)
}

func goImports() string {
	var b strings.Builder
	b.WriteString("// The functions of the node. None keeps a pointer, so noescape holds: what a\n" +
		"// program passes stays on its stack.\n\n")
	for _, f := range abi.HostFunctions() {
		params := goSpelling.params(f, func(name, typ string) string { return name + " " + typ })
		fmt.Fprintf(&b, "//go:wasmimport %s %s\n//go:noescape\nfunc %s(%s) Status\n\n", f.Module, f.Name, goName(f), strings.Join(params, ", "))
	}
	return b.String()
}

func goStubs() string {
	var b strings.Builder
	b.WriteString("// Outside a node there is no kernel to call. With these the package still\n" +
		"// builds and is checked on the machine of whoever writes the program.\n\n")
	for _, f := range abi.HostFunctions() {
		params := goSpelling.params(f, func(_, typ string) string { return typ })
		fmt.Fprintf(&b, "func %s(%s) Status { return StatusUnsupported }\n\n", goName(f), strings.Join(params, ", "))
	}
	return b.String()
}

// place is where a field of a structure lies; without a field, its length.
type place struct {
	of, field string
	at        int
}

// layout lists wire.go.
func layout() []place {
	return []place{
		{"label", "sources", abi.LabelAtSources},
		{"label", "readers", abi.LabelAtReaders},
		{"label", "", abi.LabelBytes},
		{"msg", "label", abi.MessageAtLabel},
		{"msg", "badge", abi.MessageAtBadge},
		{"msg", "reply", abi.MessageAtReply},
		{"msg", "deadline", abi.MessageAtDeadline},
		{"msg", "words", abi.MessageAtWords},
		{"msg", "handles", abi.MessageAtHandles},
		{"msg", "length", abi.MessageAtLength},
		{"msg", "handle_count", abi.MessageAtHandleCount},
		{"msg", "moves", abi.MessageAtMoves},
		{"msg", "reserved", abi.MessageAtReserved},
		{"msg", "data", abi.MessageAtData},
		{"msg", "", abi.MessageBytes},
		{"mint", "rights", abi.MintAtRights},
		{"mint", "pass", abi.MintAtPass},
		{"mint", "badge", abi.MintAtBadge},
		{"mint", "ceiling", abi.MintAtCeiling},
		{"mint", "expires", abi.MintAtExpires},
		{"mint", "uses", abi.MintAtUses},
		{"mint", "copies", abi.MintAtCopies},
		{"mint", "base", abi.MintAtBase},
		{"mint", "bytes", abi.MintAtBytes},
		{"mint", "payer", abi.MintAtPayer},
		{"mint", "", abi.MintBytes},
	}
}

// cConstants writes the numbers as an enum a group, and the texts.
func cConstants() string {
	var b strings.Builder
	for _, g := range groups() {
		fmt.Fprintf(&b, "\n/* %s */\n", g.does)
		for _, c := range g.list {
			name := "PHI_" + shout(c.name)
			switch g.prefix {
			case "status":
				if c.value != 0 {
					name = "PHI_ERROR_" + shout(c.name)
				}
			case "":
			default:
				name = "PHI_" + shout(g.prefix) + "_" + shout(c.name)
			}
			fmt.Fprintf(&b, "#define %s %#xu\n", name, c.value)
		}
	}
	b.WriteString("\n/* phi_status_text says what a status means and, where there is one, the remedy. */\n" +
		"static inline const char *phi_status_text(phi_status status) {\n\tswitch (status) {\n")
	for s := range abi.Status(abi.StatusCount) {
		fmt.Fprintf(&b, "\tcase %d: return %q;\n", s, s.Error())
	}
	b.WriteString("\tdefault: return \"unknown status\";\n\t}\n}\n")
	return b.String()
}

var cSpelling = spelling{
	abi.ParamHandle: {"phi_cap"}, abi.ParamWord: {"uint64_t"}, abi.ParamSmall: {"uint32_t"},
	abi.ParamWords: {"const uint64_t *"}, abi.ParamResult: {"uint64_t *"}, abi.ParamResults: {"uint64_t *"},
	abi.ParamMessage: {"phi_msg *"}, abi.ParamMint: {"const phi_mint *"},
	abi.ParamLabel: {"const phi_label *"}, abi.ParamLabelOut: {"phi_label *"},
	abi.ParamBytes: {"const void *", "len:uint32_t"}, abi.ParamRoom: {"void *", "len:uint32_t"},
}

// cName is the name of the C function: phi:sys task_create is
// phi_sys_task_create.
func cName(f abi.HostFunction) string {
	return "phi_" + strings.TrimPrefix(f.Module, "phi:") + "_" + f.Name
}

func cImports() string {
	var b strings.Builder
	b.WriteString("\n/* The structures lie as the node reads them. */\n")
	for _, f := range layout() {
		if f.field == "" {
			fmt.Fprintf(&b, "PHI_SAME(sizeof(phi_%s), %d);\n", f.of, f.at)
		} else {
			fmt.Fprintf(&b, "PHI_SAME(offsetof(phi_%s, %s), %d);\n", f.of, f.field, f.at)
		}
	}
	b.WriteString("\n/* The functions of the node; docs/abi.md says what each does. */\n")
	for _, f := range abi.HostFunctions() {
		params := cSpelling.params(f, func(name, typ string) string { return typ + strings.TrimSuffix(" "+name, " ") })
		list := strings.ReplaceAll(strings.Join(params, ", "), "* ", "*")
		fmt.Fprintf(&b, "PHI_IMPORT(%q, %q) phi_status %s(%s);\n", f.Module, f.Name, cName(f), list)
	}
	return b.String()
}

// tsConstants writes the numbers as enums, which cost a program nothing.
func tsConstants() string {
	var b strings.Builder
	for _, g := range groups() {
		if g.goType == "" {
			fmt.Fprintf(&b, "\n/** %s */\n", g.does)
			for _, c := range g.list {
				typ := "u32"
				if c.value >= 1<<32 {
					typ = "u64"
				}
				fmt.Fprintf(&b, "export const %s: %s = %#x;\n", shout(c.name), typ, c.value)
			}
			continue
		}
		fmt.Fprintf(&b, "\n/** %s */\nexport enum %s {\n", g.does, g.goType)
		for _, c := range g.list {
			fmt.Fprintf(&b, "  %s = %#x,\n", camel(c.name), c.value)
		}
		b.WriteString("}\n")
	}
	b.WriteString("\n/** Says what a status means and, where there is one, the remedy. */\n" +
		"export function statusText(status: u32): string {\n  switch (status) {\n")
	for s := range abi.Status(abi.StatusCount) {
		fmt.Fprintf(&b, "    case %d: return %q;\n", s, s.Error())
	}
	b.WriteString("    default: return \"unknown status\";\n  }\n}\n")
	return b.String()
}

var tsSpelling = spelling{
	abi.ParamHandle: {"u64"}, abi.ParamWord: {"u64"}, abi.ParamSmall: {"u32"},
	abi.ParamWords: {"usize"}, abi.ParamResult: {"usize"}, abi.ParamResults: {"usize"},
	abi.ParamMessage: {"usize"}, abi.ParamMint: {"usize"}, abi.ParamLabel: {"usize"}, abi.ParamLabelOut: {"usize"},
	abi.ParamBytes: {"usize", "len:u32"}, abi.ParamRoom: {"usize", "len:u32"},
}

func tsImports() string {
	var b strings.Builder
	b.WriteString("\n/* Where the fields of what the node reads lie, and how long it is. */\n")
	for _, f := range layout() {
		name := "BYTES"
		if f.field != "" {
			name = "AT_" + shout(f.field)
		}
		fmt.Fprintf(&b, "const %s_%s: usize = %d;\n", shout(f.of), name, f.at)
	}
	b.WriteString("\n/* The functions of the node; docs/abi.md says what each does. */\n")
	for _, f := range abi.HostFunctions() {
		params := tsSpelling.params(f, func(name, typ string) string { return name + ": " + typ })
		fmt.Fprintf(&b, "// @ts-ignore: decorator\n@external(%q, %q)\nexport declare function %s(%s): u32;\n",
			f.Module, f.Name, strings.TrimPrefix(cName(f), "phi_"), strings.Join(params, ", "))
	}
	return b.String()
}
