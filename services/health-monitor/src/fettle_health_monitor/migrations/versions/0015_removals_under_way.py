"""Who was removed and is not forgotten yet: a removal that is lost with unread log is told again. And what of a deleted
org is left, by org."""

from alembic import op

from fettle_chassis.migrations.indexes import build_index

revision = "0015"
down_revision = "0014"

# Removals that are under way now, and those of the previous code beside this one, are not marked: as before. That code
# takes no mark away either, when it is the one that reads that the subject is forgotten: hence the trigger. It goes
# when that code does.
REMOVED = (
    "ALTER TABLE subject ADD COLUMN IF NOT EXISTS removed boolean NOT NULL DEFAULT false",
    """
    COMMENT ON COLUMN subject.removed IS
        'Somebody has removed it, and its shard has not said yet that it has forgotten it.'
    """,
    """
    CREATE OR REPLACE FUNCTION subject_forgotten() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        NEW.removed := false;
        RETURN NEW;
    END $$
    """,
    """
    CREATE OR REPLACE TRIGGER subject_forgotten BEFORE UPDATE ON subject
    FOR EACH ROW WHEN (OLD.removed AND OLD.state IS NOT NULL AND NEW.state IS NULL)
    EXECUTE FUNCTION subject_forgotten()
    """,
)


def upgrade() -> None:
    for statement in REMOVED:
        op.execute(statement)
    build_index("subject_removed", "subject (shard) WHERE removed")
    build_index("command_of_org", "command (org)")
    build_index("hidden_change_of_org", "hidden_change (org)")
