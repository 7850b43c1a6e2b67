package jail

import (
	"bytes"
	"encoding/binary"
	"reflect"
	"strings"
	"testing"
)

// FuzzReadValue reads setups and reports that a broken process could send.
func FuzzReadValue(f *testing.F) {
	var good bytes.Buffer
	if err := writeValue(&good, setup{Walls: WallsAll, Args: []string{"x"}}); err != nil {
		f.Fatal(err)
	}
	f.Add(good.Bytes())
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, '{'})
	f.Add(binary.LittleEndian.AppendUint32(nil, 0))
	f.Fuzz(func(t *testing.T, data []byte) {
		var s, again setup
		var r report
		if err := readValue(bytes.NewReader(data), &r); err == nil && len(r.Error) > SetupBytesMax {
			t.Errorf("%d bytes of error", len(r.Error))
		}
		if readValue(bytes.NewReader(data), &s) != nil {
			return
		}
		var out bytes.Buffer
		if err := writeValue(&out, &s); err != nil {
			return // what is escaped may be longer
		}
		if err := readValue(&out, &again); err != nil || !reflect.DeepEqual(s, again) {
			t.Errorf("%+v became %+v, %v", s, again, err)
		}
	})
}

// FuzzHierarchy parses lines of mountinfo and of /proc/self/cgroup.
func FuzzHierarchy(f *testing.F) {
	f.Add("35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory", "4:memory:/process/x")
	f.Add("41 31 0:38 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw", "0::/user.slice")
	f.Add("41 31 0:38 /a /sys/fs/cgroup rw shared:1 - cgroup2 cgroup2 rw", "0::/../b")
	f.Fuzz(func(t *testing.T, mount, place string) {
		h, root, ok := parseMount(mount)
		if !ok || !h.locate(root, []string{place}) {
			return
		}
		if folders := h.ancestors(); len(folders) == 0 || len(folders) > ancestorsMax {
			t.Errorf("%d ancestors of %q", len(folders), h.own)
		}
		if strings.HasPrefix(h.top, "/") && !strings.HasPrefix(h.own, "/") {
			t.Errorf("%q is not below %q", h.own, h.top)
		}
	})
}
