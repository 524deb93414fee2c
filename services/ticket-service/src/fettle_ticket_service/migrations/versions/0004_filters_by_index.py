"""Filters find what is rare by index: a list that has little to show would read all of an org's tickets otherwise."""

from alembic import op

revision = "0004"
down_revision = "0003"

INDEXES = (
    # PostgreSQL skips from source to source where only the kind is asked for.
    "CREATE INDEX ticket_of_kind ON ticket (org, source, kind)",
    "CREATE INDEX ticket_of_integration ON ticket (org, integration) WHERE integration IS NOT NULL",
    "CREATE INDEX ticket_in_space ON ticket (org, space text_pattern_ops) WHERE space IS NOT NULL",
)


def upgrade() -> None:
    for index in INDEXES:
        op.execute(index)
