"""Who is asked and as whom, wrong usage, and everything that is not there."""

import json
import os
import socket
from pathlib import Path

import pytest
from cli.tests.fettle_api import FettleApi, serving
from cli.tests.ran import Fettle


@pytest.mark.rule("AC-62")
@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("no-such-command",),
        ("tickets", "show"),
        ("tickets", "show", "0"),
        ("tickets", "show", "forty-two"),
        ("tickets", "list", "--limit", "1000"),
        ("tickets", "list", "--state", "opened"),
        ("health", "subjects", "--state", "sick"),
        ("workflows", "runs", "--state", "over"),
        ("token", "create", "--org", "acme", "--role", "boss"),
        ("tickets", "open", "T", "--subject", "lift-3"),
        ("tickets", "link", "42", "--add", "WO-7"),
        ("tickets", "link", "42", "--add", "=https://x.test"),
        ("health", "show", "t17"),
        ("health", "policy", "--set", "timeout_s"),
        ("tickets", "policy", "--set", "retention_days"),
        ("tickets", "start"),
        ("tickets", "resolve", "42", "0"),
        ("health", "policy", "--file", "nowhere.json"),
        ("heartbeat", "send", "sensor/t17"),
        ("heartbeat", "send", "device/t17", "--status", "unreachable"),
        ("heartbeat", "send", "device/t17", "--interval-s", "0"),
        ("heartbeat", "send", "device/t17", "--interval-s", "nan"),
        ("heartbeat", "send", "device/t17", "--name", "n" * 201),
        ("heartbeat", "send", "device/t17", "--space", "a\nb"),
        ("heartbeat", "send", "device/t17", "--integration", "å" * 101),
        ("heartbeat", "send", "device/t17", "--reason", "r" * 16_384),
        ("heartbeat", "send", "device/t17", "--org", "No Org"),
        ("dlq", "list", "health.nothing"),
        ("token", "create", "--role", "admin"),
    ],
)
def test_wrong_usage_ends_with_two_and_says_so(fettle: Fettle, arguments: tuple[str, ...]) -> None:
    ran = fettle(*arguments)
    assert ran.status == 2
    assert ran.err or ran.out


@pytest.mark.rule("AC-61")
def test_nobody_there_names_the_address_and_the_way_out(fettle: Fettle, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        monkeypatch.setenv("FETTLE_URL", f"http://127.0.0.1:{unused.getsockname()[1]}")
        monkeypatch.setenv("FETTLE_TOKEN", "s3cret")
        ran = fettle("tickets", "list")
    assert ran.status == 1
    assert "nothing answers at http://127.0.0.1:" in ran.err
    assert "fettle up" in ran.err


@pytest.mark.rule("AC-61")
def test_without_a_token_the_way_to_one_is_named(fettle: Fettle) -> None:
    ran = fettle("tickets", "list")
    assert ran.status == 1
    assert "FETTLE_TOKEN" in ran.err
    assert "demo-token" in ran.err


@pytest.mark.rule("AC-61")
def test_a_refused_token_points_at_its_setting(fettle: Fettle, api: FettleApi) -> None:
    api.refuse("GET", "orgs/acme/tickets", 401, "token_invalid", "The token is unknown.")
    ran = fettle("tickets", "list")
    assert (ran.status, ran.err) == (1, "fettle: The token is unknown. (set FETTLE_TOKEN) [token_invalid]\n")


@pytest.mark.rule("AC-61")
def test_an_answer_that_is_no_problem_detail_is_named_by_its_status(fettle: Fettle, api: FettleApi) -> None:
    api.on("GET", "orgs/acme/tickets", "<html>", 502)
    ran = fettle("tickets", "list")
    assert ran.status == 1
    assert "502 Bad Gateway" in ran.err


@pytest.mark.rule("AC-63")
def test_what_fettle_up_left_is_found_from_any_folder_below(
    fettle: Fettle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    below = tmp_path / "some" / "where"
    below.mkdir(parents=True)
    home = tmp_path / ".fettle"
    home.mkdir()
    with serving() as api:
        (home / "up.json").write_text(json.dumps({"url": api.url}))
        (home / "demo-token").write_text("demo-s3cret\n")
        api.on("GET", "orgs/demo/tickets", {"items": [], "next_cursor": None})
        monkeypatch.chdir(below)
        assert fettle("tickets", "list").out == "No open tickets.\n"
        assert api.last.headers["authorization"] == "Bearer demo-s3cret"


@pytest.mark.rule("AC-63")
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make another user's folder")
def test_what_another_user_left_is_passed_over(fettle: Fettle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    below = tmp_path / "below"
    below.mkdir()
    (tmp_path / ".fettle").mkdir()
    (tmp_path / ".fettle" / "demo-token").write_text("stolen")
    os.chown(tmp_path / ".fettle", 12345, 12345)
    monkeypatch.chdir(below)
    ran = fettle("tickets", "list")
    assert ran.status == 1
    assert "there is no token" in ran.err
    assert str(tmp_path / ".fettle") not in ran.err


@pytest.mark.rule("AC-63")
def test_the_environment_wins_over_what_fettle_up_left(fettle: Fettle, api: FettleApi, tmp_path: Path) -> None:
    (tmp_path / ".fettle").mkdir()
    (tmp_path / ".fettle" / "up.json").write_text('{"url": "http://127.0.0.1:1"}')
    (tmp_path / ".fettle" / "demo-token").write_text("other")
    api.on("GET", "orgs/acme/tickets", {"items": [], "next_cursor": None})
    assert fettle("tickets", "list").status == 0
    api.on("GET", "orgs/beta/tickets", {"items": [], "next_cursor": None})
    assert fettle("tickets", "list", "--org", "beta").status == 0
    assert api.last.headers["authorization"] == "Bearer s3cret"


@pytest.mark.rule("AC-61")
def test_without_kafka_the_setting_is_named(fettle: Fettle) -> None:
    sending = ("heartbeat", "send", "device/t17")
    for command in (("kafka", "topics"), ("kafka", "acls"), ("dlq", "list"), ("simulate",), sending):
        ran = fettle(*command)
        assert ran.status == 1
        assert "FETTLE_KAFKA_BOOTSTRAP_SERVERS" in ran.err


@pytest.mark.rule("AC-63")
def test_making_an_org_and_its_first_token_takes_the_installations_own_token(
    fettle: Fettle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".fettle").mkdir()
    (tmp_path / ".fettle" / "bootstrap-token").write_text("boot")
    with serving() as api:
        monkeypatch.setenv("FETTLE_URL", api.url)
        api.on("POST", "orgs", {"org": "acme", "name": "Acme"}, 201)
        api.on("POST", "orgs/acme/tokens", {"token": "fettle_abc", "id": "1", "role": "viewer"}, 201)
        assert "fettle token create --org acme" in fettle("org", "create", "acme", "--name", "Acme").out
        assert api.last.json == {"org": "acme", "name": "Acme"}
        ran = fettle("token", "create", "--org", "acme", "--role", "viewer", "--days", "7")
        assert ran.out == "fettle_abc\n"
        assert api.last.json == {"role": "viewer", "name": "fettle token create", "expires_in_s": 604_800}
        assert {request.headers["authorization"] for request in api.requests} == {"Bearer boot"}
