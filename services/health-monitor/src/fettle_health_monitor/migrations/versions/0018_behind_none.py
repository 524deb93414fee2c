"""Integrations are behind none: what their heartbeats or the registry named as their integration is no longer known."""

from alembic import op

revision = "0018"
down_revision = "0017"

# Joins by it took such an integration for a device behind the one that it named, mostly itself.
BEHIND_NONE = """
UPDATE subject SET heard_integration = NULL, entered_integration = NULL
WHERE starts_with(subject, 'integration/') AND num_nonnulls(heard_integration, entered_integration) > 0
"""


def upgrade() -> None:
    op.execute(BEHIND_NONE)
