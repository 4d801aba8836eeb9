#!/usr/bin/env bash
# Runs every fuzz target of the library, one after another, with a line for each.
# Usage: scripts/fuzz.sh [PATTERN [TIME]]; a finding is kept by Go under the package's testdata/fuzz/.
set -euo pipefail
cd "$(dirname "$0")/.."
readonly pattern=${1:-^Fuzz} time=${2:-60s}
count=0
failed=()

# Only a finding counts. Before Go 1.27 a run whose time is over fails now and then with nothing but "context deadline
# exceeded" (https://go.dev/issue/75804).
fuzz() { # fuzz TARGET DIRECTORY
	local out
	if out=$(cd "$2" && go test -vet=off -run '^$' -fuzz "^$1\$" -fuzztime "$time" . 2>&1); then
		grep '^fuzz: elapsed' <<<"$out" | tail -n 1 | sed "s/^fuzz: elapsed: [^,]*,/$1:/"
	elif grep -qx ' *context deadline exceeded' <<<"$out" && ! grep -qE 'Failing input|panic|_test\.go:' <<<"$out"; then
		printf '%s: nothing found when its time was over\n' "$1"
	else
		printf '%s\n' "$out"
		return 1
	fi
}

for dir in $(find . -name '*_test.go' -not -path './.*/*' -exec grep -l '^func Fuzz' {} + | sed 's|/[^/]*$||' | sort -u); do
	targets=$(grep -hoE '^func Fuzz\w*' "$dir"/*_test.go | sed 's/^func //' | grep -E "$pattern" || true)
	for target in $targets; do
		count=$((count + 1))
		fuzz "$target" "$dir" || failed+=("$target")
	done
done

if [ "$count" -eq 0 ]; then
	printf 'fuzz: no target matches %s\n' "$pattern"
	exit 1
fi
if [ ${#failed[@]} -gt 0 ]; then
	printf 'fuzz: FAILED, %d of %d targets: %s\n' ${#failed[@]} "$count" "${failed[*]}"
	exit 1
fi
printf 'fuzz: ok, %d targets of %s each\n' "$count" "$time"
