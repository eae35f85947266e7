"""A message about several patients or visits (ORU^R01 repeats PATIENT_RESULT, HL7 2.9 chapter 7.3.1), in parts.

A part goes from a PID to the next; a PV1 with another visit number under one PID begins a part of its own. What
stands before the first PID, and the resources of an appointment (RGS, 10.3.1), belong to all parts.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from service.ports import Message, Segment

_OF_ALL = frozenset({"SCH", "RGS", "AIS", "AIG", "AIL", "AIP"})
_DELETE = '""'


@dataclass(frozen=True, kw_only=True, eq=False)
class Part:
    """A :class:`service.ports.Message` of which only the segments of one patient and visit are seen.

    Segments keep their index within the whole message. ``place``: ``PID[2]``, where the part begins.
    ``is_first``: it is the one by which the message is filed.
    """

    whole: Message
    place: str
    is_first: bool
    kept: Sequence[Segment]

    @property
    def control_id(self) -> str:
        return self.whole.control_id

    @property
    def type(self) -> str:
        return self.whole.type

    @property
    def trigger(self) -> str:
        return self.whole.trigger

    @property
    def doubts(self) -> Sequence[str]:
        return self.whole.doubts

    def segments(self, *names: str) -> Sequence[Segment]:
        return tuple(each for each in self.kept if each.name in names) if names else tuple(self.kept)


@dataclass(kw_only=True)
class _Patient:
    """From a PID on: what stands before its first PV1, and a list for each visit."""

    pid: Segment
    numbers: frozenset[str]
    person: list[Segment] = field(default_factory=list)
    visits: list[list[Segment]] = field(default_factory=list)

    def take(self, segment: Segment, *, divides: bool) -> None:
        if segment.name == "PV1" and (not self.visits or (divides and self._is_another_visit(segment))):
            self.visits.append([])
        (self.visits[-1] if self.visits else self.person).append(segment)

    def _is_another_visit(self, pv1: Segment) -> bool:
        number = _valued(pv1.value(19))
        return bool(number) and number != _valued(self.visits[-1][0].value(19))


def parts(message: Message) -> Sequence[Message]:
    """The message itself where it is about one patient and one visit."""
    pids, pv1s = message.segments("PID"), message.segments("PV1")
    if len(pids) < 2 and len(pv1s) < 2:
        return (message,)
    merges = message.segments("MRG")
    if len(pids) < 2 and merges:
        return (message,)
    of_all, patients = _patients(message, divides=not merges)
    if not patients:
        return (message,)
    rows: list[tuple[Segment, list[Segment]]] = []
    for each in patients:
        rows += [(visit[0] if place else each.pid, [*each.person, *visit]) for place, visit in enumerate(each.visits)]
        rows += [] if each.visits else [(each.pid, each.person)]
    if len(rows) == 1:
        return (message,)
    if merges and not all(any(each.name == "MRG" for each in own) for _, own in rows):
        # PID, PID, MRG: whose former number it is does not show; the first patient's, as it is filed.
        rows[0][1].extend(each for each in merges if each not in rows[0][1])
    return [
        Part(
            whole=message,
            place=f"{start.name}[{start.index}]",
            is_first=number == 0,
            kept=[*of_all, *own],
        )
        for number, (start, own) in enumerate(rows)
    ]


def first_part(message: Message) -> Message:
    """The patient and visit by which the message is filed."""
    return parts(message)[0]


def is_first(message: Message) -> bool:
    return not isinstance(message, Part) or message.is_first


def has_several_patients(message: Message) -> bool:
    """PIDs whose identifiers (PID-3) are not the same."""
    pids = message.segments("PID")
    return len(pids) > 1 and len({_numbers(each) or frozenset({str(each.index)}) for each in pids}) > 1


def _patients(message: Message, *, divides: bool) -> tuple[list[Segment], list[_Patient]]:
    of_all: list[Segment] = []
    patients: list[_Patient] = []
    for segment in message.segments():
        if segment.name == "PID":
            numbers = _numbers(segment)
            if not patients or not numbers or numbers != patients[-1].numbers:
                patients.append(_Patient(pid=segment, numbers=numbers))
        if patients and segment.name not in _OF_ALL:
            patients[-1].take(segment, divides=divides)
        else:
            of_all.append(segment)
    return of_all, patients


def _numbers(pid: Segment) -> frozenset[str]:
    return frozenset(
        number for row in range(1, pid.repetitions(3) + 1) if (number := _valued(pid.value(3, repetition=row)))
    )


def _valued(text: str) -> str:
    stripped = text.strip()
    return "" if stripped == _DELETE else stripped
