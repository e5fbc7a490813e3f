"""What a member is found by at the desk; `rrsync init` fills it for members that are there."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table; what stands in the others stays as it is."""
    op.create_table(
        "beacon",
        sa.Column("library", sa.Text(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("three", sa.BigInteger(), nullable=False),
        sa.Column("four", sa.BigInteger(), nullable=False),
        sa.Column("six", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("library", "number"),
        sqlite_with_rowid=False,
    )
