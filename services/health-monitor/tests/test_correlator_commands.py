"""Commands about lists that are longer than one command may be. Pure."""

from uuid import UUID

import pytest
from correlator_facts import OFFLINE, T0

from fettle_contracts.commands import CHECKLIST_LIMIT, UpdateChecklist
from fettle_health_monitor.domain.correlator.commands import checklists
from fettle_health_monitor.domain.correlator.rollups import MANY, Member, Parent


def members(first: int, count: int) -> list[Member]:
    return [Member(f"device/d{number}", OFFLINE) for number in range(first, first + count)]


@pytest.mark.rule("HM-313")
@pytest.mark.parametrize(
    ("added", "ticked", "sizes"),
    [
        (0, 0, []),
        (500, 1, [(500, 1)]),
        (501, 0, [(500, 0), (1, 0)]),
        (3, 1_200, [(3, 500), (0, 500), (0, 200)]),
    ],
)
def test_a_long_list_comes_by_several_commands(added: int, ticked: int, sizes: list[tuple[int, int]]) -> None:
    assert CHECKLIST_LIMIT == 500
    add, recovered = members(0, added), members(added, ticked)
    parent = Parent("integration/hue-1", MANY)

    def made(cause: int = 1) -> list[tuple[UUID, UpdateChecklist]]:
        sent = checklists("acme", parent, add=add, recovered=recovered, at=T0, caused_by=UUID(int=cause))
        bodies = [one.body for one in sent]
        assert all(isinstance(body, UpdateChecklist) for body in bodies)
        return [(one.id, one.body) for one in sent if isinstance(one.body, UpdateChecklist)]

    commands = made()
    assert [(len(body.add), len(body.recovered)) for _, body in commands] == sizes
    assert [f"device/{one.id}" for _, body in commands for one in body.add] == [one.subject for one in add]
    assert [f"device/{one.id}" for _, body in commands for one in body.recovered] == [one.subject for one in recovered]
    assert len({id for id, _ in commands}) == len(sizes)
    assert made() == commands
    assert not {id for id, _ in made(2)} & {id for id, _ in commands}
