"""Radiotherapy courses from a record-and-verify system's OBX, by the codes of the institution's mapping.

OBX-4 tells courses and volumes apart. A later message's value replaces an earlier one's. Nothing is added up:
what such a system reports for a volume is the volume's total.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from service.chart.chart_mapping import COURSE, VOLUME
from service.chart.codes import known_word, table
from service.chart.element import Leaf
from service.chart.hl7_fields import is_withdrawn, leaf, moment, number, unit
from service.chart.hl7_senders import sender_of
from service.chart.items import Item, Value, contradicted
from service.chart.sides import side_in_words
from service.chart.values import a_code, a_count, a_date, a_dose, a_text
from service.model import ChartMapping, FactType, Importance
from service.patient_groups import first_part
from service.ports import Message, Segment
from service.radiotherapy import agree, dose_per_fraction, to_gray

_SUB_ID = re.compile(r"\d+(?:\.\d+)?", re.ASCII)
_STATUSES = frozenset({"completed", "stopped", "in-progress", "on-hold", "preparation", "planned"})


@dataclass(kw_only=True)
class _Told:
    """What messages say of one course. ``volumes``: by the second part of OBX-4. ``tellings``: by sender."""

    number: str
    order: str
    leaves: dict[str, Segment] = field(default_factory=dict)
    volumes: dict[str, dict[str, Segment]] = field(default_factory=dict)
    tellings: dict[str, "_Told"] = field(default_factory=dict)


def is_course_result(segment: Segment, mapping: ChartMapping) -> bool:
    return bool(_leaf_of(segment, mapping))


def is_unknown_code(segment: Segment, mapping: ChartMapping) -> bool:
    """A code of the record-and-verify system that the mapping does not have, and no code of another system."""
    told = [
        (segment.value(3, component=start).strip().upper(), segment.value(3, component=start + 2).strip().upper())
        for start in (1, 4)
    ]
    own = [code for code, system in told if system == mapping.system]
    others = [code for code, system in told if code and system != mapping.system]
    return bool(own) and not others and not any(code in mapping.leaves or code in mapping.results for code in own)


def course_status(message: Message, mapping: ChartMapping) -> str | None:
    """What a record-and-verify system says of the course: ``completed``, ``stopped``, ``in-progress``, ``on-hold``,
    ``preparation`` or ``planned``; None where the message tells none.

    Of several courses the one that started last counts: a report lists former ones too. Of several patients
    the first counts, on whose case the message is filed.
    """
    notes: list[str] = []
    groups = _groups(first_part(message), mapping, notes)
    courses = [_course(each, place, mapping, notes) for place, each in enumerate(groups)]
    told = [each for each in courses if "status" in each.values]
    return max(told, key=lambda each: each.date).values["status"].value if told else None


def _leaf_of(segment: Segment, mapping: ChartMapping) -> str:
    for start in (1, 4):
        if segment.value(3, component=start + 2).strip().upper() == mapping.system:
            found = mapping.leaves.get(segment.value(3, component=start).strip().upper(), "")
            if found:
                return found
    return ""


def read_courses(messages: Sequence[Message], mapping: ChartMapping, notes: list[str]) -> list[Item]:
    told: list[_Told] = []
    for message in messages:
        for group in _groups(message, mapping, notes):
            earlier = next((each for each in told if each.number == group.number and not _apart(each, group)), None)
            course = earlier or _Told(number=group.number, order=group.order)
            own = course.tellings.setdefault(sender_of(message), _Told(number=group.number, order=group.order))
            for each in (course, own):
                _overlay(each, group)
            if not earlier:
                told.append(course)
    items = [_course(each, place, mapping, notes) for place, each in enumerate(told)]
    return [item for item in items if item.values or item.parts]


def _groups(message: Message, mapping: ChartMapping, notes: list[str]) -> Iterator[_Told]:
    """The courses of one message, by the first part of OBX-4."""
    found: dict[str, _Told] = {}
    order = ""
    for segment in message.segments("OBR", "OBX"):
        if segment.name == "OBR":
            order = segment.value(3).strip()
            continue
        name = _leaf_of(segment, mapping)
        if not name:
            continue
        sub_id = segment.value(4).strip()
        if sub_id and not _SUB_ID.fullmatch(sub_id):
            notes.append(
                f"{segment.source(4)}: neither course (1) nor course and volume (1.2), taken as a course's own name"
            )
        course, _, volume = sub_id.partition(".")
        group = found.setdefault(course or "1", _Told(number=course or "1", order=order))
        kind, _, part = name.rpartition(".")
        (group.volumes.setdefault(volume or "1", {}) if kind else group.leaves)[part] = segment
    yield from found.values()


def _apart(earlier: _Told, later: _Told) -> bool:
    """Whether the same number names two courses: one after the other, or of two orders (OBR-3) and two sites."""
    first, second = _span(earlier), _span(later)
    if first and second and (first[1] < second[0] or second[1] < first[0]):
        return True
    sites = [each.leaves["site"].value(5).casefold() for each in (earlier, later) if "site" in each.leaves]
    orders = {each.order for each in (earlier, later) if each.order}
    return len(orders) == 2 and len(sites) == 2 and sites[0] != sites[1]


def _span(told: _Told) -> tuple[str, str] | None:
    start, end = (moment(told.leaves[name], 5, []) if name in told.leaves else None for name in ("start", "end"))
    return (start.value.date, end.value.date) if start and end else None


def _overlay(earlier: _Told, later: _Told) -> None:
    earlier.leaves |= later.leaves
    for volume, leaves in later.volumes.items():
        earlier.volumes[volume] = earlier.volumes.get(volume, {}) | leaves


# ---------------------------------------------------------------- values


def _course(told: _Told, place: int, mapping: ChartMapping, notes: list[str]) -> Item:
    values: dict[str, Value] = {}
    for name in COURSE:
        segment = told.leaves.get(name)
        if segment and not is_withdrawn(segment) and (value := _value(name, segment, mapping, notes)):
            values[name] = value
    parts = [_volume(number, leaves, mapping, notes) for number, leaves in sorted(told.volumes.items(), key=_by_number)]
    item = Item(
        kind="course",
        key=f"OBX-4 {told.number} ({place})",
        values=values,
        parts=tuple(each for each in parts if each.values),
        date=values["start"].value if "start" in values else "",
        origin="hl7",
    )
    for own in told.tellings.values() if len(told.tellings) > 1 else ():
        item = contradicted(item, _course(own, place, mapping, []))
    return item


def _by_number(row: tuple[str, object]) -> tuple[int, str]:
    return len(row[0]), row[0]


def _volume(number_: str, leaves: Mapping[str, Segment], mapping: ChartMapping, notes: list[str]) -> Item:
    values: dict[str, Value] = {}
    for name in VOLUME:
        segment = leaves.get(name)
        if segment and not is_withdrawn(segment) and (value := _value(f"volume.{name}", segment, mapping, notes)):
            values[name] = value
    told = [Decimal(values[name].value) for name in ("dose", "dose_per_fraction", "fractions") if name in values]
    if len(told) == 3 and not agree(told[0], told[1], int(told[2])):
        notes.append(f"{values['dose'].source}: dose, dose per fraction and fractions do not agree")
    return Item(kind="volume", key=f"OBX-4 {number_}", values=values, origin="hl7")


def with_single_dose(volume: Item) -> Item:
    """The dose per fraction, where the system gives dose and fractions alone and they divide exactly."""
    dose, fractions = volume.values.get("dose"), volume.values.get("fractions")
    if "dose_per_fraction" in volume.values or not dose or not fractions:
        return volume
    single = dose_per_fraction(Decimal(dose.value), int(fractions.value))
    if single is None:
        return volume
    value = a_dose(FactType.DOSE_PER_FRACTION, single, f"{dose.source} + {fractions.source}")
    return replace(volume, values={**volume.values, "dose_per_fraction": value})


def _value(name: str, segment: Segment, mapping: ChartMapping, notes: list[str]) -> Value | None:
    if name in ("start", "end"):
        when = moment(segment, 5, notes)
        return a_date(when) if when else None
    said = leaf(segment, 5, component=2) or leaf(segment, 5)
    if said is None:
        return None
    if name in ("fractions", "volume.fractions"):
        return _fractions(segment, notes)
    if name in ("volume.dose", "volume.dose_per_fraction"):
        return _dose(name, segment, notes)
    if name in ("technique", "site"):
        return _listed(said, name)
    if name == "volume.name":
        return a_text(FactType.TERM, said)
    return _canonical(name, (leaf(segment, 5) or said, said), mapping, notes)


def _listed(said: Leaf[str], name: str) -> Value:
    """Words in both languages where a table has them."""
    value = a_text(FactType.TERM, said)
    known = known_word(said.value, name)
    return replace(value, display=known) if known else value


def _canonical(name: str, told: tuple[Leaf[str], Leaf[str]], mapping: ChartMapping, notes: list[str]) -> Value | None:
    """Status, intent and side, ``told`` as code and in words: by the institution's words, else by the tables'."""
    own = mapping.words.get(name, {})
    for each in told:
        word = own.get(each.value.casefold(), each.value)
        if name == "status" and word.casefold() in _STATUSES:
            return a_code(FactType.STATUS, word.casefold(), each.source)
        if name == "intent":
            known = next(
                (table("intent")[part] for part in (word, *word.casefold().split()) if part in table("intent")), None
            )
            if known:
                return a_code(FactType.INTENT, known, each.source)
        if name == "side":
            side = table("laterality").get(word) or side_in_words(word)
            if side:
                return a_code(FactType.LATERALITY, side, each.source)
    if name == "intent":
        return a_text(FactType.INTENT, told[1])
    notes.append(f"{told[1].source}: {name} is no known word, left out")
    return None


def _fractions(segment: Segment, notes: list[str]) -> Value | None:
    counted = number(leaf(segment, 5), notes)
    if counted is None:
        return None
    if counted.value <= 0 or counted.value != counted.value.to_integral_value():
        notes.append(f"{counted.source}: no count of fractions, left out")
        return None
    return a_count(FactType.FRACTIONS, counted)


def _dose(name: str, segment: Segment, notes: list[str]) -> Value | None:
    """In gray. Without a unit it is cGy, as in FHIR; that, and a conversion, is said in a note."""
    told = number(leaf(segment, 5), notes)
    if told is None:
        return None
    written = unit(segment, 6)
    if not written:
        notes.append(f"{told.source}: dose without a unit, read as cGy")
    try:
        gray = to_gray(told.value, written or "cGy")
    except ValueError:
        gray = Decimal(-1)
    if gray < 0:
        notes.append(f"{told.source}: a dose of this unit or size is not understood, left out")
        return None
    if written and gray != told.value:
        notes.append(f"{told.source}: dose in {written}, told in Gy")
    if name == "volume.dose":
        return a_dose(FactType.DOSE, gray, told.source, Importance.HIGH)
    return a_dose(FactType.DOSE_PER_FRACTION, gray, told.source)
