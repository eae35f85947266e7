"""Messages that are kept: found, read and filed. How they come in is :mod:`adapters.store.keeping`'s."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, select, update

from adapters.store import identity
from adapters.store.scope import Scope
from adapters.store.tables import messages
from service.errors import NotFound
from service.model import Event, LetterKind, Start, StoredMessage, Trigger


def message(scope: Scope, message_id: str) -> StoredMessage:
    row = scope.connection.execute(select(messages).where(messages.c.id == message_id)).one_or_none()
    if row is None:
        raise NotFound(f"message {message_id}")
    return _read(scope, row)


def file_message(
    scope: Scope,
    message_id: str,
    *,
    case_id: str | None,
    event: Event,
    event_time: str,
    state: str,
    start: Start | None = None,
    patient_key: str | None = None,
    former_patient_key: str | None = None,
    recorded_at: str = "",
) -> None:
    filing = {"case_id": case_id, "event": event.value, "event_time": event_time, "state": state}
    filing |= {
        "patient_hash": identity.patient_hash(scope, patient_key),
        "former_patient_hash": identity.patient_hash(scope, former_patient_key),
        "recorded_at": recorded_at,
    }
    if start is not None:
        filing["start"] = json.dumps([start.rule, start.trigger, start.letter])
    filed = scope.connection.execute(update(messages).where(messages.c.id == message_id).values(**filing))
    if filed.rowcount != 1:
        raise NotFound(f"message {message_id}")


def messages_of(scope: Scope, case_id: str) -> Sequence[StoredMessage]:
    filed = scope.connection.execute(select(messages).where(messages.c.case_id == case_id))
    rows = [*filed, *identity.of_the_patient(scope, case_id)]
    return [_read(scope, row) for row in sorted(rows, key=_happened)]


def _happened(row: Row[Any]) -> tuple[datetime, datetime, str, str]:
    """By event time, in whatever precision and offset it came; what happened in one instant by what the messages
    say, never by arrival. Only a message without any time has nothing but its arrival."""
    at = identity.moment(row.event_time, row.received_at)
    return at, identity.moment(row.recorded_at, at), row.control_id, row.digest


def _read(scope: Scope, row: Row[Any]) -> StoredMessage:
    return StoredMessage(
        id=row.id,
        received_at=row.received_at,
        channel=row.channel,
        sender=row.sender,
        control_id=row.control_id,
        digest=row.digest,
        body=scope.keyring.open(row.body, body_aad(row.id)),
        state=row.state,
        ack_code=row.ack_code,
        event=None if row.event is None else Event(row.event),
        event_time=row.event_time,
        case_id=row.case_id,
        error_code=row.error_code,
        start=None if row.start is None else _read_start(row.start),
    )


def _read_start(text: str) -> Start:
    rule, trigger, letter = json.loads(text)
    return Start(rule=rule, trigger=Trigger(trigger), letter=LetterKind(letter))


def body_aad(message_id: str) -> str:
    return f"message/{message_id}/body"
