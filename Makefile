# Thin names for what cargo and the binaries do. `make demo` and `make test` install what they miss.
.PHONY: demo test bench soak

PYTHON := target/python
UNOPTIMISED := --config 'profile.dev.package.holdfast-exchange.opt-level=0'
export PATH := $(HOME)/.cargo/bin:$(PATH)

demo:                 ## everything on this machine; Ctrl-C stops it
	.ci/install build
	cargo build --release --locked --bins
	target/release/holdfast-loadtest lab

test:                 ## all tests, with what they need
	.ci/install build test
	.ci/python $(PYTHON)
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	cargo build --workspace --bins --locked
	cargo test --workspace --locked
	cargo test --locked -p holdfast-exchange --test golden $(UNOPTIMISED)
	.ci/manifests k8s $(PYTHON)

soak:                 ## 100,000 seeds of the simulated edge: about 20 minutes of one core
	HOLDFAST_SEEDS=100000 cargo test --locked -p holdfast-sim --test storms whatever -- --nocapture

bench:                ## the proxy beside nginx and HAProxy, and the matching engine
	.ci/install build bench
	cargo build --release --locked --bins
	target/release/holdfast-loadtest bench
	cargo run --release --manifest-path backend/exchange/bench/Cargo.toml
