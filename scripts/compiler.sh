#!/bin/sh
# Makes sure of the C compiler that the race detector needs: finds it, or installs it, or says what is missing.
set -eu

compiles() {
	cc=$(go env CC)
	# $cc may carry flags. The header tells a compiler that came without the C library's files.
	# shellcheck disable=SC2086
	echo '#include <stdlib.h>' | $cc -x c -fsyntax-only - 2>/dev/null
}

compiles && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
	echo 'No C compiler: installing gcc for the race detector.'
	export DEBIAN_FRONTEND=noninteractive
	{ apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev; } >/dev/null || true
	compiles && exit 0
fi
echo "make test needs a C compiler for Go's race detector, and none works here: install gcc and libc6-dev (or set CC);" \
	'until then make check covers formatting, vet, lint and the tests without the race detector.' >&2
exit 1
