"""The health API in memory: silences, why, and what a new org has of it."""

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from uuid import uuid4

from fastapi import Body, Header, Request
from fastapi.responses import Response

from fettle_chassis.http import Admin, HttpServer, Operator, Problem, Viewer, http_app
from fettle_chassis.service import Service
from fettle_chassis.settings import ServiceSettings
from fettle_contracts.health_policy import HealthPolicy
from fettle_contracts.times import parse_time, rfc3339
from fettle_contracts.transitions import HealthState

WHY: dict[str, Any] = {
    "subject": "device/d1",
    "at": "2026-11-23T12:05:11.020Z",
    "as_of": "2026-11-23T12:10:00.000Z",
    "called_for": True,
    "ticket": {"id": str(uuid4()), "number": 1, "state": "open"},
    "because": "It has been silent since 2026-11-23T12:02:11.020Z, which is longer than its timeout of 90 s.",
    "suppressed_by": None,
    "state": "firing",
    "condition": "device_offline",
    "since": "2026-11-23T12:04:11.020Z",
    "last_heard": "2026-11-23T12:02:11.020Z",
    "reported": "ok",
    "timer": {"what": "open_debounce", "at": "2026-11-23T12:05:11.020Z", "ran_out": True},
    "policy": {
        "version": 3,
        "enabled": True,
        "publish_tickets": True,
        "numbers": {
            "timeout_s": {"value": 90, "set_by": "model"},
            "flap_threshold": {"value": 5, "set_by": "platform"},
        },
    },
    "verdict": None,
    "blind": [{"kind": "unobserved", "since": "2026-11-23T11:00:00.000Z", "until": "2026-11-23T11:00:20.000Z"}],
    "replayed": None,
    "change": {"what": "timeout_s", "present": 90, "wanted": 600, "from_the_beginning": False, "length_s": None},
    "others": [{"what": "silence", "present": False, "wanted": True, "from_the_beginning": False, "length_s": 3600}],
    "no_change": None,
}


@dataclass
class Health:
    """What the fake knows and has heard."""

    silences: list[dict[str, Any]] = field(default_factory=list)
    asked: list[dict[str, Any]] = field(default_factory=list)
    subjects: list[dict[str, Any]] = field(default_factory=list)
    more_subjects: bool = False
    whys: list[str] = field(default_factory=list)
    transitions: list[dict[str, Any]] = field(default_factory=list)
    judging: bool = False
    behind: int = 12
    why: dict[str, Any] = field(default_factory=lambda: dict(WHY))
    overview: dict[str, Any] = field(default_factory=lambda: overview())
    policy: dict[str, Any] = field(default_factory=lambda: HealthPolicy().to_dict())
    version: int = 1
    heard: dict[str, Any] = field(default_factory=dict)
    as_of: str | None = None
    queries: list[str] = field(default_factory=list)

    def running(self, settings: ServiceSettings) -> AbstractAsyncContextManager[None]:
        return health_service(settings, self).running()


def health_service(settings: ServiceSettings, health: Health) -> Service:
    service = Service("fake-health")
    app = http_app(service, settings, title="Fake health")

    @app.get("/api/v1/orgs/{org}/silences")
    async def silences(org: str, caller: Viewer, request: Request, subject: str = "") -> dict[str, Any]:
        health.queries.append(request.url.query)
        found = [one for one in health.silences if subject in ("", one["subject"])]
        return {"items": found, "next_cursor": None, "as_of": health.as_of}

    @app.post("/api/v1/orgs/{org}/silences", status_code=201)
    async def silence(
        org: str, caller: Operator, body: Annotated[dict[str, Any], Body()], dry_run: bool = False
    ) -> dict[str, Any]:
        if body["length_s"] < 1:
            raise Problem(400, "malformed", "must be at least a second", field="length_s")
        if dry_run:
            count = health.behind + 1 if "filter" in body else 1
            return {"selection": None, "count": count, "preview": preview(count, body)}
        health.asked.append(body)
        until = datetime.now(UTC) + timedelta(seconds=body["length_s"])
        health.silences.append(
            {
                "id": str(uuid4()),
                "subject": body.get("subject") or f"integration/{body['filter']['integration']}",
                "from": rfc3339(datetime.now(UTC)),
                "starts_at": rfc3339(datetime.now(UTC)),
                "until": rfc3339(until),
                "ends_at": rfc3339(until),
                "removed_at": None,
                "reason": body.get("reason"),
                "made_by": caller.actor_id,
                "held": {"count": 0, "latest": []},
            }
        )
        return health.silences[-1]

    @app.delete("/api/v1/orgs/{org}/silences/{id}", status_code=204)
    async def unsilence(org: str, id: str, caller: Operator) -> Response:
        if id not in [one["id"] for one in health.silences]:
            raise Problem(404, "not_found", f"The org has no silence {id}.")
        health.silences = [one for one in health.silences if one["id"] != id]
        return Response(status_code=204)

    @app.get("/api/v1/orgs/{org}/why")
    async def why(org: str, caller: Viewer, subject: str, at: str = "") -> dict[str, Any]:
        health.whys.append(at)
        if subject == "device/forgotten":
            raise Problem(404, "not_found", "The log does not reach back that far.")
        return {**health.why, "subject": subject}

    @app.get("/api/v1/orgs/{org}/heard")
    async def heard(org: str, caller: Viewer, subject: str, at: str = "") -> dict[str, Any]:
        health.whys.append(at)
        if subject == "device/forgotten":
            raise Problem(404, "not_found", "The log of heartbeats does not reach back that far.")
        return {"subject": subject, **health.heard}

    @app.get("/api/v1/orgs/{org}/health-policy")
    async def policy(org: str, caller: Viewer) -> dict[str, Any]:
        switched = {"enabled": True, "publish_tickets": True} if health.judging else {}
        in_force = [{"shard": 0, "version": health.version}]
        return {**health.policy, **switched, "version": health.version, "in_force": in_force, "as_of": health.as_of}

    @app.put("/api/v1/orgs/{org}/health-policy")
    async def put_policy(
        org: str, caller: Admin, body: Annotated[dict[str, Any], Body()], if_match: Annotated[str, Header()] = ""
    ) -> dict[str, Any]:
        if if_match != f'"{health.version}"':
            raise Problem(412, "stale", f"The policy is at version {health.version}.")
        if body.get("timeout_s") == 1:
            raise Problem(400, "malformed", "is under default_interval_s 60", field="timeout_s")
        health.asked.append(body)
        health.policy = {**HealthPolicy().to_dict(), **{key: body[key] for key in body if key in health.policy}}
        health.version += 1
        return body

    @app.get("/api/v1/orgs/{org}/overview")
    async def shown_overview(org: str, caller: Viewer, day: bool = True) -> dict[str, Any]:
        if day:
            return health.overview
        integrations = [{**one, "unhealthy": []} for one in health.overview["integrations"]]
        return {**health.overview, "unhealthy": [], "integrations": integrations, "changes": []}

    @app.get("/api/v1/orgs/{org}/subjects/{type}/{id:path}")
    async def subject(org: str, type: str, id: str, caller: Viewer) -> dict[str, Any]:
        for one in health.subjects:
            if (one["type"], one["id"]) == (type, id):
                return one
        raise Problem(404, "not_found", f"The org has no subject {type}/{id}.")

    @app.get("/api/v1/orgs/{org}/transitions")
    async def transitions(org: str, caller: Viewer, subject: str) -> dict[str, Any]:
        return {"items": health.transitions, "next_cursor": None, "as_of": None}

    @app.get("/api/v1/orgs/{org}/subjects")
    async def subjects(org: str, caller: Viewer, request: Request) -> dict[str, Any]:
        health.queries.append(request.url.query)
        more = "there is more" if health.more_subjects else None
        return {"items": health.subjects, "next_cursor": more, "as_of": health.as_of}

    service.add(HttpServer(app, "127.0.0.1", settings.health_port))
    return service


def overview(**more: Any) -> dict[str, Any]:
    """Of an org in which nothing is."""
    states = dict.fromkeys((*(str(state) for state in HealthState), "unjudged"), 0)
    return {
        "since": rfc3339(datetime.now(UTC) - timedelta(days=1)),
        "step_s": 900,
        "enabled": True,
        "publish_tickets": True,
        "states": states,
        "unhealthy": [0] * 96,
        "integrations": [],
        "more_integrations": 0,
        "blind": [],
        "lost": [],
        "changes": [],
        "as_of": rfc3339(datetime.now(UTC)),
        **more,
    }


def preview(count: int, body: dict[str, Any]) -> dict[str, Any]:
    """What a silence would cover."""
    start = parse_time(body["starts_at"]) if "starts_at" in body else datetime.now(UTC)
    until = rfc3339(start + timedelta(seconds=body["length_s"]))
    first = [{"type": "device", "id": f"d{number}", "name": None} for number in range(min(count, 5))]
    return {
        "devices": count - 1 if count > 1 else 1,
        "integrations": 1 if count > 1 else 0,
        "first": first,
        "occurrences": [{"from": rfc3339(start), "until": until}],
        "ends_at": until,
    }


def silenced(subject: str, now: datetime, **more: Any) -> dict[str, Any]:
    """A silence that holds for two hours yet, as the list has it."""
    until = rfc3339(now + timedelta(hours=2))
    return {
        "id": str(uuid4()),
        "selection": None,
        "subject": subject,
        "name": None,
        "known": True,
        "state": "active",
        "starts_at": rfc3339(now - timedelta(hours=2)),
        "length_s": 14_400,
        "rrule": None,
        "zone": None,
        "from": rfc3339(now - timedelta(hours=2)),
        "until": until,
        "ends_at": until,
        "reason": None,
        "made_by": "ann@acme.test",
        "removed_by": None,
        "removed_at": None,
        "subjects": 1,
        "held": {"count": 0, "latest": []},
        **more,
    }


def watched(id: str, now: datetime, **more: Any) -> dict[str, Any]:
    """A device that has been silent for twelve minutes, as the API shows it."""
    return {
        "type": "device",
        "id": id,
        "name": f"Thermostat {id}",
        "state": "firing",
        "since": rfc3339(now - timedelta(minutes=12)),
        "condition": "device_offline",
        "integration": "hue-1",
        "space": "oslo/hq/3",
        "model": "T100",
        "interval_s": 30,
        "registered": True,
        "unwatched": None,
        "policy_version": 3,
        "ticket": {"id": str(uuid4()), "number": 1, "state": "open"},
        "silences": [],
        "blind": [
            {
                "kind": "unobserved",
                "since": rfc3339(now - timedelta(hours=9)),
                "until": rfc3339(now - timedelta(hours=8)),
            }
        ],
        "last_heard": rfc3339(now - timedelta(minutes=14)),
        "last_heard_as_of": rfc3339(now),
        "last_heard_told_by": "owner",
        "as_of": rfc3339(now),
        **more,
    }


def transition(
    to: str | None, at: datetime, *, was: str | None, heard: datetime | None = None, **more: Any
) -> dict[str, Any]:
    """A change of state; `heard` and a deadline before `at` make it one by silence."""
    evidence = (
        {"reason": "silent", "last_heard": rfc3339(heard), "deadline": rfc3339(at)} if heard else {"reason": "heard"}
    )
    wrong = "device_offline" if to not in ("healthy", None) else None
    return {"from": was, "to": to, "condition": wrong, "at": rfc3339(at), "evidence": evidence, **more}
