# lastmile: `make run` starts it, `make test` proves it.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help run dev test check bench torture fuzz console client tools

CONSOLE := client-ts/console/dist/index.html
CLIENT := client-ts/client/packed/client.tgz
CONSOLE_SOURCES := $(shell find client-ts -type f -not -path '*/node_modules/*' -not -path '*/dist/*' -not -path '*/packed/*')
PYTHON := target/python/bin/python
BROWSER := tests/browser/node_modules/.package-lock.json
NODE := client-ts/node_modules/.package-lock.json
BUF := $(CURDIR)/client-ts/node_modules/.bin/buf
CONFORMANCE := target/conformance/.fetched

export npm_config_loglevel := error
export npm_config_fund := false
export npm_config_audit := false

help: ## Lists these targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

run: ready $(CONSOLE) $(CLIENT) ## Builds and starts everything: http://localhost:8080, gRPC 50051, admin 9090, data in ./data
	cargo build --locked --profile quick -p lastmile-server --bin lastmile
	@$(call announce,8080,http://localhost:8080) & exec target/quick/lastmile --dev --data ./data

dev: ready $(CONSOLE) $(CLIENT) ## The same, with the console by Vite and hot reload: http://localhost:5173
	cargo build --locked --profile quick -p lastmile-server --bin lastmile
	@trap 'kill 0' EXIT; $(call announce,5173,http://localhost:5173) & \
	npm run dev --prefix client-ts & target/quick/lastmile --dev --data ./data

test: tools ## Everything: Rust, TypeScript, a real browser; installs what it needs
	@$(call stage,console and client,$(MAKE) --no-print-directory $(CONSOLE) $(CLIENT))
	@$(call stage,build,cargo build --locked --workspace --all-targets)
	@$(call stage,typescript,npm test --prefix client-ts)
	@$(call stage,browser,npm test --prefix tests/browser)
	@$(call stage,rust,cargo test --locked --workspace)

check: $(NODE) ## Format, lints, types, sizes, packages, protos, licences
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	cd proto && $(BUF) lint
	@if git cat-file -e main:proto/buf.yaml 2>/dev/null; \
	then set -x; cd proto && $(BUF) breaking --against '../.git#branch=main,subdir=proto'; \
	else echo 'no protos on main yet: nothing can break'; fi
	npm run build --workspace client --prefix client-ts
	npm run typecheck --prefix client-ts
	npm run lint --prefix client-ts
	npm run sizes --prefix client-ts
	npm run package --prefix client-ts
	@if cargo deny --version >/dev/null 2>&1; then set -x; cargo deny check; \
	else echo 'cargo-deny is not installed: licences and advisories not checked'; fi

bench: $(CONSOLE) ## What the log, JSON, a call, a delivered event and a rolling restart cost
	cargo bench --locked -p lastmile-server --bench store
	cargo bench --locked -p lastmile-edge --bench transcode
	cargo build --locked --release -p lastmile-server -p lastmile-edge --bins
	cargo build --locked --release -p lastmile-tests --examples
	@# Its lock file names versions that are gone, and it asks for a newer Rust than it needs.
	[ -x target/rivals/bin/structured-proxy ] || cargo install --quiet --ignore-rust-version --features cli \
		--root target/rivals structured-proxy@8.1.5 || echo "structured-proxy cannot be installed here and is left out"
	cargo bench --locked -p lastmile-tests --bench unary
	cargo bench --locked -p lastmile-tests --bench calls
	cargo bench --locked -p lastmile-tests --bench sessions
	cargo bench --locked -p lastmile-tests --bench fanout
	cargo bench --locked -p lastmile-tests --bench rolling

torture: ## Kills, cuts and restores for 600 s or LASTMILE_TORTURE_SECONDS, and checks what every subscriber saw
	cargo build --locked --workspace --bins --test torture
	LASTMILE_TORTURE_ROUNDS=$${LASTMILE_TORTURE_ROUNDS:-30} LASTMILE_TORTURE_SECONDS=$${LASTMILE_TORTURE_SECONDS:-600} \
	cargo test --locked --workspace --test torture -- --nocapture

fuzz: ## Feeds mutated bytes to what reads bytes from outside, for 60 s a target or LASTMILE_FUZZ_SECONDS
	LASTMILE_FUZZ_SECONDS=$${LASTMILE_FUZZ_SECONDS:-60} cargo test --locked -p lastmile-edge --test fuzz -- --nocapture

console: $(CONSOLE) ## Builds the console page that the edge serves

client: $(CLIENT) ## Packs the TypeScript client, which an edge with --dev gives to `npm install`

# What the build and the tests need beyond cargo and npm.
tools: $(NODE) $(BROWSER) $(PYTHON) $(CONFORMANCE)
	@command -v chromium >/dev/null || $(call stage,chromium,apt-get update -qq && apt-get install -qq -y chromium >/dev/null)
	@if command -v go >/dev/null && [ ! -x target/go/bin/grpcurl ]; then \
	$(call stage,grpcurl,CGO_ENABLED=0 GOBIN=$(CURDIR)/target/go/bin go install github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.3); fi
	@if command -v go >/dev/null; then \
	$(call stage,go backend,CGO_ENABLED=0 go build -C tests/foreign/go -o $(CURDIR)/target/go/bin/backend .); fi

# The official conformance runner of protobuf, or the reason why it cannot be had.
$(CONFORMANCE): edge/tests/conformance/fetch.sh edge/tests/conformance/package-lock.json $(NODE)
	npm ci --prefix edge/tests/conformance
	edge/tests/conformance/fetch.sh target/conformance $(BUF)
	@touch $@

# Says in one line each what `make run` lacks.
.PHONY: ready
ready:
	@lacks=0; need() { command -v $$1 >/dev/null || { echo "$$1 is missing: $$2" >&2; lacks=1; }; }; \
	need cargo 'install Rust from https://rustup.rs'; \
	need node 'install Node.js 20 or later (Debian: apt-get install nodejs)'; \
	need npm 'it comes with Node.js (Debian: apt-get install npm)'; \
	need cc 'install a C compiler (Debian: apt-get install build-essential)'; \
	for port in 8080 50051 9090; do if (exec 3<>/dev/tcp/localhost/$$port) 2>/dev/null; \
	then echo "port $$port is taken: stop what listens there, or start target/quick/lastmile with other addresses (--help)" >&2; lacks=1; fi; done; \
	exit $$lacks

$(NODE): client-ts/package-lock.json
	npm ci --prefix client-ts
	@touch $@

$(BROWSER): tests/browser/package-lock.json
	npm ci --prefix tests/browser
	@touch $@

$(CONSOLE): $(NODE) $(CONSOLE_SOURCES)
	npm run build --prefix client-ts
	@touch $@

$(CLIENT): $(CONSOLE)
	mkdir -p $(@D)
	cd client-ts/client && npm pack --silent --pack-destination packed >/dev/null && mv packed/lastmile-client-*.tgz packed/client.tgz

$(PYTHON): tests/foreign/python/requirements.txt
	python3 -m venv target/python || { apt-get update -qq && apt-get install -qq -y python3-venv && python3 -m venv target/python; }
	target/python/bin/pip install --quiet --disable-pip-version-check -r $<
	@touch $@

# $(call stage,name,command): runs the command, then prints how long it took.
stage = { SECONDS=0; echo '== $(1)'; $(2); echo "== $(1): $${SECONDS} s"; }

# $(call announce,port,url): prints the address once something listens there.
announce = { for try in {1..150}; do (exec 3<>/dev/tcp/localhost/$(1)) 2>/dev/null && { echo; echo "  lastmile: $(2)"; echo; break; }; sleep 0.2; done; }
