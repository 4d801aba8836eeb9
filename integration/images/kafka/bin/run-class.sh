#!/bin/sh
# run-class.sh CLASS ARGUMENT...: a class of Kafka's jars, with an archive of its classes if there is one: a broker
# starts in half the time with it. ARCHIVE_TO makes such an archive instead.
log=/etc/kafka/docker/tools-log4j2.yaml
case $1 in
kafka.Kafka)
	archive=/opt/kafka/broker.jsa
	options="-XX:+UseG1GC -XX:MaxGCPauseMillis=20 -Djava.awt.headless=true ${KAFKA_HEAP_OPTS:--Xms256m -Xmx512m}"
	log=/etc/kafka/docker/log4j2.yaml
	;;
kafka.docker.*)
	archive=/opt/kafka/setup.jsa
	options='-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xmx128m'
	;;
*)
	archive=
	options=${KAFKA_HEAP_OPTS:--Xmx256m}
	;;
esac
[ -e "$archive" ] && options="$options -XX:SharedArchiveFile=$archive -Xshare:auto"
[ -n "$ARCHIVE_TO" ] && options="$options -XX:ArchiveClassesAtExit=$ARCHIVE_TO"
# shellcheck disable=SC2086
exec java $options ${KAFKA_OPTS:-} -Dkafka.logs.dir=/opt/kafka/logs -Dlog4j2.configurationFile=$log \
	-cp '/opt/kafka/libs/*' "$@"
