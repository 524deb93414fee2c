"""What leaves the system: an org's secrets, its channels, and the messages that a channel's cap holds back."""

from alembic import op

revision = "0003"
down_revision = "0002"

SEALED = """
CREATE TABLE secret (
    org text NOT NULL,
    name text NOT NULL,
    key_id text NOT NULL,
    sealed bytea NOT NULL,
    saved_at timestamptz NOT NULL,
    saved_by text NOT NULL,
    PRIMARY KEY (org, name)
)
"""

CHANNEL = """
CREATE TABLE channel (
    org text NOT NULL,
    name text NOT NULL,
    kind text NOT NULL,
    settings json NOT NULL,
    hourly_cap integer NOT NULL,
    saved_at timestamptz NOT NULL,
    saved_by text NOT NULL,
    PRIMARY KEY (org, name)
)
"""

SENT = """
CREATE TABLE channel_sent (
    id uuid PRIMARY KEY,
    org text NOT NULL,
    channel text NOT NULL,
    at timestamptz NOT NULL,
    FOREIGN KEY (org, channel) REFERENCES channel ON DELETE CASCADE
)
"""

DIGEST = """
CREATE TABLE digest (
    id uuid PRIMARY KEY,
    org text NOT NULL,
    channel text NOT NULL,
    made_at timestamptz NOT NULL,
    due_at timestamptz NOT NULL,
    attempts integer NOT NULL,
    error json,
    sent_at timestamptz,
    FOREIGN KEY (org, channel) REFERENCES channel ON DELETE CASCADE
)
"""

HELD = """
CREATE TABLE held_message (
    id uuid PRIMARY KEY,
    org text NOT NULL,
    channel text NOT NULL,
    at timestamptz NOT NULL,
    workflow text NOT NULL,
    run text NOT NULL,
    recipients json NOT NULL,
    line text NOT NULL,
    digest uuid REFERENCES digest,
    FOREIGN KEY (org, channel) REFERENCES channel ON DELETE CASCADE
)
"""

INDEXES = (
    "CREATE INDEX secret_key ON secret (key_id)",
    "CREATE INDEX channel_sent_of_channel ON channel_sent (org, channel, at)",
    "CREATE INDEX channel_sent_at ON channel_sent (at)",
    "CREATE INDEX held_message_waiting ON held_message (org, channel, at, id) WHERE digest IS NULL",
    "CREATE INDEX held_message_of_digest ON held_message (digest)",
    "CREATE INDEX digest_due ON digest (due_at) WHERE sent_at IS NULL",
    "CREATE INDEX digest_of_channel ON digest (org, channel)",
    "CREATE INDEX digest_sent ON digest (sent_at) WHERE sent_at IS NOT NULL",
)

COMMENTS = (
    "COMMENT ON COLUMN secret.sealed IS 'AES-256-GCM, nonce first, bound to org and name; key_id names the key.'",
    "COMMENT ON COLUMN channel.settings IS 'By kind. Secrets are named here, not written.'",
    "COMMENT ON TABLE channel_sent IS 'Messages and digests that have taken a place under the cap, by the call''s id.'",
    "COMMENT ON TABLE held_message IS 'Messages over the cap; digest is the one that tells of them.'",
    "COMMENT ON COLUMN digest.due_at IS 'When it is tried next; whoever tries it moves this out of the way first.'",
)


def upgrade() -> None:
    for statement in (SEALED, CHANNEL, SENT, DIGEST, HELD, *INDEXES, *COMMENTS):
        op.execute(statement)
