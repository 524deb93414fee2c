"""What a replay of the log says, beside what has been published."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from fettle_health_monitor.domain.correlator.evidence import in_words
from fettle_health_monitor.domain.judge.checkpoint import Snapshot, restore
from fettle_health_monitor.domain.judge.subjects import INSTANTS, SMALL
from fettle_health_monitor.domain.judgements import Change

Wrong = Literal["missing", "surplus", "different", "out_of_order"]


class Statement(NamedTuple):
    """A change under its id, in the words of `health.transitions`."""

    id: str
    said: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Difference:
    """`replayed` is what the log says, `found` what stands there, None where it has nothing of this id. `fields` are
    those in which they differ."""

    wrong: Wrong
    id: str
    replayed: Mapping[str, Any] | None
    found: Mapping[str, Any] | None
    fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Comparison:
    same: int
    differences: tuple[Difference, ...]


def compare(replayed: Sequence[Statement], found: Sequence[Statement]) -> Comparison:
    """Id by id, in the order of the replay; what only was found comes last. One that stands behind another which the
    replay has later is out of order."""
    there = {statement.id: (place, statement.said) for place, statement in enumerate(found)}
    same, differences, farthest = 0, list[Difference](), -1
    for id, said in replayed:
        if id not in there:
            differences.append(Difference("missing", id, said, None))
            continue
        place, other = there.pop(id)
        fields = tuple(sorted(name for name in said.keys() | other.keys() if said.get(name) != other.get(name)))
        if fields:
            differences.append(Difference("different", id, said, other, fields))
        elif place < farthest:
            differences.append(Difference("out_of_order", id, said, other))
        else:
            same += 1
        farthest = max(place, farthest)
    differences += (Difference("surplus", id, None, said) for id, (_, said) in there.items())
    return Comparison(same, tuple(differences))


def of_judged(change: Change) -> Statement:
    """A change as its judge says it."""
    return Statement(change.id, {"subject": change.subject, **in_words(change)})


def of_history(id: str, org: str, body: Mapping[str, Any]) -> Statement:
    """A transition as it stands in the history of `org`. What its subject is called is not the judge's to say."""
    kept = ("from", "to", "condition", "at", "since", "policy_version", "flap_count", "evidence")
    subject = f"{body['subject']['type']}/{body['subject']['id']}"
    whose = {} if body["org"] == org else {"org": body["org"]}
    return Statement(id, {"subject": subject, **{name: body.get(name) for name in kept}, **whose})


def subjects_that_differ(org: str, one: Snapshot, other: Snapshot) -> list[str]:
    """The org's subjects that two states of a shard do not have alike, or that only one of them has. Takes a while for
    a large shard."""
    left, right = _of_org(org, one), _of_org(org, other)
    return sorted(key.decode() for key in left.keys() | right.keys() if left.get(key) != right.get(key))


def _of_org(org: str, saved: Snapshot) -> dict[bytes, tuple[object, ...]]:
    judge = restore(saved).judge
    subjects = judge.subjects
    columns: Iterable[str] = (*INSTANTS, *SMALL, "name", "space")
    return {
        key.split(b"/", 1)[1]: (
            *(getattr(subjects, name)[row] for name in columns),
            subjects.profiles.values[subjects.profile[row]],
            judge.timing(row),
            judge.turned.get(row),
        )
        for key, row in subjects.rows.items()
        if key.startswith(f"{org}/".encode())
    }
