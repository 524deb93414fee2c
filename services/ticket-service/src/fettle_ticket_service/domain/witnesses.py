"""What others saw of a timeline, in events or exports, held against what stands: a chain that was written anew with the
right key, and a tail that was cut, fit into themselves and are found by nothing else.

Who told what was seen is taken at their word: a forged event is a finding too, but each is compared by itself, so it
hides nothing.
"""

from uuid import UUID

from msgspec import Struct

from fettle_ticket_service.domain.verifying import Finding, Wrong


class Witnessed(Struct, frozen=True):
    """An entry as somebody saw it: in an event, or as the latest of a ticket in an export. None: not seen."""

    ticket: UUID
    version: int
    hash: str
    number: int | None = None
    place: int | None = None
    head: str | None = None


class Stands(Struct, frozen=True):
    """What stands of an entry that somebody saw: its hash, place and head; what is noted if the ticket was removed."""

    hash: str | None = None
    place: int | None = None
    head: str | None = None
    removed_version: int | None = None
    removed_hash: str | None = None


def compare(seen: Witnessed, stands: Stands) -> Finding | None:
    """What is wrong if what somebody saw once is right."""

    def finding(wrong: Wrong, message: str) -> Finding:
        return Finding(wrong, message, seen.number, seen.ticket, seen.version, seen.place)

    if stands.removed_version is not None:
        if seen.version > stands.removed_version:
            return finding(Wrong.ENTRY_MISSING, "The entry was seen, and was gone before retention removed its ticket.")
        if seen.version == stands.removed_version and seen.hash != stands.removed_hash:
            return finding(
                Wrong.ENTRY_ALTERED,
                "The entry was seen with another hash than it had when retention removed its ticket.",
            )
        return None
    if stands.hash is None:
        return finding(Wrong.ENTRY_MISSING, "The entry was seen and is not there.")
    if stands.hash != seen.hash:
        return finding(Wrong.ENTRY_ALTERED, "The entry was seen with another hash: the timeline was written anew.")
    if seen.head is not None and (stands.place, stands.head) != (seen.place, seen.head):
        return finding(Wrong.CHAIN_ALTERED, "The entry was seen elsewhere in the org's chain, or with another head.")
    return None
