"""Tickets that devices share: who is on whose list, who is judged afresh, and verdicts that wait for another."""

from alembic import op

revision = "0003"
down_revision = "0002"

MEMBERS = """
CREATE TABLE rollup_member (
    org text NOT NULL,
    subject text NOT NULL,
    condition text NOT NULL,
    name text,
    parent text NOT NULL,
    parent_condition text NOT NULL,
    joined_at bigint NOT NULL,
    recovered_at bigint,
    PRIMARY KEY (org, subject)
);
COMMENT ON TABLE rollup_member IS 'Devices on the list of a ticket about their integration (`parent`): one list each.';
CREATE INDEX rollup_member_of ON rollup_member (org, parent);
ALTER TABLE incident ADD COLUMN opened_at bigint;
COMMENT ON COLUMN incident.opened_at IS 'The instant of the verdict that last asked for the ticket.';
ALTER TABLE subject ADD COLUMN judged_from bigint;
COMMENT ON COLUMN subject.judged_from IS
    'Since when a failing device is judged afresh, after its integration recovered. Null again when it is healthy.';
ALTER TABLE verdict ADD COLUMN waits_for text;
COMMENT ON COLUMN verdict.waits_for IS 'A subject: the verdict is decided again when that one''s fate is.';
CREATE INDEX verdict_waiting ON verdict (org, waits_for) WHERE waits_for IS NOT NULL
"""


def upgrade() -> None:
    for statement in MEMBERS.split(";\n"):
        op.execute(statement)
