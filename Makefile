.DEFAULT_GOAL := help
.PHONY: help demo test check crds clean cargo python

# The control plane's programs are found once here instead of by the first test that needs them,
# because that may take minutes and a test would show nothing of it.

help: ## Show this help
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: cargo ## See it work, on this machine alone: control plane, Stripe stand-in, mail, gateway, three tenants
	@examples/demo

test: cargo python ## Run all tests; gets itself what they need: a kube-apiserver, nginx, Stripe's documents
	@tests/control-plane assets >/dev/null
	@tests/servers assets >/dev/null
	@tests/oracles/fetch openapi >/dev/null
	@tests/oracles/fetch typescript >/dev/null
	@if cargo nextest --version >/dev/null 2>&1; then \
		set -x; cargo nextest run --all-features; \
	else \
		set -x; cargo test --all-features --lib --bins --tests; \
	fi
	cargo test --all-features --doc
	tests/control-plane self-test

check: cargo ## Check formatting and lints
	cargo fmt --all --check
	cargo clippy --all-targets --all-features -- -D warnings

crds: cargo ## Write crds/ again from the types in src/api
	cargo run --quiet --bin tenant-billing -- crd --output-dir crds

clean: ## Remove what was built here (the control plane's programs stay in the user's cache)
	cargo clean

cargo:
	@command -v cargo >/dev/null || { \
		echo "cargo is not installed. Install Rust with rustup (https://rustup.rs), then try again." >&2; \
		exit 1; \
	}

python:
	@command -v python3 >/dev/null || { [ "$$(id -u)" = 0 ] && apt-get update -qq && apt-get install -qq --yes python3; } || { \
		echo "python3 is not installed, and is needed to fetch the documents the tests compare with." >&2; \
		exit 1; \
	}
