package bench

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"phios/abi"
	"phios/capsule"
	"phios/internal/guest"
)

// What is mapped, what of it is read, and what the first may cost: the node's
// own bookkeeping, and page tables, which Pss does not count.
const (
	mappedBytes  = 1 << 30
	touchedBytes = 64 << 20
	mapTargetKiB = 1 << 10
	mapMemory    = 2 << 30 // of a program
)

var errPss = errors.New("/proc/self/smaps_rollup has no line Pss")

// mapRows shows a file of 1 GiB to two programs in this process, and measures
// how much memory that takes: mapped, and read by one and by both. A byte that
// is read is in memory once, as the cache of the file, whoever reads it.
func mapRows(*inferenceRun) ([]Row, error) {
	c, err := newCapsules()
	if err != nil {
		return nil, err
	}
	defer c.close()
	module, err := guest.BuildC("test/bench/testdata/weights.c", guest.Bare)
	if err != nil {
		return nil, fmt.Errorf("build a program that maps: %w", err)
	}
	owner := c.boot(16)
	weights, err := c.weights(owner)
	if err != nil {
		return nil, err
	}
	var programs [2]capsule.Program
	var doors [2]door
	for i := range programs {
		t := c.boot(16)
		shown := c.give(owner, weights, t, abi.RightInvoke|abi.RightRead|abi.RightMap)
		doors[i] = door{t.port, map[string]abi.Handle{"weights": shown}}
		if c.err != nil {
			return nil, c.err
		}
		if programs[i], err = c.mapper(module, doors[i]); err != nil {
			return nil, err
		}
		defer programs[i].Close() //nolint:revive // defer: two of them, until all is measured
	}
	pss := make([]float64, 0, 4)
	for _, step := range []func() abi.Status{
		func() abi.Status { return abi.StatusOK },
		func() abi.Status { return both(programs, doors, [2]uint64{mappedBytes, 0}) },
		func() abi.Status { return tell(programs[0], doors[0], [2]uint64{0, touchedBytes}) },
		func() abi.Status { return tell(programs[1], doors[1], [2]uint64{0, touchedBytes}) },
	} {
		if status := step(); !status.OK() {
			return nil, fmt.Errorf("map the weights: %w", status)
		}
		now, err := pssKiB()
		if err != nil {
			return nil, err
		}
		pss = append(pss, now)
	}
	return []Row{
		atMost("map: map a 1 GiB model into two capsules, added resident memory", max(pss[1]-pss[0], 0), unitKiB, mapTargetKiB),
		inform("map: the first reads 64 MiB of it, added", max(pss[2]-pss[1], 0), unitKiB),
		atMost("map: the second reads the same 64 MiB, added", max(pss[3]-pss[2], 0), unitKiB, mapTargetKiB),
	}, nil
}

// weights makes a file and shows it as a region of the task's. Its pages are
// holes, which are read like others: through the cache.
func (c *capsules) weights(owner task) (abi.Handle, error) {
	f, err := os.CreateTemp(c.cache, "weights-")
	if err != nil {
		return 0, fmt.Errorf("make a file of weights: %w", err)
	}
	defer func() { _ = f.Close() }() // nothing was written
	if err := errors.Join(f.Truncate(mappedBytes), f.Chmod(0o400)); err != nil {
		return 0, fmt.Errorf("make a file of weights: %w", err)
	}
	b, bytes, err := c.machine.Import(f)
	if err != nil {
		return 0, err //nolint:wrapcheck // it says all
	}
	h, status := owner.port.AdoptBacking(owner.budget, b, bytes)
	if !status.OK() {
		c.machine.Discard(b)
		return 0, fmt.Errorf("make a region of weights: %w", status)
	}
	return h, nil
}

// mapper starts a program that can map.
func (c *capsules) mapper(module []byte, d door) (capsule.Program, error) {
	image, err := c.engine.Install(module)
	if err != nil {
		return nil, err //nolint:wrapcheck // it says all
	}
	i, err := image.Start(capsule.Spec{Name: "weights", Door: d, MemoryBytesMax: mapMemory})
	if err != nil {
		return nil, err //nolint:wrapcheck // it says all
	}
	space, status := c.machine.NewGuest(i.Guest(c.machine))
	if status.OK() {
		status = d.AdoptOffered(space)
	}
	if exit := i.Run(); !status.OK() || !exit.OK() {
		i.Close()
		return nil, fmt.Errorf("start a program that maps: %w, %v", status, exit)
	}
	return i, nil
}

// tell passes a message of two words to a program, and both to both.
func tell(p capsule.Program, d door, words [2]uint64) abi.Status {
	return p.Serve(d, &abi.Message{Words: [abi.MessageWords]uint64{words[0], words[1]}})
}

func both(programs [2]capsule.Program, doors [2]door, words [2]uint64) abi.Status {
	for i, p := range programs {
		if status := tell(p, doors[i], words); !status.OK() {
			return status
		}
	}
	return abi.StatusOK
}

// pssKiB is the resident memory of this process, a page that n share counting
// an n-th.
func pssKiB() (float64, error) {
	f, err := os.Open("/proc/self/smaps_rollup")
	if err != nil {
		return 0, fmt.Errorf("measure memory: %w", err)
	}
	defer func() { _ = f.Close() }() // it was only read
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if rest, ok := strings.CutPrefix(lines.Text(), "Pss:"); ok {
			return strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(rest, "kB")), 64) //nolint:wrapcheck // it says all
		}
	}
	return 0, errPss
}
