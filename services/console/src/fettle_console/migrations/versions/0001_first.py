"""Orgs, tokens, sessions."""

from alembic import op

from fettle_chassis.schema import create_chassis_tables_v1

revision = "0001"
down_revision = None


def upgrade() -> None:
    create_chassis_tables_v1(op)
    op.execute(
        """
        CREATE TABLE org (
            org text PRIMARY KEY,
            name text NOT NULL,
            created_at timestamptz NOT NULL
        )
        """
    )
    op.execute(
        """
        CREATE TABLE token (
            id uuid PRIMARY KEY,
            org text NOT NULL REFERENCES org,
            role text NOT NULL,
            name text NOT NULL,
            hash text NOT NULL UNIQUE,
            created_at timestamptz NOT NULL,
            created_by text NOT NULL,
            expires_at timestamptz NOT NULL
        )
        """
    )
    op.execute("CREATE INDEX token_of_org ON token (org, id)")
    # A session lives no longer than the token that it came with: revoking one ends the other.
    op.execute(
        """
        CREATE TABLE session (
            hash text PRIMARY KEY,
            org text NOT NULL REFERENCES org,
            role text NOT NULL,
            actor_id text NOT NULL,
            actor_name text NOT NULL,
            token uuid REFERENCES token ON DELETE CASCADE,
            created_at timestamptz NOT NULL,
            expires_at timestamptz NOT NULL
        )
        """
    )
    op.execute("CREATE INDEX session_of_token ON session (token)")
    op.execute("CREATE INDEX session_end ON session (expires_at)")
