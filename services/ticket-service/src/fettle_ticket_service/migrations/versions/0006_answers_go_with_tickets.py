"""Answers go with their tickets, and each org knows how many of its entries are older than the chains."""

from alembic import op

revision = "0006"
down_revision = "0005"

OLDER = """
INSERT INTO before_chains
SELECT org, sum(entries) FROM (
    SELECT org, count(*) AS entries FROM entry WHERE place IS NULL GROUP BY org
    UNION ALL SELECT org, sum(version - places) FROM removed_ticket GROUP BY org
) AS older GROUP BY org HAVING sum(entries) > 0
"""


def upgrade() -> None:
    # Commands by Kafka keep no ticket and pay nothing.
    op.execute("CREATE INDEX command_answer_of_ticket ON command (ticket_id) WHERE answer IS NOT NULL")
    meaning = "The ticket as the first answer by HTTP showed it; null when retention removed the ticket."
    op.execute("CREATE TABLE before_chains (org text PRIMARY KEY, entries bigint NOT NULL, seal text)")
    op.execute(OLDER)
    op.execute(
        "COMMENT ON TABLE before_chains IS 'How many entries may have no place, removed ones too; sealed at the start.'"
    )
    op.execute(f"COMMENT ON COLUMN command.answer IS '{meaning}'")
