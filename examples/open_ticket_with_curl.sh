#!/bin/sh -eu
# Opens a ticket: open_ticket_with_curl.sh other/lift-3 "Lift 3 makes a noise" (words without quotes or backslashes)
# The key makes the retries safe: whatever is sent again under it has one effect. The answer is the ticket.
printf '{"subject":{"type":"%s","id":"%s"},"title":"%s"}' "${1%%/*}" "${1#*/}" "$2" |
  curl --fail-with-body --silent --show-error --retry 5 --retry-connrefused --data-binary @- \
    --header "authorization: Bearer $FETTLE_TOKEN" --header "content-type: application/json" \
    --header "idempotency-key: $(date +%s)-$$" "${FETTLE_URL:-http://127.0.0.1:8080}/api/v1/orgs/$FETTLE_ORG/tickets"
