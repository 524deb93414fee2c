#!/bin/sh -eu
# Opens a ticket by Kafka, as one JSON object (structured mode): open_ticket_with_kcat.sh acme "Lift 3 makes a noise"
# The key is the org. Keep source and id when you send again: a command has one effect.
printf '%s|{"specversion":"1.0","id":"%s","source":"%s/front-desk","type":"fettle.ticket.command.open.v1","data":
  {"org":"%s","actor":{"type":"user","id":"ann@acme.test"},"title":"%s","subject":{"type":"other","id":"lift-3"}}}' \
  "$1" "$(date +%s)-$$" "$1" "$1" "$2" | tr -d '\n' |
  kcat -P -K'|' -H content-type=application/cloudevents+json -X partitioner=murmur2_random \
    -b "${FETTLE_KAFKA_BOOTSTRAP_SERVERS:-127.0.0.1:19092}" -t "${FETTLE_TOPIC_PREFIX:-fettle.}ticket.commands"
