"""Kept messages as a list shows them: everything but what they say."""

from dataclasses import dataclass
from datetime import datetime

from service.model.message import Event


@dataclass(frozen=True, kw_only=True)
class ListedMessage:
    """A kept message without its bytes, so that listing one opens nothing.

    ``kind``: MSH-9 as ``ADT^A03``, or a FHIR resource type; empty where it was not known on arrival.
    ``ack_code``: the answer that was given, None where none may be sent. ``error_code``: table 0357, or what was
    wrong with the frame. ``read_is_dead``: its step ``read`` ended and a person must act.
    """

    id: str
    received_at: datetime
    channel: str
    sender: str
    control_id: str
    kind: str
    state: str
    ack_code: str | None
    error_code: str | None
    event: Event | None
    event_time: str
    case_id: str | None
    read_is_dead: bool = False


@dataclass(frozen=True, kw_only=True)
class MessageFilter:
    """Which messages to list; what is empty or None asks nothing.

    ``control_id`` is MSH-10 exactly, ``control_id_start`` its first characters. ``state``: stored, understood or
    refused. ``since`` and ``until`` are times of arrival, the first included, the second not.
    """

    control_id: str = ""
    control_id_start: str = ""
    state: str = ""
    read_is_dead: bool = False
    event: Event | None = None
    channel: str = ""
    case_id: str = ""
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class HourCount:
    """How many messages with one state came in one hour; ``hour`` is its start, in UTC."""

    hour: datetime
    state: str
    number: int
