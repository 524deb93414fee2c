# Derived from asynchronous/health.py by `make schemas`; change that one.
"""What the health monitor sees, and by which rules. Subjects are written `type/id`."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Literal

from fettle_client.requests import CSV, NDJSON, fields, read, send, write
from fettle_client.shapes.health import (
    HealthPolicy,
    HealthState,
    Heard,
    ImportedLine,
    ListedSubject,
    Overview,
    ShownPolicy,
    ShownSubject,
    SubjectSort,
    Transition,
)
from fettle_client.shapes.people import WatchedType
from fettle_client.shapes.why import Verifying, Why
from fettle_client.synchronous.connection import Connection
from fettle_client.synchronous.pages import Pages

_KINDS = {"csv": CSV, "ndjson": NDJSON}


class Health(Connection):
    """Subjects, the registry, the policy, and why things are as they are."""

    def show_overview(self, *, day: bool | None = None) -> Overview:
        """The whole fleet now and over the last day, which is left out where `day` is false."""
        found: Overview = self._call(read(self._path("overview"), day=day))
        return found

    def list_subjects(
        self,
        *,
        state: Sequence[HealthState] | None = None,
        type: WatchedType | None = None,
        integration: str | None = None,
        space: str | None = None,
        q: str | None = None,
        sort: SubjectSort | None = None,
        cursor: str | None = None,
        limit: int = 200,
        heard: bool = False,
    ) -> Pages[ListedSubject]:
        """Subjects in one of the states, by type and id unless `sort` says how long they have been as they are. `space`
        is one and all in it, `q` a part of the name or id. With `heard` each says when it was last heard."""
        request = read(
            self._path("subjects"),
            state=state,
            type=type,
            integration=integration,
            space=space,
            q=q,
            sort=sort,
            cursor=cursor,
            limit=limit,
            heard=heard or None,
        )
        return Pages(self._call, request)

    def get_subject(self, subject: str) -> ShownSubject:
        """One subject, with when it was last heard."""
        found: ShownSubject = self._call(read(self._subject(subject)))
        return found

    def put_subject(
        self,
        subject: str,
        *,
        name: str | None = None,
        integration: str | None = None,
        space: str | None = None,
        model: str | None = None,
        interval_s: int | None = None,
        key: str | None = None,
    ) -> ShownSubject:
        """Enters a subject into the registry, or replaces its entry. What is left out is left to its heartbeats."""
        body = fields(name=name, integration=integration, space=space, model=model, interval_s=interval_s)
        entered: ShownSubject = self._call(write("PUT", self._subject(subject), body, key=key))
        return entered

    def remove_subject(self, subject: str, *, key: str | None = None) -> None:
        """Its tickets are resolved as `removed`. If it reports again, it is new."""
        self._call(write("DELETE", self._subject(subject), key=key))

    def import_subjects(
        self, content: bytes, *, format: Literal["csv", "ndjson"], dry_run: bool = False
    ) -> Iterator[ImportedLine]:
        """Enters the subjects of a file, each line for itself; yields what became of each, and at the very end one line
        with the `summary`. What broke off may come again: what is in is left as it is."""
        target = self._path("subjects", "import")
        return self._lines(send("POST", target, content, kind=_KINDS[format], dry_run=dry_run))

    def list_transitions(
        self, *, subject: str | None = None, cursor: str | None = None, limit: int = 200
    ) -> Pages[Transition]:
        """Changes of state, the newest first."""
        request = read(self._path("transitions"), subject=subject, cursor=cursor, limit=limit)
        return Pages(self._call, request)

    def explain(self, subject: str, *, at: datetime | None = None) -> Why:
        """Why there is or is not a ticket about a subject, and what would have decided otherwise."""
        found: Why = self._call(read(self._path("why"), subject=subject, at=at))
        return found

    def list_heartbeats(self, subject: str, *, at: datetime | None = None) -> Heard:
        """The heartbeats of a subject in the hour up to an instant, or in as much of it as can be read in a moment."""
        found: Heard = self._call(read(self._path("heard"), subject=subject, at=at))
        return found

    def verify_partition(self, partition: int, *, since: datetime | None = None) -> Iterator[Verifying]:
        """Replays a partition from a checkpoint, and compares with what was published; yields how far it is, at the end
        what it found."""
        return self._lines(read(self._path("verify"), partition=partition, since=since))

    def get_health_policy(self) -> ShownPolicy:
        shown: ShownPolicy = self._call(read(self._path("health-policy")))
        return shown

    def put_health_policy(
        self, policy: HealthPolicy, *, version: int | None = None, key: str | None = None
    ) -> ShownPolicy:
        """Replaces the policy; refused with 412 when the present one is not at `version` any more."""
        request = write("PUT", self._path("health-policy"), policy, key=key, seen=version)
        shown: ShownPolicy = self._call(request)
        return shown

    def _subject(self, subject: str) -> str:
        return self._path("subjects", *subject.split("/"))
