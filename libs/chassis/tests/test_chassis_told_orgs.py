"""What is taken for the console's word about an org."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from fettle_chassis.failures import BadRecord
from fettle_chassis.records import Record
from fettle_chassis.signing import Signer, SigningKey, Verifier
from fettle_chassis.told_orgs import OrgDecoder, ToldOrg, newest_of_each
from fettle_contracts.cloudevents import CloudEvent, to_binary
from fettle_contracts.orgs import ORG, Org

KEYS = [SigningKey("k1", b"x" * 32)]
AT = datetime(2026, 1, 1, tzinfo=UTC)
ACME = Org(org="acme", name="Acme", created_at=AT)
WORD = CloudEvent(id="o", source="fettle/console", type=ORG, time=AT, data=ACME.to_json(), key="acme")


def read(event: CloudEvent) -> ToldOrg | None:
    headers, value = to_binary(Signer(KEYS).sign_event(event))
    return OrgDecoder(Verifier(KEYS))(Record("orgs", 0, 1, 0, (event.key or "").encode(), value, tuple(headers)))


def test_a_signed_word_under_its_orgs_key_counts() -> None:
    assert read(WORD) == ToldOrg(ACME, AT)


def test_a_tombstone_and_what_comes_later_say_nothing() -> None:
    assert OrgDecoder(Verifier(KEYS))(Record("orgs", 0, 1, 0, b"acme", None, ())) is None
    assert read(replace(WORD, type="fettle.org.merged.v1")) is None


def test_a_word_under_another_orgs_key_is_set_aside() -> None:
    with pytest.raises(BadRecord) as bad:
        read(replace(WORD, key="globex"))
    assert bad.value.code == "key_invalid"


def test_the_newest_word_about_each_org_is_kept() -> None:
    globex = ACME.model_copy(update={"org": "globex"})
    said = [
        ToldOrg(ACME, AT + timedelta(minutes=2)),
        ToldOrg(globex, AT),
        ToldOrg(ACME, AT),
        ToldOrg(globex.model_copy(update={"deleted": True}), AT),
    ]
    assert newest_of_each(said) == [said[0], said[3]]


@pytest.mark.rule("TS-115")
def test_a_deletion_is_the_last_word_about_its_org_whatever_the_times_say() -> None:
    gone = ToldOrg(ACME.model_copy(update={"deleted": True}), AT)
    ahead = ToldOrg(ACME, AT + timedelta(days=9_000))
    for said in ([ahead, gone], [gone, ahead], [gone, ahead, ahead]):
        assert newest_of_each(said) == [gone]
