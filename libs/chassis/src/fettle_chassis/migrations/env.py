"""What Alembic runs around each upgrade: a transaction on the caller's connection, nothing else."""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
with context.begin_transaction():
    context.run_migrations()
