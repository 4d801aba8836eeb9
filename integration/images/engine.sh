#!/usr/bin/env bash
# Makes sure of a Docker engine: the one that runs, or one that it starts, or one that it installs and starts.
# Only root can start or install; everybody else is told what is missing.
source "$(dirname "$0")/lib.sh"

# ask prints the engine's version, or fails. An engine that hangs would be waited for without an end.
ask() {
	local status=0
	limit 20 docker version --format '{{.Server.Version}}' || status=$?
	[ $status != 124 ] || echo 'it accepts connections, and says nothing for 20 s' >&2
	return $status
}

answers() { ask >/dev/null 2>&1; }

why_not() { ask 2>&1 >/dev/null | tail -n 1; } # the engine's client on why it cannot reach the engine

without_docker() {
	fail "$*. The tests on Redis, RabbitMQ and Kafka need Docker; make check covers formatting, vet, lint and the tests" \
		"that need no broker."
}

start_engine() {
	local log=${TMPDIR:-/tmp}/eventbus-dockerd.log
	if command -v systemctl >/dev/null && [ -d /run/systemd/system ]; then
		systemctl start docker || true
	elif ! answers; then
		# Published ports are for this machine only. The lock of our caller is not for the engine to hold.
		setsid dockerd --ip 127.0.0.1 >"$log" 2>&1 </dev/null 8>&- &
		say "starting dockerd, process $!, log $log"
	fi
	local end=$((SECONDS + 60))
	while [ $SECONDS -lt $end ]; do
		answers && return
		sleep 0.25
	done
	[ -f "$log" ] && tail -n 15 "$log" >&2
	without_docker "the Docker engine does not start: $(why_not)"
}

if command -v docker >/dev/null; then
	answers && exit 0
	if [ -n "${DOCKER_HOST:-}" ]; then
		without_docker "the engine at DOCKER_HOST=$DOCKER_HOST does not answer: $(why_not)"
	fi
fi
if ! is_root; then
	if command -v docker >/dev/null; then
		without_docker "no Docker engine answers user $(id -un), who may not start one ($(why_not)):" \
			"start Docker, add the user to the group docker, or run as root"
	fi
	without_docker "Docker is not installed, and user $(id -un) may not install it: install Docker, or run as root"
fi
if ! command -v dockerd >/dev/null || ! command -v docker >/dev/null; then
	command -v apt-get >/dev/null || without_docker 'Docker is not installed, and there is no apt-get to install it with'
	say 'installing Docker from the distribution (docker.io)'
	install_packages docker.io iptables
fi
start_engine
say "Docker engine $(docker version --format '{{.Server.Version}}') answers"
