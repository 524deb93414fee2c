"""The tables of this service as the migrations have made them."""

from sqlalchemy import BigInteger, Boolean, Column, DateTime, Integer, LargeBinary, MetaData, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB

METADATA = MetaData()
INSTANT = DateTime(timezone=True)

ORG = Table(
    "org",
    METADATA,
    Column("org", Text, primary_key=True),
    Column("name", Text),
    Column("deleted", Boolean),
    Column("next_number", BigInteger),
    Column("open", BigInteger),
    Column("in_progress", BigInteger),
    Column("resolved", BigInteger),
    Column("policy", JSONB),
    Column("place", BigInteger),
    Column("head", Text),
    Column("told_at", INSTANT),
)

TICKET = Table(
    "ticket",
    METADATA,
    Column("id", Uuid, primary_key=True),
    Column("org", Text),
    Column("number", BigInteger),
    Column("version", Integer),
    Column("state", Text),
    Column("source", Text),
    Column("kind", Text),
    Column("title", Text),
    Column("description", Text),
    Column("description_version", Integer),
    Column("subject_type", Text),
    Column("subject_id", Text),
    Column("subject_name", Text),
    Column("integration", Text),
    Column("space", Text),
    Column("links", JSONB),
    Column("dedup_key", Text),
    Column("flap_count", Integer),
    Column("parent_id", Uuid),
    Column("parent_number", BigInteger),
    Column("previous_id", Uuid),
    Column("previous_number", BigInteger),
    Column("opened_at", INSTANT),
    Column("opened_by", JSONB),
    Column("started_at", INSTANT),
    Column("started_by", JSONB),
    Column("resolved_at", INSTANT),
    Column("resolved_by", JSONB),
    Column("resolution", Text),
    Column("updated_at", INSTANT),
    Column("checklist_total", Integer),
    Column("checklist_recovered", Integer),
    Column("checklist_noted_at", INSTANT),
    Column("checklist_unsaid", JSONB),
    Column("hash", Text),
    Column("seal", Text),
    Column("checklist_changes", BigInteger),
)

MEMBER = Table(
    "checklist_member",
    METADATA,
    Column("ticket_id", Uuid, primary_key=True),
    Column("type", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("name", Text),
    Column("place", Integer),
    Column("joined_at", INSTANT),
    Column("recovered_at", INSTANT),
    Column("changes", Integer),
    Column("seal", Text),
)

SEARCH = Table(
    "ticket_search",
    METADATA,
    Column("ticket_id", Uuid, primary_key=True),
    Column("org", Text),
    Column("words", Text),
    Column("marks", Text),
    Column("number", BigInteger),
    Column("opened_at", INSTANT),
)

ORDER = Table(
    "ticket_order",
    METADATA,
    Column("ticket_id", Uuid, primary_key=True),
    Column("org", Text),
    Column("state", Text),
    Column("updated_at", INSTANT),
    Column("number", BigInteger),
)
"""Read only: triggers write it."""

ENTRY = Table(
    "entry",
    METADATA,
    Column("ticket_id", Uuid, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("id", Uuid),
    Column("org", Text),
    Column("type", Text),
    Column("at", INSTANT),
    Column("actor", JSONB),
    Column("body", Text),
    Column("evidence", JSONB),
    Column("hash", Text),
    Column("place", BigInteger),
    Column("head", Text),
)

REMOVED = Table(
    "removed_ticket",
    METADATA,
    Column("org", Text, primary_key=True),
    Column("number", BigInteger, primary_key=True),
    Column("ticket_id", Uuid),
    Column("version", Integer),
    Column("hash", Text),
    Column("places", Integer),
    Column("resolved_at", INSTANT),
    Column("removed_at", INSTANT),
    Column("retention_days", Integer),
    Column("seal", Text),
)

GAP = Table(
    "chain_gap",
    METADATA,
    Column("org", Text, primary_key=True),
    Column("first", BigInteger, primary_key=True),
    Column("last", BigInteger),
    Column("head", Text),
    Column("seal", Text),
)

COMMAND = Table(
    "command",
    METADATA,
    Column("org", Text, primary_key=True),
    Column("source", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("fingerprint", LargeBinary),
    Column("verb", Text),
    Column("outcome", Text),
    Column("reason", Text),
    Column("message", Text),
    Column("ticket_id", Uuid),
    Column("ticket_number", BigInteger),
    Column("ticket_state", Text),
    Column("ticket_version", Integer),
    Column("answer", LargeBinary),
    Column("at", INSTANT),
)
