"""The log as evidence: a keyed tag and the person on every entry, checkpoints, anchors, tiles, evidence, staff."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_DEEDS = "kind NOT IN ('access.intent', 'access.outcome')"


def upgrade() -> None:
    """Add them; entries from before keep no tag, and a checkpoint can no more be changed than an entry."""
    op.add_column("entry", sa.Column("actor", sa.Text(), nullable=False, server_default=""))
    op.add_column("entry", sa.Column("mac", sa.LargeBinary(), nullable=True))
    for name, column, where in (("entry_actor", "actor", "actor <> ''"), ("entry_deed", "kind", _DEEDS)):
        op.create_index(
            name,
            "entry",
            ["library", column, "seq"],
            sqlite_where=sa.text(where),
            postgresql_where=sa.text(where),
        )
    _tables()
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "CREATE TRIGGER checkpoint_append_only BEFORE UPDATE OR DELETE ON checkpoint "
            "FOR EACH ROW EXECUTE FUNCTION rrsync_append_only()"
        )
        op.execute(
            "CREATE TRIGGER checkpoint_no_truncate BEFORE TRUNCATE ON checkpoint "
            "FOR EACH STATEMENT EXECUTE FUNCTION rrsync_append_only()"
        )
        return
    for event in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER checkpoint_no_{event.lower()} BEFORE {event} ON checkpoint "
            "BEGIN SELECT RAISE(ABORT, 'the access log is append-only'); END"
        )
    # INSERT OR REPLACE deletes what is in its way without asking the trigger on DELETE.
    op.execute(
        "CREATE TRIGGER checkpoint_no_replace BEFORE INSERT ON checkpoint WHEN EXISTS (SELECT 1 FROM checkpoint "
        "WHERE library = NEW.library AND size = NEW.size) "
        "BEGIN SELECT RAISE(ABORT, 'a checkpoint is unique, and append-only'); END"
    )


def _tables() -> None:
    op.create_table(
        "checkpoint",
        sa.Column("library", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("library", "size"),
    )
    op.create_table(
        "anchor",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("library", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.Column("receipt", sa.Text(), nullable=False),
        sa.Column("mac", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("anchor_time", "anchor", ["library", "at"], unique=False)
    op.create_table(
        "tile",
        sa.Column("library", sa.Text(), nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("library", "level", "number"),
    )
    op.create_table(
        "evidence",
        sa.Column("library", sa.Text(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("year", sa.Integer(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("library", "seq"),
    )
    op.create_table(
        "staff",
        sa.Column("library", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("mark", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("library", "name"),
    )
