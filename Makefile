.DEFAULT_GOAL := help
.PHONY: help demo test check crds clean cargo

# The control plane's programs are found once here instead of by the first test that needs them,
# because that may take minutes and a test would show nothing of it.

help: ## Show this help
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: cargo ## See it work, on this machine alone: control plane, Stripe stand-in, three tenants
	@examples/demo

test: cargo ## Run all tests; gets itself an etcd and a kube-apiserver if there are none
	@tests/control-plane assets >/dev/null
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
