#!/bin/sh -eu
# Reports that a device is well: heartbeat_with_kcat.sh acme/device/t17
# librdkafka must be told to place keys as Java does; a heartbeat in another partition is not judged.
echo "$1"'|{"status":"ok","interval_s":60}' |
  kcat -P -K'|' -X partitioner=murmur2_random -b "${FETTLE_KAFKA_BOOTSTRAP_SERVERS:-127.0.0.1:19092}" \
    -t "${FETTLE_TOPIC_PREFIX:-fettle.}device.heartbeats"
