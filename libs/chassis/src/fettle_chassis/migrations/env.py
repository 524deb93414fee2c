"""What Alembic runs around each upgrade: the caller's connection and transaction, nothing else."""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
context.run_migrations()
