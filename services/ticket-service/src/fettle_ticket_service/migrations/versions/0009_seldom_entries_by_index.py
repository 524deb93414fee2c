"""When a ticket was reopened and its description edited is found without reading what was said in between.

Most tickets have no such entry: the index costs nothing where tickets are opened, commented on and resolved.
"""

from fettle_chassis.migrations.indexes import build_index

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    build_index("entry_seldom", "entry (ticket_id, type, version) WHERE type IN ('reopened', 'description-edited')")
