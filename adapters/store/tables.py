"""The tables, as the newest migration leaves them. Columns that hold a payload are sealed bytes.

What lies in plain sight: ids, states, counters, times, queue and step names, MSH-10 control ids, sender
names, error codes. Nothing of what a message, a chart or a letter says.
"""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    Column,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    text,
)


class UtcDateTime(TypeDecorator[datetime]):
    """Timezone-aware UTC in and out. SQLite knows no time zones and gets the naive UTC value."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _where(condition: str) -> dict[str, Any]:
    """A partial index, in the words of both databases."""
    return {f"{dialect}_where": text(condition) for dialect in ("sqlite", "postgresql")}


metadata = MetaData()

cases = Table(
    "cases",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("key_hash", String(64), nullable=False, unique=True),  # keyed: see KeyRing.lookup
    Column("sealed", LargeBinary, nullable=False),  # JSON: key, notices
    Column("state", String(16), nullable=False),
    Column("delivery", String(16), nullable=False),
    Column("generation", Integer, nullable=False),
    Column("version", Integer, nullable=False),
    Column("lang", String(2), nullable=False),
    Column("withdrawn_by", String(16)),
    Column("held_from", String(16)),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Index("cases_by_state", "state", "updated_at"),
    Index("cases_by_update", "updated_at"),
)

messages = Table(
    "messages",
    metadata,
    Column("id", String(32), primary_key=True),  # grows with time: the order of arrival
    Column("fingerprint", String(64), nullable=False, unique=True),  # keyed hash of sender, MSH-10, digest
    Column("received_at", UtcDateTime, nullable=False),
    Column("channel", String(16), nullable=False),
    Column("sender", Text, nullable=False),
    Column("control_id", Text, nullable=False),
    Column("digest", String(64), nullable=False),  # keyed
    Column("body", LargeBinary, nullable=False),  # sealed
    Column("state", String(16), nullable=False),
    Column("ack_code", String(2)),
    Column("event", String(24)),
    Column("event_time", String(40), nullable=False),
    Column("case_id", String(32), ForeignKey("cases.id")),
    Column("error_code", String(64)),
    Column("kind", String(24), nullable=False, server_default=""),  # MSH-9 as ``ADT^A03``, or a FHIR resource type
    Column("patient_hash", String(64)),  # keyed: whose it is, for what names no visit
    Column("start", Text),  # JSON: the rule, trigger and letter kind that it starts a letter by
    Column("recorded_at", String(40), nullable=False, server_default=""),  # by the sender: EVN-2, else MSH-7
    Column("former_patient_hash", String(64)),  # keyed: whose the visit was before a move
    # a message that has just come has neither: these two cost intake nothing
    Index("messages_by_case", "case_id", **_where("case_id IS NOT NULL")),
    Index("messages_by_patient", "patient_hash", **_where("patient_hash IS NOT NULL")),
    Index("messages_by_control_id", "control_id"),
)

case_patients = Table(
    "case_patients",
    metadata,
    Column("case_id", String(32), ForeignKey("cases.id"), primary_key=True),
    Column("patient_hash", String(64), primary_key=True),  # keyed; several after a merge
    Index("case_patients_by_patient", "patient_hash"),
)

aliases = Table(
    "aliases",
    metadata,
    Column("scope", String(8), primary_key=True),  # patient, visit
    Column("former_hash", String(64), primary_key=True),  # keyed
    Column("message_id", String(32), ForeignKey("messages.id"), primary_key=True),  # that says so
    Column("event_time", String(40), nullable=False),
    Column("sealed", LargeBinary, nullable=False),  # JSON: former, present
    Column("present_hash", String(64), nullable=False, server_default=""),  # keyed
    Index("aliases_by_present", "scope", "present_hash"),
)

cursors = Table(
    "cursors",
    metadata,
    Column("name", String(64), primary_key=True),  # what was read up to where, of a neighbour; no PHI
    Column("value", Text, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
)

payloads = Table(
    "payloads",
    metadata,
    Column("case_id", String(32), ForeignKey("cases.id"), primary_key=True),
    Column("kind", String(24), primary_key=True),
    Column("generation", Integer, primary_key=True),
    Column("written_at", UtcDateTime, nullable=False),
    Column("body", LargeBinary, nullable=False),  # sealed JSON
)

LIVE = "state IN ('waiting', 'running', 'failed')"

steps = Table(
    "steps",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("name", String(24), nullable=False),
    Column("queue", String(24), nullable=False),
    Column("case_id", String(32), ForeignKey("cases.id")),
    Column("subject", String(64), nullable=False),
    Column("generation", Integer, nullable=False),
    Column("state", String(12), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("token", Integer, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("not_before", UtcDateTime, nullable=False),
    Column("lease_until", UtcDateTime),
    Column("started_at", UtcDateTime),
    Column("finished_at", UtcDateTime),
    Column("error_code", String(64)),
    Column("error_text", Text),
    Column("rung_at", UtcDateTime),
    # coalesce: NULLs are distinct in a unique index, and a step "read" belongs to no case yet
    Index(
        "steps_one_live",
        text("coalesce(case_id, '')"),
        "name",
        "generation",
        "subject",
        unique=True,
        **_where(LIVE),
    ),
    # done steps pile up and are never looked for by state: they stay out of these two
    Index("steps_live", "state", "not_before", **_where(LIVE)),
    Index("steps_dead", "created_at", **_where("state = 'dead'")),
    Index("steps_by_case", "case_id", **_where("case_id IS NOT NULL")),
)

stages = Table(
    "stages",
    metadata,
    Column("name", String(24), primary_key=True),
    Column("queue", String(24), primary_key=True),
)

paused_queues = Table(
    "paused_queues",
    metadata,
    Column("queue", String(24), primary_key=True),
    Column("paused_at", UtcDateTime, nullable=False),
)

signatures = Table(
    "signatures",
    metadata,
    Column("case_id", String(32), ForeignKey("cases.id"), primary_key=True),  # one signature a case
    Column("generation", Integer, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("signer", Text, nullable=False),
    Column("signed_at", UtcDateTime, nullable=False),
    Column("digest", String(64), nullable=False),
)

audit = Table(
    "audit",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("at", UtcDateTime, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", String(64), nullable=False),
    Column("case_id", String(32)),  # no foreign key: the trail outlives the case
    Column("detail", Text, nullable=False),
    Column("previous", String(64), nullable=False),
    Column("digest", String(64), nullable=False),
)

audit_head = Table(
    "audit_head",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),  # always 1: the row that appends lock
    Column("seq", Integer, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("mac", String(64), nullable=False),
)

key_ids = Table(
    "key_ids",
    metadata,
    Column("id", String(8), primary_key=True),
    Column("first_used_at", UtcDateTime, nullable=False),
)
