"""Messages: the received bytes, kept before they are acknowledged."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Row, select, update

from adapters.store.scope import Scope, new_id, storable
from adapters.store.tables import messages
from service.errors import NotFound
from service.model import Event, LetterKind, Start, StoredMessage, Trigger


def add_message(
    scope: Scope,
    *,
    channel: str,
    sender: str,
    control_id: str,
    body: bytes,
    ack_code: str | None,
    state: str,
    error_code: str | None,
) -> tuple[str, bool]:
    """The unique fingerprint decides what is new, so that two listeners cannot both think so."""
    digest = scope.keyring.lookup(body, purpose="message")
    # lengths first: no sender that ends like a control id makes two messages one
    fingerprint = scope.keyring.lookup(
        f"{len(sender)}|{sender}|{len(control_id)}|{control_id}|{digest}", purpose="fingerprint"
    )
    message_id = new_id()
    is_new = scope.insert_new(
        messages,
        {
            "id": message_id,
            "fingerprint": fingerprint,
            "received_at": scope.now,
            "channel": channel,
            "sender": storable(sender),
            "control_id": storable(control_id),
            "digest": digest,
            "body": scope.keyring.seal(body, _aad(message_id)),
            "state": state,
            "ack_code": ack_code,
            "event": None,
            "event_time": "",
            "case_id": None,
            "error_code": error_code,
        },
    )
    if is_new:
        return message_id, True
    first = scope.connection.scalar(select(messages.c.id).where(messages.c.fingerprint == fingerprint))
    if first is None:
        raise NotFound("the message this one repeats was removed just now", remedy="send it again")
    return first, False


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
) -> None:
    filing = {"case_id": case_id, "event": event.value, "event_time": event_time, "state": state}
    if start is not None:
        filing["start"] = json.dumps([start.rule, start.trigger, start.letter])
    filed = scope.connection.execute(update(messages).where(messages.c.id == message_id).values(**filing))
    if filed.rowcount != 1:
        raise NotFound(f"message {message_id}")


def messages_of(scope: Scope, case_id: str) -> Sequence[StoredMessage]:
    rows = scope.connection.execute(select(messages).where(messages.c.case_id == case_id).order_by(messages.c.id))
    return sorted((_read(scope, row) for row in rows), key=_happened)


def _happened(stored: StoredMessage) -> tuple[datetime, str]:
    """By event time, in whatever precision and offset it came; without one, by arrival."""
    try:
        told = datetime.fromisoformat(stored.event_time)
    except ValueError:
        told = stored.received_at
    return (told if told.tzinfo else told.replace(tzinfo=UTC)), stored.id


def _read(scope: Scope, row: Row[Any]) -> StoredMessage:
    return StoredMessage(
        id=row.id,
        received_at=row.received_at,
        channel=row.channel,
        sender=row.sender,
        control_id=row.control_id,
        digest=row.digest,
        body=scope.keyring.open(row.body, _aad(row.id)),
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


def _aad(message_id: str) -> str:
    return f"message/{message_id}/body"
