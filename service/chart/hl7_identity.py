"""Numbers that name one patient or one visit: what merges and changes of visit say (HL7 2.9 chapter 3, MRG)."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from service.chart.hl7_fields import DELETE
from service.ports import Message, Segment

_SAME_PATIENT = frozenset({"A18", "A30", "A34", "A36", "A39", "A40", "A46", "A47"})
"""MRG-1 and PID-3 are one patient."""
_SAME_VISIT = frozenset({"A35", "A36", "A41", "A42", "A45", "A49", "A50"})
"""MRG-5 and PV1-19, or the accounts MRG-3 and PID-18, are one visit."""
_ANOTHER_PATIENT = frozenset({"A44", "A45"})
"""The visit was told under a wrong patient (MRG-1); those two stay two."""


@dataclass(frozen=True, kw_only=True)
class Link:
    """``former`` numbers ended, ``now`` the ones that stand for them."""

    former: frozenset[str]
    now: frozenset[str]


def patient_link(message: Message) -> Link | None:
    return _link(_numbers(message, "MRG", 1), patient_numbers(message)) if message.trigger in _SAME_PATIENT else None


def visit_link(message: Message) -> Link | None:
    if message.trigger not in _SAME_VISIT:
        return None
    return _link(_numbers(message, "MRG", 5), _numbers(message, "PV1", 19)) or _link(
        _numbers(message, "MRG", 3), _numbers(message, "PID", 18)
    )


def wrong_patient(message: Message) -> frozenset[str]:
    """The numbers of the patient from whom this message takes its visit away."""
    return (
        _numbers(message, "MRG", 1) - patient_numbers(message) if message.trigger in _ANOTHER_PATIENT else frozenset()
    )


def patient_numbers(message: Message) -> frozenset[str]:
    """PID-3, every repetition."""
    return _numbers(message, "PID", 3)


def visit_number(message: Message) -> str:
    """PV1-19, empty for none."""
    return next((valued(each.value(19)) for each in message.segments("PV1")[:1]), "")


def widened(numbers: Iterable[str], links: Sequence[Link]) -> set[str]:
    """With all numbers that a chain of links makes the same."""
    found = set(numbers)
    for _ in links:
        before = len(found)
        for link in links:
            if found & (link.former | link.now):
                found |= link.former | link.now
        if len(found) == before:
            break
    return found


class Ended:
    """Numbers that no longer name anything, as links come one after another."""

    def __init__(self) -> None:
        self._numbers: set[str] = set()

    def take(self, link: Link | None) -> None:
        if link:
            self._numbers = (self._numbers | link.former) - link.now

    def covers(self, numbers: Collection[str]) -> bool:
        return bool(numbers) and self._numbers.issuperset(numbers)


def valued(text: str) -> str:
    stripped = text.strip()
    return "" if stripped == DELETE else stripped


def _link(former: frozenset[str], now: frozenset[str]) -> Link | None:
    return Link(former=former - now, now=now) if former - now and now else None


def _numbers(message: Message, name: str, field: int) -> frozenset[str]:
    segments: Sequence[Segment] = message.segments(name)
    return frozenset(
        number
        for each in segments[:1]
        for row in range(1, each.repetitions(field) + 1)
        if (number := valued(each.value(field, repetition=row)))
    )
