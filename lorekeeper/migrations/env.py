"""Alembic's entry: a connection in, the schema brought to a revision."""

from __future__ import annotations

from alembic import context

from lorekeeper.tables import metadata

connection = context.config.attributes.get("connection")
if connection is None:  # `alembic revision --autogenerate` on a developer's machine
    from lorekeeper import settings
    from lorekeeper.store import connect

    connection = connect(settings.load().database_url).connect()

context.configure(
    connection=connection,
    target_metadata=metadata,
    render_as_batch=True,  # SQLite changes a table by rebuilding it
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
