# Every routine job; `just` alone lists them.

_list:
    @just --list

# Run the server with its data in ./sprag-data
serve *args:
    cargo run -- serve {{args}}

# Watch a session live and end
demo:
    cargo sprag demo

# Watch it in a browser, and try it by hand
demo-page *args:
    cargo sprag demo --page {{args}}

# Put what clients/js builds into the demo's page, or --check that it is there
demo-client *args:
    scripts/demo-client {{args}}

# Take the pictures of the demo's page for docs/ and the README anew (needs chromium, npm)
screenshots:
    scripts/screenshots

# Start each example by its one command, open it in a browser, and check log-in, a call, a refresh, a log-out
examples:
    cargo build -p sprag-server --locked
    cd examples && EXAMPLES=all npm test

# Everything a change must pass
check: fmt-check lint doc test deny typos

# Set up and run every test
test *args:
    scripts/test {{args}}

# One test binary, for instance: just story a_thief
story name:
    cargo test -p sprag-server --test stories {{name}}

# Check, build, measure and test the JavaScript client; its stories run with `cargo test --test clients`
client:
    cd clients/js && npm ci && npm run check

lint:
    cargo clippy --workspace --all-targets --features sprag-server/otel --locked -- -D warnings
    cargo clippy -p sprag-verify --locked -- -D warnings
    cargo clippy -p sprag-verify --features http --locked -- -D warnings

fmt:
    cargo fmt --all

fmt-check:
    cargo fmt --all --check

# The documentation of the Rust crates, which must have no warning
doc *args:
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked {{args}}

# Licences, bans and sources of the dependencies (cargo install cargo-deny)
deny:
    cargo deny --offline check bans licenses sources

# Spelling (cargo install typos-cli)
typos:
    typos

# The exhaustive model check, larger than the everyday one
model:
    cargo run --release -p sprag --example model_check

# Kill the real binary again and again under load and check every acknowledgement (--kills, --operations, --seed, --database)
soak *args:
    cargo build --profile test -p sprag-server && cargo run --profile test -p sprag-bench -- soak {{args}}

# The tests of several nodes that race and kill, several times as long as every day: 100,000 operations, 40 kills, 600 races
proofs:
    SPRAG_LONG_PROOFS=1 cargo test -p sprag-server --test nodes -- --nocapture kill races first_start

# A million requests with a byte too many or too few, a marker behind each (--cases, --seed, --at-once, --server-binary)
siege-framing *args:
    cargo build --profile test -p sprag-server -p sprag-bench && cargo run --profile test -p sprag-bench -- framing {{args}}

# Attack the release binary and say what honest clients notice (memory, connections, login; --only, --seconds, --connections), then its framing; `just siege` has more
siege-lite *args="memory connections login":
    cargo build --release -p sprag-server -p sprag-bench && cargo run --release -p sprag-bench -- siege {{args}} && cargo run --release -p sprag-bench -- framing --cases 100000

# Attack the release binary with everything there is and write the figures into docs/reference/overload.md (ulimit -n 20000; apt install slowhttptest nghttp2-client python3-h2); parts by name, --only, --flood-seconds
siege *args:
    cargo build --release --locked -p sprag-server -p sprag-bench && cargo run --release --locked -p sprag-bench -- siege {{args}} --write docs/reference/overload.md

# Refreshes with all limits on beside refreshes with none, in turn (--rounds, --store, --signing)
load-limits *args:
    cargo build --release --locked -p sprag-server -p sprag-bench && cargo run --release --locked -p sprag-bench -- limits {{args}}

# The client in Chromium, Firefox and Node behind a hostile network, beside other clients; writes docs/reference/client-proof.md (--rounds, --others, --seed, --at-once)
client-proof *args:
    scripts/client-proof {{args}}

# Rotations in the store, without HTTP
bench:
    cargo bench -p sprag

# Refreshes over HTTP, beside health checks in the same run; writes what docs/reference/performance.md shows (SPRAG_SERVER_BINARY names another build to load)
load:
    scripts/load

# Rotations per second on PostgreSQL, beside pgbench (--quick for three minutes)
load-postgres *args:
    scripts/load-postgres {{args}}

# Instructions of a refresh, a log-in and /healthz (valgrind); fails where one rose by more than 3 % (--sessions, --store, --signing, --top)
cost *args:
    scripts/cost {{args}}

# Two builds in turn, each a binary or a commit: processor time of a refresh, rate, latencies, memory (--sessions, --store, --signing, --rate)
compare old new *args:
    scripts/compare {{old}} {{new}} {{args}}

# Refreshes while every hash thread is busy with log-ins, beside refreshes alone (--rate, --rounds, --log-ins)
load-hashing *args:
    cargo build --release --locked -p sprag-server -p sprag-bench && cargo run --release --locked -p sprag-bench -- hashing {{args}}

# The store on a real Citus cluster, with a worker taken away (needs PostgreSQL with Citus; `just citus start` leaves one running)
citus *args:
    scripts/citus {{args}}

# The container image, from scratch into target/package, with the binary that the other packages hold (docs/guide/containers.md)
package-image:
    scripts/package-image target/package

# Run the image that package-image made, as its guide says, and hold it against that (as root; podman, postgresql)
image-test *args:
    scripts/image-test {{args}} "target/package/sprag-$(scripts/version)-oci.tar"

# Bring the guide's compose.yaml up with that image (as root; pip install podman-compose)
compose-test:
    scripts/compose-test "target/package/sprag-$(scripts/version)-oci.tar"

# Refreshes a second of that image, beside its binary without a container (as root, on a quiet machine; three minutes)
image-rate *rounds:
    cargo build --release --locked -p sprag-bench
    scripts/package-image target/package
    scripts/image-rate target/package/build/release/sprag target/release/sprag-bench "target/package/sprag-$(scripts/version)-oci.tar" {{rounds}}

# Every fuzz target for a minute each (needs a nightly toolchain and cargo install cargo-fuzz)
fuzz seconds="60":
    cd fuzz && for target in $(cargo +nightly fuzz list); do cargo +nightly fuzz run $target -- -max_total_time={{seconds}} || exit 1; done

# Lint the OpenAPI document of every profile; `just openapi fuzz` holds a real server against it (needs npm, Python)
openapi *args:
    scripts/openapi {{args}}

# Make the list of known secrets anew from public lists, or --check them (crates/sprag-secret/known/README.md)
known-secrets *args:
    scripts/known-secrets {{args}}

# Everything that is handed out, into target/package/ (SPRAG_SERVER_BINARY packs another build; needs cargo install cargo-cyclonedx, python3, npm)
package:
    scripts/package

# Install, upgrade, remove and purge the packages in a Debian of their own (OLDER: the package or binary to upgrade from; needs root, systemd-container, mmdebstrap, lintian)
package-test *older:
    scripts/package-test {{older}}

# Build the release twice in two folders and compare the binaries
reproduce:
    scripts/reproduce

# Write the references of settings and of refusals anew
reference:
    cargo run -q -- config --reference > docs/reference/config.md
    cargo run -q -- profile refusals > docs/reference/errors.md

# Review changed snapshots (cargo install cargo-insta)
snapshots:
    cargo insta review
