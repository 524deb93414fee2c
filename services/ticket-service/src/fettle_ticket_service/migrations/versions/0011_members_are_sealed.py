"""Each member of a checklist is sealed, and its ticket counts how often its members have changed."""

from alembic import op

from fettle_chassis.migrations.tables import alter

revision = "0011"
down_revision = "0010"

MEANINGS = {
    "ticket.checklist_changes": "How often all members together have changed; 0: begun before members were sealed.",
    "checklist_member.changes": "How often it has changed, its joining included; 0: its checklist does not count.",
    "checklist_member.seal": "Over the row: whoever changes it without the key is found out. Null: nothing vouches.",
}


def upgrade() -> None:
    alter(
        "ALTER TABLE ticket ADD COLUMN IF NOT EXISTS checklist_changes bigint NOT NULL DEFAULT 0",
        "ALTER TABLE checklist_member ADD COLUMN IF NOT EXISTS changes integer NOT NULL DEFAULT 0",
        "ALTER TABLE checklist_member ADD COLUMN IF NOT EXISTS seal text",
    )
    for column, meaning in MEANINGS.items():
        op.execute(f"COMMENT ON COLUMN {column} IS '{meaning}'")
