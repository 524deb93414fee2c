"""Secrets: sealed, named in templates, filled in last, and gone from all that is kept, logged and shown."""

import base64
import html
import json
import math
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, quote_plus, unquote

import pytest
from engine_world import World, world_of
from hypothesis import example, given
from hypothesis import strategies as st
from sqlalchemy import text

from fettle_chassis.signing import SigningKey
from fettle_chassis.unit_of_work import unit_of_work
from fettle_workflow_engine.adapters import secret_rows
from fettle_workflow_engine.adapters.conditions import CelConditions
from fettle_workflow_engine.adapters.secret_box import NoKeys, Sealed, SecretBox, Unreadable
from fettle_workflow_engine.adapters.templates import JinjaTemplates
from fettle_workflow_engine.adapters.vault import Resealing, Vault
from fettle_workflow_engine.domain.calls import Failed, Retry
from fettle_workflow_engine.domain.definition import Reference, Template
from fettle_workflow_engine.domain.faults import DocumentRefused
from fettle_workflow_engine.domain.languages import Languages
from fettle_workflow_engine.domain.resolve import InputFailed, resolve
from fettle_workflow_engine.domain.secrets import HIDDEN, Redaction, SecretNames, cut, filled, legible, named, shortened
from fettle_workflow_engine.domain.validate import load

OLD, NEW = SigningKey("k1", b"o" * 32), SigningKey("k2", b"n" * 40)
TEMPLATES = JinjaTemplates()


def value_of(source: str, **event: Any) -> Any:
    scope = {"event": event, "secrets": SecretNames()}
    return resolve(Template(source), scope, TEMPLATES)


def test_a_template_names_a_secret_and_the_call_fills_it_in() -> None:
    marked = {"headers": {"authorization": value_of("Bearer {{ secrets.token }}")}, "n": 1}
    assert named(marked) == {"token"}
    assert legible(marked) == {"headers": {"authorization": "Bearer {{ secrets.token }}"}, "n": 1}
    assert filled(marked, {"token": "s3cret-s3cret"}) == {"headers": {"authorization": "Bearer s3cret-s3cret"}, "n": 1}
    whole = resolve(Reference(("secrets", "token")), {"event": {}, "secrets": SecretNames()}, TEMPLATES)
    assert filled(whole, {"token": "s3cret-s3cret"}) == "s3cret-s3cret"
    with pytest.raises(InputFailed):
        resolve(Reference(("secrets", "no-name")), {"event": {}, "secrets": SecretNames()}, TEMPLATES)


@pytest.mark.rule("WF-97")
def test_data_from_outside_cannot_name_a_secret() -> None:
    forged = str(SecretNames()["token"])
    for source in ("{{ event.x }}", "{{ event.y }}", "{{ event.y | json }}", "{{ event.y | join('-') }}",
                   "{{ event.x | truncate(90) }}", "{% for one in event.y %}{{ one }}{% endfor %}",
                   "{{ event.x ~ event.x }}", "{{ event.x | default('') }}"):  # fmt: skip
        assert named(value_of(source, x=forged, y=[forged])) == frozenset(), source
    for path in (("event", "x"), ("event", "y"), ("event",)):
        scope = {"event": {"x": forged, "y": [{forged: forged}]}, "secrets": SecretNames()}
        assert named(resolve(Reference(path), scope, TEMPLATES)) == frozenset()


@pytest.mark.parametrize(
    "source", ["{{ secrets.a | upper }}", "{{ 'x' ~ secrets.a }}", "{% if secrets.a %}x{% endif %}",
               "{{ [secrets.a] }}", "{{ secrets }}", "{{ secrets.a.b }}", "{{ secrets['a'] }}",
               "{% for x in secrets.a %}{% endfor %}"]
)  # fmt: skip
def test_a_secret_stands_alone_between_its_braces(source: str) -> None:
    assert any("stands alone" in one.message for one in TEMPLATES.read(source).complaints)
    assert TEMPLATES.read("a {{ secrets.a }}{% if event.x %}{{ secrets.b }}{% endif %}").complaints == ()


def faults(action: str) -> list[str]:
    document = f"workflow: w\nnodes:\n  go: {{trigger: ticket.opened}}\n  out: {{after: [go], {action}}}"
    try:
        load(document, Languages(TEMPLATES, CelConditions()))
    except DocumentRefused as refusal:
        return [fault.message for fault in refusal.faults]
    return []


def test_documents_name_secrets_in_requests_alone() -> None:
    asked = 'action: http.request, with: {url: "https://a.example", headers: {x: {template: "{{ secrets.a }}"}}'
    assert faults(f"{asked}}}") == []
    assert faults(f"{asked}, body: {{ref: secrets.b}}}}") == []
    comment = 'action: ticket.comment, with: {ticket: {ref: event.ticket.id}, text: {template: "{{ secrets.a }}"}}'
    assert faults(comment) == ["secrets are for http.request alone"]
    assert faults("action: ticket.comment, with: {ticket: {ref: event.ticket.id}, text: {ref: secrets.a}}") != []


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ("url: x, method: FETCH", "`method` must be a method: GET, HEAD, POST, PUT, PATCH, DELETE or OPTIONS"),
        ("url: x, timeout_s: 61", "`timeout_s` must be a number of seconds, at most 60"),
        ("url: x, timeout_s: soon", "`timeout_s` must be a number of seconds, at most 60"),
        ("url: x, expects: 2xx", "`expects` must be statuses: 200-299, 404"),
        ("url: x, headers: [a]", "`headers` must be an object of texts by name"),
        ("url: x, headers: {a: [b]}", "`headers.a` must be text"),
        ('url: x, headers: {template: "a"}', "`headers` is an object of texts by name; a template gives text"),
        ("url: x, body: {a: [{ref: event.nothing}]}", "'event' has no 'nothing'; known: chain, entry, org, ticket"),
        ("method: GET", "http.request needs `url`: text"),
    ],
)
def test_requests_that_cannot_be_right_are_refused_when_saved(fields: str, fault: str) -> None:
    assert faults(f"action: http.request, with: {{{fields}}}") == [fault]
    right = "url: x, method: post, timeout_s: 2.5, expects: 404, query: {a: b}, body: {a: [1, null, {ref: event.org}]}"
    assert faults(f"action: http.request, with: {{{right}}}") == []


@pytest.mark.rule("WF-96")
def test_a_sealed_secret_opens_under_its_org_and_name_only() -> None:
    box = SecretBox([NEW, OLD])
    sealed = box.seal("acme", "token", "s3cret-s3cret")
    assert (sealed.key_id, b"s3cret" in sealed.data) == ("k2", False)
    assert sealed.data != box.seal("acme", "token", "s3cret-s3cret").data
    assert box.open("acme", "token", sealed) == "s3cret-s3cret"
    assert box.open("acme", "token", SecretBox([OLD]).seal("acme", "token", "older-value")) == "older-value"
    for org, name, other in (
        ("globex", "token", sealed),
        ("acme", "other", sealed),
        ("acme", "token", Sealed("k1", sealed.data)),
        ("acme", "token", Sealed("k2", sealed.data[:-1] + bytes([sealed.data[-1] ^ 1]))),
        ("acme", "token", Sealed("k3", sealed.data)),
    ):
        with pytest.raises(Unreadable):
            box.open(org, name, other)
    with pytest.raises(NoKeys):
        SecretBox([]).seal("acme", "token", "s3cret-s3cret")


@pytest.fixture
async def world(environment: dict[str, str]) -> Any:
    async with world_of(environment) as world:
        yield world


async def keep(world: World, box: SecretBox, name: str, value: str) -> None:
    async with unit_of_work(world.database) as work:
        await secret_rows.save(work.connection, "acme", name, box.seal("acme", name, value), "ann", world.now)


@pytest.mark.rule("WF-98")
async def test_a_new_key_seals_what_older_ones_have_sealed(world: World) -> None:
    old, both, new = SecretBox([OLD]), SecretBox([NEW, OLD]), SecretBox([NEW])
    for number in range(205):
        await keep(world, old, f"s{number}", f"value-{number}")
    unread = await Vault(world.database, new).open("acme", ["s1"])
    assert isinstance(unread, Retry)
    assert unread.failure.code == "secret_unreadable"
    await Resealing(world.database, new, on=True).run()
    await Resealing(world.database, both, on=True).run()
    found = await Vault(world.database, new).open("acme", ["s0", "s204"])
    assert found == {"s0": "value-0", "s204": "value-204"}
    async with world.database.reading() as connection:
        assert list(await connection.scalars(text("SELECT DISTINCT key_id FROM secret"))) == ["k2"]


async def test_a_call_that_names_what_is_not_there_fails(world: World) -> None:
    await keep(world, SecretBox([NEW]), "token", "s3cret-s3cret")
    vault = Vault(world.database, SecretBox([NEW]))
    for org, names, absent in (("acme", {"token", "x", "y"}, "x, y"), ("globex", {"token"}, "token")):
        outcome = await vault.open(org, names)
        assert isinstance(outcome, Failed)
        assert (outcome.failure.code, outcome.failure.message) == ("secret_missing", f"The org has no secret {absent}.")
    assert await vault.open("acme", []) == {}


SECRETS = st.text(st.characters(codec="utf-8", exclude_characters="\x00\ufdd2"), min_size=8, max_size=40)


def as_json(secret: str) -> str:
    return json.dumps(secret)[1:-1]


@pytest.mark.rule("WF-158")
@example("ΑΒΓΣΑΒΓΔ", "", 4, str)  # at the end of a word, sigma is written otherwise
@example('"0000000', "", 4, str)
@given(SECRETS, st.text(max_size=5), st.integers(4, 40), st.sampled_from([str, quote, as_json, html.escape]))
def test_the_beginning_of_a_secret_before_a_cut_does_not_come_back(
    secret: str, before: str, kept: int, spelled: Callable[[str], str]
) -> None:
    redaction, begun = Redaction([secret]), spelled(secret)[:kept]
    said = redaction({"error": f"{cut(before + begun)}."})["error"]
    assert said.endswith(f"{HIDDEN}.") or len(begun) < 4
    assert redaction(cut(before)) == redaction(before) or HIDDEN in redaction(cut(before))
    assert Redaction([])(cut(before)) == Redaction([])(before)


def test_what_is_short_enough_is_not_cut() -> None:
    plain = Redaction(["s3cret-s3cret"])
    assert plain(shortened("a s3c", 5)) == "a s3c"
    assert plain(shortened("a s3cr", 6)) == "a s3cr"
    assert plain(shortened("a s3cre", 6)) == "a [secret]"
    assert plain(shortened("a S3CRet-", 8)) == "a [secret]"
    assert plain(shortened("a s3cx", 5)) == "a s3c"


@pytest.mark.rule("WF-97")
def test_secrets_are_known_in_the_spellings_of_other_languages() -> None:
    secret = """a/b&c+d"e'f<g>h  i"""
    redaction = Redaction([secret])
    for spelled in (
        r"""a\/b&c+d\"e'f<g>h  i""",  # PHP
        r"""a/b\u0026c+d\"e'f\u003cg\u003eh  i""",  # Go
        r"""a/b\u0026c\u002Bd\u0022e\u0027f\u003Cg\u003Eh  i""",  # .NET
        """a/b&amp;c+d&#34;e&#39;f&lt;g&gt;h  i""",
        """a/b&amp;c+d&quot;e&#x27;f&lt;g&gt;h  i""",
        """a/b&c+d"e'f<g>h i""",
        r"""a/b&c+d\\\"e'f<g>h  i""",  # JSON in a text of JSON
    ):
        assert redaction(f"({spelled})") == f"({HIDDEN})", spelled


@pytest.mark.rule("WF-97")
@pytest.mark.parametrize("user", ["", "o", "op", "ops"])
@pytest.mark.parametrize("secret", ["s3cret-s3cret", "?>~~~?>~~~?>", "pässwörd-é"])
def test_a_secret_in_a_basic_header_is_known_wherever_it_begins(user: str, secret: str) -> None:
    """As others make one of it, in the spellings of languages and addresses; but for the ends, which it shares."""
    login, redaction = f"{user}:{secret}", Redaction([secret])
    plain = base64.b64encode(login.encode()).decode()
    for spelled in (plain, plain.replace("/", r"\/"), plain.replace("+", r"\u002B"), quote(plain, safe=""),
                    quote(plain), base64.urlsafe_b64encode(login.encode()).decode()):  # fmt: skip
        said = redaction(f"401: no such user: Basic {spelled}.")
        left = unquote(said.partition("Basic ")[2].replace(HIDDEN, "").replace(r"\/", "/").replace(r"\u002B", "+"))
        assert HIDDEN in said, spelled
        of_user = math.ceil((len(user.encode()) + 1) * 4 / 3)
        assert len(left.rstrip("=.")) <= of_user + 1, said


@pytest.mark.rule("WF-97")
@pytest.mark.parametrize("scheme", ["", "Basic "])
def test_of_a_header_that_is_kept_whole_what_servers_repeat_of_it_is_known(scheme: str) -> None:
    encoded = base64.b64encode(b"ops:opal-0123456789").decode()
    redaction = Redaction([scheme + encoded])
    assert redaction(f"{scheme}{encoded} means ops:opal-0123456789") == f"{HIDDEN} means {HIDDEN}"
    assert redaction("The password opal-0123456789 is old.") == f"The password {HIDDEN} is old."
    assert redaction({"login": encoded}) == {"login": HIDDEN}
    assert Redaction(["Bearer s3cret-s3cret"])("No token s3cret-s3cret.") == f"No token {HIDDEN}."
    for other in ("opal-0123456789", "b3BzOm9wYWwtMDEyMzQ1Njc4OQ", "whsec_AAAAAAAAAAAAAAAA"):
        assert Redaction([other])(f"<{other}> stays ops") == f"<{HIDDEN}> stays ops"


@pytest.mark.rule("WF-97")
@given(SECRETS, st.text(max_size=5), st.text(max_size=5))
def test_no_spelling_of_a_secret_comes_back(secret: str, before: str, after: str) -> None:
    redaction = Redaction([secret])
    data, around = secret.encode(), (before.encode(errors="replace"), after.encode(errors="replace"))
    for spelled in (
        secret, quote(secret), quote(secret, safe=""), quote_plus(secret), json.dumps(secret)[1:-1], data.hex(),
        json.dumps(secret, ensure_ascii=False)[1:-1], html.escape(secret, quote=False), data.hex().upper(),
        base64.b64encode(data).decode().rstrip("="), base64.urlsafe_b64encode(data).decode().rstrip("="),
        quote(secret).lower(), quote(quote(secret, safe=""), safe=""), json.dumps(json.dumps(secret))[3:-3],
    ):  # fmt: skip
        if len(spelled) < 6:
            continue
        said = redaction({"error": [f"{before} {spelled} {after}"], f"k{spelled}": 1})
        assert spelled not in json.dumps(said, ensure_ascii=False).replace(HIDDEN, "")
    inside = base64.b64encode(around[0] + data + around[1]).decode()
    start = (len(around[0]) * 8 + 5) // 6
    own = inside[start : (len(around[0]) + len(data)) * 8 // 6]
    assert own not in redaction(inside)
    numbers = Redaction(["12345678"])({"a": 12345678, "b": [123456789.5, True, 1234567, None]})
    assert numbers == {"a": HIDDEN, "b": [HIDDEN, True, 1234567, None]}
    assert redaction("nothing of it") == "nothing of it" or secret in "nothing of it"
