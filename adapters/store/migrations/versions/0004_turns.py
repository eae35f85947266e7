"""When the sender recorded an event, whose visit it was before, and aliases found from either end."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("messages", sa.Column("recorded_at", sa.String(40), nullable=False, server_default=""))
    op.add_column("messages", sa.Column("former_patient_hash", sa.String(64)))
    op.add_column("aliases", sa.Column("present_hash", sa.String(64), nullable=False, server_default=""))
    op.create_index("aliases_by_present", "aliases", ["scope", "present_hash"])
