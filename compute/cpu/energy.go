package cpu

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// powercap is where Linux shows the energy meters of processors (RAPL).
const powercap = "/sys/class/powercap"

// The bounds of a meter.
const (
	zonesMax = 64 // packages of processors
	// meterInterval is how often the meter is read: a reading takes some
	// microseconds for each zone. Pauses shorter than it count as running.
	meterInterval = 5 * time.Millisecond
)

// meter sums up what the machine's processors take while steps run. It counts
// what others make them take at the same time as well: no meter tells them
// apart.
type meter struct {
	zones []zone

	mu      sync.Mutex
	last    time.Time // of the readings; under mu
	ended   time.Time // of what ran; under mu
	runs    bool      // under mu
	counted float64   // joules; under mu
}

// zone is a package of processors.
type zone struct {
	file   string
	most   uint64 // microjoules after which it begins at zero again
	before uint64
}

// openMeter finds the meters that can be read. There may be none.
func openMeter(folder string) *meter {
	m := &meter{}
	found, _ := filepath.Glob(filepath.Join(folder, "intel-rapl:*"))
	for _, dir := range found {
		if strings.Count(filepath.Base(dir), ":") != 1 || len(m.zones) == zonesMax {
			continue // a part of a package, which counts it
		}
		z := zone{file: filepath.Join(dir, "energy_uj")}
		var ok bool
		if z.most, ok = readCounter(filepath.Join(dir, "max_energy_range_uj")); !ok {
			continue
		}
		if z.before, ok = readCounter(z.file); ok {
			m.zones = append(m.zones, z)
		}
	}
	return m
}

func readCounter(file string) (uint64, bool) {
	b, err := os.ReadFile(file) //nolint:gosec // a file of the machine
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseUint(strings.TrimSpace(string(b)), 10, 64)
	return n, err == nil
}

// begin is called when something begins to run, end when nothing runs any more.
func (m *meter) begin() {
	if len(m.zones) == 0 {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.runs = true
	if time.Since(m.ended) > meterInterval {
		m.readLocked() // what was taken in the pause is not ours
	}
}

func (m *meter) end() {
	if len(m.zones) == 0 {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ended, m.runs = time.Now(), false
	if time.Since(m.last) > meterInterval {
		m.counted += m.readLocked()
	}
}

// joules is what was counted; false when there is no meter.
func (m *meter) joules() (float64, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.runs && len(m.zones) > 0 && time.Since(m.last) > meterInterval {
		m.counted += m.readLocked()
	}
	return m.counted, len(m.zones) > 0
}

// readLocked reads the meters and returns what they counted since the last time.
func (m *meter) readLocked() float64 {
	m.last = time.Now()
	var micro uint64
	for i := range m.zones {
		z := &m.zones[i]
		now, ok := readCounter(z.file)
		if !ok {
			continue
		}
		if now < z.before {
			micro += z.most - min(z.most, z.before)
			z.before = 0
		}
		micro += now - z.before
		z.before = now
	}
	return float64(micro) / 1e6
}
