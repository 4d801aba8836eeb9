#!/bin/sh
# Prints the directory of every Go module of the repository, the library's own first.
set -eu
cd "$(dirname "$0")/.."
find . -name go.mod -not -path './.*/*' -not -path '*/testdata/*' | sed 's|/go\.mod$||' | sort
