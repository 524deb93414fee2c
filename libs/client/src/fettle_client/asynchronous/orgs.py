"""Orgs, tokens, members, and heartbeats by HTTP."""

import json
from collections.abc import Iterable

from fettle_client.asynchronous.connection import AsyncConnection
from fettle_client.asynchronous.pages import AsyncPages
from fettle_client.requests import NDJSON, fields, path, read, send, write
from fettle_client.shapes.orgs import (
    AuditEntry,
    Heartbeat,
    Member,
    NewToken,
    Org,
    Outcome,
    PersonsRole,
    Role,
    SentAgain,
    Taken,
    Token,
)


class AsyncOrgs(AsyncConnection):
    """What admins and the installation do, and what devices report that cannot speak Kafka."""

    def list_orgs(self, *, cursor: str | None = None, limit: int = 200) -> AsyncPages[Org]:
        """The orgs that the token may see."""
        return AsyncPages(self._call, read(path("orgs"), cursor=cursor, limit=limit))

    async def create_org(self, org: str, *, name: str | None = None, key: str | None = None) -> Org:
        """Makes an org, with the installation's own token. One that is there stays as it is."""
        made: Org = await self._call(write("POST", path("orgs"), fields(org=org, name=name), key=key))
        return made

    async def rename_org(self, name: str) -> Org:
        """Gives the org of this client another name; its id stays."""
        renamed: Org = await self._call(send("PUT", self._path(), {"name": name}))
        return renamed

    async def set_org_zone(self, zone: str | None) -> Org:
        """Has the pages of this client's org show exact times by the zone (`Europe/Oslo`); None: by each reader's own
        clock."""
        changed: Org = await self._call(send("PUT", self._path(), {"zone": zone}))
        return changed

    async def delete_org(self, confirm: str) -> None:
        """Deletes the org of this client for good, with its tickets; `confirm` repeats its name. Export them first."""
        await self._call(send("DELETE", self._path(), confirm=confirm))

    def list_tokens(self, *, cursor: str | None = None, limit: int = 200) -> AsyncPages[Token]:
        """The org's tokens, oldest first, those that have ended too."""
        return AsyncPages(self._call, read(self._path("tokens"), cursor=cursor, limit=limit))

    async def create_token(
        self, role: Role, *, name: str | None = None, expires_in_s: int | None = None, key: str | None = None
    ) -> NewToken:
        """Mints a token of the org; its text stands in this answer only."""
        body = fields(role=role, name=name, expires_in_s=expires_in_s)
        minted: NewToken = await self._call(write("POST", self._path("tokens"), body, key=key))
        return minted

    async def revoke_token(self, id: str) -> None:
        """Sessions of people who signed in with it end too. If an answer is lost on the way and the token is gone when
        this is tried again, the refusal says so (404)."""
        await self._call(send("DELETE", self._path("tokens", id)))

    def list_audit(
        self,
        *,
        actor: str | None = None,
        thing: str | None = None,
        outcome: Outcome | None = None,
        since: str | None = None,
        until: str | None = None,
        cursor: str | None = None,
        limit: int = 200,
    ) -> AsyncPages[AuditEntry]:
        """Who asked to change what of the org, the newest first. `thing` is a path such as `tickets/42`."""
        asked = {"actor": actor, "thing": thing, "outcome": outcome, "since": since, "until": until}
        return AsyncPages(self._call, read(self._path("audit"), **asked, cursor=cursor, limit=limit))

    def list_members(self, *, cursor: str | None = None, limit: int = 200) -> AsyncPages[Member]:
        """Who signs in to the org with which role, by person."""
        return AsyncPages(self._call, read(self._path("members"), cursor=cursor, limit=limit))

    async def put_member(self, person: str, role: PersonsRole | None, *, key: str | None = None) -> Member:
        """Gives a person a role; None takes them out. Refused with 409 when the org would be left without an admin."""
        body = {"person": person, "role": role}
        put: Member = await self._call(write("PUT", self._path("members"), body, key=key))
        return put

    async def redrive_dead_letter(self, topic: str, offset: int, *, key: str | None = None) -> SentAgain:
        """Sends a dead letter of the org to where it came from, as it came; 409 for one that must stay where it is."""
        request = write("POST", self._path("dead-letters", topic, offset, "redrive"), key=key)
        sent: SentAgain = await self._call(request)
        return sent

    async def send_heartbeats(self, heartbeats: Iterable[Heartbeat]) -> Taken:
        """Reports heartbeats; when this returns Kafka has every one that was not refused. Sending them again is safe,
        also after 504, when some may have been taken."""
        lines = "".join(json.dumps(heartbeat, ensure_ascii=False) + "\n" for heartbeat in heartbeats)
        taken: Taken = await self._call(send("POST", self._path("heartbeats"), lines.encode(), kind=NDJSON))
        return taken
