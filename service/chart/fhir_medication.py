"""Systemic therapy and discharge medication.

A drug is discharge medication where its category says ``discharge``. It is systemic therapy where its
reason or category is oncological, where it was administered, or where its ATC class is L01 to L04
(antineoplastic and immunomodulating) and no category says discharge.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from service.chart.codes import ATC_SYSTEMS, has_profile
from service.chart.dates import Moment
from service.chart.element import Concept, Element, Leaf, read_concept
from service.chart.fhir_tumour import icd10_of, is_tumour
from service.chart.items import Item, Value
from service.chart.records import Records, local
from service.chart.values import a_date, a_text, an_amount, quantity_unit
from service.model import Display, FactType, Importance

_ONCOLOGICAL = re.compile(r"onkolog|oncolog|antineoplast|zytostat|chemother|cancer|tumou?r|immunther", re.IGNORECASE)
_ATC = re.compile(r"L0[1-4]")
_CYCLES = (
    re.compile(r"(\d{1,2})\s*(?:x\s*)?(?:zykl\w*|cycles?|kurse?|courses?)\b", re.IGNORECASE),
    re.compile(r"\b(?:zykl\w*|cycles?)\s*:?\s*(?:1\s*(?:-|–|bis|to)\s*)?(\d{1,2})\b", re.IGNORECASE),
)
_WORDS = {
    "ein": 1, "one": 1, "zwei": 2, "two": 2, "drei": 3, "three": 3, "vier": 4, "four": 4, "fünf": 5, "five": 5,
    "sechs": 6, "six": 6, "sieben": 7, "seven": 7, "acht": 8, "eight": 8,
}  # fmt: skip
_IN_WORDS = re.compile(rf"\b({'|'.join(_WORDS)})e?n?\s+(?:zykl\w*|cycles?|kurse?|courses?)\b", re.IGNORECASE)
_KINDS = ("MedicationRequest", "MedicationStatement", "MedicationAdministration")


@dataclass(frozen=True, kw_only=True)
class Drug:
    name: Value
    key: str
    atc: str


def read_medications(records: Records) -> Iterator[Item]:
    tumours = frozenset(_tumour_homes(records))
    found = [item for kind in _KINDS for each in records.of(kind) if (item := _item(each, tumours, records))]
    yield from _grouped(found)


def is_oncological(atc: str) -> bool:
    """ATC L01 to L04."""
    return bool(_ATC.match(atc))


def _tumour_homes(records: Records) -> Iterator[str]:
    for condition in records.of("Condition"):
        concept = condition.concept("code")
        icd10 = icd10_of(concept) if concept else None
        if icd10 and is_tumour(icd10.code):
            yield condition.home


def _item(resource: Element, tumours: frozenset[str], records: Records) -> Item | None:
    if resource.word("intent") in ("proposal", "plan") or resource.word("status") == "draft":
        return None
    drug = _drug(resource, records)
    if drug is None:
        return None
    discharge = _is_discharge(resource)
    systemic = not discharge and (
        (resource.home.startswith("MedicationAdministration/") and (is_oncological(drug.atc) or not drug.atc))
        or is_oncological(drug.atc)
        or has_profile(resource, "oncological_medication")
        or _for_a_tumour(resource, tumours)
    )
    if (
        not discharge
        and not systemic
        and (
            resource.home.startswith("MedicationAdministration/") or resource.word("status") in ("stopped", "completed")
        )
    ):
        return None
    dosage = _dosage(resource)
    values = {"drug": replace(drug.name, importance=Importance.HIGH)}
    if dosage and (dose := _dose(dosage)):
        values["dose"] = dose
    if systemic:
        values |= _therapy(resource, dosage)
    elif dosage and (schedule := _schedule(dosage)):
        values["schedule"] = a_text(FactType.SCHEDULE, schedule)
    return Item(
        kind="systemic" if systemic else "medication",
        key=drug.key,
        values=values,
        date=values["start"].value if "start" in values else "",
    )


def _grouped(items: list[Item]) -> list[Item]:
    """The same drug twice is one where nothing speaks against it. With another dose or schedule told by
    another kind of resource it is still one, and a conflict; by the same kind it is a second line."""
    found: list[Item] = []
    for item in items:
        number = sum(each.key.split("|")[0] == item.key for each in found)
        twins = [each for each in found if each.key.split("|")[0] == item.key and _type(each) == _type(item)]
        clashing = twins and all(_differ(each, item) for each in twins)
        agreeing = next(
            (each for each in found if each.key.split("|")[0] == item.key and not _differ(each, item)), None
        )
        if agreeing:
            found.append(replace(item, key=agreeing.key))
        else:
            found.append(replace(item, key=f"{item.key}|{number}") if clashing else item)
    return [_spanned(item, found) for item in found]


def _type(item: Item) -> str:
    return item.values["drug"].source.split("/")[0]


def _differ(one: Item, other: Item) -> bool:
    return one.kind == other.kind and any(
        one.values[leaf].value.casefold() != other.values[leaf].value.casefold()
        or one.values[leaf].unit != other.values[leaf].unit
        for leaf in ("dose", "schedule")
        if leaf in one.values and leaf in other.values
    )


def _spanned(item: Item, items: list[Item]) -> Item:
    """Administrations of one drug: from the first to the last day."""
    same = [each for each in items if (each.kind, each.key) == (item.kind, item.key) and _type(each) == _type(item)]
    if item.kind != "systemic" or len(same) < 2 or _type(item) != "MedicationAdministration":
        return item
    days = [value for each in same for leaf in ("start", "end") if (value := each.values.get(leaf))]
    if not days:
        return item
    first, last = min(days, key=lambda day: day.value), max(days, key=lambda day: day.value)
    return replace(item, values={**item.values, "start": first, "end": last}, date=first.value)


def _drug(resource: Element, records: Records) -> Drug | None:
    concept = resource.concept("medicationCodeableConcept", at="medication")
    if concept is None:
        reference = resource.child("medicationReference", at="medication")
        medication = records.resolve(reference.word("reference"), resource) if reference else None
        code = medication.child("code") if medication else None
        concept = read_concept(code) if code else None
        if concept is None or not (concept.text or concept.codings):
            named = reference.text("display") if reference else None
            if named is None:
                return None
            return Drug(name=a_text(FactType.DRUG, named), key=named.value.casefold(), atc="")
    return _named(concept)


def _named(concept: Concept) -> Drug | None:
    atc = next((each for each in concept.codings if each.system in ATC_SYSTEMS and each.code), None)
    shown = next((each for each in concept.codings if each.display), None)
    words = concept.text or (Leaf(value=shown.display, source=f"{shown.source}.display") if shown else None)
    if words is None:
        return None
    coding = atc or shown or next(iter(concept.codings), None)
    name = a_text(
        FactType.DRUG,
        words,
        code=(coding.code or None) if coding else None,
        system=(coding.system or None) if coding else None,
    )
    return Drug(name=name, key=words.value.casefold(), atc=atc.code if atc else "")


def _categories(resource: Element) -> list[Concept]:
    if isinstance(resource.json.get("category"), dict):
        found = resource.concept("category")
        return [found] if found else []
    return resource.concepts("category")


def _is_discharge(resource: Element) -> bool:
    return any("discharge" in each.codes() for each in _categories(resource))


def _for_a_tumour(resource: Element, tumours: frozenset[str]) -> bool:
    references = resource.children("reasonReference") if "reasonReference" in resource.json else []
    if any(local(each.word("reference")) in tumours for each in references):
        return True
    for concept in resource.concepts("reasonCode") if "reasonCode" in resource.json else []:
        icd10 = icd10_of(concept)
        if (icd10 and is_tumour(icd10.code)) or _ONCOLOGICAL.search(concept.words()):
            return True
    return any(_ONCOLOGICAL.search(each.words()) for each in _categories(resource))


def _dosage(resource: Element) -> Element | None:
    for name in ("dosage", "dosageInstruction"):
        if isinstance(resource.json.get(name), dict):
            return resource.child(name)
        if name in resource.json:
            return next(iter(resource.children(name)), None)
    return None


def _dose(dosage: Element) -> Value | None:
    rates = dosage.children("doseAndRate") if "doseAndRate" in dosage.json else []
    quantities = [each.child("doseQuantity", at="dose") for each in rates] + [dosage.child("dose")]
    for quantity in quantities:
        number = quantity.number("value") if quantity else None
        if quantity and number:
            return an_amount(FactType.DRUG_DOSE, number.value, quantity_unit(quantity), quantity.source)
    return None


def _schedule(dosage: Element) -> Leaf[str] | None:
    """Dosage text, else the timing's words, else the day as 1-0-1 from its ``when`` codes."""
    if text := dosage.text("text"):
        return text
    timing = dosage.child("timing")
    code = timing.concept("code") if timing else None
    if code and code.text:
        return code.text
    repeat = timing.child("repeat") if timing else None
    if timing is None or repeat is None:
        return dosage.text("patientInstruction")
    when = {each.value for each in repeat.texts("when")} if "when" in repeat.json else set()
    day = [("MORN", "CM", "ACM", "PCM"), ("NOON", "CD", "ACD", "PCD"), ("EVE", "CV", "ACV", "PCV"), ("NIGHT", "HS")]
    if when:
        marks = ["1" if when & set(codes) else "0" for codes in day]
        return Leaf(value="-".join(marks if marks[3] == "1" else marks[:3]), source=f"{repeat.source}.when")
    return dosage.text("patientInstruction")


def _therapy(resource: Element, dosage: Element | None) -> dict[str, Value]:
    values: dict[str, Value] = {}
    if dosage and (rhythm := _schedule(dosage)):
        values["rhythm"] = a_text(FactType.SCHEDULE, rhythm)
    notes = [
        text for note in (resource.children("note") if "note" in resource.json else []) if (text := note.text("text"))
    ]
    for text in [*notes, *([rhythm] if dosage and (rhythm := _schedule(dosage)) else [])]:
        if count := cycles_in(text.value):
            values["cycles"] = Value(
                type=FactType.CYCLES,
                value=str(count),
                display=Display(de=str(count), en=str(count)),
                source=text.source,
            )
            break
    start, end = _period(resource, dosage)
    if start:
        values["start"] = a_date(start)
    if end:
        values["end"] = a_date(end)
    return values


def cycles_in(text: str) -> int | None:
    """How many cycles a note tells, in figures or words."""
    for pattern in _CYCLES:
        if found := pattern.search(text):
            return int(found.group(1)) or None
    spelled = _IN_WORDS.search(text)
    return _WORDS[spelled.group(1).casefold()] if spelled else None


def _period(resource: Element, dosage: Element | None) -> tuple[Leaf[Moment] | None, Leaf[Moment] | None]:
    if "effectivePeriod" in resource.json or "effectiveDateTime" in resource.json:
        start, end = resource.period("effective")
        single = "effectiveDateTime" in resource.json
        return start, None if single and not resource.home.startswith("MedicationAdministration/") else end
    timing = dosage.child("timing") if dosage else None
    repeat = timing.child("repeat") if timing else None
    bounds = repeat.child("boundsPeriod", at="bounds") if repeat else None
    if bounds:
        return bounds.moment("start"), bounds.moment("end")
    return resource.moment("authoredOn"), None
