#!/usr/bin/env bash
# Makes sure of a Docker engine and of every image that the tests run (make brokers). What is there is used as it is;
# what is missing is pulled; where no registry answers, equivalent images are built under the same names, and built
# again only when their recipe here has changed.
source "$(dirname "$0")/lib.sh"

# One at a time on a machine: two runs would build the same image twice. macOS has no flock, and pulls.
if command -v flock >/dev/null; then
	exec 8>"${TMPDIR:-/tmp}/eventbus-brokers-$(id -u).lock"
	flock -n 8 || { say 'waiting for another make brokers'; flock 8; }
fi

./engine.sh

# recipe NAME RELEASE: the hash of all that an image is made from
recipe() {
	{
		cat lib.sh build.sh
		echo "$2"
		find base "$1" -type f -print0 | sort -z | xargs -0 cat
		if [ "$1" = reaper ]; then cat ../go.sum; fi
	} | sha256sum | cut -c 1-16
}

# The first missing image finds out whether a registry answers; one that hangs counts as one that does not.
registry=unknown
pull() {
	if [ "$registry" = unknown ]; then
		registry=answers
		limit 30 docker pull -q "$REAPER" >/dev/null 2>&1 || registry=silent
	fi
	[ "$registry" = answers ] && { say "pulling $1"; limit 900 docker pull -q "$1" >/dev/null; }
}

ensure() { # ensure NAME TAG [RELEASE of Debian that has this version]
	local name=$1 tag=$2 release=${3:-trixie} hash label began=$SECONDS
	hash=$(recipe "$name" "$release")
	if label=$(label_of "$tag"); then
		[ -z "$label" ] && return            # not from here: the official one
		[ "$label" = "$hash" ] && return     # built from this recipe
	elif [[ $tag != eventbus-test/* ]] && pull "$tag"; then
		return
	fi
	./build.sh "$name" "$tag" "$hash" "$release"
	say "built $tag in $((SECONDS - began)) s"
}

ensure reaper "$REAPER"
ensure redis "$REDIS"
ensure redis "$REDIS_OLD" bookworm
ensure rabbitmq "$RABBITMQ"
ensure pika "$PIKA"
ensure kafka "$KAFKA"
ensure pykafka "$PYKAFKA"
