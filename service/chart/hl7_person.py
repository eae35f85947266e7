"""PID and PV1 of all messages as one snapshot: a later field replaces an earlier one, an empty one does
not, and ``""`` deletes (HL7 2.9 chapter 2.5.3 and chapter 3).

What comes late under a number that a merge has ended, or was told of a patient from whom the visit was taken
away, is no word on who the patient is.
"""

from collections.abc import Sequence

from service.chart.element import Leaf
from service.chart.fhir_person import joined, sex_and_salutation
from service.chart.hl7_fields import deletes, leaf, moment
from service.chart.hl7_identity import Ended, patient_link, patient_numbers, visit_link, visit_number, wrong_patient
from service.chart.hl7_movement import location, ward_by_movements
from service.chart.hl7_senders import by_sender
from service.chart.items import Item, Value, contradicted
from service.chart.values import a_date, a_text
from service.model import FactType, Importance
from service.ports import Message, Segment

_SEXES = {"F": "female", "W": "female", "M": "male", "O": "other", "D": "other", "X": "other"}
_PREFIX, _DEGREE = 6, 7
_HELD_AGAINST = frozenset({"family", "given", "birth_date", "sex", "start", "end"})
"""Between senders; each numbers patients and visits on its own."""


def read_person(messages: Sequence[Message], notes: list[str], *, treated: str = "") -> list[Item]:
    """``treated``: the last day of radiotherapy (ISO), which decides among movements (ZBE) whose ward it was."""
    patient: dict[str, Value] = {}
    visit: dict[str, Value] = {}
    strangers = {number for each in messages for number in wrong_patient(each)}
    ended_patients, ended_visits = Ended(), Ended()
    for message in messages:
        ended_patients.take(patient_link(message))
        ended_visits.take(visit_link(message))
        own = patient_numbers(message)
        is_another = _is_of_another(own, ended_patients, strangers)
        for segment in message.segments("PID")[:1]:
            if not is_another:
                _patient(segment, patient, notes)
        for segment in message.segments("PV1")[:1]:
            _visit(segment, visit, notes, numbered=not ended_visits.covers({visit_number(message)} - {""}))
        if message.trigger == "A13":
            visit.pop("end", None)
    if moved := ward_by_movements(messages, treated):
        visit["ward"] = a_text(FactType.TEXT, moved, Importance.LOW)
    items = [
        Item(kind="patient", key="", values=patient, origin="hl7"),
        Item(kind="visit", key="", values=visit, origin="hl7"),
    ]
    senders = by_sender(
        [
            each
            for each in messages
            if not _is_of_another(patient_numbers(each), ended_patients, strangers)
            and not ended_visits.covers({visit_number(each)} - {""})
        ]
    )
    for told in senders.values() if len(senders) > 1 else ():
        items = [contradicted(*pair, _HELD_AGAINST) for pair in zip(items, _of_sender(told), strict=True)]
    return [item for item in items if item.values]


def _is_of_another(own: frozenset[str], ended: Ended, strangers: set[str]) -> bool:
    return ended.covers(own) or bool(own and strangers.issuperset(own))


def _of_sender(messages: Sequence[Message]) -> list[Item]:
    """Patient and visit as one sender leaves them."""
    patient: dict[str, Value] = {}
    visit: dict[str, Value] = {}
    for message in messages:
        for segment in message.segments("PID")[:1]:
            _patient(segment, patient, [])
        for segment in message.segments("PV1")[:1]:
            _visit(segment, visit, [], numbered=True)
        if message.trigger == "A13":
            visit.pop("end", None)
    return [Item(kind="patient", key="", values=patient), Item(kind="visit", key="", values=visit)]


def _patient(pid: Segment, values: dict[str, Value], notes: list[str]) -> None:
    _take(values, ("id",), deletes(pid, 3), {"id": _text(FactType.IDENTIFIER, _identifier(pid), Importance.LOW)})
    _take(values, ("name", "family", "given"), deletes(pid, 5), _name(pid))
    born = moment(pid, 7, notes)
    _take(values, ("birth_date",), deletes(pid, 7), {"birth_date": a_date(born) if born else None})
    sex = leaf(pid, 8)
    if sex and sex.value.upper() in _SEXES:
        values.pop("salutation", None)
        values |= sex_and_salutation(_SEXES[sex.value.upper()], sex.source)
    elif deletes(pid, 8):
        values.pop("sex", None)
        values.pop("salutation", None)
    elif sex and sex.value.upper() not in ("U", "A", "N"):
        notes.append(f"{sex.source}: no administrative sex, left out")


def _take(values: dict[str, Value], leaves: Sequence[str], deleted: bool, new: dict[str, Value | None]) -> None:
    told = {leaf: value for leaf, value in new.items() if value is not None}
    if deleted or told:
        for each in leaves:
            values.pop(each, None)
    values |= told


def _text(type_: FactType, found: Leaf[str] | None, importance: Importance = Importance.NORMAL) -> Value | None:
    return a_text(type_, found, importance) if found else None


def _identifier(pid: Segment) -> Leaf[str] | None:
    """PID-3: the medical record number (MR), else the patient's internal number, else the first."""
    rows = range(1, pid.repetitions(3) + 1)
    for kinds in (("MR",), ("PI", "PT", "")):
        for row in rows:
            if pid.value(3, component=5, repetition=row) in kinds and (
                found := leaf(pid, 3, component=1, repetition=row)
            ):
                return found
    return leaf(pid, 3, component=1)


def _name(pid: Segment) -> dict[str, Value | None]:
    """PID-5: the legal name (XPN-7 ``L``, table 0200), else one without a type, else the first."""
    types = [pid.value(5, component=7, repetition=each + 1).strip().upper() for each in range(pid.repetitions(5))]
    row = next((types.index(wanted) + 1 for wanted in ("L", "") if wanted in types), 1)
    family = leaf(pid, 5, component=1, repetition=row)
    names = [each for part in (2, 3) if (each := leaf(pid, 5, component=part, repetition=row))]
    given = joined(names) if names else None
    parts = [*names, *([family] if family else [])]
    whole = joined(parts) if parts else None
    return {
        "name": _text(FactType.NAME, whole),
        "family": _text(FactType.NAME, family),
        "given": _text(FactType.NAME, given),
    }


def _visit(pv1: Segment, values: dict[str, Value], notes: list[str], *, numbered: bool) -> None:
    start, end = moment(pv1, 44, notes), moment(pv1, 45, notes)
    for field, name, value in (
        (19, "number", _text(FactType.IDENTIFIER, leaf(pv1, 19, component=1) if numbered else None, Importance.LOW)),
        (44, "start", a_date(start) if start else None),
        (45, "end", a_date(end) if end else None),
        (7, "physician", _text(FactType.NAME, person(pv1, 7), Importance.LOW)),
        (3, "ward", _text(FactType.TEXT, location(pv1), Importance.LOW)),
    ):
        _take(values, (name,), deletes(pv1, field), {name: value})


def person(segment: Segment, field: int) -> Leaf[str] | None:
    """An XCN: prefix, given and family name."""
    family = leaf(segment, field, component=2)
    prefix, given = leaf(segment, field, component=_PREFIX), leaf(segment, field, component=3)
    if family is None:
        return None
    degree = None if prefix else leaf(segment, field, component=_DEGREE)
    return joined([each for each in (prefix, degree, given, family) if each])
