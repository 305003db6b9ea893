# Everyday commands. `make help` lists them.

SHELL := /bin/bash
.DEFAULT_GOAL := help

# Cargo profile of what is built, run and tested; `make test PROFILE=release` for the optimised binary.
PROFILE ?= dev
# What `make run` hands to the binary, and what `make bench` hands to the load generator.
RUN ?= demo
BENCH ?=

export CARGO_TARGET_DIR ?= $(CURDIR)/target
export HYPHA_BIN ?= $(CARGO_TARGET_DIR)/$(if $(filter dev,$(PROFILE)),debug,$(PROFILE))/hypha

.PHONY: help run build test lint setup web rust-test python-test js-test bench clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: web ## build the binary and run its demonstration
	cargo run --quiet --profile $(PROFILE) -p hypha --bin hypha -- $(RUN)

build: web ## build the binary
	cargo build --profile $(PROFILE) -p hypha --bins

test: ## everything a change has to pass: lints, unit tests, black-box tests in Python and JavaScript
	PROFILE=$(PROFILE) tests/all

lint: ## formatting and clippy
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings

setup: ## install what the black-box tests need
	tests/setup

# What browsers get from the server. It can be built and used without.
web:
	@web/setup --if-possible

rust-test: ## unit, property and integration tests in Rust, and the examples in the documentation
	tests/rust $(ARGS)
	cargo test --workspace --doc

python-test: build setup ## black-box tests with the official Python client; ARGS="-k events" selects
	tests/python/run $(ARGS)

js-test: build setup ## black-box tests with the official JavaScript client
	tests/js/run $(ARGS)

bench: ## measure the optimised binary beside the original server; writes SPECIFICATION.md. BENCH=--quick shows that it works
	cargo build --release -p hypha -p hypha-bench
	HYPHA_BENCH_ORIGINAL=$${HYPHA_BENCH_ORIGINAL-$$(bench/setup)} $(CARGO_TARGET_DIR)/release/hypha-bench \
		--hypha $(CARGO_TARGET_DIR)/release/hypha $(if $(BENCH),$(BENCH),--json bench/results/latest.json --page SPECIFICATION.md)

clean: ## remove what was built
	cargo clean
