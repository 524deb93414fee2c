"""Which orgs there are: each is given its ready-made workflows once, and emptied when it was deleted."""

from alembic import op

revision = "0005"
down_revision = "0004"

STATEMENTS = (
    """
    CREATE TABLE org (
        org text PRIMARY KEY,
        deleted boolean NOT NULL,
        told_at timestamptz NOT NULL
    )
    """,
    "COMMENT ON TABLE org IS 'Every org ever heard of. The row says that ready-made workflows were given.'",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
