package cpu

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// The meters of packages are summed up, also when they begin at zero again, and
// what is taken in pauses is not counted.
func TestMeter(t *testing.T) {
	dir := t.TempDir()
	write := func(zone, file string, n int) {
		t.Helper()
		if err := os.MkdirAll(filepath.Join(dir, zone), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, zone, file), []byte(strconv.Itoa(n)+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, zone := range []string{"intel-rapl:0", "intel-rapl:1", "intel-rapl:0:0"} {
		write(zone, "max_energy_range_uj", 10_000_000)
		write(zone, "energy_uj", 9_000_000)
	}
	m := openMeter(dir)
	if len(m.zones) != 2 {
		t.Fatalf("%d meters were found, and there are two packages", len(m.zones))
	}
	time.Sleep(2 * meterInterval)
	write("intel-rapl:0", "energy_uj", 9_500_000) // in a pause
	m.begin()
	time.Sleep(2 * meterInterval)
	write("intel-rapl:0", "energy_uj", 1_500_000) // 2 J, past the end
	write("intel-rapl:1", "energy_uj", 9_250_000)
	write("intel-rapl:0:0", "energy_uj", 9_900_000)
	m.end()
	if j, ok := m.joules(); !ok || j != 2.25 {
		t.Errorf("the meters counted %g J, and 2.25 J were taken", j)
	}
	if _, ok := openMeter(t.TempDir()).joules(); ok {
		t.Error("a machine without meters has one")
	}
}
