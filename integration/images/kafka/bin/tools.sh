#!/bin/sh
# Writes Kafka's command-line tools under their official names; run once, while the image is built.
set -eu
cd /opt/kafka/bin
while read -r tool class; do
	printf '#!/bin/sh\nexec /opt/kafka/bin/run-class.sh %s "$@"\n' "$class" >"$tool.sh"
	chmod 755 "$tool.sh"
done <<LIST
kafka-broker-api-versions org.apache.kafka.tools.BrokerApiVersionsCommand
kafka-configs kafka.admin.ConfigCommand
kafka-console-consumer org.apache.kafka.tools.consumer.ConsoleConsumer
kafka-console-producer org.apache.kafka.tools.ConsoleProducer
kafka-consumer-groups org.apache.kafka.tools.consumer.group.ConsumerGroupCommand
kafka-metadata-quorum org.apache.kafka.tools.MetadataQuorumCommand
kafka-storage kafka.tools.StorageTool
kafka-topics org.apache.kafka.tools.TopicCommand
LIST
