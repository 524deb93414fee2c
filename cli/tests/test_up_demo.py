"""The demo that `fettle up` sets up, against a small real API."""

from pathlib import Path

import pytest
from cli.tests.fettle_api import FettleApi, serving

from fettle_cli.failures import CliError
from fettle_cli.up import demo
from fettle_cli.up.demo import POLICY, Demo
from fettle_contracts.health_policy import HealthPolicy, effective

BOOT = "Bearer boot"


def _asked(api: FettleApi) -> list[tuple[str, str]]:
    return [(request.method, request.path.removeprefix("/api/v1/")) for request in api.requests]


@pytest.mark.rule("OP-38")
async def test_the_first_time_everything_is_made(tmp_path: Path) -> None:
    with serving() as api:
        api.demo()
        await Demo(api.url, tmp_path, "boot").set_up()
        assert [method for method, _ in _asked(api)] == ["POST", "POST", "GET", "PUT", "GET", "POST"]
        assert api.requests[0].json == {"org": "demo", "name": "Demo"}
        assert api.requests[1].json["role"] == "admin"
        assert [request.headers["authorization"] for request in api.requests[:2]] == [BOOT, BOOT]
        assert {request.headers["authorization"] for request in api.requests[2:]} == {"Bearer demo-s3cret"}
        assert api.requests[3].json == POLICY
        assert b"ticket.opened" in api.last.body
        assert (tmp_path / "demo-token").read_text() == "demo-s3cret\n"


@pytest.mark.rule("OP-38")
async def test_what_people_made_of_it_stays(tmp_path: Path) -> None:
    (tmp_path / "demo-token").write_text("kept\n")
    with serving() as api:
        api.demo()
        api.on("GET", "orgs", {"items": [], "next_cursor": None})
        api.on("GET", "orgs/demo/health-policy", {"enabled": False, "version": 4})
        api.on("GET", "orgs/demo/workflows/demo-comment-on-new-tickets", {"name": "theirs"})
        await Demo(api.url, tmp_path, "boot").set_up()
        assert [method for method, _ in _asked(api)] == ["POST", "GET", "GET", "GET"]
    assert (tmp_path / "demo-token").read_text() == "kept\n"


@pytest.mark.rule("OP-38")
async def test_a_token_that_no_longer_works_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "demo-token").write_text("ended\n")
    with serving() as api:
        api.demo()
        api.refuse("GET", "orgs", 401, "token_invalid", "Ended.")
        await Demo(api.url, tmp_path, "boot").set_up()
    assert (tmp_path / "demo-token").read_text() == "demo-s3cret\n"


@pytest.mark.rule("OP-38")
async def test_a_service_that_never_takes_part_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "PATIENCE_S", 0.5)
    with serving() as api:
        api.demo()
        api.refuse("GET", "orgs/demo/health-policy", 404, "not_found", "No such org.")
        with pytest.raises(CliError, match=r"the health monitor: No such org\. \[not_found\]"):
            await Demo(api.url, tmp_path, "boot").set_up()


@pytest.mark.rule("OP-38")
def test_the_demos_policy_works_and_is_short_enough_to_watch() -> None:
    rules = effective(HealthPolicy.model_validate(POLICY))
    assert rules.enabled
    assert rules.publish_tickets
    assert rules.timeout_for(2) + rules.open_debounce_s <= 15
