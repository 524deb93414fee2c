"""The time zone of an org, by which its pages show exact times."""

from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    # An IANA name; without one each reader sees their own clock.
    op.execute("ALTER TABLE org ADD COLUMN zone text")
