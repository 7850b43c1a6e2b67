package llama

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"phios/compute"
	"phios/compute/llama/wire"
)

// TestMain runs the tests; or, as a helper that is hostile, an attack; or, as a
// phi that will be killed, one model. The first argument says which, as it
// names the library to a real helper.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 {
		if attack, ok := strings.CutPrefix(os.Args[1], "attack:"); ok {
			attacker(attack)
			os.Exit(0)
		}
		if settings, ok := strings.CutPrefix(os.Args[1], "parent:"); ok {
			parent(settings)
			os.Exit(0)
		}
	}
	os.Exit(m.Run())
}

// attacker is what a compromised helper might be.
func attacker(attack string) {
	socket := os.NewFile(wire.SocketDescriptor, "socket")
	for {
		f, err := wire.Read(socket)
		if err != nil {
			return
		}
		payload := honest(f.Operation)
		if f.Operation != wire.Hello { // Open is let through.
			switch attack {
			case "shrink":
				_ = syscall.Ftruncate(wire.BulkDescriptor, 0)
			case "garbage":
				_, _ = socket.Write([]byte(strings.Repeat("\xfe\xca\x01", 1<<12)))
			case "long":
				_, _ = socket.Write([]byte{0xff, 0xff, 0xff, 0x7f, 1})
			case "number":
				f.Number += 7
			case "operation":
				f.Operation = wire.Import
			case "noise":
				for range 1 << 10 {
					_, _ = io.WriteString(os.Stderr, strings.Repeat("\x1b[31mnoise ", 1<<10))
				}
				os.Exit(3)
			case "silent":
				time.Sleep(time.Hour)
			case "liar":
				l := wire.Loaded{Architecture: "x", Vocabulary: 1 << 31, ContextTokens: 1 << 31, Width: 1 << 31, CacheTokens: 1 << 31, CellBytes: 1 << 31}
				payload = l.Append(nil)
			case "leftover":
				payload = append(payload, 1)
			case "exit":
				os.Exit(7)
			}
			if f.Operation == wire.Step {
				switch attack {
				case "step-hang":
					time.Sleep(time.Hour)
				case "step-code":
					f.Operation, payload = wire.Failed, []byte{99, 0, 0, 0, 0}
				}
			}
			if f.Operation == wire.Tokenize && attack == "tokens" {
				payload = sizeOf(int(wire.BulkBytes - wire.BulkStart))
			}
		}
		f.Payload = payload
		if wire.Write(socket, f) != nil {
			return
		}
	}
}

// honest is what a helper should say.
func honest(o wire.Operation) []byte {
	//exhaustive:ignore
	switch o {
	case wire.Hello:
		g := wire.Greeting{Version: wire.Version, Library: "attack", Devices: []wire.Device{{Kind: wire.DeviceCPU, Name: "CPU", Description: "none"}}}
		return g.Append(nil)
	case wire.Load:
		l := wire.Loaded{Architecture: "x", Parameters: 1, Vocabulary: 100, ContextTokens: 128, Width: 8, CacheTokens: 512, CellBytes: 64, Divisible: true}
		return l.Append(nil)
	case wire.Tokenize, wire.Detokenize, wire.Export:
		return sizeOf(int(4))
	default:
		return nil
	}
}

// attacked opens a unit whose helper attacks, and loads a file.
func attacked(tb testing.TB, attack string) (*Model, error) {
	tb.Helper()
	opened, err := Open(map[string]string{"lib": "attack:" + attack, "helper": os.Args[0]})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = opened.Close() })
	ctx, cancel := context.WithTimeout(tb.Context(), 5*time.Second)
	defer cancel()
	m, err := opened.Load(ctx, anyWeights(tb), compute.Options{})
	if err != nil {
		return nil, err
	}
	return m.(*Model), nil
}

// anyWeights is a file that an attacker does not look at.
func anyWeights(tb testing.TB) compute.Weights {
	tb.Helper()
	f, err := os.Create(filepath.Join(tb.TempDir(), "model.gguf"))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = f.Close() })
	return compute.Weights{Name: "a model", Bytes: []byte("GGUF"), File: f}
}

func TestHostileHelpersLoseTheirModelOnly(t *testing.T) {
	for _, attack := range []string{"garbage", "long", "number", "operation", "noise", "liar", "leftover", "exit"} {
		begin := time.Now()
		_, err := attacked(t, attack)
		if !errors.Is(err, compute.ErrLost) {
			t.Errorf("%s: %v", attack, err)
			continue
		}
		if text := err.Error(); len(text) > 3*wire.TextBytesMax || strings.ContainsRune(text, 0x1b) || !strings.Contains(text, "load the model again") {
			t.Errorf("%s: an error of %d bytes: %.200q", attack, len(text), text)
		}
		if took := time.Since(begin); took > 5*time.Second {
			t.Errorf("%s: lost after %v", attack, took)
		}
	}
}

func TestASilentHelperIsLeftWithTheContext(t *testing.T) {
	opened, err := Open(map[string]string{"lib": "attack:silent", "helper": os.Args[0]})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = opened.Close() }()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := opened.Load(ctx, anyWeights(t), compute.Options{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a load that was cancelled says %v", err)
	}
}

// TestSharedMemoryCannotBeShortened: a helper that could would make our reads
// of it faults.
func TestSharedMemoryCannotBeShortened(t *testing.T) {
	m, err := attacked(t, "shrink")
	if err != nil {
		t.Fatal(err)
	}
	q, err := m.Open()
	if err != nil {
		t.Fatal(err)
	}
	logits := make([]float32, 100)
	if err := m.Step(t.Context(), []compute.Work{{Sequence: q, Tokens: []int32{1, 2}, Logits: logits}}); err != nil {
		t.Error(err)
	}
}

func TestHostileAnswersToASmallQuestion(t *testing.T) {
	m, err := attacked(t, "step-code")
	if err != nil {
		t.Fatal(err)
	}
	q, err := m.Open()
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Step(t.Context(), []compute.Work{{Sequence: q, Tokens: []int32{1}}}); !errors.Is(err, compute.ErrLost) || q.Len() != 0 {
		t.Errorf("an unknown failure: %v, %d tokens", err, q.Len())
	}
	if m, err = attacked(t, "tokens"); err != nil {
		t.Fatal(err)
	}
	if tokens, err := m.Tokenize("four", false); err == nil {
		t.Errorf("%d tokens of four letters", len(tokens))
	}
}

// TestKilledInMidStep: everything open is lost at once, and the next load
// works.
func TestKilledInMidStep(t *testing.T) {
	m, err := attacked(t, "step-hang")
	if err != nil {
		t.Fatal(err)
	}
	q, err := m.Open()
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error)
	go func() { ended <- m.Step(t.Context(), []compute.Work{{Sequence: q, Tokens: []int32{1, 2, 3}}}) }()
	time.Sleep(50 * time.Millisecond)
	if r := m.unit.Report(); r.Running != 1 {
		t.Errorf("%d steps run, want 1", r.Running)
	}
	if err := syscall.Kill(m.helper.pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-ended:
		if !errors.Is(err, compute.ErrLost) || !strings.Contains(err.Error(), "killed") {
			t.Errorf("a step whose helper was killed says %v", err)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("a step whose helper was killed does not end")
	}
	if q.Len() != 0 {
		t.Errorf("%d tokens after a step that was lost", q.Len())
	}
	if _, err := q.Share(0); err == nil {
		t.Error("a lost sequence shared a page")
	}
	if err := m.Step(t.Context(), []compute.Work{{Sequence: q, Tokens: []int32{1}}}); !errors.Is(err, compute.ErrLost) {
		t.Errorf("a step after the loss says %v", err)
	}
	q.Close()
	if m.FreePages() != m.Describe().Pages {
		t.Errorf("%d of %d pages are free", m.FreePages(), m.Describe().Pages)
	}
	next, err := m.unit.Load(t.Context(), anyWeights(t), compute.Options{})
	if err != nil {
		t.Fatalf("load again: %v", err)
	}
	if err := errors.Join(m.Close(), next.Close()); err != nil {
		t.Error(err)
	}
}

func TestCloseInMidStep(t *testing.T) {
	m, err := attacked(t, "step-hang")
	if err != nil {
		t.Fatal(err)
	}
	q, err := m.Open()
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error)
	go func() { ended <- m.Step(t.Context(), []compute.Work{{Sequence: q, Tokens: []int32{1}}}) }()
	time.Sleep(50 * time.Millisecond)
	if err := m.unit.Close(); err != nil {
		t.Error(err)
	}
	if err := <-ended; !errors.Is(err, compute.ErrLost) {
		t.Errorf("a step of a unit that was closed says %v", err)
	}
}

// TestBackOff: loads that lose their helper wait longer each time, and as long
// as their context at most.
func TestBackOff(t *testing.T) {
	opened, err := Open(map[string]string{"lib": "attack:exit", "helper": os.Args[0]})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = opened.Close() }()
	begin := time.Now()
	for range 3 {
		if _, err := opened.Load(t.Context(), anyWeights(t), compute.Options{}); !errors.Is(err, compute.ErrLost) {
			t.Fatal(err)
		}
	}
	if took := time.Since(begin); took < 3*backOffFirst {
		t.Errorf("three failures took %v, want %v at least", took, 3*backOffFirst)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := opened.Load(ctx, anyWeights(t), compute.Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("a load that was cancelled while it waits says %v", err)
	}
}

// parent is a phi with a model, which says who its helper is and waits.
func parent(settings string) {
	u, err := Open(map[string]string{"lib": "attack:" + settings, "helper": os.Args[0]})
	if err != nil {
		fmt.Println(err)
		return
	}
	f, err := os.Open(os.Args[0])
	if err != nil {
		fmt.Println(err)
		return
	}
	m, err := u.Load(context.Background(), compute.Weights{Name: "a model", File: f}, compute.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(m.(*Model).helper.pid)
	q, err := m.(*Model).Open()
	if err != nil {
		return
	}
	// A helper in the middle of a step looks at nothing.
	_ = m.(*Model).Step(context.Background(), []compute.Work{{Sequence: q, Tokens: []int32{1}}})
}

func TestTheHelperDiesWithItsParent(t *testing.T) {
	c := exec.Command(os.Args[0], "parent:step-hang")
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatalf("the parent says %q", line)
	}
	if !alive(pid) {
		t.Fatal("the helper does not run")
	}
	time.Sleep(50 * time.Millisecond)
	if err := c.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = c.Wait() // It was killed.
	for range 500 {
		if !alive(pid) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("the helper %d lives five seconds after its parent was killed", pid)
}

// alive says whether a process runs; one that nobody has waited for does not.
func alive(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(b), ") ")
	return !strings.HasPrefix(rest, "Z") && !strings.HasPrefix(rest, "X")
}

func TestSettingsAreChecked(t *testing.T) {
	for _, bad := range []map[string]string{
		{},
		{"lib": "attack:none", "helper": "/nowhere/phi-llama"},
		{"lib": "x", "colour": "red"},
		{"lib": "x", "gpu-layers": "-1"},
		{"lib": "x", "threads": "many"},
		{"lib": "x", "helper": "/dev/null"},
	} {
		if _, err := Open(bad); err == nil {
			t.Errorf("%v was opened", bad)
		}
	}
	u, err := Open(map[string]string{"lib": "attack:none", "helper": os.Args[0]})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = u.Close() }()
	for _, o := range []compute.Options{
		{Deterministic: true}, {SequencesMax: sequencesMax + 1}, {SequencesMax: -1}, {ContextTokens: -1}, {CacheTokens: tokensMax + 1}, {CacheTokens: 1},
	} {
		if _, err := u.Load(t.Context(), anyWeights(t), o); err == nil {
			t.Errorf("%+v was taken", o)
		}
	}
	if _, err := u.Load(t.Context(), compute.Weights{Name: "no file", Bytes: []byte("GGUF")}, compute.Options{}); !errors.Is(err, compute.ErrUnsupported) {
		t.Errorf("weights without a file: %v", err)
	}
}

// FuzzImport: what is imported never makes the unit panic.
func FuzzImport(f *testing.F) {
	u, err := Open(map[string]string{"lib": "attack:none", "helper": os.Args[0]})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = u.Close() })
	loaded, err := u.Load(f.Context(), anyWeights(f), compute.Options{})
	if err != nil {
		f.Fatal(err)
	}
	m := loaded.(*Model)
	digest := m.Describe().CacheDigest
	f.Add([]byte(pageMark))
	f.Add(append([]byte(pageMark+string(digest[:])), 1, 0, 0, 0, 4, 0, 0, 0, 'k', 'e', 'y', 's'))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := m.Import(strings.NewReader(string(b)))
		if err != nil {
			return
		}
		m.Release(p)
		if m.FreePages() != m.Describe().Pages {
			t.Errorf("%d of %d pages are free", m.FreePages(), m.Describe().Pages)
		}
	})
}

// sizeOf encodes a size.
func sizeOf(n int) []byte {
	size := wire.Size(n)
	return size.Append(nil)
}
