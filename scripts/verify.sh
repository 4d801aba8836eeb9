#!/usr/bin/env bash
# Runs what must hold, all of it even when something fails, and ends with one line.
# Usage: scripts/verify.sh check|lint|test (see the Makefile)
set -euo pipefail
cd "$(dirname "$0")/.."
readonly root=$PWD mode=${1:?check, lint or test}
failed=()
steps=0

step() { # step NAME COMMAND...
	local name=$1 began=$SECONDS
	shift
	steps=$((steps + 1))
	printf '\n== %s\n' "$name"
	if "$@"; then
		printf '== %s: ok (%d s)\n' "$name" $((SECONDS - began))
	else
		printf '== %s: FAILED\n' "$name"
		failed+=("$name")
	fi
}

formatted() {
	local files
	files=$(find . -name '*.go' -not -path './.*' -exec gofmt -s -l {} +) || return 1
	[ -z "$files" ] && return
	printf 'not formatted (make fmt does it):\n%s\n' "$files"
	return 1
}

in_module() { # in_module DIRECTORY COMMAND...
	(cd "$1" && shift && "$@")
}

lint() { # in the current directory
	go tool -modfile="$root/tools/go.mod" golangci-lint run --config "$root/.golangci.yml" --allow-serial-runners ./...
}

has_packages() { # tools/ has none
	[ -n "$(find "$1" -name '*.go' -not -path '*/testdata/*' -print -quit)" ]
}

# brokers makes sure of the containers that integration/ wants. Who gives the addresses of all three brokers may do
# without: what then is not run is listed in a file, and told at the end.
brokers() {
	integration/images/ensure.sh && return
	[ -n "${EVENTBUS_TEST_REDIS:-}" ] && [ -n "${EVENTBUS_TEST_RABBITMQ:-}" ] && [ -n "${EVENTBUS_TEST_KAFKA:-}" ] || return 1
	EVENTBUS_TEST_WITHOUT_DOCKER=$(mktemp)
	trap 'rm -f "$EVENTBUS_TEST_WITHOUT_DOCKER"' EXIT
	export EVENTBUS_TEST_WITHOUT_DOCKER
	printf 'Going on with the brokers at the addresses given; tests that harm one are not run.\n'
}

# tests_in DIRECTORY: the tests of a module. Those on real brokers leave the two cores to one package at a time.
tests_in() {
	local options=(-parallel 16)
	[ "$1" = ./integration ] && options=(-short -p 1 -parallel 4 -timeout 45m)
	(cd "$1" && go test -race -shuffle=on "${options[@]}" ./...)
}

case $mode in
check)
	step 'formatting' formatted
	step 'vet' go vet ./...
	step 'lint' lint
	step 'tests, short' go test -short -shuffle=on -parallel 16 ./...
	;;
lint)
	for m in $(scripts/modules.sh); do
		if has_packages "$m"; then step "lint in $m" in_module "$m" lint; fi
	done
	;;
test)
	scripts/compiler.sh || exit 1
	brokers || exit 1
	export CGO_ENABLED=1
	step 'formatting' formatted
	for m in $(scripts/modules.sh); do
		step "tidy in $m" in_module "$m" go mod tidy -diff
		has_packages "$m" || continue
		step "build in $m" in_module "$m" go build ./...
		step "vet in $m" in_module "$m" go vet ./...
		step "lint in $m" in_module "$m" lint
		step "tests in $m, with the race detector" tests_in "$m"
	done
	step 'fuzz targets, 2 s each' scripts/fuzz.sh '^Fuzz' 2s
	;;
*)
	echo "verify.sh: no mode $mode" >&2
	exit 2
	;;
esac

if [ -s "${EVENTBUS_TEST_WITHOUT_DOCKER:-}" ]; then
	printf '\nNOT run, for want of Docker:\n%s\n' "$(sort -u "$EVENTBUS_TEST_WITHOUT_DOCKER")"
fi
if [ ${#failed[@]} -gt 0 ]; then
	printf '\nmake %s: FAILED, %d of %d steps: %s\n' "$mode" ${#failed[@]} "$steps" "$(printf '%s; ' "${failed[@]}" | sed 's/; $//')"
	exit 1
fi
printf '\nmake %s: ok, %d steps in %d s\n' "$mode" "$steps" "$SECONDS"
