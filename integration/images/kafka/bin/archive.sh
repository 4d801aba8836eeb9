#!/bin/sh
# Makes the archives of loaded classes from one set-up and one life of a broker; run once, while the image is built.
set -eu
cd /opt/kafka/bin
export KAFKA_LOG_DIRS=/tmp/archive CLUSTER_ID=5L6g3nShT-eMCtK--X86sw KAFKA_NODE_ID=1 \
	KAFKA_PROCESS_ROLES=broker,controller KAFKA_LISTENERS=PLAINTEXT://127.0.0.1:9092,CONTROLLER://127.0.0.1:9093 \
	KAFKA_ADVERTISED_LISTENERS=PLAINTEXT://127.0.0.1:9092 KAFKA_CONTROLLER_LISTENER_NAMES=CONTROLLER \
	KAFKA_CONTROLLER_QUORUM_VOTERS=1@127.0.0.1:9093 \
	KAFKA_LISTENER_SECURITY_PROTOCOL_MAP=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT \
	KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR=1 KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS=1 \
	KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS=0

ARCHIVE_TO=/opt/kafka/setup.jsa /etc/kafka/docker/setup
ARCHIVE_TO=/opt/kafka/broker.jsa ./run-class.sh kafka.Kafka /opt/kafka/config/server.properties >/tmp/broker.log 2>&1 &
broker=$!
tries=0
until grep -q 'Kafka Server started' /tmp/broker.log; do
	tries=$((tries + 1))
	[ $tries -lt 240 ] || { cat /tmp/broker.log && exit 1; }
	sleep 0.5
done
echo x | ./kafka-console-producer.sh --bootstrap-server 127.0.0.1:9092 --topic t
./kafka-console-consumer.sh --bootstrap-server 127.0.0.1:9092 --topic t --from-beginning --max-messages 1 --timeout-ms 30000
kill -TERM $broker
wait $broker || true
ls -l /opt/kafka/setup.jsa /opt/kafka/broker.jsa
rm -rf /tmp/archive /tmp/broker.log /tmp/hsperf* /opt/kafka/config/* /opt/kafka/logs/*
