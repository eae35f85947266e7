"""A visit by its messages: one fold over all of them, whatever the order in which they arrived. Pure.

Two times order a visit. What *happened* is ordered by the event's time (EVN-6, else EVN-2). What a
cancellation takes back is ordered by when the sender *recorded* it (EVN-2, else MSH-7): the event time of an A13
is often that of the very discharge that it cancels, so by event time alone it would cancel nothing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from service.model import Event

BEFORE: Final = timedelta(days=7)
"""How long before a visit's first event a message that names no visit may still belong to it. Treatment before a
stay is within five days of it (SGB V § 115a); two more for a weekend."""

AFTER: Final = timedelta(days=14)
"""How long after its end: treatment after a stay is within fourteen days (SGB V § 115a), and late results come in
that time."""

CANCELS: Final = frozenset({Event.CANCEL_ADMIT, Event.CANCEL_DISCHARGE})
_PRESENCE: Final = frozenset({Event.ADMIT, Event.TRANSFER, Event.DISCHARGE})
"""What tells that the patient is, or was, here: an admission recorded after its cancellation is a new one."""


class VisitStatus(StrEnum):
    """How a visit stands, by everything told of it."""

    OPEN = "open"
    DISCHARGED = "discharged"  # what starts a letter has come, and was not taken back
    REOPENED = "reopened"  # it had come, and was taken back
    CANCELLED = "cancelled"  # the visit itself was


@dataclass(frozen=True, kw_only=True)
class Turn:
    """One message of a visit, as far as the visit's status and patient depend on it.

    ``at``: event time. ``recorded``: by the sender; the event time where it does not say. ``starts``: it starts a
    letter. ``patient`` and ``former_patient`` are tokens that tell patient numbers apart, None where not told.
    ``message_id``: of the message, where one is stored.
    """

    event: Event
    at: datetime
    recorded: datetime
    starts: bool = False
    patient: str | None = None
    former_patient: str | None = None
    message_id: str = ""


def status_of(turns: Iterable[Turn]) -> VisitStatus:
    """The same for the same messages in any order.

    A13 takes back every discharge, A11 everything, that was recorded up to its own time: of two tellings of one
    discharge none must outlive its cancellation. What is recorded in the same instant is taken back.
    """
    turns = list(turns)
    standing = _standing(turns)
    if any(turn.starts for turn in standing):
        return VisitStatus.DISCHARGED
    is_cancelled = any(turn.event is Event.CANCEL_ADMIT for turn in turns)
    if is_cancelled and not any(turn.event in _PRESENCE for turn in _lasting(turns)):
        return VisitStatus.CANCELLED
    is_taken_back = any(turn.starts for turn in turns if turn.event not in CANCELS)
    return VisitStatus.REOPENED if is_taken_back else VisitStatus.OPEN


def _standing(turns: Sequence[Turn]) -> list[Turn]:
    """What no cancellation took back."""
    reopened = _newest(turns, Event.CANCEL_DISCHARGE)
    return [
        turn
        for turn in _lasting(turns)
        if turn.event is not Event.DISCHARGE or reopened is None or turn.recorded > reopened
    ]


def _lasting(turns: Sequence[Turn]) -> list[Turn]:
    cancelled = _newest(turns, Event.CANCEL_ADMIT)
    return [turn for turn in turns if turn.event not in CANCELS and (cancelled is None or turn.recorded > cancelled)]


def _newest(turns: Sequence[Turn], event: Event) -> datetime | None:
    return max((turn.recorded for turn in turns if turn.event is event), default=None)


def patients_of(turns: Iterable[Turn]) -> tuple[str, ...]:
    """The patient numbers under which the visit goes, the one told last at the end.

    A visit that was moved to another patient (A45) is no longer the former one's, unless that is told again later.
    """
    numbers: dict[str, None] = {}
    for turn in sorted(turns, key=_in_time):
        if turn.former_patient is not None and turn.former_patient != turn.patient:
            numbers.pop(turn.former_patient, None)
        if turn.patient is not None:
            numbers.pop(turn.patient, None)
            numbers[turn.patient] = None
    return tuple(numbers)


def _in_time(turn: Turn) -> tuple[datetime, bool, datetime, str, str]:
    """Nothing of it depends on arrival; of one instant, a move comes last."""
    is_move = turn.event is Event.CHANGE_VISIT
    return turn.at, is_move, turn.recorded, turn.former_patient or "", turn.patient or ""


def reach(turns: Iterable[Turn]) -> tuple[datetime, datetime | None] | None:
    """From when to when a message about the patient that names no visit belongs to this one too; until None:
    the visit is still open. None for a visit of which nothing is told. Two visits at once both have it."""
    turns = list(turns)
    if not turns:
        return None
    begin = min(turn.at for turn in turns) - BEFORE
    if status_of(turns) is VisitStatus.CANCELLED:
        ends = [turn.at for turn in turns if turn.event is Event.CANCEL_ADMIT]
    else:
        ends = [turn.at for turn in _standing(turns) if turn.event is Event.DISCHARGE or turn.starts]
    return begin, max(ends) + AFTER if ends else None
