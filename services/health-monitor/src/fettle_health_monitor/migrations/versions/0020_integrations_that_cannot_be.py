"""What heartbeats of entered devices named as their integration and cannot be one is no longer known."""

from alembic import op

revision = "0020"
down_revision = "0019"

# A decision about such a device ended the correlator once its entry named no integration any more.
CANNOT_BE = """
UPDATE subject SET heard_integration = NULL WHERE octet_length(heard_integration) > 200
"""


def upgrade() -> None:
    op.execute(CANNOT_BE)
