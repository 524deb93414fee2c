"""Why a ticket about many subjects opened, as its page says it."""

import html
import re

import pytest
from console_health_fake import WHY
from console_world import World

from fettle_console.views.why import Why

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.rule("AC-183")
async def test_a_page_says_why_a_ticket_about_many_opened(world: World) -> None:
    hue = {"type": "integration", "id": "hue-1", "name": "Hue bridge"}
    world.tickets.open("acme", "Many", kind="multiple_devices_offline", subject=hue)
    world.tickets.open("acme", "Lost", kind="heartbeats_lost", subject={"type": "other", "id": "heartbeats"})
    many, lost = (world.tickets.timelines["acme", number][0] for number in (1, 2))
    common = {"threshold": 5, "window_s": 600, "policy_version": 3}
    await world.sign_in("acme", "viewer")

    async def why(number: int) -> str:
        page = await world.http.get(f"/orgs/acme/tickets/{number}")
        return html.unescape(re.findall(r'<p class="because">(.*?)</p>', page.text)[0])

    many["evidence"] = {**common, "failing": 7, "first": "device/d1"}
    assert await why(1) == (
        "7 devices behind Hue bridge were unhealthy within 10 min, d1 as the first to fire; "
        "from 5 on they share one ticket, by version 3 of the policy."
    )
    lost["evidence"] = {**common, "threshold": 10, "unknown": 11, "counted": 12}
    assert await why(2) == (
        "11 of the 12 subjects that count fell silent within 10 min; from 10 on this says rather that heartbeats do "
        "not arrive than that all of them are down, by version 3 of the policy."
    )
    many["evidence"] = {"failing": 7, "policy_version": 3}
    assert await why(1) == (
        "7 devices behind Hue bridge were unhealthy; they share one ticket, by version 3 of the policy."
    )
    many["evidence"], lost["evidence"] = {"policy_version": 4}, {}
    assert "share one ticket, by version 4" in await why(1)
    assert await why(2) == "Nearly all subjects fell silent together."


@pytest.mark.rule("AC-80", "HM-339")
async def test_what_would_have_decided_otherwise_is_said_in_plain_words() -> None:
    now, early = ({"from_the_beginning": early, "length_s": None} for early in (False, True))
    discover = {"what": "discover", "present": "list_only", "wanted": "judge", **now}
    publishing = {"what": "publish_tickets", "present": True, "wanted": False}
    no_more = {**discover, "present": "judge", **early}
    on_all_along = {**publishing, "wanted": True, **early}
    timeout = {"what": "timeout_s", "present": 90, "wanted": 90, **early}
    no_whole_seconds = {**timeout, "present": 37.5, "wanted": 38, **now}
    publishings = [{**publishing, **now}, {**publishing, **early}, on_all_along]
    others = [no_more, *WHY["others"], *publishings, timeout, no_whole_seconds]
    assert Why.of({**WHY, "change": discover, "others": others}).changes == [
        "watching newcomers instead of only listing them",
        "watching newcomers from the beginning",
        "a silence of 1 h",
        "publishing of tickets off instead of on",
        "publishing of tickets off from the beginning",
        "publishing of tickets on from the beginning",
        "timeout 90 s from the beginning",
        "timeout 38 s instead of 37.5 s",
    ]
