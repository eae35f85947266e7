"""Everything: cases, messages, payloads, steps, signatures, audit, all payloads sealed from the start."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

LIVE = sa.text("state IN ('waiting', 'running', 'failed')")
DEAD = sa.text("state = 'dead'")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "cases",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("key_hash", sa.String(64), nullable=False, unique=True),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("delivery", sa.String(16), nullable=False),
        sa.Column("generation", sa.Integer, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("lang", sa.String(2), nullable=False),
        sa.Column("withdrawn_by", sa.String(16)),
        sa.Column("held_from", sa.String(16)),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
    )
    op.create_index("cases_by_state", "cases", ["state", "updated_at"])
    op.create_index("cases_by_update", "cases", ["updated_at"])

    op.create_table(
        "messages",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("fingerprint", sa.String(64), nullable=False, unique=True),
        sa.Column("received_at", TIME, nullable=False),
        sa.Column("channel", sa.String(16), nullable=False),
        sa.Column("sender", sa.Text, nullable=False),
        sa.Column("control_id", sa.Text, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("ack_code", sa.String(2)),
        sa.Column("event", sa.String(24)),
        sa.Column("event_time", sa.String(40), nullable=False),
        sa.Column("case_id", sa.String(32), sa.ForeignKey("cases.id")),
        sa.Column("error_code", sa.String(64)),
    )
    op.create_index("messages_by_case", "messages", ["case_id"])

    op.create_table(
        "payloads",
        sa.Column("case_id", sa.String(32), sa.ForeignKey("cases.id"), primary_key=True),
        sa.Column("kind", sa.String(24), primary_key=True),
        sa.Column("generation", sa.Integer, primary_key=True),
        sa.Column("written_at", TIME, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )

    op.create_table(
        "steps",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("name", sa.String(24), nullable=False),
        sa.Column("queue", sa.String(24), nullable=False),
        sa.Column("case_id", sa.String(32), sa.ForeignKey("cases.id")),
        sa.Column("subject", sa.String(64), nullable=False),
        sa.Column("generation", sa.Integer, nullable=False),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("token", sa.Integer, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("not_before", TIME, nullable=False),
        sa.Column("lease_until", TIME),
        sa.Column("started_at", TIME),
        sa.Column("finished_at", TIME),
        sa.Column("error_code", sa.String(64)),
        sa.Column("error_text", sa.Text),
        sa.Column("rung_at", TIME),
    )
    op.create_index(
        "steps_one_live",
        "steps",
        [sa.text("coalesce(case_id, '')"), "name", "generation", "subject"],
        unique=True,
        sqlite_where=LIVE,
        postgresql_where=LIVE,
    )
    op.create_index("steps_live", "steps", ["state", "not_before"], sqlite_where=LIVE, postgresql_where=LIVE)
    op.create_index("steps_dead", "steps", ["created_at"], sqlite_where=DEAD, postgresql_where=DEAD)
    op.create_index("steps_by_case", "steps", ["case_id"])

    op.create_table(
        "stages",
        sa.Column("name", sa.String(24), primary_key=True),
        sa.Column("queue", sa.String(24), primary_key=True),
    )
    op.create_table(
        "paused_queues",
        sa.Column("queue", sa.String(24), primary_key=True),
        sa.Column("paused_at", TIME, nullable=False),
    )
    op.create_table(
        "signatures",
        sa.Column("case_id", sa.String(32), sa.ForeignKey("cases.id"), primary_key=True),
        sa.Column("generation", sa.Integer, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("signer", sa.Text, nullable=False),
        sa.Column("signed_at", TIME, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
    )
    op.create_table(
        "audit",
        sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("action", sa.String(64), nullable=False),
        sa.Column("case_id", sa.String(32)),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("previous", sa.String(64), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
    )
    op.create_table(
        "audit_head",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("mac", sa.String(64), nullable=False),
    )
    op.create_table(
        "key_ids",
        sa.Column("id", sa.String(8), primary_key=True),
        sa.Column("first_used_at", TIME, nullable=False),
    )
