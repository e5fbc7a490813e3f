"""The state of a run's brakes, kept with the run."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column, empty: of the runs before, only ``mass_change`` is known."""
    op.add_column("run", sa.Column("brakes", sa.Text(), nullable=True))
