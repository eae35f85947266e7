"""DG1, PRB, PV2-3, PR1 and AL1/IAM, as the list or the single changes of messages leave them."""

import re
from collections.abc import Sequence
from dataclasses import replace

from service.chart import displays
from service.chart.codes import icd10_name, known_code, pair, table, word_of
from service.chart.dates import Moment
from service.chart.element import Concept, Leaf
from service.chart.fhir_tumour import is_metastasis, is_tumour
from service.chart.hl7_fields import concept, leaf, moment
from service.chart.hl7_lists import standing
from service.chart.items import Item, Value
from service.chart.sides import side_in_words
from service.chart.values import a_code, a_date, a_text, a_word
from service.model import FactType, Importance
from service.ports import Message, Segment

# Two digits after the point first: then "C50.4L" is C50.4 on the left, and "S72.001A" still a code of ICD-10-CM.
_ICD10 = re.compile(r"(?P<code>[A-Z]\d[0-9A-Z](?:\.?(?:\d{1,2}|[0-9A-Z]{1,4}))?)(?:\.?-)?[+*!#]?\s*(?P<side>[RLB])?")
_RADIOTHERAPY = "8-52"
"""OPS chapter of radiotherapy: told as a course, or one fraction of it."""
_NOT_ICD = ("OPS", "http://fhir.de/CodeSystem/bfarm/ops")
_NO_ALLERGY = re.compile(
    r"\bkeine?\s+(?:bekannte[nr]?\s+)?(?:\w+)?(?:allergi|unverträglichkeit)|\bno\s+(?:known\s+)?(?:\w+\s+)?allerg|\bnkd?a\b",
    re.IGNORECASE,
)


def icd10_code(text: str) -> tuple[str, str]:
    """(code with its point, side R, L, B or empty) of an ICD-10 code as hospitals write it; empty for none."""
    found = _ICD10.fullmatch(text.strip().upper())
    if found is None:
        return "", ""
    code = found["code"]
    if len(code) > 3 and "." not in code:
        code = f"{code[:3]}.{code[3:]}"
    return code, found["side"] or ""


def read_diagnoses(messages: Sequence[Message], notes: list[str]) -> list[Item]:
    """Tumours as ``diagnosis``, by kind of diagnosis (DG1-6) and priority (DG1-15); others as ``comorbidity``.

    Problems (PRB) stand behind diagnoses; the reason of admission (PV2-3) stands in where there are neither.
    """
    found = []
    for dg1 in standing(messages, "DG1"):
        item = _diagnosis(concept(dg1, 3), leaf(dg1, 4), rank=_rank(dg1), priority=_priority(dg1))
        found += _dated(item, moment(dg1, 5, notes))
    for prb in standing(messages, "PRB"):
        item = _diagnosis(concept(prb, 3), None, rank=3, priority=9)
        found += _dated(item, moment(prb, 16, notes) or moment(prb, 7, notes))
    if not found:
        for message in reversed(messages):
            for pv2 in message.segments("PV2")[:1]:
                item = _diagnosis(concept(pv2, 3), None, rank=3, priority=9)
                return [item] if item and "icd10" in item.values else []
    return _apart(found)


def _dated(item: Item | None, when: Leaf[Moment] | None) -> list[Item]:
    """None or one; a tumour with the day on which it was diagnosed."""
    if item and item.kind == "diagnosis" and when:
        item = replace(item, values={**item.values, "date": a_date(when)}, date=when.value.date)
    return [item] if item else []


def _apart(items: Sequence[Item]) -> list[Item]:
    """One of each code, the one of the best rank; but the same tumour on two sides is two."""
    found: dict[str, Item] = {}
    for item in sorted(items, key=lambda each: each.rank):
        side = item.values["side"].value if "side" in item.values else ""
        first = found.get(item.key)
        other = first.values["side"].value if first and "side" in first.values else ""
        if first is None:
            found[item.key] = item
        elif side and other and side != other:
            found.setdefault(f"{item.key}|{side}", replace(item, key=f"{item.key}|{side}"))
    return list(found.values())


def _rank(dg1: Segment) -> int:
    """Final diagnoses before working ones before admitting ones."""
    return {"F": 0, "W": 1}.get(dg1.value(6).upper(), 2 if dg1.value(6) else 0)


def _priority(dg1: Segment) -> int:
    """DG1-15: 1 is the main diagnosis; 9 where it does not say."""
    said = dg1.value(15).strip()
    return min(int(said), 9) if said.isascii() and said.isdigit() and len(said) < 3 and int(said) else 9


def with_main(items: Sequence[Item]) -> list[Item]:
    """Where no diagnosis is a tumour (benign disease is irradiated too) the leading one is what it is about."""
    others = [each for each in items if each.kind == "comorbidity"]
    if not others or len(others) < len(items):
        return list(items)
    main = min(others, key=lambda each: each.rank)
    values = {name: replace(value, importance=Importance.HIGH) for name, value in main.values.items()}
    return [replace(each, kind="diagnosis", values=values) if each is main else each for each in items]


def _diagnosis(told: Concept, description: Leaf[str] | None, *, rank: int, priority: int) -> Item | None:
    coding = next((each for each in told.codings if each.system not in _NOT_ICD and icd10_code(each.code)[0]), None)
    code, mark = icd10_code(coding.code) if coding else ("", "")
    tumour = is_tumour(code) if code else bool(known_code(told, "tumour"))
    importance = Importance.HIGH if tumour else Importance.NORMAL
    values: dict[str, Value] = {}
    words = told.text or description
    if words:
        values["name"] = a_text(FactType.TERM, words, importance)
    elif code and (listed := icd10_name(code)):
        source = coding.code_source if coding else told.source
        values["name"] = Value(
            type=FactType.TERM, value=listed.de, display=listed, source=source, importance=importance
        )
    if code:
        values["icd10"] = Value(
            type=FactType.ICD10,
            value=code,
            display=displays.same_in_both(code),
            source=coding.code_source if coding else told.source,
            importance=importance,
            code=code,
            system=coding.system if coding else None,
        )
    side = {"R": "right", "L": "left", "B": "bilateral"}.get(mark) or (side_in_words(words.value) if words else None)
    if tumour and side:
        values["side"] = a_code(
            FactType.LATERALITY, side, f"{told.source}.1" if mark else words.source if words else told.source
        )
    if not values:
        return None
    return Item(
        kind="diagnosis" if tumour else "comorbidity",
        key=code or values["name"].value.casefold(),
        values=values,
        rank=(rank * 2 + (tumour and is_metastasis(code))) * 10 + priority,
        origin="hl7",
    )


def read_procedures(messages: Sequence[Message], notes: list[str]) -> list[Item]:
    """PR1: surgery, biopsy, brachytherapy."""
    found = []
    for pr1 in standing(messages, "PR1"):
        told = concept(pr1, 3)
        coded, described = word_of(told, "procedure"), leaf(pr1, 4)
        if any(each.code.startswith(_RADIOTHERAPY) for each in told.codings) or not (coded or described):
            continue
        values: dict[str, Value] = {}
        if coded:
            values["name"] = a_word(FactType.TERM, coded)
        elif described:
            values["name"] = a_text(FactType.TERM, described)
        when = moment(pr1, 5, notes)
        if when:
            values["date"] = a_date(when)
        day = when.value.date if when else ""
        found.append(
            Item(
                kind="procedure",
                key=f"{values['name'].value.casefold()}|{day}",
                values=values,
                date=day,
                origin="hl7",
            )
        )
    return found


def read_allergies(messages: Sequence[Message]) -> list[Item]:
    """AL1-3 and IAM-3."""
    found = []
    for segment in standing(messages, "AL1", "IAM"):
        value = _allergy(concept(segment, 3))
        if value:
            found.append(Item(kind="allergy", key=value.value.casefold(), values={"name": value}, origin="hl7"))
    return found


def _allergy(told: Concept) -> Value | None:
    known = known_code(told, "no_allergy")
    words = told.text or (Leaf(value=told.codings[0].code, source=f"{told.source}.1") if told.codings else None)
    if known or (words and says_no_allergy(words.value)):
        listed = pair(known[1] if known else table("no_allergy")["716186003"])
        source = words.source if words else f"{told.source}.1"
        return Value(
            type=FactType.ALLERGY,
            value=listed.en,
            display=listed,
            source=source,
            importance=Importance.HIGH,
            code=known[0].code if known else None,
            system=(known[0].system or None) if known else None,
        )
    word = word_of(told, "allergen")
    if word:
        return a_word(FactType.ALLERGY, word, Importance.HIGH)
    return a_text(FactType.ALLERGY, words, Importance.HIGH) if words else None


def says_no_allergy(text: str) -> bool:
    return bool(_NO_ALLERGY.search(text))
