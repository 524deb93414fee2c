"""`python -m fettle_ticket_service` serves commands and HTTP, `… relay` publishes what they write."""

from fettle_chassis.process import run
from fettle_ticket_service.app import build_app, build_relay
from fettle_ticket_service.settings import TicketSettings

if __name__ == "__main__":
    run("ticket-service", TicketSettings, {"service": build_app, "relay": build_relay})
