"""Members of orgs, the person and the account behind a session, and when a token was last used."""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    # `account` is the provider's name for whoever signed in as this person, its issuer included; null until then.
    op.execute(
        """
        CREATE TABLE member (
            org text NOT NULL REFERENCES org,
            person text NOT NULL,
            role text NOT NULL,
            given_by text NOT NULL,
            name text,
            account text,
            added_at timestamptz NOT NULL,
            added_by text NOT NULL,
            signed_in_at timestamptz,
            PRIMARY KEY (org, person)
        )
        """
    )
    op.execute("CREATE INDEX member_person ON member (person)")
    op.execute("CREATE INDEX member_account ON member (account)")
    # Of somebody whom the provider let in: what they may is then said by their rows of `member`, not by `role`.
    op.execute("ALTER TABLE session ADD COLUMN account text, ADD COLUMN id_token text")
    op.execute("ALTER TABLE token ADD COLUMN used_at timestamptz")
