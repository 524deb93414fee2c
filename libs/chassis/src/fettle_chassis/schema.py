"""The chassis's own tables, created by each service's first migration. Never edit a published version; add `_v2`."""

from typing import Protocol


class Executes(Protocol):
    """Alembic's `op`, as far as it is needed here."""

    def execute(self, sqltext: str, /) -> None: ...


_TABLES_V1 = """
CREATE TABLE outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topics text NOT NULL,
    key bytea,
    partition integer,
    headers text NOT NULL,
    value bytea,
    written_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE outbox IS 'Messages on their way to Kafka. A queue: rows are deleted once every topic has them.';
COMMENT ON COLUMN outbox.topics IS 'Names of the topic table, separated by commas.';
COMMENT ON COLUMN outbox.headers IS 'JSON list of [name, value as latin-1].';

CREATE TABLE inbox (
    subscription text NOT NULL,
    source text NOT NULL,
    id text NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (subscription, source, id)
);
CREATE INDEX inbox_at ON inbox (at);
COMMENT ON TABLE inbox IS 'What has had its effect already; remembered for 30 days.';

CREATE TABLE partition_owner (
    subscription text NOT NULL,
    topic text NOT NULL,
    partition integer NOT NULL,
    log text NOT NULL,
    epoch bigint NOT NULL,
    PRIMARY KEY (subscription, topic, partition, log)
);
COMMENT ON TABLE partition_owner IS 'The fence: who claimed a partition last has the highest epoch.';
COMMENT ON COLUMN partition_owner.log IS 'The topic''s id on the broker: created anew, it is another log.';

CREATE TABLE crash (
    subscription text NOT NULL,
    topic text NOT NULL,
    partition integer NOT NULL,
    record_offset bigint NOT NULL,
    crashes integer NOT NULL,
    last_error text NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (subscription, topic, partition, record_offset)
);
COMMENT ON TABLE crash IS 'Records whose handling crashed the process, and how many starts in all.';
"""


def create_chassis_tables_v1(op: Executes) -> None:
    """Creates `outbox`, `inbox`, `partition_owner`, `crash`. Call first in a service's first migration:
    `create_chassis_tables_v1(op)` with `from alembic import op`."""
    for statement in _TABLES_V1.split(";\n"):
        if statement.strip():
            op.execute(statement)
