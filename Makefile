# Everything that developers and CI run. On a fresh machine with Go, make, git and
# Python's pip every target does its own set-up; `make check` also needs a C
# compiler, for the race detector.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.NOTPARALLEL:
.DEFAULT_GOAL := help

TOOLS := .cache/bin
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
FUZZTIME ?= 10s
BENCH ?= .
KEEP ?=
VERSIONS ?=
RACE ?=

# Only what is shipped is compiled with the profile cmd/outrigger/default.pgo: everything that it imports is compiled once
# more for that, which takes two minutes where nothing is cached.
export GOFLAGS := $(GOFLAGS) -pgo=off

# Packages under test/ whose tests need no real registry. The others are for `make integration`.
LOCAL = $$(go list ./test/... | grep -vE '/test/(cluster$$|integration(/|$$))')

.PHONY: help
help: ## Say what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## Build bin/outrigger and bin/outrigger-node, static binaries
	CGO_ENABLED=0 go build -pgo=auto -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o bin/ ./cmd/outrigger ./cmd/outrigger-node

.PHONY: test
test: envoy ## Run all tests but those of integration, with a real Envoy
	go test $$(go list ./... | grep -v '/test/')
	go test -count=1 $(LOCAL)

.PHONY: integration
integration: envoy cluster ## Run the tests with real registries, Kubernetes and Consul (RACE=1: with the race detector)
	go test $(if $(RACE),-race) -count=1 -timeout 20m ./test/cluster ./test/integration/...

.PHONY: check
check: build vet lint check-generated check-tidy test-race vulncheck ## All that CI checks

.PHONY: compatibility
compatibility: ## Run all tests with an Envoy with every pinned one (VERSIONS="1.36.4 1.38.3", or older: all but the default)
	go run ./test/compat -versions '$(VERSIONS)'

.PHONY: generate
generate: $(TOOLS)/controller-gen ## Write all generated files: deepcopy, CRDs, JSON Schemas
	$(TOOLS)/controller-gen object paths=./api/...
	rm -f deploy/crds/*.yaml
	$(TOOLS)/controller-gen crd paths=./api/... output:crd:dir=deploy/crds
	go run ./api/schema
	go generate ./...

.PHONY: demo
demo: build envoy ## Run a small mesh that tells and checks its story (KEEP=1: it stays up)
	CGO_ENABLED=0 go build -trimpath -o bin/demo ./test/demo
	KEEP='$(KEEP)' bin/demo

.PHONY: bench
bench: build ## Measure, in some ten minutes (BENCH=regexp chooses the Go benchmarks)
	go test -run '^$$' -bench '$(BENCH)' -benchmem ./xds/...
	go run ./test/bench
	go run ./test/bench -scope 20 -changes 100 -added 50
	go run ./test/bench -servers replicas

.PHONY: bench-all
bench-all: bench envoy cluster ## Measure also the floor, capture, rude clients, real registries, 10,000 streams and the most that may be idle
	go run ./test/bench -changes 100 -servers floor
	go run ./test/bench -changes 50 -capture -servers outrigger,floor
	go run ./test/bench -scope 10 -changes 100 -added 50
	go run ./test/bench -servers rude -streams 100 -changes 200
	go run ./test/bench -servers kubernetes,consul -changes 50
	go run ./test/bench -streams 10000 -changes 3 -added 2 -servers outrigger
	go run ./test/bench -streams 19000 -scope 10 -idle 180s -servers outrigger

.PHONY: profile
profile: build ## Write anew what the server spends its time on, which the compiler reads (docs/decisions/0031)
	go run ./test/bench -profile cmd/outrigger/default.pgo -changes 300 -added 30

.PHONY: fuzz
fuzz: ## Run every fuzz target for FUZZTIME (10s)
	.ci/fuzz $(FUZZTIME)

.PHONY: fmt
fmt: $(TOOLS)/golangci-lint ## Format all Go code
	$(TOOLS)/golangci-lint fmt

.PHONY: envoy
envoy: ## Fetch the pinned Envoy into .cache (OUTRIGGER_ENVOY names one to use instead)
	@test -n "$${OUTRIGGER_ENVOY:-}" || .ci/fetch-envoy

.PHONY: cluster
cluster: ## Build the pinned registries (etcd, kube-apiserver, Consul and so on) into .cache
	@go run ./test/cluster/build

.PHONY: clean
clean: ## Remove what was built and fetched
	rm -rf bin .cache

# The parts of check.

.PHONY: vet lint check-generated check-tidy test-race vulncheck
vet:
	go vet ./...

lint: $(TOOLS)/golangci-lint
	$(TOOLS)/golangci-lint run

check-generated: $(TOOLS)/controller-gen
	.ci/check-generated $(MAKE) --no-print-directory generate

check-tidy:
	go mod tidy -diff
	for module in .ci/tools .ci/cluster/*/; do go -C "$$module" mod tidy -diff; done

test-race: envoy
	go test -race $$(go list ./... | grep -v '/test/')
	# These build what they run: whether that changed is not known to the cache of results.
	go test -race -count=1 $(LOCAL)

vulncheck: $(TOOLS)/govulncheck
	.ci/vulncheck $(TOOLS)/govulncheck ./...

# The tools, each built when the module that pins it changed.

golangci-lint.package := github.com/golangci/golangci-lint/v2/cmd/golangci-lint
controller-gen.package := sigs.k8s.io/controller-tools/cmd/controller-gen
govulncheck.package := golang.org/x/vuln/cmd/govulncheck
benchstat.package := golang.org/x/perf/cmd/benchstat

.PHONY: tools
tools: $(addprefix $(TOOLS)/,golangci-lint controller-gen govulncheck benchstat) ## Build the tools into .cache/bin

$(TOOLS)/%: .ci/tools/go.mod .ci/tools/go.sum
	@echo 'building $*'
	@mkdir -p $(TOOLS)
	@go -C .ci/tools build -trimpath -o '$(abspath $@)' $($*.package)
	@touch $@
