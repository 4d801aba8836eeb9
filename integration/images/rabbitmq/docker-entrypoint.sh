#!/bin/sh
# The official image's contract: the server runs as user rabbitmq, which owns its data. RABBITMQ_DEFAULT_USER and the
# like are read by RabbitMQ itself.
set -e
case $1 in
rabbitmq*)
	if [ "$(id -u)" = 0 ]; then
		find /var/lib/rabbitmq ! -user rabbitmq -exec chown rabbitmq {} +
		exec setpriv --reuid=rabbitmq --regid=rabbitmq --init-groups "$@"
	fi
	;;
esac
exec "$@"
