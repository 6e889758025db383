# The two commands of the README and a few for daily work. Everything builds in one profile, see docs/decisions/0009-one-profile.md.
SHELL := /usr/bin/env bash
CARGO_TARGET_DIR ?= $(CURDIR)/target
export CARGO_TARGET_DIR
BIN := $(CARGO_TARGET_DIR)/release
JOB ?= deploy/examples/local/nexmark-window.sql

.PHONY: run test setup build sluice unit e2e bench lint docs

run: sluice
	$(BIN)/sluice run $(JOB)

test: setup
	tests/run.sh

setup:
	@tests/setup.sh

# Every program.
build: setup
	@tests/build.sh

# The engine alone.
sluice: setup
	@tests/build.sh sluice

unit: setup
	cargo test --release --workspace

e2e: build
	tests/run.sh e2e

bench: sluice
	$(BIN)/sluice bench --peers docs/benchmarks/peers.tsv

lint: setup
	tests/guards.sh

# The documentation as a site, in target/site.
docs:
	docs/site.sh
