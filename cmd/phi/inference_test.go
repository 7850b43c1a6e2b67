package main_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestInference does with one node what people do with models, keys and units.
func TestInference(t *testing.T) { //nolint:tparallel // the subtests share a node
	t.Parallel()
	node := upOf(t)
	node.says(0, ``, "model", "random", "tiny.gguf")
	node.says(0, `^tiny is added \(llama, `, "model", "add", "tiny.gguf", "--as", "tiny")
	for _, test := range []struct {
		name string
		do   func(*bench)
	}{
		{"Models", modelsOf},
		{"Answers", answers},
		{"Keys", keys},
		{"Units", units},
		{"Capsule", capsuleWithModel},
		{"Python", pythonWithModel},
		{"Downloads", downloads},
		{"Restart", restart},
	} {
		t.Run(test.name, func(t *testing.T) { test.do(&bench{t, node.dir}) })
	}
}

// modelsOf keeps models.
func modelsOf(b *bench) {
	b.says(0, `NAME +ARCHITECTURE.*tiny +llama .*default.*use-lite`, "model", "list")
	b.says(0, `general\.architecture`, "model", "show", "tiny")
	b.says(0, `small`, "model", "quantize", "tiny", "--to", "Q4_0", "--as", "small")
	b.says(0, ``, "model", "default", "small")
	b.says(0, `small +llama +Q4_0.*default`, "model", "list")
	b.says(0, ``, "model", "rename", "small", "smaller")
	b.says(0, ``, "model", "verify", "smaller")
	b.says(0, ``, "model", "default", "tiny")
	b.says(0, ``, "model", "rm", "smaller")
	b.says(1, `^phi: .*smaller`, "model", "show", "smaller")
	b.write("bad.gguf", "GGUF and no more")
	b.says(1, `^phi: .*GGUF`, "model", "add", "bad.gguf")
	b.says(1, `^phi: .*no-such`, "model", "add", "no-such.gguf")
	b.says(0, `cpu`, "model", "where", "tiny")
}

// answers asks for text of a form, and for meaning.
func answers(b *bench) {
	b.says(0, `.`, "ask", "-m", "tiny", "--max-tokens", "8", "Hello")
	for range 3 {
		b.says(0, `^(yes|no), [a-z]{3,5}\n`, "ask", "--regex", "(yes|no), [a-z]{3,5}", "--temperature", "1", "Is it?")
	}
	b.write("schema.json", `{"type":"object","properties":{"n":{"type":"integer"},"b":{"type":"boolean"}},"required":["n","b"],"additionalProperties":false}`)
	out, _ := b.phi("ask", "--quiet", "--schema", "schema.json", "--temperature", "1", "--max-tokens", "12", "Go")
	var v struct {
		N *int  `json:"n"`
		B *bool `json:"b"`
	}
	if err := json.Unmarshal([]byte(out), &v); err != nil || v.N == nil || v.B == nil {
		b.t.Errorf("an answer by a schema: %q, %v", out, err)
	}
	one, _ := b.phi("ask", "--quiet", "--deterministic", "--temperature", "1", "--seed", "7", "--max-tokens", "30", "Say")
	two, _ := b.phi("ask", "--quiet", "--deterministic", "--temperature", "1", "--seed", "7", "--max-tokens", "30", "Say")
	if one != two || one == "" {
		b.t.Errorf("the same seed said %q and %q", one, two)
	}
	b.write("never.json", `{"not":{"type":"string"}}`)
	b.says(1, `^phi: .*not`, "ask", "--schema", "never.json", "x")
	b.says(1, `^phi: .*nobody`, "ask", "-m", "nobody", "x")
	b.says(0, `(?s)a hound howls.*stocks fell`, "embed", "--similar", "a dog barks", "stocks fell", "a hound howls")
	b.says(0, `tiny`, "metrics")
	b.says(0, `# TYPE phi_`, "metrics", "--prometheus")
	b.says(0, ``, "metrics", "--health")
}

// post asks the gateway.
func (b *bench) post(address, key, path, body string) (int, string) {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), http.MethodPost, "http://"+address+path, strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+key)
	r.Header.Set("Content-Type", "application/json")
	a, err := http.DefaultClient.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer a.Body.Close() //nolint:errcheck // it was read
	text, err := io.ReadAll(a.Body)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		b.t.Fatal(err)
	}
	return a.StatusCode, string(text)
}

// made makes a key and returns its secret.
func (b *bench) made(arguments ...string) string {
	b.t.Helper()
	out, code := b.phi(append([]string{"key", "new", "--json"}, arguments...)...)
	var k struct{ Secret string }
	if err := json.Unmarshal([]byte(out), &k); err != nil || code != 0 || k.Secret == "" {
		b.t.Fatalf("phi key new: %d %s", code, out)
	}
	return k.Secret
}

// keys opens the gateway and asks with keys that have less and less.
func keys(b *bench) {
	out := b.says(0, `127\.0\.0\.1:\d+`, "http", "127.0.0.1:0")
	address := regexp.MustCompile(`127\.0\.0\.1:\d+`).FindString(out)
	const body = `{"model":"tiny","messages":[{"role":"user","content":"Hello"}],"max_tokens":5}`
	all := b.made("--name", "all")
	if code, text := b.post(address, all, "/v1/chat/completions", body); code != http.StatusOK || !strings.Contains(text, `"usage"`) {
		b.t.Errorf("a chat: %d %s", code, text)
	}
	if code, text := b.post(address, "phi-wrong", "/v1/chat/completions", body); code != http.StatusUnauthorized {
		b.t.Errorf("a wrong key: %d %s", code, text)
	}
	few := b.made("--name", "few", "--model", "tiny", "--tokens", "60")
	spent := false
	for range 20 {
		if code, text := b.post(address, few, "/v1/chat/completions", body); code == http.StatusTooManyRequests {
			spent = strings.Contains(text, "budget") || strings.Contains(text, "spent")
			break
		}
	}
	if !spent {
		b.t.Error("60 tokens never ended")
	}
	b.says(0, `few.*`, "key", "list")
	b.says(0, ``, "key", "revoke", "all")
	if code, _ := b.post(address, all, "/v1/chat/completions", body); code != http.StatusUnauthorized {
		b.t.Errorf("a revoked key: %d", code)
	}
	b.says(0, ``, "http", "--off")
	b.says(1, `^phi: .*http-public`, "http", "0.0.0.0:0")
	state, err := os.ReadFile(filepath.Join(b.data(), "keys.json"))
	if err != nil || bytes.Contains(state, []byte(few)) || bytes.Contains(state, []byte(strings.TrimPrefix(few, "phi-"))) {
		b.t.Errorf("the secret of a key is on the disk, or no state: %v", err)
	}
}

// units adds a server and takes it away.
func units(b *bench) {
	b.says(0, `cpu +cpu`, "unit", "list")
	b.says(1, `^phi: .*lib`, "unit", "add", "llama")
	b.says(2, `phi unit add --help`, "unit", "add")
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer sesame" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		if strings.HasSuffix(r.URL.Path, "/models") {
			_, _ = io.WriteString(w, `{"object":"list","data":[{"id":"far","object":"model"}]}`)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"from afar\"},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n")
	}))
	b.t.Cleanup(server.Close)
	b.write("key.txt", "sesame\n")
	b.says(0, `work`, "unit", "add", "remote", "--name", "work", "--url", server.URL+"/v1", "--key-file", "key.txt")
	b.says(0, `cpu.*work +remote`, "unit", "list")
	b.says(0, `from afar`, "ask", "-m", "work/far", "Hello")
	b.says(1, `^phi: `, "ask", "-m", "work/far", "--local", "Hello")
	if out, _ := b.phi("unit", "list", "--json"); strings.Contains(out, "sesame") {
		b.t.Error("the key of a unit is shown")
	}
	b.says(0, ``, "unit", "rm", "work")
}

// capsuleWithModel lets a capsule of apps ask the node's model.
func capsuleWithModel(b *bench) {
	app := filepath.Join("..", "..", "apps", "ask-go")
	dir := filepath.Join(b.dir, "ask-go")
	if err := os.CopyFS(dir, os.DirFS(app)); err != nil {
		b.t.Fatal(err)
	}
	build := exec.CommandContext(b.t.Context(), "go", "build", "-buildmode=c-shared", "-o", filepath.Join(dir, "ask-go.wasm"), ".")
	build.Dir = app
	build.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm")
	if out, err := build.CombinedOutput(); err != nil {
		b.t.Fatalf("%v: %s", err, out)
	}
	manifest := filepath.Join(dir, "capsule.yaml")
	text, err := os.ReadFile(manifest)
	if err == nil { // every machine has the walls of an inline capsule
		err = os.WriteFile(manifest, bytes.Replace(text, []byte("tier: worker"), []byte("tier: inline"), 1), 0o600)
	}
	if err != nil {
		b.t.Fatal(err)
	}
	b.says(0, `ask-go is installed`, "install", "ask-go")
	b.says(0, `ask-go serves`, "run", "ask-go")
	b.says(1, `^phi: `, "call", "ask-go", "Hello")
	b.says(0, `^ask-go has llm`, "grant", "ask-go", "llm=model:tiny")
	b.says(0, `.`, "call", "ask-go", "Hello")
	b.says(0, ``, "revoke", "ask-go", "llm")
	b.says(1, `^phi: `, "call", "ask-go", "Hello")
	b.says(0, ``, "kill", "ask-go")
}

// askPython asks by each method that the library for Python has.
const askPython = `import phi

def handle(m):
    model = phi.named("llm", phi.Model)
    encoder = phi.named("encoder", phi.Model)
    said = model.infer("Once upon a time", 8)
    made = model.infer_json('{"prompt":"x","constraint":{"kind":"regex","text":"[ab]{4}"}}')
    vectors = encoder.embed("a dog barks", "a hound howls")
    batch = model.batch(["Once", "Once"], 3)
    ok = len(said) > 0 and '"text":"' in made and [len(v) for v in vectors] == [512, 512] and len(batch) == 2 and batch[0] == batch[1]
    m.words, m.data, m.handles = [0, 0, 0, 0], ("%s on %s" % (ok, model.select_device())).encode(), []

phi.serve(handle)
`

const askPythonManifest = `version: 1
name: ask-python
command: [python3, main.py]
tier: native
requests:
  - {name: llm, kind: model, of: tiny, rights: [INVOKE, SEND, LOAD, RUN], reason: It asks.}
  - {name: encoder, kind: model, of: use-lite, rights: [INVOKE, SEND, LOAD, RUN], reason: It compares.}
serves: 4
walls-missing: [user, mount, pid, net, ipc, uts, seccomp, landlock, memory, processes, cpu]
budget: {memory: 512MiB, cpu: 10m, slots: 256, tokens: 1e5}
restart: {policy: never}
`

// pythonWithModel lets a native capsule in Python ask the node's models.
func pythonWithModel(b *bench) {
	library, err := os.ReadFile(filepath.Join("..", "..", "sdk", "python", "phi.py"))
	if err != nil {
		b.t.Fatal(err)
	}
	b.write("ask-python/phi.py", string(library))
	b.write("ask-python/main.py", askPython)
	b.write("ask-python/capsule.yaml", askPythonManifest)
	b.says(0, `ask-python is installed`, "install", "ask-python")
	b.says(0, `ask-python serves`, "run", "ask-python", "--yes")
	b.says(0, `^True on cpu\n`, "call", "ask-python", "go")
	b.says(0, ``, "kill", "ask-python")
}

// downloads fetches a model from a server that hangs up, and goes on.
func downloads(b *bench) {
	file, err := os.ReadFile(filepath.Join(b.dir, "tiny.gguf"))
	if err != nil {
		b.t.Fatal(err)
	}
	var mu sync.Mutex
	served := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		first := served == 0
		served++
		mu.Unlock()
		w.Header().Set("ETag", `"1"`)
		if first {
			w.Header().Set("Accept-Ranges", "bytes")
			w.Header().Set("Content-Length", "1000000000")
			_, _ = w.Write(file[:len(file)/2])
			panic(http.ErrAbortHandler)
		}
		http.ServeContent(w, r, "tiny.gguf", time.Time{}, bytes.NewReader(file))
	}))
	b.t.Cleanup(server.Close)
	if out, code := b.phi("model", "add", server.URL+"/tiny.gguf", "--as", "fetched"); code != 0 {
		b.says(0, ``, "model", "add", server.URL+"/tiny.gguf", "--as", "fetched")
		b.t.Logf("the first try: %s", out)
	}
	b.says(0, `fetched`, "model", "list")
	b.says(1, `^phi: .*(SHA-256|digest)`, "model", "add", "tiny.gguf", "--as", "other", "--sha256", strings.Repeat("0", 64))
}

// restart kills the node; models, the default, keys and what they spent stay.
func restart(b *bench) {
	secret := b.made("--name", "kept", "--tokens", "1000")
	out, _ := b.phi("info", "--json")
	var info struct{ PID int }
	if err := json.Unmarshal([]byte(out), &info); err != nil || info.PID == 0 {
		b.t.Fatalf("phi info: %s", out)
	}
	if err := syscall.Kill(info.PID, syscall.SIGKILL); err != nil {
		b.t.Fatal(err)
	}
	for range 100 {
		if err := syscall.Kill(info.PID, 0); err != nil {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.t.Fatal(err)
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		b.t.Fatal(err)
	}
	b.says(0, `is up`, "up", "--detach", "--data", b.data(), "--http", address)
	b.says(0, `tiny.* +llama .*default`, "model", "list")
	b.says(0, `kept .*1,?000`, "key", "list")
	if code, text := b.post(address, secret, "/v1/completions", `{"model":"tiny","prompt":"a","max_tokens":3}`); code != http.StatusOK {
		b.t.Errorf("a key of the node before: %d %s", code, text)
	}
	if _, err := os.Stat(filepath.Join(b.data(), "models", "partial")); err == nil {
		left, _ := fs.ReadDir(os.DirFS(b.data()), "models/partial")
		b.t.Logf("%d partial downloads are kept", len(left))
	}
}
