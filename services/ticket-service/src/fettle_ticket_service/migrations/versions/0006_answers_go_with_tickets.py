"""What requests were answered is found by ticket, so that it goes when retention removes the ticket."""

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    # Commands by Kafka keep no ticket and pay nothing.
    op.execute("CREATE INDEX command_answer_of_ticket ON command (ticket_id) WHERE answer IS NOT NULL")
    meaning = "The ticket as the first answer by HTTP showed it; null when retention removed the ticket."
    op.execute(f"COMMENT ON COLUMN command.answer IS '{meaning}'")
