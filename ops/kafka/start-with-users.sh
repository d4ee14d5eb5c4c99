#!/usr/bin/env bash
# Start a broker whose storage knows the user `app`. Usage: start-with-users.sh PROPERTIES
# KAFKA_PASSWORD is given to the user when the storage is formatted; a later one changes nothing.
set -euo pipefail
: "${KAFKA_PASSWORD:?set it to the password of the user app}" "${CLUSTER_ID:?}"
bin=${KAFKA_BIN:-/opt/kafka/bin}
"$bin/kafka-storage.sh" format --ignore-formatted --cluster-id "$CLUSTER_ID" --config "$1" \
    --add-scram "SCRAM-SHA-512=[name=app,password=$KAFKA_PASSWORD]"
exec "$bin/kafka-server-start.sh" "$1"
