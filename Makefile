# The commands of this repository. make test is all that must pass; make check is the quick loop while working.

# A checkout that belongs to another user (a mount in a container) would fail Go's version stamping.
export GOFLAGS += -buildvcs=false

ARGS     ?=
SEEDS    ?= 10000
BENCH    ?= .
COUNT    ?= 1
FUZZ     ?= ^Fuzz
FUZZTIME ?= 60s

.DEFAULT_GOAL := help
.PHONY: help demo check test brokers faults bench fuzz vuln fmt lint tidy clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-7s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: ## publish, fail, bury and replay on an example: make demo ARGS='--orders 5000'
	go run ./cmd/eventbus demo $(ARGS)

check: ## the quick loop: formatting, vet, lint and short tests of the library
	@scripts/verify.sh check

test: ## everything that must pass: every module, lint, the race detector
	@scripts/verify.sh test

brokers: ## an engine and the images of Redis, RabbitMQ and Kafka for integration/: pulled, or built here
	@integration/images/ensure.sh

faults: ## long runs: the engine in virtual time, SEEDS times, then real brokers and clusters: make faults SEEDS=50000
	go test -count=1 -timeout 30m ./internal/simulation -run '^TestSimulation$$' -seeds $(SEEDS)
	@integration/images/ensure.sh
	cd integration && go test -count=1 -race -p 1 -parallel 4 -timeout 90m ./...

bench: ## benchmarks of bench/: make bench BENCH=Publish COUNT=10
	cd bench && go test -run '^$$' -bench '$(BENCH)' -benchmem -count $(COUNT) ./...

fuzz: ## every fuzz target for FUZZTIME each: make fuzz FUZZ=FuzzDecode FUZZTIME=10s
	@scripts/fuzz.sh '$(FUZZ)' '$(FUZZTIME)'

vuln: ## known vulnerabilities, by govulncheck; needs its database, so not part of test
	@scripts/vuln.sh

fmt: ## format every Go file
	@find . -name '*.go' -not -path './.*' -exec gofmt -s -w {} +

lint: ## golangci-lint in every module, as pinned in tools/go.mod
	@scripts/verify.sh lint

tidy: ## go mod tidy in every module
	@for m in $$(scripts/modules.sh); do (cd "$$m" && go mod tidy) || exit 1; done

clean: ## remove what the targets leave behind in the tree
	rm -rf bin .cache *.test *.prof bench/*.test bench/*.prof
