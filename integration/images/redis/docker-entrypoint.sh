#!/bin/sh
# The official image's contract: options alone are for redis-server, which runs as user redis and, being in a
# container, takes connections from outside unless told otherwise.
set -e
case $1 in
-* | *.conf) set -- redis-server "$@" ;;
esac
if [ "$1" = redis-server ]; then
	case $* in
	*--protected-mode* | *--sentinel*) ;;
	*) set -- "$@" --protected-mode no ;;
	esac
fi
if [ "$1" = redis-server ] && [ "$(id -u)" = 0 ]; then
	find . ! -user redis -exec chown redis {} +
	exec setpriv --reuid=redis --regid=redis --init-groups "$@"
fi
exec "$@"
