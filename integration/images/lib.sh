# Shared by the scripts of this directory; sourced, never run.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

# The tags are those of the official images, so that the tests need not know where an image came from.
readonly REDIS=redis:8.0
readonly REDIS_OLD=redis:7.0 # the oldest that the bus works with
readonly RABBITMQ=rabbitmq:4.0-management
readonly PIKA=eventbus-test/pika:1 # ours alone: RABBITMQ, and a Python client
readonly KAFKA_VERSION=4.3.1
readonly KAFKA=apache/kafka:$KAFKA_VERSION
readonly PYKAFKA=eventbus-test/pykafka:1 # ours alone: KAFKA, and Python packages for it and for CloudEvents
readonly REAPER=testcontainers/ryuk:0.14.0 # the one that testcontainers-go asks for, see go.mod
readonly BASE=eventbus-test/base           # ours alone, tagged with its release; what the others are built on

# The label of an image that was built here: the hash of all that it was built from. An official image has none.
readonly LABEL=eventbus.recipe

# No buildx is needed: the engine of the distribution comes without it.
export DOCKER_BUILDKIT=0

say() { printf 'brokers: %s\n' "$*"; }

fail() { # fail SENTENCE...: the last thing that the user reads
	printf 'brokers: %s\n' "$*" >&2
	exit 1
}

is_root() { [ "$(id -u)" = 0 ]; }

# limit SECONDS COMMAND...: ends it with status 124 when the time is up. macOS has no timeout.
limit() {
	if command -v timeout >/dev/null; then timeout "$@"; else shift && "$@"; fi
}

# label_of IMAGE: its label, empty if it has none; fails if there is no such image
label_of() { docker image inspect -f "{{index .Config.Labels \"$LABEL\"}}" "$1" 2>/dev/null; }

# need COMMAND PACKAGE...: makes sure of a command, from the distribution's packages when we are root
need() {
	local command=$1
	shift
	command -v "$command" >/dev/null && return
	if ! is_root || ! command -v apt-get >/dev/null; then
		fail "$command is missing: install it (on Debian: apt-get install $*) or run make brokers once as root"
	fi
	say "installing $*"
	install_packages "$@"
	command -v "$command" >/dev/null || fail "$command is still missing after apt-get install $*"
}

install_packages() {
	local log
	log=$(mktemp)
	if ! { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"; } >"$log" 2>&1; then
		tail -n 15 "$log" >&2
		fail "apt-get install $* failed; the whole output is in $log"
	fi
	rm -f "$log"
}
