"""Kept messages as lists and counts, for the message browser. Opens no body.

Ids grow with the time of arrival, so they are the order of the pages, and spare these queries an index on
``received_at`` that every insert would pay for.
"""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Row, func, select

from adapters.store.scope import Scope
from adapters.store.steps import read_step, step_columns
from adapters.store.tables import messages, steps
from service.errors import NotFound
from service.model import Event, HourCount, ListedMessage, MessageFilter, Step, StepState

_SLACK = timedelta(hours=1)
"""How far the clock of an id and that of ``received_at`` may lie apart: one is read at the message, the other at
its transaction, and a clock may be set in between."""

_SHOWN = [
    messages.c[name]
    for name in (
        "id",
        "received_at",
        "channel",
        "sender",
        "control_id",
        "kind",
        "state",
        "ack_code",
        "error_code",
        "event",
        "event_time",
        "case_id",
    )
]


def list_messages(
    scope: Scope, wanted: MessageFilter, *, limit: int, before: str | None, after: str | None
) -> Sequence[ListedMessage]:
    """Newest first. ``before``, ``after``: ids that the page ends at; ``after`` gives the oldest of the newer ones."""
    query = select(*_SHOWN).where(*_conditions(scope, wanted))
    if before is not None:
        query = query.where(messages.c.id < before)
    if after is not None:
        query = query.where(messages.c.id > after).order_by(messages.c.id)
    else:
        query = query.order_by(messages.c.id.desc())
    rows = scope.connection.execute(query.limit(limit)).all()
    dead = _dead_reads(scope, [row.id for row in rows])
    listed = [_read(row, dead) for row in rows]
    return listed[::-1] if after is not None else listed


def listed_message(scope: Scope, message_id: str) -> ListedMessage:
    row = scope.connection.execute(select(*_SHOWN).where(messages.c.id == message_id)).one_or_none()
    if row is None:
        raise NotFound(f"message {message_id}")
    return _read(row, _dead_reads(scope, [message_id]))


def count_messages(scope: Scope, *, since: datetime) -> Sequence[HourCount]:
    """By hour and state; hours without a message are left out."""
    hour = _hour(scope)
    query = (
        select(hour, messages.c.state, func.count().label("number"))
        .where(messages.c.received_at >= since, messages.c.id >= _lowest_id(since - _SLACK))
        .group_by(hour, messages.c.state)
        .order_by(hour, messages.c.state)
    )
    return [
        HourCount(
            hour=datetime.strptime(row.hour, "%Y-%m-%d %H").replace(tzinfo=UTC), state=row.state, number=row.number
        )
        for row in scope.connection.execute(query)
    ]


def steps_about(scope: Scope, message_id: str) -> Sequence[Step]:
    """The steps that have this message as subject, oldest first. None is older than its message."""
    query = (
        select(*step_columns)
        .where(steps.c.id >= f"{message_id[:16]}{'0' * 16}", steps.c.subject == message_id)
        .order_by(steps.c.id)
    )
    return [read_step(row) for row in scope.connection.execute(query)]


def _conditions(scope: Scope, wanted: MessageFilter) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if wanted.control_id:
        found.append(messages.c.control_id == wanted.control_id)
    if wanted.control_id_start:
        found.append(_starts_with(scope, wanted.control_id_start))
    if wanted.state:
        found.append(messages.c.state == wanted.state)
    if wanted.read_is_dead:
        found.append(messages.c.id.in_(_dead_read()))
    if wanted.event is not None:
        found.append(messages.c.event == wanted.event.value)
    if wanted.channel:
        found.append(messages.c.channel == wanted.channel)
    if wanted.case_id:
        found.append(messages.c.case_id == wanted.case_id)
    if wanted.since is not None:
        found += [messages.c.received_at >= wanted.since, messages.c.id >= _lowest_id(wanted.since - _SLACK)]
    if wanted.until is not None:
        found += [messages.c.received_at < wanted.until, messages.c.id < _lowest_id(wanted.until + _SLACK)]
    return found


def _starts_with(scope: Scope, start: str) -> ColumnElement[bool]:
    """By code points and case, which LIKE is not on SQLite; there the range can use the index."""
    exact = func.substr(messages.c.control_id, 1, len(start)) == start
    if scope.connection.dialect.name == "sqlite":
        return exact & messages.c.control_id.between(start, f"{start}\U0010ffff")
    return exact


def _dead_read() -> Any:
    return select(steps.c.subject).where(steps.c.name == "read", steps.c.state == StepState.DEAD.value)


def _dead_reads(scope: Scope, ids: Sequence[str]) -> Collection[str]:
    if not ids:
        return ()
    return set(scope.connection.scalars(_dead_read().where(steps.c.subject.in_(ids))))


def _hour(scope: Scope) -> Any:
    """``2026-03-12 08``, in UTC."""
    if scope.connection.dialect.name == "sqlite":
        return func.strftime("%Y-%m-%d %H", messages.c.received_at).label("hour")
    return func.to_char(func.timezone("UTC", messages.c.received_at), "YYYY-MM-DD HH24").label("hour")


def _lowest_id(at: datetime) -> str:
    """The smallest id that was made at that time or later."""
    nanoseconds = max(0, int(at.timestamp())) * 1_000_000_000
    return f"{nanoseconds:016x}{'0' * 16}"


def _read(row: Row[Any], dead: Collection[str]) -> ListedMessage:
    values = dict(row._mapping)
    values["event"] = None if row.event is None else Event(row.event)
    return ListedMessage(**values, read_is_dead=row.id in dead)
