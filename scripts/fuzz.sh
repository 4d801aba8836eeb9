#!/usr/bin/env bash
# Runs every fuzz target of the library, one after another.
# Usage: scripts/fuzz.sh [PATTERN [TIME]]; a finding is kept by Go under the package's testdata/fuzz/.
set -euo pipefail
cd "$(dirname "$0")/.."
readonly pattern=${1:-^Fuzz} time=${2:-60s}
count=0
failed=()

for package in $(go list -f '{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}}{{end}}' ./...); do
	targets=$(go test -list "$pattern" "$package")
	for target in $(grep '^Fuzz' <<<"$targets" || true); do
		printf '\n== %s of %s, %s\n' "$target" "$package" "$time"
		count=$((count + 1))
		go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" "$package" || failed+=("$target")
	done
done

if [ ${#failed[@]} -gt 0 ]; then
	printf '\nmake fuzz: FAILED, %d of %d targets: %s\n' ${#failed[@]} "$count" "${failed[*]}"
	exit 1
fi
printf '\nmake fuzz: ok, %d targets of %s each\n' "$count" "$time"
