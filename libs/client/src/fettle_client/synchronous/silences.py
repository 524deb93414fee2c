# Derived from asynchronous/silences.py by `make schemas`; change that one.
"""Silences: no tickets about a subject for a while."""

from collections.abc import Sequence
from datetime import datetime

from fettle_client.requests import fields, read, send, write
from fettle_client.shapes.people import WatchedType
from fettle_client.shapes.silences import MadeSilence, Selected, Silence, SilenceState
from fettle_client.synchronous.connection import Connection
from fettle_client.synchronous.pages import Pages


class Silences(Connection):
    """A silence begins at `starts_at` (now, if that is left out) and lasts `length_s` seconds. With `rrule`, an RFC
    5545 rule, it recurs by the clock of `zone`."""

    def list_silences(
        self,
        *,
        state: Sequence[SilenceState] | None = None,
        subject: str | None = None,
        selection: str | None = None,
        together: bool | None = None,
        cursor: str | None = None,
        limit: int = 200,
    ) -> Pages[Silence]:
        """Silences with what each has held back so far; of all states unless `state` names some. `together`: a
        selection is one item."""
        request = read(
            self._path("silences"),
            state=state,
            subject=subject,
            selection=selection,
            together=together,
            cursor=cursor,
            limit=limit,
        )
        return Pages(self._call, request)

    def silence_subject(
        self,
        subject: str,
        length_s: int,
        *,
        starts_at: datetime | None = None,
        rrule: str | None = None,
        zone: str | None = None,
        reason: str | None = None,
        key: str | None = None,
    ) -> MadeSilence:
        """Opens no tickets about one subject, written `type/id`."""
        body = fields(subject=subject, length_s=length_s, starts_at=starts_at, rrule=rrule, zone=zone, reason=reason)
        made: MadeSilence = self._call(write("POST", self._path("silences"), body, key=key))
        return made

    def try_silence(
        self,
        subject: str,
        length_s: int,
        *,
        starts_at: datetime | None = None,
        rrule: str | None = None,
        zone: str | None = None,
        reason: str | None = None,
    ) -> Selected:
        """Says when a silence of one subject would hold, and makes none."""
        body = fields(subject=subject, length_s=length_s, starts_at=starts_at, rrule=rrule, zone=zone, reason=reason)
        tried: Selected = self._call(send("POST", self._path("silences"), body, dry_run=True))
        return tried

    def silence_selection(
        self,
        length_s: int,
        *,
        integration: str | None = None,
        space: str | None = None,
        type: WatchedType | None = None,
        model: str | None = None,
        starts_at: datetime | None = None,
        rrule: str | None = None,
        zone: str | None = None,
        reason: str | None = None,
        dry_run: bool = False,
        key: str | None = None,
    ) -> Selected:
        """Opens no tickets about all that fits what is named, at least one thing: an integration and its devices, what
        is in a space and under it, a type, a model. A dry run only says whom and when that would be about."""
        body = fields(
            filter=fields(integration=integration, space=space, type=type, model=model),
            length_s=length_s,
            starts_at=starts_at,
            rrule=rrule,
            zone=zone,
            reason=reason,
        )
        made: Selected = self._call(write("POST", self._path("silences"), body, key=key, dry_run=dry_run or None))
        return made

    def remove_silence(self, id: str, *, key: str | None = None) -> None:
        """Ends a silence now, or all of a selection. What still fails gets its ticket at once."""
        self._call(write("DELETE", self._path("silences", id), key=key))
