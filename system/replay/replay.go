// Package replay runs a scenario of several tasks on the simulated machine, in
// record mode, and compares what a seed gives now with what it gave before. It
// is how a journal "with the seed replays a run": not by doing the records
// again, but by running the programs again on the machine that the seed
// decides, and finding every record the same to the byte.
//
// Ledger: G1.3 S27.
package replay

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"

	"phios/abi"
	"phios/internal/prng"
	"phios/kernel/capability"
	"phios/kernel/gate"
	"phios/kernel/journal"
	"phios/platform/host/logfile"
	"phios/platform/sim"
	"phios/system"
	"phios/system/manifest"
)

// What the scenario is.
const (
	nodeNumber = 0x5170 // in the header: says that the simulator wrote it
	clients    = 3
	rounds     = 24
	answerNS   = 200_000 // how long a client waits for its answer
)

// scenario is the manifest of the run: a server behind a mailbox, clients that
// are given a capability, use it, and lose it, and an owner who revokes.
const scenario = `
version: 1
sources: [outside]
endowment: {memory: 64MiB, slots: 4096, tokens: 1e6}
timers: 8
objects:
  - {name: desk, type: endpoint, owner: server, capacity: 8}
  - {name: board, type: region, owner: server, bytes: 16KiB}
  - {name: guarded, type: endpoint, owner: server, capacity: 8, ceiling: {sources: []}}
tasks:
  - {name: server, slots: 64, budget: {memory: 8MiB, slots: 256, tokens: 1e5}}
`

// client is the part of the manifest that each client has.
const client = `  - name: client-%d
    slots: 32
    budget: {memory: 1MiB, slots: 64}
    holds:
      - {object: desk, rights: [INVOKE, SEND], badge: %d}
      - {object: guarded, rights: [INVOKE, SEND]}
      - {object: board, rights: [INVOKE, READ, WRITE]}
`

// text returns the scenario with all its clients.
func text() []byte {
	s := []byte(scenario)
	for i := range clients {
		s = fmt.Appendf(s, client, i, i+1)
	}
	return s
}

// Run runs the scenario of a seed, and returns the records of its journal.
func Run(seed uint64) ([][]byte, error) {
	m, err := manifest.Parse("scenario", text())
	if err != nil {
		return nil, err
	}
	machine := sim.New(sim.Config{
		Seed: seed, Faults: sim.Faults{SpuriousWake: 20, DelayedUnpark: 20, EarlyTimeout: 20},
	})
	log := machine.NewLog()
	j, status := journal.New(log, machine, seed, journal.Options{Node: nodeNumber})
	if status != abi.StatusOK {
		return nil, status
	}
	k := gate.New(gate.Config{
		Machine: machine, Journal: j, Node: nodeNumber, Endowment: m.Endowment, Timers: m.Timers,
		Limits: capability.Limits{Nodes: 1 << 12, Objects: 1 << 10, Spaces: 64, Generations: abi.GenerationMax - 1},
	})
	k.Record(true)
	b, err := system.Boot(k, m)
	if err != nil {
		return nil, err
	}
	play := &play{kernel: k, machine: machine, left: clients}
	machine.Go("server", func() { play.server(b.Task("server")) })
	for i := range clients {
		name := "client-" + strconv.Itoa(i)
		random := prng.New(seed ^ uint64(i+1)<<32)
		machine.Go(name, func() { play.client(b.Task(name), random) })
	}
	if report := machine.Run(); !report.OK() {
		return nil, fmt.Errorf("the scenario of seed %d did not end: %+v", seed, report)
	}
	for k.Tidy(1 << 10) { // the work is in the condition
	}
	return log.Records(), nil
}

// play is a run under way.
type play struct {
	kernel  *gate.Kernel
	machine *sim.Machine
	left    int // clients that have not ended
}

// server answers until the clients have ended, and revokes now and then.
func (p *play) server(t *system.Task) {
	for served := 1; p.left > 0; served++ {
		m := abi.Message{Deadline: p.machine.Now() + answerNS}
		if t.Invoke("desk", abi.EndpointReceive, &abi.Args{Message: &m}) != abi.StatusOK {
			continue
		}
		if answer := m.Reply; answer != 0 {
			m.Words[0]++
			_ = t.Port.Invoke(answer, abi.EndpointReply, &abi.Args{Message: &m})
		}
		if served%(rounds/2) == 0 {
			_ = t.Invoke("board", abi.CapRevoke, &abi.Args{})
		}
		p.kernel.Tidy(8)
	}
}

// client does this and that, as its own random numbers say. Refusals are part
// of the play.
func (p *play) client(t *system.Task, random *prng.Source) {
	defer func() { p.left-- }()
	for range rounds {
		m := abi.Message{Deadline: p.machine.Now() + answerNS, Words: [abi.MessageWords]uint64{random.Uint64()}}
		switch random.Below(6) {
		case 0:
			_ = t.Invoke("desk", abi.EndpointSend, &abi.Args{Message: &m})
		case 1:
			_ = t.Invoke("board", abi.RegionWrite, &abi.Args{Bytes: []byte(t.Name)})
		case 2:
			_ = t.Invoke("board", abi.RegionRead, &abi.Args{Bytes: make([]byte, 8)})
		case 3:
			m.Label = abi.Label{Sources: 1, Readers: ^uint64(0)}
			_ = t.Invoke("guarded", abi.EndpointSend, &abi.Args{Message: &m})
		case 4:
			a := abi.Args{W: [abi.ArgWords]uint64{4096}}
			if t.Invoke("budget", abi.RegionCreate, &a) == abi.StatusOK {
				_ = t.Port.Invoke(abi.Handle(a.W[0]), abi.CapDelete, &abi.Args{})
			}
		default:
			_ = t.Invoke("desk", abi.EndpointCall, &abi.Args{Message: &m})
		}
	}
}

// Write keeps records in a new file, as a node's journal is kept.
func Write(path string, records [][]byte) error {
	file, found, err := logfile.Open(path, logfile.Options{})
	if err != nil {
		return err
	}
	if found.Records > 0 {
		return errors.Join(fmt.Errorf("%s holds %d records: name a new file", path, found.Records), file.Close())
	}
	for _, r := range records {
		if status := file.Append(r); status != abi.StatusOK {
			return errors.Join(status, file.Err(), file.Close())
		}
	}
	return file.Close()
}

// Read returns the records of a journal in a file.
func Read(path string) ([][]byte, error) {
	var records [][]byte
	_, err := logfile.Read(path, func(b []byte) error {
		records = append(records, bytes.Clone(b))
		return nil
	})
	return records, err
}

// Compare runs the scenario of the seed that a journal's header names. It
// returns the number of the first record that differs or is missing on either
// side, -1 when there is none.
func Compare(records [][]byte) (seed uint64, difference int, err error) {
	var v journal.Verifier
	var r journal.Record
	if len(records) == 0 || v.Feed(records[0], &r) != journal.FaultNone {
		return 0, 0, errors.New("no header at its beginning: this is no journal")
	}
	header, _ := r.Header()
	if header.Node != nodeNumber {
		return header.Seed, 0, errors.New("a node on a real machine wrote it, which no seed replays: make one with 'phi journal record'")
	}
	again, err := Run(header.Seed)
	if err != nil {
		return header.Seed, 0, err
	}
	for i := range max(len(records), len(again)) {
		if i >= len(records) || i >= len(again) || !bytes.Equal(records[i], again[i]) {
			return header.Seed, i, nil
		}
	}
	return header.Seed, -1, nil
}
