"""Lists of segments that messages tell anew (snapshot) or change by the row (action codes); HL7 2.9, 2.10.4.

A row that changes another keeps what it leaves empty; ``""`` deletes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from service.chart.hl7_fields import DELETE
from service.chart.hl7_senders import sender_of
from service.ports import Message, Segment

_REGISTRATION = frozenset({"ADT", "BAR"})
_ACTIONS = {"A": "A", "AD": "A", "U": "U", "UP": "U", "CO": "U", "D": "D", "DE": "D", "X": "X", "UC": "X"}
"""HL7 tables 0206 (A, U, D, X) and 0287 (AD, UP, CO, DE, UC)."""


@dataclass(frozen=True, kw_only=True)
class Form:
    """Where a segment has its code, its identifier (0: none) and its action code (0: none).

    ``updates``: it tells single changes even without an action code (PRB).
    """

    code: int
    identifier: int = 0
    action: int = 0
    updates: bool = False


FORMS = {
    "DG1": Form(code=3, identifier=20, action=21),
    "PR1": Form(code=3, identifier=19, action=20),
    "AL1": Form(code=3),
    "IAM": Form(code=3, identifier=7, action=6),
    "PRB": Form(code=3, identifier=4, action=1, updates=True),
}


@dataclass(frozen=True, kw_only=True)
class Changed:
    """A :class:`service.ports.Segment` told several times, the newest first: of each field the newest word."""

    layers: tuple[Segment, ...]

    @property
    def name(self) -> str:
        return self.layers[0].name

    @property
    def index(self) -> int:
        return self.layers[0].index

    def value(self, field: int, *, component: int = 1, sub: int = 1, repetition: int = 1) -> str:
        return self._of(field).value(field, component=component, sub=sub, repetition=repetition)

    def repetitions(self, field: int) -> int:
        return self._of(field).repetitions(field)

    def components(self, field: int, repetition: int = 1) -> Sequence[str]:
        return self._of(field).components(field, repetition)

    def offset(self, field: int) -> str:
        return self._of(field).offset(field)

    def source(self, field: int, *, repetition: int = 1, component: int | None = None) -> str:
        return self._of(field).source(field, repetition=repetition, component=component)

    def _of(self, field: int) -> Segment:
        return next((each for each in self.layers if each.repetitions(field)), self.layers[0])


@dataclass(frozen=True, kw_only=True)
class Row:
    segment: Segment
    sender: str


def standing(messages: Sequence[Message], *names: str) -> Sequence[Segment]:
    """The rows that hold in the end. What orders and other messages add to is told by them only where
    no ADT or BAR tells of it: a request carries the diagnosis that it is about, not the patient's list."""
    told = [each for each in messages if each.segments(*names)]
    registered = [each for each in told if each.type in _REGISTRATION]
    return _standing(registered or told, names)


def _standing(messages: Sequence[Message], names: Sequence[str]) -> list[Segment]:
    """A list told anew replaces what its own sender told before, and of others what it tells too."""
    rows: list[Row] = []
    for message in messages:
        told = message.segments(*names)
        sender = sender_of(message)
        anew = not _changes_single_rows(message, told)
        if anew:
            codes = {_code(each) for each in told} - {""}
            rows = [row for row in rows if row.sender != sender and _code(row.segment) not in codes]
        for each in told:
            _take(rows, Row(segment=each, sender=sender), _action(message, each), anew=anew)
    return [row.segment for row in rows]


def _changes_single_rows(message: Message, told: Sequence[Segment]) -> bool:
    """BAR^P12 is for single changes (6.4.11): its rows have identifiers even where the action is left out."""
    return any(_action(message, each) or FORMS[each.name].updates for each in told) or (
        message.trigger == "P12" and any(_identifier(each) for each in told)
    )


def _action(message: Message, segment: Segment) -> str:
    form = FORMS[segment.name]
    if form.updates and message.trigger == "PC3":
        return "D"
    return _ACTIONS.get(segment.value(form.action).strip().upper(), "") if form.action else ""


def _take(rows: list[Row], row: Row, action: str, *, anew: bool) -> None:
    told = row.segment
    if action == "X" or told.value(FORMS[told.name].code).strip() == DELETE:
        return
    if anew:
        rows.append(row)
        return
    places = [place for place, each in enumerate(rows) if _is_same(each.segment, told)]
    if action != "D":
        first = rows[places[0]].segment if places else None
        before = first.layers if isinstance(first, Changed) else (first,) if first else ()
        changed = Changed(layers=(told, *before)) if before else told
        rows.insert(places[0] if places else len(rows), Row(segment=changed, sender=row.sender))
        places = [place + 1 for place in places]
    for place in reversed(places):
        del rows[place]


def _is_same(one: Segment, other: Segment) -> bool:
    """By identifier where both have one, else by code; an IAM may speak of what an AL1 told."""
    mine, theirs = _identifier(one), _identifier(other)
    return mine == theirs if mine and theirs else _code(one) == _code(other) != ""


def _identifier(segment: Segment) -> str:
    form = FORMS[segment.name]
    return segment.value(form.identifier).strip() if form.identifier else ""


def _code(segment: Segment) -> str:
    code = FORMS[segment.name].code
    return (segment.value(code).strip() or segment.value(code, component=2).strip()).casefold()
