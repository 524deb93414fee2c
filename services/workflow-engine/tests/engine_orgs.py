"""What the console says of orgs, and the workflows that orgs have in tests."""

from datetime import timedelta
from uuid import uuid4

from engine_api import NOTE
from engine_world import World
from ticket_event import AT

from fettle_chassis.signing import Signer
from fettle_chassis.told_orgs import ToldOrg
from fettle_contracts.cloudevents import CloudEvent
from fettle_contracts.orgs import ORG, Org

ALERT, CHECK = READY = ["alert-when-a-device-goes-offline", "open-ticket-from-external-check"]
NIGHTLY = NOTE.replace("workflow: note", "workflow: nightly").replace(
    "trigger: ticket.opened", "trigger: schedule, every: 1h"
).replace("{ref: event.ticket.id}", "7")  # fmt: skip


def told(org: str = "acme", *, deleted: bool = False, minutes: float = 0) -> ToldOrg:
    message = Org(org=org, name=org.title(), created_at=AT, deleted=deleted)
    return ToldOrg(message, AT + timedelta(minutes=minutes))


def spoken(world: World, said: ToldOrg, *, signed: bool = True) -> CloudEvent:
    """As the console publishes it."""
    data, key = said.org.to_json(), said.org.org
    spoken = CloudEvent(id=str(uuid4()), source="fettle/console", type=ORG, time=said.at, data=data, key=key)
    return Signer(world.settings.signing_keys).sign_event(spoken) if signed else spoken
