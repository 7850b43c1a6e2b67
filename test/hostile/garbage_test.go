package hostile

import (
	"strings"
	"testing"

	"phios/abi"
)

// TestGarbageIsComplete finds every host function in the program but those
// that end their caller.
func TestGarbageIsComplete(t *testing.T) {
	source := GarbageSource()
	for _, f := range abi.HostFunctions() {
		ends := f.Call == abi.TaskExit || f.Call == abi.TaskFault
		if found := strings.Contains(source, `import_module("`+f.Module+`"), import_name("`+f.Name+`")`); found == ends {
			t.Errorf("%s %s: in the program %v", f.Module, f.Name, found)
		}
	}
}
