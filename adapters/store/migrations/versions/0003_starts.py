"""Which message starts a letter, and by which rule: decided once, when the message is read."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_UNTIL_NOW = '["default", "discharge", "discharge"]'


def upgrade() -> None:
    op.add_column("messages", sa.Column("start", sa.Text))
    # until now every discharge that was filed under a case started its letter
    op.execute(
        sa.text("UPDATE messages SET start = :start WHERE event = 'discharge' AND case_id IS NOT NULL").bindparams(
            start=_UNTIL_NOW
        )
    )
