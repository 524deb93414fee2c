"""`orgs`: the organizations of an installation, told by the console to the services."""

from fettle_contracts.identity import OrgName
from fettle_contracts.message import Message
from fettle_contracts.times import Instant

ORG = "fettle.org.v1"


class Org(Message):
    """The present state of one organization; the latest message per key counts."""

    org: OrgName
    name: str
    created_at: Instant
    deleted: bool = False
