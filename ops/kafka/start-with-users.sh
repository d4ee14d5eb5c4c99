#!/usr/bin/env bash
# Start a broker whose storage knows the users `app` and `operator`. Usage: start-with-users.sh PROPERTIES
# They are given their passwords when the storage is formatted; later ones change nothing.
set -euo pipefail
: "${KAFKA_PASSWORD:?set it to the password of the user app}" "${CLUSTER_ID:?}"
: "${KAFKA_OPERATOR_PASSWORD:?set it to the password of the user operator}"
bin=${KAFKA_BIN:-/opt/kafka/bin}
"$bin/kafka-storage.sh" format --ignore-formatted --cluster-id "$CLUSTER_ID" --config "$1" \
    --add-scram "SCRAM-SHA-512=[name=app,password=$KAFKA_PASSWORD]" \
    --add-scram "SCRAM-SHA-512=[name=operator,password=$KAFKA_OPERATOR_PASSWORD]"
exec "$bin/kafka-server-start.sh" "$1"
