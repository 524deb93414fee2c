#!/bin/sh -eu
# Reports that a device is well: heartbeat_with_curl.sh t17
# 202 means that Kafka has it; lines that were refused are named in the answer.
printf '{"type":"device","id":"%s","status":"ok","interval_s":60}\n' "$1" |
  curl --fail-with-body --silent --show-error --retry 5 --retry-connrefused --data-binary @- \
    --header "authorization: Bearer $FETTLE_TOKEN" --header "content-type: application/x-ndjson" \
    "${FETTLE_URL:-http://127.0.0.1:8080}/api/v1/orgs/$FETTLE_ORG/heartbeats"
