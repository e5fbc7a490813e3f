"""Runs the migrations on the connection that ``Database.upgrade`` hands over."""

from __future__ import annotations

from alembic import context
from sqlmodel import SQLModel

import rrsync.store.beacons
import rrsync.store.offered
import rrsync.store.served
import rrsync.store.tables
import rrsync.store.visits  # noqa: F401 — all fill the metadata

context.configure(
    connection=context.config.attributes["connection"], target_metadata=SQLModel.metadata, render_as_batch=True
)
with context.begin_transaction():
    context.run_migrations()
