"""The client against a running Fettle: every method, and whether answers are what their shapes say."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import pytest

from fettle_client import Fettle, Refused
from fettle_client.synchronous.pages import Pages
from tests.client.conforming import differences
from tests.installation import Installation, eventually
from tests.outside import dead_letter

DOCUMENT = """
workflow: note-what-opens
title: Note what opens
enabled: true
nodes:
  opened: {trigger: ticket.opened}
  noted: {after: [opened], action: ticket.comment, with: {ticket: {ref: event.ticket.id}, text: "Seen."}}
"""
RESTING = """
workflow: rests
title: Rests
enabled: true
nodes:
  pressed: {trigger: manual}
  knocked: {trigger: signal, type: check.failed}
  rest: {after: [pressed, knocked], action: wait, with: {for: 1h}}
"""
FAILING = """
workflow: fails
title: Fails
enabled: true
nodes:
  pressed: {trigger: manual}
  no: {after: [pressed], action: fail, with: {message: "No."}}
"""
MAIL = {"host": "127.0.0.1", "from": "fettle@nowhere.invalid", "to": ["ops@nowhere.invalid"]}
README = Path(__file__).parents[2] / "libs/client/README.md"


class Checked:
    """The client's methods by name, each answer held against what the method promises."""

    def __init__(self, fettle: Fettle) -> None:
        self._fettle = fettle
        self.called: set[str] = set()

    def __call__(self, name: str, /, *arguments: Any, **named: Any) -> Any:
        promised = get_type_hints(getattr(Fettle, name))["return"]
        answer = getattr(self._fettle, name)(*arguments, **named)
        if isinstance(answer, Pages):
            page, answer = answer.page(), list(answer)
            assert list(differences(page["items"], list[get_args(promised)[0]], name)) == []  # type: ignore[misc]
        if isinstance(answer, Iterator):
            answer = list(answer)
        hint = list[get_args(promised)[0]] if get_origin(promised) in (Pages, Iterator) else promised  # type: ignore[misc]
        assert list(differences(answer, hint, name)) == []
        self.called.add(name)
        return answer


@pytest.mark.rule("CL-1", "CL-2")
def test_every_method_is_answered_as_it_promises(installation: Installation) -> None:
    with Fettle(installation.url, installation.environment["FETTLE_BOOTSTRAP_TOKEN"], "acme") as installer:
        founder = Checked(installer)
        founder("create_org", "acme", name="Acme")
        minted = founder("create_token", "admin", name="Tests")
    with Fettle(installation.url, minted["token"], "acme") as fettle:
        ask = Checked(fettle)
        eventually(lambda: _there(fettle), "every service knows the org")
        _orgs(ask)
        _health(ask)
        _workflows(ask)
        _tickets(ask)
        _silences(ask)
        _run(ask)
        _acts(ask)
        _outlets(ask)
        _letters(ask, installation)
        _events(ask, fettle)
        _story(installation.url, minted["token"])
        _end(ask)
        methods = {name for name in vars(Fettle.__mro__[0]) | _inherited() if not name.startswith("_")}
        assert methods - ask.called - founder.called - {"close"} == set()


def _inherited() -> Mapping[str, Any]:
    return {name: value for kind in Fettle.__mro__[1:-1] for name, value in vars(kind).items()}


def _there(fettle: Fettle) -> bool:
    try:
        fettle.get_health_policy()
        fettle.get_ticket_policy()
    except Refused as refused:
        if refused.code != "not_found":
            raise
        return False
    return len(list(fettle.list_workflows())) == 2


def _orgs(ask: Checked) -> None:
    assert [org["org"] for org in ask("list_orgs")] == ["acme"]
    spare = ask("create_token", "viewer", expires_in_s=60)
    ask("revoke_token", spare["id"])
    assert spare["id"] not in [token["id"] for token in ask("list_tokens")]
    assert ask("put_member", "ann@acme.test", "viewer")["given_by"] == "org"
    assert [member["role"] for member in ask("list_members")] == ["viewer"]
    asked = [(one["method"], one["path"]) for one in ask("list_audit", thing="tokens", outcome="done")]
    assert asked[:2] == [("DELETE", f"/tokens/{spare['id']}"), ("POST", "/tokens")]
    assert ask("rename_org", "Acme Ltd")["name"] == "Acme Ltd"
    assert ask("set_org_zone", "Europe/Oslo")["zone"] == "Europe/Oslo"


def _health(ask: Checked) -> None:
    policy = {"enabled": True, "publish_tickets": True, "overrides": [{"match": {"model": "T100"}, "timeout_s": 90}]}
    shown = ask("put_health_policy", policy)
    assert ask("put_health_policy", shown, version=shown["version"])["version"] >= shown["version"]
    ask("get_health_policy")
    lines = ask("import_subjects", b"type,id,name\ndevice,gw/7,Gateway 7\ndevice,\n", format="csv")
    assert [line.get("result") for line in lines] == ["added", "refused", None]
    ask("put_subject", "device/t17", name="Thermostat 17", interval_s=30)
    heartbeats = [{"type": "device", "id": "t17", "integration": "hue-1"}, {"type": "space", "id": "oslo"}]
    taken = ask("send_heartbeats", heartbeats)
    assert (taken["accepted"], [line["line"] for line in taken["refused"]]) == (1, [2])
    eventually(lambda: ask("get_subject", "device/t17")["state"] == "healthy", "the device is heard")
    assert {one["id"] for one in ask("list_subjects", type="device")} == {"t17", "gw/7"}
    assert ask("list_transitions", subject="device/t17")
    assert "device/t17" in ask("explain", "device/t17")["subject"]
    assert sum(ask("show_overview")["states"].values()) == 2
    assert (len(ask("show_overview")["unhealthy"]), ask("show_overview", day=False)["unhealthy"]) == (96, [])
    assert ask("list_heartbeats", "device/t17")["subject"] == "device/t17"
    try:
        assert "verified" in ask("verify_partition", 0)[-1]
    except Refused as refused:  # a log that is younger than its first checkpoint
        if refused.status != 409:
            raise
        ask.called.add("verify_partition")


def _workflows(ask: Checked) -> None:
    assert ask("check_workflow", DOCUMENT)["faults"] == []
    ask("create_workflow", DOCUMENT)
    ask("put_workflow", "note-what-opens", DOCUMENT.replace("Seen.", "Seen it."))
    assert ask("get_workflow", "note-what-opens")["version"] == 2
    assert len(ask("list_workflows")) == 3
    assert len(ask("export_workflows")) == 3
    assert len(ask("get_workflow_graph", "note-what-opens")["nodes"]) == 2
    assert len(ask("list_workflow_versions", "note-what-opens")) == 2
    assert ask("get_workflow_version", "note-what-opens", 1)["document"] == DOCUMENT
    assert len(ask("get_workflow_difference", "note-what-opens", 2, from_version=1)["hunks"]) == 1
    assert ask("restore_workflow", "note-what-opens", 2)["version"] == 2


def _tickets(ask: Checked) -> None:
    ask("put_ticket_policy", {"link_patterns": [{"pattern": "WO-[0-9]+", "url": "https://x.test/$0"}]})
    ask("get_ticket_policy")
    lift = ask("open_ticket", "Lift 3", {"type": "other", "id": "lift-3", "name": "Lift 3"}, dedup_key="lift-3")
    number = lift["number"]
    for move in ("start_ticket", "move_ticket_to_open", "resolve_ticket", "reopen_ticket"):
        ask(move, number, comment="So be it.")
    ask("comment_on_ticket", number, "Called the vendor.")
    edited = ask("edit_description", number, "Since *today*.", description_version=lift["description_version"])
    with pytest.raises(Refused) as stale:
        ask("edit_description", number, "Mine.", description_version=lift["description_version"])
    assert (stale.value.status, stale.value.problem["description"]) == (412, "Since *today*.")
    link = {"label": "WO-7", "url": "https://x.test/7"}
    ask("set_links", number, [link], description_version=edited["description_version"])
    assert ask("get_ticket", number)["links"] == [link]
    timeline = ask("list_timeline", number, limit=2)
    assert len(timeline) > 10
    assert ask("list_timeline", number, sort="-version", limit=2) == timeline[::-1]
    edits = [entry for entry in timeline if entry["type"] == "description-edited"]
    assert ask("list_timeline", number, type="description-edited") == edits != []
    assert ask("list_checklist", number) == []
    assert [one["number"] for one in ask("list_tickets", state="all", q="lift")] == [number]
    assert ask("count_tickets", state="open") == {"open": 1}
    outcomes = ask("act_on_tickets", "comment", [number, 77], comment="Both.")
    assert [(one["outcome"], one.get("code")) for one in outcomes] == [
        ("applied", None),
        ("rejected", "ticket_not_found"),
    ]
    (exported,) = ask("export_tickets", timeline=True)
    assert "Lift 3" in "".join(ask("export_csv"))
    assert ask("verify_tickets")[-1]["verified"]["sound"]
    seen = {"ticket": exported["id"], "version": exported["version"], "hash": exported["hash"]}
    assert ask("compare_entries", [seen])["findings"] == []
    assert ask("compare_entries", [{**seen, "hash": "0" * 64}])["findings"]


def _silences(ask: Checked) -> None:
    assert ask("try_silence", "device/t17", 3600)["preview"]["devices"] == 1
    made = ask("silence_subject", "device/t17", 3600, reason="Battery swap")
    assert ask("silence_selection", 60, integration="hue-1", dry_run=True)["selection"] is None
    selection = ask("silence_selection", 60, integration="hue-1")["selection"]
    assert {one["id"] for one in ask("list_silences", state=["active"])} > {made["id"]}
    assert ask("get_subject", "device/t17")["silences"]
    for id in (made["id"], selection):
        ask("remove_silence", id)
    ask("remove_subject", "device/t17")


def _run(ask: Checked) -> None:
    (done,) = eventually(lambda: ask("list_runs", state="done"), "the run has ended")
    assert ask("get_run", done["id"])["nodes"]
    assert ask("list_workflow_runs", "note-what-opens")
    ask("remove_workflow", "note-what-opens")


def _acts(ask: Checked) -> None:
    for document in (RESTING, FAILING):
        ask("create_workflow", document)
    tried = ask("try_workflow", "rests")
    assert [node["node"] for node in tried["nodes"]][:2] == ["pressed", "knocked"]
    on_ticket = ask("try_workflow", "rests", trigger="ticket.opened", ticket=1)
    assert (on_ticket["state"], on_ticket["event"]["ticket"]["number"]) == ("not_started", 1)
    assert ask("preview_workflow", "rests", days=1)
    resting = ask("start_run", "rests", {"why": "to see"})
    assert ask("cancel_run", resting["id"])["state"] == "cancelled"
    assert ask("rerun", resting["id"])["state"] == "running"
    failed = ask("start_run", "fails")
    assert ask("retry_run", failed["id"])["state"] == "failed"
    secret = ask("make_hook_secret", "rests")
    assert ask("call_hook", "rests", secret["secret"], id="c-1", type="check.failed", source="tests", data={})
    assert [one["id"] for one in ask("get_hook", "rests")["secrets"]] == [secret["id"]]
    ask("end_hook_secret", "rests", secret["id"])
    assert ask("put_workflow_policy", enabled=False)["enabled"] is False
    assert ask("get_workflow_policy")["enabled"] is False


def _outlets(ask: Checked) -> None:
    ask("put_secret", "mail_password", "not a word")
    assert [one["name"] for one in ask("list_secrets")] == ["mail_password"]
    ask("remove_secret", "mail_password")
    ask("create_channel", "ops", "email", MAIL)
    ask("put_channel", "ops", "email", MAIL, hourly_cap=5)
    assert ask("get_channel", "ops")["hourly_cap"] == 5
    assert [one["name"] for one in ask("list_channels")] == ["ops"]
    assert ask("test_channel", "ops")["outcome"] != "sent"
    ask("remove_channel", "ops")


def _letters(ask: Checked, installation: Installation) -> None:
    letter = dead_letter(installation, "acme", "{")
    sent = ask("redrive_dead_letter", letter["topic"], letter["offset"])
    assert (sent["offset"], sent["to"]["topic"]) == (letter["offset"], installation.topic(letter["topic"]))


def _events(ask: Checked, fettle: Fettle) -> None:
    with ThreadPoolExecutor() as pool:
        first = pool.submit(lambda: next(fettle.events()))
        eventually(lambda: fettle.comment_on_ticket(1, "Hello?") and first.done(), "an event of the ticket")
    assert first.result().data["ticket"]["number"] == 1
    ask.called.add("events")


def _end(ask: Checked) -> None:
    with pytest.raises(Refused) as unsure:
        ask("delete_org", "acne")
    assert (unsure.value.status, unsure.value.field) == (409, "confirm")
    ask("delete_org", "acme")
    with pytest.raises(Refused) as gone:
        ask("list_orgs")
    assert gone.value.status == 401


def _story(url: str, token: str) -> None:
    """What the client's own page shows, run as it stands."""
    (program,) = re.findall(r"```python\n(.*?)```", README.read_text(), flags=re.DOTALL)
    exec(compile(program, str(README), "exec"), {"url": url, "token": token})
