package models_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"phios/abi"
	api "phios/api/inference"
	"phios/system/models"
)

// TestInfer asks for text in the message and in a region, and pays for it.
func TestInfer(t *testing.T) {
	w := newWorld(t)
	c := w.client(usual, purse(100_000))
	want := w.generate("Once upon a time", 20)
	before := c.left(abi.ResourceTokens)
	m := c.ask(say(abi.AIInfer, "Once upon a time", 20), abi.StatusOK)
	if got := string(m.Payload()); got != want || m.Words[2] != abi.AIReasonLength {
		t.Errorf("got %q, reason %d, want %q", got, m.Words[2], want)
	}
	prompt, made := m.Words[3]&(1<<32-1), m.Words[3]>>32
	if made != 20 || prompt == 0 {
		t.Errorf("%d tokens read, %d made", prompt, made)
	}
	if paid := before - c.left(abi.ResourceTokens); paid != prompt+made {
		t.Errorf("%d tokens paid, %d used", paid, prompt+made)
	}
	// The same in a region, at an offset, with an answer that is longer than a message.
	long := strings.Repeat("Once upon a time there was a fox. ", 20)
	want = w.generate(long, 400)
	if len(want) <= abi.MessageBytesMax {
		t.Fatalf("the model says only %d bytes", len(want))
	}
	h := c.region(64<<10, 100, long)
	ask := say(abi.AIInfer, "", 400)
	ask.Words[0], ask.Words[1], ask.Handles[0], ask.HandleCount = 100, uint64(len(long)), h, 1
	m = c.ask(ask, abi.StatusOK)
	if m.Words[0] != 100 || string(c.at(h, 100, m.Words[1])) != want || m.Words[2]>>32 != 0 {
		t.Errorf("%d bytes at %d, want %d", m.Words[1], m.Words[0], len(want))
	}
	// Too small a room gives what fits, and says what does not.
	h = c.region(4096, 0, "")
	ask = say(abi.AIInfer, long[:300], 2000)
	ask.Words[0], ask.Handles[0], ask.HandleCount = 4096-600, h, 1
	m = c.ask(ask, abi.StatusOK)
	if n := m.Words[1]; n < 590 || n > 600 || m.Words[2]>>32 == 0 {
		t.Errorf("%d bytes there, %d left out", n, m.Words[2]>>32)
	}
	// And no room at all what fits a message.
	m = c.ask(say(abi.AIInfer, long[:300], 2000), abi.StatusOK)
	if m.Length < 500 || uint64(m.Length) != m.Words[1] || m.Words[2]>>32 == 0 {
		t.Errorf("%d bytes, %d left out", m.Length, m.Words[2]>>32)
	}
}

// TestJSON asks with all that a request can say.
func TestJSON(t *testing.T) {
	w := newWorld(t)
	c := w.client(usual, purse(100_000))
	m := c.ask(say(abi.AIInfer, `{"prompt":"A person:","tokens_max":60,"constraint":{"kind":"regex","text":"[a-c]{3}"},"sampling":{"temperature":1,"seed":7}}`, abi.AIJSON), abi.StatusOK)
	var r api.Result
	if err := json.Unmarshal(m.Payload(), &r); err != nil || len(r.Text) != 3 || strings.Trim(r.Text, "abc") != "" || r.Model != "tiny" {
		t.Errorf("%s: %v", m.Payload(), err)
	}
	for _, bad := range []string{`{"prompt":"x","token_max":3}`, `{"prompt":`, `{} {}`, `{"messages":[]}`, `[1]`} {
		c.ask(say(abi.AIInfer, bad, abi.AIJSON), abi.StatusBadArgument)
	}
	if len(w.refused) != 5 {
		t.Errorf("%d refusals were told of: %v", len(w.refused), w.refused)
	}
}

// TestRights: what the capability does not allow is not done, also through one
// that was derived from it.
func TestRights(t *testing.T) {
	w := newWorld(t)
	none := w.client(0, purse(1000))
	for _, op := range []uint64{abi.AIInfer, abi.AIEmbed, abi.AIMapModel, abi.AIBatchStart, abi.AIBatchEnd} {
		none.ask(say(op, "x", 1), abi.StatusRights)
	}
	runs := w.client(abi.RightRun, purse(1000))
	runs.ask(say(abi.AIInfer, "x", 1), abi.StatusRights) // it is not loaded
	w.generate("x", 1)
	runs.ask(say(abi.AIInfer, "x", 1), abi.StatusOK)
	runs.ask(say(77, "x", 1), abi.StatusBadCall)
	runs.ask(say(abi.AIInfer, "x", 1<<45), abi.StatusBadArgument)
	runs.ask(say(abi.AIInfer, "\xff", 1), abi.StatusBadArgument)
	w.models.Withdraw(w.server, runs.grant)
	runs.ask(say(abi.AIInfer, "x", 1), abi.StatusRevoked)
	if _, err := w.models.Grant(t.Context(), w.server, w.budget, models.Holder{Model: "none"}); err == nil {
		t.Error("a model was granted that is not there")
	}
}

// TestBudget: what is generated ends with the budget.
func TestBudget(t *testing.T) {
	w := newWorld(t)
	c := w.client(usual, purse(30))
	m := c.ask(say(abi.AIInfer, "Once upon", 1000), abi.StatusOK)
	if m.Words[2] != abi.AIReasonBudget || m.Length == 0 || c.left(abi.ResourceTokens) != 0 {
		t.Errorf("reason %d, %d bytes, %d tokens left", m.Words[2], m.Length, c.left(abi.ResourceTokens))
	}
	poor := purse(1000)
	poor[abi.ResourceCPU] = 1
	c = w.client(usual, poor)
	c.ask(say(abi.AIInfer, "Once upon", 1000), abi.StatusBudget) // nothing was generated
}

// forever is a request that is not over before somebody ends it.
const forever = `{"prompt":"Once","sampling":{"temperature":1,"seed":3,"bias":{"2":-1e9,"510":-1e9,"511":-1e9}}}`

// TestGone: nobody works for a caller that was killed, or lost its capability.
func TestGone(t *testing.T) {
	w := newWorld(t)
	for name, end := range map[string]func(c *client){
		"revoked": func(c *client) { w.models.Withdraw(w.server, c.grant) },
		"killed": func(c *client) {
			task, _ := w.node.Kernel().BootTaskCapability(w.server, c.port, abi.RightsAll)
			if status := w.server.Invoke(task, abi.TaskKill, &abi.Args{}); !status.OK() {
				t.Error(status)
			}
		},
	} {
		c := w.client(usual, purse(1<<19))
		done := make(chan abi.Status)
		go func() {
			m := say(abi.AIInfer, forever, abi.AIJSON)
			done <- c.port.Invoke(c.model, abi.EndpointCall, &abi.Args{Message: &m})
		}()
		waitFor(t, "it runs", func() bool { return w.service.Metrics().Models["tiny"].Running > 0 })
		end(c)
		select {
		case status := <-done:
			if status != abi.StatusRevoked && status != abi.StatusKilled {
				t.Errorf("%s: %v", name, status)
			}
		case <-time.After(5 * time.Second):
			t.Fatalf("%s: still running", name)
		}
		waitFor(t, name+": nothing runs", func() bool { return w.service.Metrics().Models["tiny"].Running == 0 })
	}
}

func waitFor(tb testing.TB, what string, is func() bool) {
	tb.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if is() {
			return
		}
	}
	tb.Fatalf("never: %s", what)
}

// TestDeadline gives what there is when the time is over.
func TestDeadline(t *testing.T) {
	w := newWorld(t)
	w.generate("x", 1)
	c := w.client(usual, purse(1<<19))
	m := say(abi.AIInfer, forever, abi.AIJSON)
	m.Deadline = w.node.Machine().Now() + 100_000_000
	m = c.ask(m, abi.StatusOK)
	if m.Words[2]&(1<<32-1) != abi.AIReasonDeadline {
		t.Errorf("reason %d", m.Words[2])
	}
}

// TestStream reads a text piece by piece.
func TestStream(t *testing.T) {
	w := newWorld(t)
	c := w.client(usual, purse(1<<19))
	want := w.generate("Once upon a time", 300)
	number := c.ask(say(abi.AIInfer, "Once upon a time", abi.AIStream|300), abi.StatusOK).Words[0] << abi.AINumberShift
	var got strings.Builder
	for pieces := 0; ; pieces++ {
		m := c.ask(say(abi.AIInfer, "", abi.AINext|number), abi.StatusOK)
		got.Write(m.Payload())
		if m.Words[2] != 0 {
			if m.Words[2] != abi.AIReasonLength || m.Words[3]>>32 != 300 || pieces == 0 {
				t.Errorf("after %d pieces: reason %d, %d tokens", pieces, m.Words[2], m.Words[3]>>32)
			}
			break
		}
	}
	if got.String() != want {
		t.Errorf("streamed %q, want %q", got.String(), want)
	}
	c.ask(say(abi.AIInfer, "", abi.AINext|number), abi.StatusState)
	// Streams are bounded, and can be ended.
	first := uint64(0)
	for range models.StreamsMax {
		first = c.ask(say(abi.AIInfer, forever, abi.AIStream|abi.AIJSON), abi.StatusOK).Words[0] << abi.AINumberShift
	}
	c.ask(say(abi.AIInfer, forever, abi.AIStream|abi.AIJSON), abi.StatusLimit)
	c.ask(say(abi.AIInfer, "", abi.AIStop|first), abi.StatusOK)
	c.ask(say(abi.AIInfer, forever, abi.AIStream|abi.AIJSON), abi.StatusOK)
	w.models.Withdraw(w.server, c.grant)
	waitFor(t, "streams of a holder that was withdrawn end", func() bool {
		m := w.service.Metrics().Models["tiny"]
		return m.Running == 0 && m.Waiting == 0
	})
}

// TestBatch runs requests together and answers them in order.
func TestBatch(t *testing.T) {
	w := newWorld(t)
	c := w.client(usual, purse(1<<19))
	prompts := []string{"Once", "There was", "A fox", "and"}
	number := c.ask(say(abi.AIBatchStart, "", 0), abi.StatusOK).Words[0] << abi.AINumberShift
	for i, p := range prompts {
		if at := c.ask(say(abi.AIInfer, p, abi.AIBatch|number|40), abi.StatusOK).Words[0]; at != uint64(i) {
			t.Errorf("request %d has the place %d", i, at)
		}
	}
	c.ask(say(abi.AIInfer, "\xff", abi.AIBatch|number|40), abi.StatusOK)
	h := c.region(64<<10, 0, "")
	end := say(abi.AIBatchEnd, "", number)
	end.Handles[0], end.HandleCount = h, 1
	m := c.ask(end, abi.StatusOK)
	body := m.Payload()
	if m.Words[1] > abi.MessageBytesMax {
		body = c.at(h, m.Words[0], m.Words[1])
	}
	for i := range len(prompts) + 1 {
		status, reason := binary.LittleEndian.Uint16(body), binary.LittleEndian.Uint16(body[2:])
		n := binary.LittleEndian.Uint32(body[12:])
		text := string(body[16 : 16+n])
		body = body[16+n:]
		if i == len(prompts) {
			if abi.Status(status) != abi.StatusBadArgument || n != 0 {
				t.Errorf("of a bad request: status %d, %d bytes", status, n)
			}
		} else if want := w.generate(prompts[i], 40); status != 0 || reason != abi.AIReasonLength || text != want {
			t.Errorf("answer %d: status %d, reason %d, %q, want %q", i, status, reason, text, want)
		}
	}
	if len(body) != 0 {
		t.Errorf("%d bytes more", len(body))
	}
	c.ask(say(abi.AIBatchEnd, "", number), abi.StatusState)
	for range api.OpenBatchesMax {
		number = c.ask(say(abi.AIBatchStart, "", 0), abi.StatusOK).Words[0] << abi.AINumberShift
	}
	c.ask(say(abi.AIBatchStart, "", 0), abi.StatusLimit)
	for range api.BatchRequestsMax {
		c.ask(say(abi.AIInfer, "x", abi.AIBatch|number), abi.StatusOK)
	}
	c.ask(say(abi.AIInfer, "x", abi.AIBatch|number), abi.StatusLimit)
	c.ask(say(abi.AIInfer, "", abi.AIStop|number), abi.StatusOK)
}

// TestSelectDevice asks where the model would run.
func TestSelectDevice(t *testing.T) {
	w := newWorld(t)
	c := w.client(0, purse(0))
	if m := c.ask(say(abi.AISelectDevice, "", 0), abi.StatusOK); string(m.Payload()) == "" || m.Words[2] != 0 || m.Words[3] == 0 {
		t.Errorf("%q, loaded %d, after %d ns", m.Payload(), m.Words[2], m.Words[3])
	}
	w.generate("x", 1)
	if m := c.ask(say(abi.AISelectDevice, `{"kind":"cpu","local":true}`, 0), abi.StatusOK); m.Words[2] != 1 {
		t.Error("a loaded model is not said to be")
	}
	c.ask(say(abi.AISelectDevice, `{"kind":"qpu"}`, 0), abi.StatusUnsupported)
	c.ask(say(abi.AISelectDevice, `{"kinds":"qpu"}`, 0), abi.StatusBadArgument)
}

// TestMapModel shows the model's file to two holders, until the grant ends.
func TestMapModel(t *testing.T) {
	w := newWorld(t)
	m, err := w.registry.Find("tiny")
	if err != nil {
		t.Fatal(err)
	}
	weights, release, err := w.registry.Open(m)
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	one, two := w.client(abi.RightMap, purse(0)), w.client(abi.RightMap, purse(0))
	for _, c := range []*client{one, two} {
		before := c.left(abi.ResourceMemory)
		for range 3 { // the same each time
			answer := c.ask(say(abi.AIMapModel, "", 0), abi.StatusOK)
			n := uint64(len(weights.Bytes))
			if answer.HandleCount != 1 || answer.Words[1] != n {
				t.Fatalf("%d capabilities, %d bytes", answer.HandleCount, answer.Words[1])
			}
			h := answer.Handles[0]
			if !bytes.Equal(c.at(h, 0, n), weights.Bytes) {
				t.Error("it is not the file")
			}
			write := abi.Args{Bytes: []byte("x")}
			if status := c.port.Invoke(h, abi.RegionWrite, &write); status != abi.StatusRights {
				t.Errorf("write: %v", status)
			}
		}
		if c.left(abi.ResourceMemory) != before {
			t.Error("it was charged as memory")
		}
	}
	h := one.ask(say(abi.AIMapModel, "", 0), abi.StatusOK).Handles[0]
	w.models.Withdraw(w.server, one.grant)
	if status := one.port.Invoke(h, abi.RegionRead, &abi.Args{Bytes: make([]byte, 1)}); status.OK() {
		t.Error("the file is read after the grant ended")
	}
	two.ask(say(abi.AIMapModel, "", 0), abi.StatusOK)
}

// TestLabel: what is asked under a label is answered under it, and a region's
// label counts.
func TestLabel(t *testing.T) {
	w := newWorld(t)
	c := w.client(usual, purse(1<<19))
	label := abi.Label{Sources: 2, Readers: ^uint64(0)}
	ask := say(abi.AIInfer, "Once", 3)
	ask.Label = label
	if m := c.ask(ask, abi.StatusOK); m.Label.Sources&2 == 0 {
		t.Errorf("answered under %v", m.Label)
	}
}

// TestHostile sends what no SDK does; nothing of it may stick.
func TestHostile(t *testing.T) {
	w := newWorld(t)
	c := w.client(usual, purse(1<<19))
	h := c.region(4096, 0, "x")
	for _, words := range [][4]uint64{
		{0, 1 << 40, abi.AIInfer, 1},
		{1 << 63, 5, abi.AIInfer, 1},
		{4090, 100, abi.AIInfer, 1},
		{^uint64(0), ^uint64(0), abi.AIEmbed, 0},
		{0, api.RequestBytesMax, abi.AIInfer, 0},
	} {
		m := abi.Message{Words: words}
		m.Handles[0], m.HandleCount = h, 1
		c.ask(m, abi.StatusRange)
	}
	m := say(abi.AIInfer, "", 1)
	m.Words[1], m.Handles[0], m.HandleCount = 10, c.budget, 1
	c.ask(m, abi.StatusType)
	for _, flags := range []uint64{abi.AINext, abi.AIStop, abi.AIBatch} {
		c.ask(say(abi.AIInfer, "x", flags|9<<abi.AINumberShift), abi.StatusState)
	}
	for range 600 { // more than the server's table has room for
		m := say(abi.AISelectDevice, "", 0)
		m.Handles[0], m.HandleCount = h, 1
		c.ask(m, abi.StatusOK)
	}
}

// FuzzCall sends any words and bytes.
func FuzzCall(f *testing.F) {
	w := newWorld(f)
	w.generate("x", 1)
	c := w.client(usual, purse(1<<19))
	h := c.region(8192, 0, "Once upon")
	f.Add(uint64(0), uint64(5), uint64(1), uint64(3), true, []byte("x"))
	f.Add(uint64(0), uint64(0), uint64(1), uint64(abi.AIJSON), false, []byte(forever[:60]))
	f.Fuzz(func(_ *testing.T, w0, w1, w2, w3 uint64, with bool, body []byte) {
		m := abi.Message{Words: [4]uint64{w0, w1, w2 % 8, w3}, Deadline: w.node.Machine().Now() + 20_000_000}
		m.SetPayload(body[:min(len(body), abi.MessageBytesMax)])
		if with {
			m.Handles[0], m.HandleCount = h, 1
		}
		_ = c.port.Invoke(c.model, abi.EndpointCall, &abi.Args{Message: &m})
	})
}
