"""What intake in full needs: kinds and patients of messages, aliases after merges, cursors of neighbours."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("messages", sa.Column("kind", sa.String(24), nullable=False, server_default=""))
    op.add_column("messages", sa.Column("patient_hash", sa.String(64)))
    op.create_index("messages_by_control_id", "messages", ["control_id"])
    op.create_index("messages_by_patient", "messages", ["patient_hash"])

    op.create_table(
        "case_patients",
        sa.Column("case_id", sa.String(32), sa.ForeignKey("cases.id"), primary_key=True),
        sa.Column("patient_hash", sa.String(64), primary_key=True),
    )
    op.create_index("case_patients_by_patient", "case_patients", ["patient_hash"])

    op.create_table(
        "aliases",
        sa.Column("scope", sa.String(8), primary_key=True),
        sa.Column("former_hash", sa.String(64), primary_key=True),
        sa.Column("message_id", sa.String(32), sa.ForeignKey("messages.id"), primary_key=True),
        sa.Column("event_time", sa.String(40), nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
    )

    op.create_table(
        "cursors",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
    )
