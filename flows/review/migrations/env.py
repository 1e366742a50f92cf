"""Alembic's door: runs the migrations on the connection that database.upgrade opened."""

from alembic import context

from flows.review.tables import METADATA

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=METADATA, render_as_batch=connection.dialect.name == "sqlite", transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()
