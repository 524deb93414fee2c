"""Who is behind the ids by which the services know people and tokens."""

from collections.abc import Iterable, Mapping
from uuid import UUID

from sqlalchemy import text

from fettle_chassis.database import Database
from fettle_console.domain.audit import token_of
from fettle_console.domain.credentials import Installer

# Of who is gone the audit log knows the name; an index finds it.
_NAMES = text("""
    SELECT asked.id, COALESCE(
        (SELECT name FROM token WHERE token.id = asked.token AND org = :org),
        (SELECT name FROM member WHERE org = :org AND person = asked.id),
        (SELECT actor_name FROM audit WHERE org = :org AND actor_id = asked.id ORDER BY audit.id DESC LIMIT 1)
    ) AS name FROM unnest(CAST(:ids AS text[]), CAST(:tokens AS uuid[])) AS asked (id, token)
""")
_INSTALLATION = "the installation"


class Names:
    """Names of whoever acts in an org, or did before they were gone."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(self, org: str, ids: Iterable[str]) -> Mapping[str, str]:
        """The name of each; whoever has none is called by their id."""
        asked = sorted(set(ids))
        if not asked:
            return {}
        said = {"org": org, "ids": asked, "tokens": [_token(id) for id in asked]}
        async with self._database.reading() as connection:
            found = {row.id: row.name for row in await connection.execute(_NAMES, said)}
        return {id: found[id] or (_INSTALLATION if id == Installer().actor_id else id) for id in asked}


def _token(id: str) -> UUID | None:
    try:
        return token_of(id)
    except ValueError:
        return None
