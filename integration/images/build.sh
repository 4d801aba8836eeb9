#!/usr/bin/env bash
# Builds one image: build.sh NAME TAG RECIPE RELEASE. ensure.sh decides when.
source "$(dirname "$0")/lib.sh"
readonly name=$1 tag=$2 recipe=$3 release=$4
base=$BASE:$release

context=$(mktemp -d)
trap 'rm -rf "$context"' EXIT
log=$context.log

# The others stand on a small Debian of our own, since there is no registry to take one from. It has its name only once
# it is whole: what is imported from a pipe that broke is an image too, an empty one.
base() {
	local made mark
	mark=$(find base -type f -print0 | sort -z | xargs -0 cat | sha256sum | cut -c 1-16)
	[ "$(label_of "$base")" = "$mark" ] && return
	need mmdebstrap mmdebstrap debian-archive-keyring
	local mirror
	mirror=$(apt-get indextargets --format '$(REPO_URI)' 2>/dev/null | grep -v security | grep debian | head -n 1 || true)
	if ! made=$(mmdebstrap --quiet --variant=apt --dpkgopt=base/dpkg.cfg --aptopt=base/apt.conf "$release" - \
		"${mirror:-http://deb.debian.org/debian}" 2>"$log" |
		docker import -c 'ENV DEBIAN_FRONTEND=noninteractive LANG=C.UTF-8' -c "LABEL $LABEL=$mark" - 2>>"$log"); then
		[ -z "$made" ] || docker image rm "$made" >/dev/null
		tail -n 15 "$log" >&2
		fail "the base image could not be made; the whole output is in $log"
	fi
	docker tag "$made" "$base"
}

# Kafka has no Debian package: its jars come from Maven Central.
jars() {
	need mvn maven
	mvn -q -B -f kafka/pom.xml -Dkafka.version="$KAFKA_VERSION" dependency:copy-dependencies -DincludeScope=runtime \
		-DoutputDirectory="$context/libs" >"$log" 2>&1 ||
		{ tail -n 15 "$log" >&2; fail "Kafka could not be fetched from Maven Central; the whole output is in $log"; }
}

# Nor has Debian these Python packages, which are the same on every machine.
packages() {
	need pip3 python3-pip
	pip3 install -q --target "$context/libs" --python-version 3.12 --only-binary=:all: -r pykafka/requirements.txt >"$log" 2>&1 ||
		{ tail -n 15 "$log" >&2; fail "the packages could not be fetched from PyPI; the whole output is in $log"; }
}

cp -r "$name/." "$context"
case $name in
reaper) (cd .. && CGO_ENABLED=0 go build -trimpath -ldflags='-s -w' -o "$context/reaper" ./images/reaper) ;;
kafka) base && jars ;;
pykafka) base=$KAFKA && packages ;;
pika) base=$RABBITMQ ;;
*) base ;;
esac
docker build --label "$LABEL=$recipe" --build-arg "BASE=$base" --build-arg "VERSION=${tag#*:}" -t "$tag" "$context" >"$log" 2>&1 ||
	{ tail -n 15 "$log" >&2; fail "$tag could not be built; the whole output is in $log"; }
rm -f "$log"
