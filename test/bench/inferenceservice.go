package bench

import (
	"bufio"
	"compress/gzip"
	"container/list"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"phios/abi"
	"phios/api/inference"
	"phios/compute"
	"phios/compute/gguf"
	"phios/compute/grammar"
	"phios/compute/sample"
	"phios/compute/tensor"
	"phios/compute/token"
	service "phios/service/inference"
	"phios/service/inference/prefix"
	"phios/service/inference/registry"
	"phios/service/inference/residency"
)

// The targets of the service.
const (
	swapsTarget     = 5.0
	maskShareTarget = 5.0 // per cent of a step
	traceBlocks     = 10_000
	traceTokens     = 512 // in a block
	unitPerCent     = "%"
)

// prefixRows replays the beginnings of the requests to a chat service through
// the tree of prefixes, a block of the trace being a page.
func prefixRows(i *inferenceRun) ([]Row, error) {
	requests, err := readTrace(filepath.Join(i.Data, "traces", "mooncake-conversation.jsonl.gz"))
	if errors.Is(err, os.ErrNotExist) {
		i.say("the trace is not in %s: its rows are left out\n", i.Data)
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	tree := prefix.New(prefix.Options{PageTokens: 1, PagesMax: traceBlocks})
	begin := time.Now()
	for _, blocks := range requests {
		lease, _ := tree.Match(abi.LabelBottom(), blocks, len(blocks), nil)
		for k := lease.Pages(); k < len(blocks); k++ {
			tree.Extend(&lease, blocks[k:k+1], compute.Page(blocks[k]))
		}
		tree.Release(&lease)
	}
	took := time.Since(begin)
	s := tree.Stats()
	rate, lru := float64(s.Hit)/float64(s.Asked), plainLRU(requests, traceBlocks)
	hits := Row{Name: fmt.Sprintf("prefix: hits on the Mooncake trace, %d blocks", traceBlocks), Value: tidy(100 * rate), Unit: unitPerCent, Better: Higher, OK: rate >= lru}
	least := tidy(100 * lru)
	hits.Target = &least
	saved := Row{Name: "prefix: tokens of the trace not computed again", Value: float64(traceTokens*s.Hit) / 1e6, Unit: "M", Better: Higher, OK: true}
	return []Row{hits.against("plain LRU", least, rate/lru), saved, inform("prefix: a block found or added", float64(took)/float64(s.Asked), unitNS)}, nil
}

// plainLRU is the share of blocks that a cache of so many finds when it always
// gives up the one that was used longest ago. A block counts when all before it
// in its request were found too; within a request the first block is used last,
// so that ends go before beginnings.
func plainLRU(requests [][]int32, blocksMax int) float64 {
	var order list.List
	at := map[int32]*list.Element{}
	hit, asked := 0, 0
	for _, blocks := range requests {
		asked += len(blocks)
		for _, b := range blocks {
			if at[b] == nil {
				break
			}
			hit++
		}
		for _, b := range slices.Backward(blocks) {
			if e := at[b]; e != nil {
				order.MoveToFront(e)
				continue
			}
			at[b] = order.PushFront(b)
			if order.Len() > blocksMax {
				oldest := order.Back()
				delete(at, oldest.Value.(int32)) //nolint:forcetypeassert // nothing else is in it
				order.Remove(oldest)
			}
		}
	}
	return float64(hit) / float64(asked)
}

// readTrace reads the blocks of each request.
func readTrace(path string) ([][]int32, error) {
	file, err := os.Open(path) //nolint:gosec // G304: the user says which folder
	if err != nil {
		return nil, err
	}
	defer file.Close() //nolint:errcheck // it was read
	plain, err := gzip.NewReader(file)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	var all [][]int32
	lines := bufio.NewScanner(plain)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var request struct {
			Blocks []int32 `json:"hash_ids"`
		}
		if err := json.Unmarshal(lines.Bytes(), &request); err != nil {
			return nil, fmt.Errorf("read %s: %w", path, err)
		}
		all = append(all, request.Blocks)
	}
	return all, lines.Err() //nolint:wrapcheck // it says all
}

// The load of swapRows: agents that ask one of two models, think, and ask again,
// with memory for one of them. It is a hundredth of what a large model takes.
const (
	swapAgents = 16
	swapTurns  = 20
	swapLoad   = 30 * time.Millisecond
	swapAnswer = 800 * time.Microsecond
	swapThink  = 3 * time.Millisecond
	swapAtOnce = 4
)

// swapRows measures how often two models take each other's place, against the
// order of arrival, and how long the first token takes.
func swapRows(i *inferenceRun) ([]Row, error) {
	fifo, before, err := i.agents(true)
	if err != nil {
		return nil, err
	}
	own, after, err := i.agents(false)
	if err != nil {
		return nil, err
	}
	p99 := func(first []int64) float64 { return quantile(first, 0.99) / 1e6 }
	waits := inform("swap: time to first token, p99, a load taking 30 ms", p99(after), unitMS).against("order of arrival", p99(before), p99(before)/p99(after))
	return []Row{
		atLeast("swap: two models, memory for one, fewer swaps by", "order of arrival", float64(fifo)/float64(max(own, 1)), swapsTarget),
		waits,
	}, nil
}

// lodger stands for a loaded model.
type lodger struct{}

// Probe says that it lives.
func (lodger) Probe(context.Context) error { return nil }

// Close takes no time.
func (lodger) Close() {}

// Bytes is what was wanted.
func (lodger) Bytes() uint64 { return 80 }

// agents runs the load and returns the swaps and the nanoseconds to each first
// token.
func (i *inferenceRun) agents(fifo bool) (swaps uint64, first []int64, err error) {
	m := residency.New([]compute.Unit{i.own}, residency.Options[lodger]{
		Load: func(ctx context.Context, _ residency.Want, _ compute.Unit) (lodger, error) {
			select {
			case <-time.After(swapLoad):
			case <-ctx.Done():
			}
			return lodger{}, ctx.Err() //nolint:wrapcheck // it is the manager's own
		},
		Now: time.Now, Bytes: 100, FIFO: fifo,
	})
	defer m.Close()
	var mu sync.Mutex
	var all sync.WaitGroup
	busy := [2]chan struct{}{make(chan struct{}, swapAtOnce), make(chan struct{}, swapAtOnce)}
	for agent := range swapAgents {
		random := rand.New(rand.NewPCG(uint64(agent), 3)) //nolint:gosec // G404: a load that repeats
		all.Go(func() {
			for range swapTurns {
				time.Sleep(time.Duration(random.Int64N(int64(swapThink))))
				k := random.IntN(2)
				begin := time.Now()
				l, failed := m.Acquire(i.ctx, residency.Want{Key: residency.Key{Digest: [32]byte{byte(k)}}, Name: "model", Bytes: 80})
				if failed != nil {
					mu.Lock()
					err = failed
					mu.Unlock()
					return
				}
				busy[k] <- struct{}{}
				mu.Lock()
				first = append(first, int64(time.Since(begin)))
				mu.Unlock()
				time.Sleep(swapAnswer)
				<-busy[k]
				l.Release()
			}
		})
	}
	all.Wait()
	return m.Metrics().Swaps, first, err
}

// maskSchema is what maskRows lets a model write: objects, lists, choices,
// numbers and free text.
const maskSchema = `{"type":"object","properties":{"name":{"type":"string","maxLength":40},"kind":{"enum":["harbour","ship","crew"]},
"tags":{"type":"array","items":{"type":"string","maxLength":12},"maxItems":4},"size":{"type":"integer","minimum":0,"maximum":5000},
"at":{"type":"object","properties":{"x":{"type":"number"},"y":{"type":"number"}},"required":["x","y"]},"open":{"type":"boolean"}},
"required":["name","kind","tags","size","at","open"],"additionalProperties":false}`

// maskRows measures what a JSON Schema adds to a step of the largest model: the
// mask of allowed tokens and following the one that was chosen.
func maskRows(i *inferenceRun) ([]Row, error) {
	size := i.Sizes[len(i.Sizes)-1]
	w, closes, err := i.weights(size, tensor.Q4_0)
	if err != nil {
		return nil, err
	}
	defer closes()
	pieces, end, err := pieces(w.Bytes)
	if err != nil {
		return nil, err
	}
	var step float64
	if _, err = i.rival(w, compute.Options{ContextTokens: contextTokens, CacheTokens: contextTokens, SequencesMax: 1, Threads: 2}, func(r *rivals) ([]Row, error) {
		sequences, err := openMany(r.own, 1)
		if err != nil {
			return nil, err
		}
		took, err := i.turns(i.rounds, i.decode(r.own, sequences, decodeSteps))
		if err == nil {
			step = took[0].median() / decodeSteps
		}
		return nil, err
	}); err != nil {
		return nil, err
	}
	cost, err := maskCosts(pieces, end)
	if err != nil {
		return nil, err
	}
	mean := 0.0
	for _, ns := range cost {
		mean += float64(ns) / float64(len(cost))
	}
	name := fmt.Sprintf("mask: a JSON Schema's share of a step, %d tokens, %s %s", len(pieces), size, tensor.Q4_0)
	return []Row{
		atMost(name, 100*mean/step, unitPerCent, maskShareTarget),
		inform("mask: p99 of a token's mask", quantile(cost, 0.99)/1e3, unitUS),
	}, nil
}

// pieces reads what the tokens of a model's file add to a text.
func pieces(file []byte) ([][]byte, []int32, error) {
	f, err := gguf.Parse(file)
	if err != nil {
		return nil, nil, err //nolint:wrapcheck // it says all
	}
	t, err := token.FromGGUF(f)
	if err != nil {
		return nil, nil, err //nolint:wrapcheck // it says all
	}
	all := make([][]byte, t.Size())
	var end []int32
	for id := range int32(t.Size()) {
		all[id] = t.Piece(id)
		if t.End(id) {
			end = append(end, id)
		}
	}
	return all, end, nil
}

// maskDocuments is how many documents maskCosts writes. The first finds the
// masks that later ones know.
const maskDocuments = 30

// maskCosts lets random logits write documents, and returns what the grammar
// cost for each token in nanoseconds.
func maskCosts(pieces [][]byte, end []int32) ([]int64, error) {
	g, err := grammar.FromSchema([]byte(maskSchema))
	if err != nil {
		return nil, err //nolint:wrapcheck // it says all
	}
	v := grammar.NewVocabulary(pieces, end)
	random := rand.New(rand.NewPCG(1, 1)) //nolint:gosec // G404: noise that repeats
	logits, bits := make([]float32, len(pieces)), make([]uint64, v.Words())
	var cost []int64
	for range maskDocuments {
		state, err := g.Start(v)
		if err != nil {
			return nil, err //nolint:wrapcheck // it says all
		}
		s := sample.New(sample.Params{Temperature: 1, Seed: random.Uint64()}, len(pieces))
		for !state.Done() {
			for k := range logits {
				logits[k] = random.Float32()
			}
			begin := time.Now()
			state.Mask(bits)
			cost = append(cost, int64(time.Since(begin)))
			chosen := s.Sample(logits, bits)
			begin = time.Now()
			if err := state.Accept(chosen.Token); err != nil {
				return nil, err //nolint:wrapcheck // it says all
			}
			cost[len(cost)-1] += int64(time.Since(begin))
		}
	}
	return slices.Clip(cost), nil
}

// spender pays for everything.
type spender struct{}

// Name is whose share it takes.
func (spender) Name() string { return "bench" }

// Label is the least.
func (spender) Label() abi.Label { return abi.LabelBottom() }

// May is always true.
func (spender) May(string, abi.Rights) bool { return true }

// Charge is always paid.
func (spender) Charge(inference.Cost) bool { return true }

// serviceRows measures whole requests through the service: many at once against
// one after the other, and how soon the first token comes.
func serviceRows(i *inferenceRun) ([]Row, error) {
	folder, err := os.MkdirTemp("", "phi-bench-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(folder) //nolint:errcheck // in the temporary folder, where it harms nobody
	models, err := registry.Open(folder, registry.Options{Now: time.Now})
	if err != nil {
		return nil, err //nolint:wrapcheck // it says all
	}
	defer models.Close() //nolint:errcheck // it holds a lock, nothing else
	size := i.Sizes[0]
	_, closes, err := i.weights(size, tensor.Q8_0)
	if err != nil {
		return nil, err
	}
	closes()
	if _, err := models.Add(i.ctx, i.path(size, tensor.Q8_0), registry.Adding{Name: "bench"}); err != nil {
		return nil, err //nolint:wrapcheck // it says all
	}
	s, err := service.New(service.Options{
		Models: models, Units: []compute.Unit{i.own}, Now: time.Now,
		Load: compute.Options{ContextTokens: contextTokens / 2, CacheTokens: streams * contextTokens / 2, Threads: 2},
	})
	if err != nil {
		return nil, err //nolint:wrapcheck // it says all
	}
	defer s.Close() //nolint:errcheck // nothing is parked
	return i.served(s, size)
}

// Each request of serviceRows has a prompt of its own.
const (
	servedPrompt = 40
	servedTokens = 24
)

func (i *inferenceRun) served(s inference.Service, size string) ([]Row, error) {
	var first []int64
	var mu sync.Mutex
	count, serial := 0, 0
	ask := func(n int) error {
		r := inference.Request{
			Model: "bench", Tokens: prompt(servedPrompt, 512), TokensMax: servedTokens,
			Sampling: inference.Sampling{Temperature: 1, Seed: uint64(n), Seeded: true},
		}
		r.Tokens[0] = int32(300 + n%200)
		got, err := s.Generate(i.ctx, spender{}, &r, nil)
		mu.Lock()
		defer mu.Unlock()
		count += got.Usage.CompletionTokens
		first = append(first, int64(got.Usage.FirstToken))
		return err //nolint:wrapcheck // it says all
	}
	together := func() error {
		var all sync.WaitGroup
		errs := make([]error, streams)
		for k := range streams {
			serial++
			n := serial
			all.Go(func() { errs[k] = ask(n) })
		}
		all.Wait()
		return errors.Join(errs...)
	}
	alone := func() error {
		serial++
		return ask(serial)
	}
	took, err := i.turns(max(2, i.rounds/2), together, alone)
	if err != nil || count == 0 {
		return nil, errors.Join(err, i.ctx.Err())
	}
	gain := streams * took[1].over(took[0])
	return []Row{
		atLeast(fmt.Sprintf("service: %d requests at once %s %s, against one", streams, size, tensor.Q8_0), "one request", gain, streamsAloneTarget),
		inform("service: time to first token, p50 of them all", quantile(first, 0.5)/1e6, unitMS),
	}, nil
}
