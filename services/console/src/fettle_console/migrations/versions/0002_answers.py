"""First answers to writes with an Idempotency-Key."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    # `org` is empty for what belongs to no org yet. No answer holds a token's text.
    op.execute(
        """
        CREATE TABLE answer (
            org text NOT NULL,
            key text NOT NULL,
            fingerprint bytea NOT NULL,
            status integer,
            body json,
            at timestamptz NOT NULL,
            PRIMARY KEY (org, key)
        )
        """
    )
    op.execute("CREATE INDEX answer_at ON answer (at)")
