"""OBX that are no radiotherapy: laboratory, TNM, grading, markers, performance, toxicity (HL7 2.9 chapter 7)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from service.chart import displays
from service.chart.codes import LOINC, known_code, pair, table, word_of
from service.chart.dates import Moment
from service.chart.element import Concept, Leaf
from service.chart.fhir_observation import lab_unit, newest
from service.chart.fhir_tumour import marker_item
from service.chart.hl7_fields import concept, is_withdrawn, leaf, moment, number, unit
from service.chart.hl7_radiotherapy import is_course_result, is_unknown_code
from service.chart.items import Item, Value
from service.chart.observations import digits_in, kind_of_code, performance_value
from service.chart.text import clean
from service.chart.tnm import category, grading, stage_group
from service.chart.values import a_date, a_text, a_word, an_amount
from service.model import ChartMapping, FactType, Importance
from service.ports import Message, Segment

_MEDDRA = "https://www.meddra.org"
_OUT_OF_RANGE = frozenset({"H", "L", "HH", "LL", "A", "AA", "HU", "LU", ">", "<"})
_FIGURE = re.compile(r"(?P<sign><=|>=|<|>)?\s*(?P<number>[+-]?\d+(?:[.,]\d+)?)")


@dataclass(frozen=True, kw_only=True)
class Result:
    """One OBX with its time: OBX-14, else its OBR-7."""

    segment: Segment
    code: Concept
    at: Leaf[Moment] | None

    @property
    def day(self) -> str:
        return self.at.value.date if self.at else ""


def results(messages: Sequence[Message], mapping: ChartMapping, notes: list[str]) -> list[Result]:
    """The results that stand: of the same code, sub-id and time the one told last; deleted ones are none."""
    found: dict[tuple[str, str, str], Result] = {}
    for message in messages:
        observed: Leaf[Moment] | None = None
        for segment in message.segments("OBR", "OBX"):
            if segment.name == "OBR":
                observed = moment(segment, 7, notes)
                continue
            if is_course_result(segment, mapping):
                continue
            if is_unknown_code(segment, mapping):
                notes.append(f"{segment.source(3)}: a code that chart.obx_mapping does not have, left out")
                continue
            code = _with_loinc(concept(segment, 3), mapping)
            at = moment(segment, 14, notes) or observed
            name = next((each.code for each in code.codings if each.code), code.words().casefold())
            place = (name, clean(segment.value(4)), at.value.utc if at else "")
            if is_withdrawn(segment):
                found.pop(place, None)
            elif segment.value(5).strip() or segment.value(5, component=2).strip():
                found.pop(place, None)
                found[place] = Result(segment=segment, code=code, at=at)
    return list(found.values())


def _with_loinc(told: Concept, mapping: ChartMapping) -> Concept:
    """A local code with the LOINC code that the institution's mapping gives it; where it has none of its own."""
    known = next((each for each in told.codings if each.code.upper() in mapping.results), None)
    if known is None or told.codes(LOINC):
        return told
    loinc = replace(known, system=LOINC, code=mapping.results[known.code.upper()])
    return replace(told, codings=[loinc, *told.codings])


def read_results(messages: Sequence[Message], mapping: ChartMapping, notes: list[str]) -> list[Item]:
    """Items; what belongs to the tumour as a ``diagnosis`` without a key."""
    items: list[Item] = []
    labs: dict[str, list[Item]] = {}
    tumour: dict[str, tuple[str, Value]] = {}
    markers: list[Item] = []
    scores: dict[str, tuple[str, Value]] = {}
    for result in results(messages, mapping, notes):
        kind = kind_of_code(result.code)
        if kind in ("tnm", "grading"):
            _keep(tumour, _category(result, kind, notes), result)
        elif kind == "histology":
            _keep(tumour, _histology(result), result)
        elif kind == "performance":
            _keep(scores, _score(result, notes), result)
        elif kind == "marker":
            markers += _marker(result, notes)
        elif item := _toxicity(result):
            items.append(item)
        elif item := _lab(result, notes):
            labs.setdefault(item.key.split("|")[0], []).append(item)
    staged = {name: value for name, (_, value) in tumour.items()}
    if staged or markers:
        items.append(Item(kind="diagnosis", key="", values=staged, parts=tuple(markers), origin="hl7", rank=9))
    items += [
        Item(kind="performance", key=name, values={name: value}, origin="hl7") for name, (_, value) in scores.items()
    ]
    told = [item for same in labs.values() for item in newest(same)]
    notes += [
        f"{value.source}: laboratory value without a unit"
        for value in (each.values["value"] for each in told)
        if not value.unit and _FIGURE.fullmatch(value.value)
    ]
    return items + told


def _keep(kept: dict[str, tuple[str, Value]], found: tuple[str, Value] | None, result: Result) -> None:
    at = result.at.value.utc if result.at else ""
    if found and (found[0] not in kept or at >= kept[found[0]][0]):
        kept[found[0]] = (at, found[1])


def _words(result: Result) -> Leaf[str] | None:
    """OBX-5 in words: the text of a coded value, else the first component."""
    return leaf(result.segment, 5, component=2) or leaf(result.segment, 5)


def _category(result: Result, kind: str, notes: list[str]) -> tuple[str, Value] | None:
    said = [each for each in (leaf(result.segment, 5), leaf(result.segment, 5, component=2)) if each]
    known = known_code(result.code, "tnm")
    prefix, axis = str(known[1]).split() if known else ("", "grading")
    prefix = prefix.removeprefix("x")
    coded = known_code(concept(result.segment, 5), "grading_value") if kind == "grading" else None
    if coded:
        return axis, Value(
            type=FactType.GRADING,
            value=str(coded[1]),
            display=displays.same_in_both(str(coded[1])),
            source=result.segment.source(5),
        )
    for each in said:
        if kind == "grading":
            value, type_ = grading(each.value), FactType.GRADING
        elif axis == "stage":
            value, type_ = stage_group(each.value), FactType.STAGE
        else:
            value, type_ = category(each.value, axis, prefix), FactType.TNM
        if value:
            return axis, Value(type=type_, value=value, display=displays.same_in_both(value), source=each.source)
    notes.append(f"{result.segment.source(5)}: value is no category of TNM, stage or grade, left out")
    return None


def _histology(result: Result) -> tuple[str, Value] | None:
    word = word_of(concept(result.segment, 5), "histology")
    return ("histology", a_word(FactType.TERM, word)) if word else None


def _score(result: Result, notes: list[str]) -> tuple[str, Value] | None:
    known = known_code(result.code, "performance")
    said = leaf(result.segment, 5)
    if known is None or said is None:
        return None
    answer = table("performance_answer").get(said.value) or digits_in(said.value)
    value = performance_value(str(known[1]), Leaf(value=answer, source=said.source)) if answer else None
    if value is None:
        notes.append(f"{said.source}: value is no performance score, left out")
        return None
    return str(known[1]), value


def _value(result: Result, type_: FactType, notes: list[str]) -> Value | None:
    """A figure where OBX-2 is NM or SN, or the words are one (``<0,03``); else words."""
    kind, segment = result.segment.value(2).upper(), result.segment
    if kind == "SN":
        comparator = segment.value(5, component=1).strip()
        figure = number(leaf(segment, 5, component=2), notes)
        known = comparator if comparator in ("<", "<=", ">", ">=") else ""
        return an_amount(type_, figure.value, unit(segment, 6), figure.source, comparator=known) if figure else None
    told = leaf(segment, 5)
    match = _FIGURE.fullmatch(told.value) if told and kind not in ("CE", "CWE") else None
    if match or kind == "NM":
        figure = number(Leaf(value=match["number"], source=told.source) if told and match else told, notes)
        if figure is None:
            return None
        return an_amount(
            type_, figure.value, unit(segment, 6), figure.source, comparator=(match["sign"] or "") if match else ""
        )
    said = _words(result)
    if said is None:
        return None
    value = a_text(type_, said)
    listed = table("result").get(said.value.casefold())
    return replace(value, display=pair(listed)) if listed else value


def _marker(result: Result, notes: list[str]) -> list[Item]:
    value = _value(result, FactType.TEXT, notes)
    marker = marker_item(result.code, value, result.day) if value else None
    return [marker] if marker else []


def _lab(result: Result, notes: list[str]) -> Item | None:
    """A result with a LOINC code that is a laboratory's, or any figure with a unit."""
    listed = known_code(result.code, "lab")
    if not listed and not (result.segment.value(2).upper() in ("NM", "SN") and unit(result.segment, 6)):
        return None
    name, value = word_of(result.code, "lab"), _value(result, FactType.LAB, notes)
    if name is None or value is None:
        return None
    flags = set(result.segment.components(8)) | {result.segment.value(8)}
    loud = bool(known_code(result.code, "told_lab")) or bool(flags & _OUT_OF_RANGE)
    importance = Importance.NORMAL if loud else Importance.LOW
    values = {
        "name": a_word(FactType.TERM, name, importance),
        "value": replace(value, importance=importance),
    }
    if value.unit:
        values["unit"] = lab_unit(value)
    if result.at:
        values["date"] = a_date(result.at, importance)
    key = next((each.code for each in result.code.codings if each.code), name.display.en.casefold())
    at = result.at.value.utc if result.at else ""
    return Item(kind="lab", key=f"{key}|{at}", values=values, date=at, origin="hl7")


def _toxicity(result: Result) -> Item | None:
    """A MedDRA term with its CTCAE grade."""
    if not any(each.system == _MEDDRA for each in result.code.codings):
        return None
    term, grade = word_of(result.code, "toxicity"), leaf(result.segment, 5)
    if term is None or grade is None or grade.value not in ("1", "2", "3", "4", "5"):
        return None
    importance = Importance.HIGH if grade.value in ("3", "4", "5") else Importance.NORMAL
    values = {
        "term": a_word(FactType.TERM, term, importance),
        "grade": Value(
            type=FactType.GRADE,
            value=grade.value,
            display=displays.same_in_both(grade.value),
            source=grade.source,
            importance=importance,
        ),
    }
    if result.at:
        values["date"] = a_date(result.at, importance)
    key = f"{(term.code or term.value).casefold()}|{result.day}"
    return Item(kind="toxicity", key=key, values=values, date=result.day, origin="hl7")
