"""Who a person is by their claims, which roles these give, and what a sign-in changes in the orgs they are in."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fettle_chassis.settings import SettingsError
from fettle_console.domain.members import GivenBy, Member, arrival, leaves_no_admin
from fettle_console.domain.people import ClaimRules, Person, Unusable, grants, person_of
from fettle_console.settings import ConsoleSettings
from fettle_contracts.roles import Role

NOW = datetime(2026, 11, 27, 6, 0, tzinfo=UTC)
LATER = datetime(2026, 11, 27, 7, 0, tzinfo=UTC)
CLAIMS: dict[str, Any] = {
    "iss": "https://login.test",
    "sub": "17",
    "email": "Ann@Acme.test",
    "email_verified": True,
    "name": "Ann",
    "groups": ["acme:operator"],
}
ACCOUNT = "https://login.test#17"
HUMAN = (Role.VIEWER, Role.OPERATOR, Role.ADMIN)


def read(rules: ClaimRules = ClaimRules(), **claims: Any) -> Person | Unusable:  # noqa: B008 - frozen
    return person_of({**CLAIMS, **claims}, rules)


def ann(**roles: Role) -> Person:
    return Person("ann@acme.test", ACCOUNT, "Ann", roles)


def member(org: str, role: Role, given_by: GivenBy = GivenBy.PROVIDER, account: str | None = ACCOUNT) -> Member:
    return Member(org, "ann@acme.test", role, given_by, NOW, "boss@acme.test", account=account)


@pytest.mark.rule("AC-112")
def test_a_person_is_their_verified_address_in_lower_case() -> None:
    assert read() == ann(acme=Role.OPERATOR)
    assert read(email_verified="true") == ann(acme=Role.OPERATOR)
    for unverified in (False, None, "false", 1, "yes"):
        assert isinstance(read(email_verified=unverified), Unusable), unverified


@pytest.mark.rule("AC-112")
@pytest.mark.parametrize(
    "name", [None, 17, "", " ", "a\nb", "a\x00", "x" * 201, "demo", "installation", "token/17", "fettle/console"]
)
def test_what_can_be_no_persons_name_lets_nobody_in(name: Any) -> None:
    assert isinstance(read(ClaimRules(person_claim="preferred_username"), preferred_username=name), Unusable)


@pytest.mark.rule("AC-112")
def test_roles_are_found_where_the_installation_says() -> None:
    nested = read(ClaimRules(roles_claim="realm_access.roles"), realm_access={"roles": ["acme:admin", 5, "other"]})
    assert isinstance(nested, Person)
    assert nested.roles == {"acme": Role.ADMIN}
    url = "https://fettle.test/roles"
    flat = read(ClaimRules(roles_claim=url), **{url: "acme:viewer globex:admin"})
    assert isinstance(flat, Person)
    assert flat.roles == {"acme": Role.VIEWER, "globex": Role.ADMIN}
    mapped = read(
        ClaimRules(roles={"cn=ops,ou=x": "acme:operator globex:viewer"}), groups=["cn=ops,ou=x", "acme:admin"]
    )
    assert isinstance(mapped, Person)
    assert mapped.roles == {"acme": Role.OPERATOR, "globex": Role.VIEWER}, "with a table only what stands in it counts"


@pytest.mark.rule("AC-112")
@given(st.lists(st.sampled_from(HUMAN), min_size=1))
def test_of_several_roles_the_highest_counts(roles: list[Role]) -> None:
    person = read(groups=[f"acme:{role}" for role in roles])
    assert isinstance(person, Person)
    assert person.roles == {"acme": max(roles, key=HUMAN.index)}


@pytest.mark.rule("AC-112")
@pytest.mark.parametrize("text", ["", "acme", "acme:ingest", "acme:root", "ACME:admin", ":admin", "acme:admin x"])
def test_what_is_no_grant_gives_nothing(text: str) -> None:
    with pytest.raises(ValueError):
        grants(text)
    person = read(groups=[text])
    assert isinstance(person, Person)
    assert person.roles == {}


@pytest.mark.rule("AC-112")
def test_what_the_provider_gave_goes_when_it_says_so_no_more_and_what_an_admin_gave_stays() -> None:
    known = [member("acme", Role.ADMIN), member("globex", Role.VIEWER, GivenBy.ORG, account=None)]
    decided = arrival(known, ann(), (), LATER)
    assert decided.left == ("acme",)
    [stays] = decided.present
    assert (stays.org, stays.role, stays.account, stays.signed_in_at) == ("globex", Role.VIEWER, ACCOUNT, LATER)
    raised = arrival(known, ann(acme=Role.VIEWER, globex=Role.ADMIN), ("acme", "globex"), LATER)
    assert {each.org: each.role for each in raised.present} == {"acme": Role.VIEWER, "globex": Role.VIEWER}


@pytest.mark.rule("AC-112")
def test_another_account_of_the_same_name_does_not_get_what_an_admin_gave() -> None:
    known = [member("acme", Role.ADMIN, GivenBy.ORG, account="https://login.test#3")]
    decided = arrival(known, ann(acme=Role.ADMIN), ("acme",), LATER)
    assert (decided.present, decided.taken) == ((), ("acme",))
    given = arrival([member("acme", Role.ADMIN, account="https://login.test#3")], ann(acme=Role.VIEWER), ("acme",), NOW)
    assert [(each.role, each.account) for each in given.present] == [(Role.VIEWER, ACCOUNT)]


@pytest.mark.rule("AC-115")
@given(st.dictionaries(st.sampled_from("abcd"), st.sampled_from(HUMAN)), st.sampled_from("abcd"))
def test_only_the_last_admin_is_kept(roles: dict[str, Role], person: str) -> None:
    others = [who for who, role in roles.items() if role is Role.ADMIN and who != person]
    last = roles.get(person) is Role.ADMIN and not others
    for role in (None, Role.VIEWER, Role.OPERATOR):
        assert leaves_no_admin(roles, person, role) is last
    assert not leaves_no_admin(roles, person, Role.ADMIN)


SETTINGS = {
    "FETTLE_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9092",
    "FETTLE_SIGNING_KEYS": "k:" + "QUFB" * 11,
    "FETTLE_PUBLIC_URL": "https://fettle.test",
    "FETTLE_OIDC_ISSUER": "https://login.test",
    "FETTLE_OIDC_CLIENT_ID": "fettle",
}


@pytest.mark.rule("AC-110")
@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"FETTLE_OIDC_ISSUER": "http://login.test"}, "https"),
        ({"FETTLE_OIDC_ISSUER": "https://login.test?x=1"}, "query"),
        ({"FETTLE_OIDC_CLIENT_ID": ""}, "FETTLE_OIDC_CLIENT_ID"),
        ({"FETTLE_OIDC_ISSUER": ""}, "FETTLE_OIDC_ISSUER"),
        ({"FETTLE_PUBLIC_URL": ""}, "FETTLE_PUBLIC_URL"),
        ({"FETTLE_OIDC_SCOPES": "email"}, "openid"),
        ({"FETTLE_OIDC_ROLES": "ops=acme:admin"}, "JSON"),
        ({"FETTLE_OIDC_ROLES": '{"ops": "acme:root"}'}, "grant"),
        ({"FETTLE_OIDC_ROLES": '["ops"]'}, "FETTLE_OIDC_ROLES"),
    ],
)
def test_settings_that_cannot_work_stop_the_start_and_are_named(changed: dict[str, str], named: str) -> None:
    assert ConsoleSettings.load(SETTINGS).claim_rules == ClaimRules()
    with pytest.raises(SettingsError, match=named):
        ConsoleSettings.load({**SETTINGS, **changed})
