"""The chassis's own tables, created by each service's first migration. Never edit a published version; add `_v2`."""

from alembic.operations import Operations


def create_chassis_tables_v1(op: Operations) -> None:
    """Creates `outbox`, `inbox`, `partition_owner`, `crash`. Call first in a service's first migration:
    `create_chassis_tables_v1(op)` with `from alembic import op`."""
    raise NotImplementedError
