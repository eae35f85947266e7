"""Run by Alembic inside :func:`adapters.store.migrate.migrate`, in the transaction opened there."""

from alembic import context

from adapters.store.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
