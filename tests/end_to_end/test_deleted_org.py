"""An org that is deleted while its devices report: everybody forgets it, and nobody forgets anybody else."""

from __future__ import annotations

import re

import httpx2
import pytest

from tests.faults.observed import rows_of
from tests.installation import Installation, eventually
from tests.outside import Beating

DEVICES = [f"device/d{number}" for number in range(4)]
WATCHED = re.compile(r"^\w*judge_subjects\{.*\} ([\d.]+)$", re.MULTILINE)


def watched(installation: Installation) -> int:
    """How many subjects the judge has in memory."""
    port = installation.environment["FETTLE_JUDGE_PORT"]
    shown = httpx2.get(f"http://127.0.0.1:{port}/metrics", timeout=30.0).text
    return sum(int(float(count)) for count in WATCHED.findall(shown))


def kept(installation: Installation, table: str) -> set[str]:
    return {row["org"] for row in rows_of(installation, f"SELECT DISTINCT org FROM {table}")}


@pytest.mark.slow
@pytest.mark.rule("HM-245", "AC-9")
def test_a_deleted_org_is_forgotten_by_the_judge_too(installation: Installation) -> None:
    bootstrap = installation.environment["FETTLE_KAFKA_BOOTSTRAP_SERVERS"]
    topic = installation.topic("device.heartbeats")
    orgs = [installation.create_org(name, {"enabled": True, "timeout_s": 3_600}) for name in ("acme", "globex")]
    with Beating(bootstrap, topic, "acme") as theirs, Beating(bootstrap, topic, "globex") as others:
        for api, beating in zip(orgs, (theirs, others), strict=True):
            beating.alive(*DEVICES)
            eventually(lambda api=api: len(api.get("/subjects")["items"]) == 4, f"{api.org} is seen")  # type: ignore[misc]
        eventually(lambda: watched(installation) == 8, "all are watched")

        installer = {"authorization": f"Bearer {installation.environment['FETTLE_BOOTSTRAP_TOKEN']}"}
        gone = installation.http.delete("/api/v1/orgs/acme", params={"confirm": "acme"}, headers=installer)
        assert gone.status_code == 204, gone.text
        eventually(lambda: rows_of(installation, "SELECT org FROM org WHERE deleted"), "the monitor has heard of it")
        for _ in range(2):  # at its start it empties what there is; what the judge says of that goes at the next
            installation.end("correlator")
            installation.start("correlator")
            installation.wait_ready("correlator")
            eventually(lambda: kept(installation, "subject") == {"globex"}, "the monitor has emptied it")
            eventually(lambda: watched(installation) == 4, "the judge has forgotten it")
            eventually(lambda: rows_of(installation, "SELECT WHERE NOT EXISTS (SELECT FROM outbox)"), "all is said")
        eventually(lambda: kept(installation, "transition") == {"globex"}, "its history is gone")
        assert kept(installation, "policy_version") == {"acme", "globex"}
    assert {each["state"] for each in orgs[1].get("/subjects")["items"]} == {"healthy"}
