"""The audit log."""

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    # No reference to `org`: who deleted one must be known when it is gone. An id says when (UUIDv7). `again` is the
    # same for repeats of one request, and tells nothing of its body. Paths are compared by bytes, for ranges of them.
    op.execute(
        """
        CREATE TABLE audit (
            id uuid PRIMARY KEY,
            org text NOT NULL,
            actor_id text NOT NULL,
            actor_name text,
            role text,
            door text NOT NULL,
            method text NOT NULL,
            path text COLLATE "C" NOT NULL,
            key text,
            again bytea UNIQUE,
            status integer,
            times integer NOT NULL DEFAULT 1
        )
        """
    )
    op.execute("CREATE INDEX audit_of_org ON audit (org, id)")
    op.execute("CREATE INDEX audit_of_actor ON audit (org, actor_id, id)")
    op.execute("CREATE INDEX audit_not_done ON audit (org, id) WHERE status IS NULL OR status >= 400")
    op.execute("CREATE INDEX audit_of_thing ON audit (org, path, id)")
