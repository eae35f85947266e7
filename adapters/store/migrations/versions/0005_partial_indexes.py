"""Indexes by case and by patient leave out what has none yet: every message that comes in was written to them."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_INDEXES = (
    ("messages_by_case", "messages", "case_id"),
    ("messages_by_patient", "messages", "patient_hash"),
    ("steps_by_case", "steps", "case_id"),
)


def upgrade() -> None:
    for name, table, column in _INDEXES:
        has_one = sa.text(f"{column} IS NOT NULL")
        op.drop_index(name, table)
        op.create_index(name, table, [column], sqlite_where=has_one, postgresql_where=has_one)
