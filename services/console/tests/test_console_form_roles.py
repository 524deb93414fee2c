"""Who may send which form: every one that the pages have, tried by each role with nothing and with nonsense in it."""

import re
from collections.abc import Iterator
from uuid import uuid4

import pytest
from console_world import World
from fastapi.routing import APIRoute

from fettle_chassis.tokens import Role
from fettle_console.entrypoints.pages.app import MODULES

pytestmark = pytest.mark.asyncio(loop_scope="session")

ORG = "/orgs/{org}"
READERS = {"/preview"}
OPERATORS = {
    "/tickets/new",
    "/tickets/bulk",
    *(f"/tickets/{{number}}/{part}" for part in ("update", "description", "links")),
    *("/silence", "/unsilence", "/new-silence"),
    *("/runs/{id}/{act}", "/workflows/{name}/start"),
}
"""What readers and operators may send; everything else is for admins."""

NONSENSE = dict.fromkeys(("command_id", "action", "version", "enabled", "days", "silence", "length_s", "base"), "\x00")


def forms() -> Iterator[APIRoute]:
    for module in MODULES:
        for route in module.router.routes:
            if isinstance(route, APIRoute) and route.methods != {"GET"} and route.path.startswith(f"{ORG}/"):
                yield route


def needed(route: APIRoute) -> Role:
    path = route.path.removeprefix(ORG)
    return Role.VIEWER if path in READERS else Role.OPERATOR if path in OPERATORS else Role.ADMIN


async def test_the_forms_that_are_not_for_admins_alone_are_there() -> None:
    assert {f"{ORG}{path}" for path in READERS | OPERATORS} <= {route.path for route in forms()}
    assert len(list(forms())) > len(READERS | OPERATORS) + 20


@pytest.mark.rule("AC-189", "AC-3")
@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR, Role.ADMIN])
async def test_a_form_is_refused_for_its_role_before_for_what_stands_in_it(world: World, role: Role) -> None:
    world.workflows.on = True
    await world.sign_in("acme", role.value)
    faults = []
    for route in forms():
        for name, said in (("7", {}), (str(uuid4()), {}), ("x", NONSENSE)):
            path = re.sub(r"\{\w+\}", name, route.path.replace("{org}", "acme"))
            status = (await world.post(path, **said)).status_code
            if (status == 403) is role.covers(needed(route)):
                faults.append((path, said, status))
    assert faults == []
    assert world.tickets.tickets == {}
