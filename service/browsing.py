"""The message browser's questions and answers in words: the same for the pages and the command line. No PHI."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from service.errors import UnusableInput
from service.model import Event, HourCount, ListedMessage, MessageFilter, Step
from service.ports import Transaction
from service.rereading import Judge, Judgement, judge

STATES: Final = ("stored", "understood", "refused", "dead")
"""``dead``: the reading of a stored message ended, and a person must act."""

CHANNELS: Final = ("mllp", "fhir")
HOURS: Final = 24
_ALIKE: Final = 20


@dataclass(frozen=True, kw_only=True)
class MessagePage:
    """One message and what became of it. ``alike``: the newest others with its control id. ``today``: how it would
    be judged now; None for what is not HL7 v2."""

    message: ListedMessage
    steps: Sequence[Step]
    alike: Sequence[ListedMessage]
    today: Judgement | None

    @property
    def may_be_read_again(self) -> bool:
        return self.today is not None and self.today.is_taken


def look_at(tx: Transaction, message_id: str, *, by: Judge) -> MessagePage:
    """Its body is judged here, and not given out. Raises NotFound."""
    message = tx.listed_message(message_id)
    alike: Sequence[ListedMessage] = ()
    if message.control_id:
        alike = tx.list_messages(MessageFilter(control_id=message.control_id), limit=_ALIKE + 1)
    return MessagePage(
        message=message,
        steps=tx.steps_about(message_id),
        alike=[each for each in alike if each.id != message_id][:_ALIKE],
        today=judge(by, tx.message(message_id)) if message.channel == "mllp" else None,
    )


def read_filter(
    *,
    control_id: str = "",
    state: str = "",
    event: str = "",
    channel: str = "",
    case_id: str = "",
    since: str = "",
    until: str = "",
) -> MessageFilter:
    """As people write it: ``control_id`` with a ``*`` at its end is the beginning of one; times are ISO 8601, and
    UTC where they name no offset.

    Raises UnusableInput naming the field and what it may be.
    """
    control_id = control_id.strip()
    return MessageFilter(
        control_id="" if control_id.endswith("*") else control_id,
        control_id_start=control_id.rstrip("*") if control_id.endswith("*") else "",
        state="" if _one_of(state, STATES, "state") == "dead" else state.strip(),
        read_is_dead=state.strip() == "dead",
        event=Event(event.strip()) if _one_of(event, tuple(Event), "event") else None,
        channel=_one_of(channel, CHANNELS, "channel"),
        case_id=case_id.strip(),
        since=_time(since, "since"),
        until=_time(until, "until"),
    )


def message_row(message: ListedMessage) -> dict[str, Any]:
    """One message as JSON."""
    return {
        "id": message.id,
        "received": message.received_at.isoformat(timespec="milliseconds"),
        "channel": message.channel,
        "sender": message.sender,
        "control_id": message.control_id,
        "kind": message.kind,
        "state": "dead" if message.read_is_dead else message.state,
        "event": message.event.value if message.event else None,
        "event_time": message.event_time,
        "ack": message.ack_code,
        "error": message.error_code,
        "case": message.case_id,
    }


def first_hour(now: datetime) -> datetime:
    """The start of the first of the last 24 hours, the present one included."""
    return now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=HOURS - 1)


def by_hour(counts: Sequence[HourCount], now: datetime) -> list[tuple[datetime, int, int]]:
    """(hour, received, refused of these) for each of the last 24 hours, oldest first."""
    hours = [first_hour(now) + timedelta(hours=number) for number in range(HOURS)]
    return [
        (
            hour,
            sum(count.number for count in counts if count.hour == hour),
            sum(count.number for count in counts if count.hour == hour and count.state == "refused"),
        )
        for hour in hours
    ]


def _one_of(text: str, known: Sequence[str], field: str) -> str:
    value = text.strip()
    if value and value not in known:
        raise UnusableInput(field, remedy=f"Give one of {', '.join(known)}.")
    return value


def _time(text: str, field: str) -> datetime | None:
    if not text.strip():
        return None
    try:
        told = datetime.fromisoformat(text.strip())
        return (told if told.tzinfo else told.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise UnusableInput(field, remedy="Give a time such as 2026-03-12T08:30 (UTC).") from None
