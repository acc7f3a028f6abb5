# Two targets do everything on a fresh machine with Go, a C compiler, make, and pip or npm: `make demo` and `make test`.
SHELL := /bin/bash
.DELETE_ON_ERROR:
.PHONY: demo test build lint bench bench-overhead selftest-page compare-loadgen test-long gpu-check need clean

# go-nvml wraps calls that its header marks as deprecated.
export CGO_CFLAGS := -O2 -g -Wno-deprecated-declarations

ASSAY := bin/assay
DEMO_OUT ?= assay-runs/demo
MNIST ?= ../shared/data/models/mnist.onnx

build: need
	go build -o $(ASSAY) ./cmd/assay

# What no target can install by itself.
need:
	@missing=; \
	command -v go >/dev/null || missing="$$missing\n  go: install Go 1.26 or newer"; \
	command -v $${CC:-cc} >/dev/null || command -v gcc >/dev/null || missing="$$missing\n  a C compiler: install gcc or clang (Debian: apt-get install gcc libc6-dev)"; \
	command -v pip >/dev/null || command -v pip3 >/dev/null || python3 -m pip --version >/dev/null 2>&1 || command -v npm >/dev/null || missing="$$missing\n  pip or npm: install one, to get the ONNX Runtime library (Debian: apt-get install python3-pip)"; \
	if [ -n "$$missing" ]; then printf "missing on this machine:$$missing\n" >&2; exit 1; fi

# Runs the committed experiment on real models and prints its verdicts and the path of the report.
demo: build
	$(ASSAY) runtime install
	rm -rf $(DEMO_OUT)
	$(ASSAY) run testdata/digits/experiment.yaml --out $(DEMO_OUT)

# The webgpu library comes from npm; where npm is absent the tests that need it are skipped and named at the end.
test: build
	$(ASSAY) runtime install
	@if command -v npm >/dev/null; then $(ASSAY) runtime install --variant webgpu; fi
	set -o pipefail; go test -json ./... | go run ./internal/testsummary

test-long: build
	$(ASSAY) runtime install
	ASSAY_LONG=1 go test -timeout 60m ./...

lint:
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); if [ -n "$$unformatted" ]; then echo "not formatted: $$unformatted" >&2; exit 1; fi
	go vet ./...
	go tool staticcheck ./...

bench:
	go test -run '^$$' -bench . -benchmem ./...

# What Assay adds to a request, beside plain C loops of the runtime: a model of a microsecond, and MNIST where it is at hand.
bench-overhead: build
	$(ASSAY) runtime install
	go run ./internal/overhead -library "$$($(ASSAY) runtime path)"
	@if [ -f $(MNIST) ]; then go run ./internal/overhead -library "$$($(ASSAY) runtime path)" -model $(MNIST); else echo "no $(MNIST): set MNIST=FILE"; fi

# What `assay selftest` finds here, as a page of the documentation; a busy machine says so in it.
selftest-page: build
	$(ASSAY) selftest --markdown > docs/selftest.md || [ $$? = 4 ]

# Beside MLPerf LoadGen, both driving nothing: LOADGEN_SRC names the folder loadgen of a checkout of mlcommons/inference.
compare-loadgen: build
	scripts/compare-loadgen.sh $(ASSAY)

# The CUDA provider and NVML, on a machine with an NVIDIA GPU; its record goes to docs/gpu.
gpu-check: build
	scripts/gpu-check.sh $(ASSAY)

clean:
	rm -rf bin
