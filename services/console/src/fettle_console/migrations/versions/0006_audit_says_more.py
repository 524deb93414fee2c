"""What the outcome of an entry of the audit log says beyond its status, and who made the token that asked."""

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    # `about` is a flat object of texts. `made_by` is kept here as a token's own row goes when it is revoked.
    op.execute("ALTER TABLE audit ADD COLUMN about json, ADD COLUMN made_by text")
