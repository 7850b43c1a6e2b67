package python

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"phios/abi"
	"phios/capsule/ambient/ops"
)

var update = flag.Bool("update", false, "write phi.py's tables from package abi")

// tables are the generated parts of phi.py.
func tables() map[string]string {
	var calls, rights, statuses, constants strings.Builder
	for c := 1; c < abi.CallCount; c++ {
		fmt.Fprintf(&calls, "    %q: %d,\n", abi.Call(c), c)
	}
	for r := abi.Rights(1); r&abi.RightsAll != 0; r <<= 1 {
		fmt.Fprintf(&rights, "%s = 1 << %d\n", r, strings.Count(fmt.Sprintf("%b", r), "0"))
	}
	for s := range abi.StatusCount {
		status := abi.Status(s)
		fmt.Fprintf(&statuses, "    (%q, %q),\n", status.Name(), status.Error())
		name := strings.ToUpper(strings.ReplaceAll(status.Name(), "-", "_"))
		if r := "RIGHTS"; name == r {
			name = "STATUS_RIGHTS"
		}
		fmt.Fprintf(&constants, "%s = %d\n", name, s)
	}
	return map[string]string{"calls": calls.String(), "rights": rights.String(), "statuses": statuses.String(), "constants": constants.String()}
}

// generate returns the text with its tables as package abi has them.
func generate(text string) string {
	for name, table := range tables() {
		section := regexp.MustCompile(`(?s)(\n *# generated: ` + name + "\n).*?( *# end\n)")
		text = section.ReplaceAllStringFunc(text, func(old string) string {
			parts := section.FindStringSubmatch(old)
			return parts[1] + table + parts[2]
		})
	}
	return text
}

// TestTables checks that the SDK knows the calls, rights and statuses of
// package abi, and no others.
func TestTables(t *testing.T) {
	want := generate(Source())
	if *update {
		if err := os.WriteFile(FileName, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if Source() != want {
		t.Error("phi.py's tables are not package abi's: go test ./sdk/python -update")
	}
	for name, table := range tables() {
		if table == "" || !strings.Contains(Source(), table) {
			t.Errorf("phi.py has no table of %s", name)
		}
	}
}

// TestNumbers asks Python for the sizes and numbers that are written by hand.
func TestNumbers(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("no python3 in PATH: install Python 3.9 or later to check its SDK")
	}
	const program = `import phi
print(phi._HEAD.size, phi._LABEL.size, phi._MINT.size, phi._MESSAGE.size, phi._FRAME_BYTES_MAX, phi.MESSAGE_BYTES_MAX, phi.MESSAGE_HANDLE_MAX, phi.MESSAGE_WORDS, phi.ARG_WORDS)
print(phi.SESSION_NAMED, phi.SESSION_ARGUMENT, phi.SESSION_OUTPUT, phi.SESSION_SERVE, phi.SESSION_READY)
print(phi.AI_INFER, phi.AI_EMBED, phi.AI_MAP_MODEL, phi.AI_SELECT_DEVICE, phi.AI_BATCH_START, phi.AI_BATCH_END)
print(phi.AI_JSON, phi.AI_STREAM, phi.AI_NEXT, phi.AI_STOP, phi.AI_BATCH, phi.AI_NUMBER_SHIFT, len(phi.AI_REASONS))
print(phi.REGION_SHARED, phi.REGION_PRIVATE, phi.MEMORY, phi.SLOTS, phi.CPU, phi.TOKENS, phi.NETWORK, phi.ENERGY, phi.CLOCK_NOW)
print(str(phi.StatusError(phi.BUDGET)))`
	c := exec.CommandContext(t.Context(), python, "-B", "-c", program)
	text, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	want := fmt.Sprintln(abi.FrameHeadBytes, abi.LabelBytes, abi.MintBytes, abi.MessageHeadBytes, abi.FrameBytesMax, abi.MessageBytesMax, abi.MessageHandleMax, abi.MessageWords, abi.ArgWords) +
		fmt.Sprintln(uint16(abi.SessionNamed), uint16(abi.SessionArgument), uint16(abi.SessionOutput), uint16(abi.SessionServe), uint16(abi.SessionReady)) +
		fmt.Sprintln(abi.AIInfer, abi.AIEmbed, abi.AIMapModel, abi.AISelectDevice, abi.AIBatchStart, abi.AIBatchEnd) +
		fmt.Sprintln(abi.AIJSON, abi.AIStream, abi.AINext, abi.AIStop, abi.AIBatch, abi.AINumberShift, abi.AIReasonCancelled+1) +
		fmt.Sprintln(abi.RegionShared, abi.RegionPrivate, uint8(abi.ResourceMemory), uint8(abi.ResourceSlots), uint8(abi.ResourceCPU), uint8(abi.ResourceTokens), uint8(abi.ResourceNetwork), uint8(abi.ResourceEnergy), uint64(ops.ClockNow)) +
		fmt.Sprintln(abi.StatusBudget.Error())
	if string(text) != want {
		t.Errorf("got\n%swant\n%s", text, want)
	}
}
