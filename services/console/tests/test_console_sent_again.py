"""What was sent and could not be carried out now can be sent again from the page that says so."""

from html import unescape

import httpx2
import pytest
from console_html import elements
from console_world import World

pytestmark = pytest.mark.asyncio(loop_scope="session")

FORM = {"title": 'Lift "3" <makes> a noise', "subject_type": "other", "description": "One\n\ntwo", "command_id": "c1"}
NEW = "/orgs/acme/tickets/new"


def sent(page: httpx2.Response) -> dict[str, str]:
    """What the page would send again."""
    inputs = [attributes for tag, attributes in elements(page.text) if tag == "input"]
    return {str(one["name"]): unescape(str(one["value"])) for one in inputs}


@pytest.mark.rule("AC-126")
async def test_what_was_sent_after_a_session_was_over_is_sent_again_after_signing_in(world: World) -> None:
    await world.token("acme", "operator")
    answer = await world.post(NEW, **FORM)
    assert (answer.status_code, "was not carried out" in answer.text) == (401, True)
    assert sent(answer) == FORM
    await world.sign_in("acme", "operator")
    again = await world.post(NEW, **sent(answer))
    assert again.status_code == 303
    assert "Lift &#34;3&#34; &lt;makes&gt; a noise" in (await world.http.get(again.headers["location"])).text


@pytest.mark.rule("AC-126")
async def test_what_a_service_that_is_away_did_not_hear_is_sent_again(world: World) -> None:
    await world.sign_in("acme", "operator")
    form = {"whom": "selection", "space": "oslo", "length": "3600", "reason": "Rewiring", "action": "make"}
    answer = await world.post("/orgs/acme/new-silence", **form, command_id="c1")
    assert (answer.status_code, sent(answer)) == (503, {**form, "command_id": "c1"})


@pytest.mark.rule("AC-126", "AC-145")
async def test_secrets_tokens_and_what_a_foreign_page_sent_are_not_in_the_answer(world: World) -> None:
    await world.token("acme", "operator")
    for path in ("/orgs/acme/secrets", "/sign-in"):
        answer = await world.post(path, name="slack", value="hunter2", token="hunter2")
        assert (answer.status_code, "hunter2" in answer.text) == (401, False)
    foreign = await world.http.post(NEW, data=FORM, headers={"origin": "https://evil.example"})
    assert (foreign.status_code, sent(foreign)) == (403, {})


@pytest.mark.rule("AC-126")
async def test_what_cannot_go_well_later_is_not_offered_again(world: World) -> None:
    await world.sign_in("acme", "viewer")
    answer = await world.post(NEW, **FORM)
    assert (answer.status_code, sent(answer)) == (403, {})
