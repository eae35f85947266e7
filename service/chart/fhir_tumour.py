"""Conditions: which one is the tumour, what is known of it, and what else the patient has.

A tumour is what ICD-10 puts in C00-C97, D00-D09 or D37-D48, or a SNOMED CT code of a small table.
Diagnoses of the stay come before those of the problem list, primaries before metastases.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from service.chart import displays
from service.chart.codes import (
    ICD10_SYSTEMS,
    coded_value,
    icd10_name,
    known_code,
    listed_word,
    pair,
    urls,
    word_of,
)
from service.chart.element import Coding, Concept, Element
from service.chart.items import Item, Value
from service.chart.observations import kind_of, moment_of, value_of
from service.chart.records import Records, local
from service.chart.sides import side_of_concept, side_of_site
from service.chart.tnm import all_categories, category, grading, stage_group
from service.chart.values import a_date, a_word
from service.model import Display, FactType, Importance

_TUMOUR = re.compile(r"C\d\d|D0\d|D3[7-9]|D4[0-8]|D3[23]|D352")
_METASTASIS = re.compile(r"C7[789]")


def is_tumour(icd10: str) -> bool:
    """ICD-10 C00-C97, D00-D09, D37-D48; with them the intracranial D32, D33 and D35.2, which are irradiated."""
    return bool(_TUMOUR.match(icd10.replace(".", "")))


def is_metastasis(icd10: str) -> bool:
    return bool(_METASTASIS.match(icd10))


def icd10_of(concept: Concept) -> Coding | None:
    """ICD-10-GM before ICD-10-CM before ICD-10."""
    for system in ICD10_SYSTEMS:
        for coding in concept.codings:
            if coding.system == system and coding.code:
                return coding
    return None


def read_conditions(records: Records) -> Iterator[Item]:
    """Diagnoses with stage and markers, and comorbidities."""
    of_stay = _named_by_the_stay(records)
    tumours: list[tuple[Element, Item]] = []
    for condition in records.of("Condition"):
        concept = condition.concept("code")
        if concept is None:
            continue
        icd10 = icd10_of(concept)
        if known_code(_certainty(icd10), "certainty_none"):
            continue
        if (icd10 and is_tumour(icd10.code)) or (icd10 is None and known_code(concept, "tumour")):
            tumours.append((condition, _diagnosis(condition, concept, icd10, of_stay)))
        elif item := _comorbidity(condition, concept, icd10, of_stay):
            yield item
    yield from _with_observations(_apart(tumours), records)


def _named_by_the_stay(records: Records) -> frozenset[str]:
    visit = records.encounter
    if visit is None:
        return frozenset()
    named = [each.word("reference") for each in visit.children("reasonReference")]
    named += [each.reference("condition") for each in visit.children("diagnosis")]
    return frozenset(local(each) for each in named)


def _apart(tumours: Sequence[tuple[Element, Item]]) -> list[tuple[Element, Item]]:
    """The same code on two sides is two tumours."""
    found: list[tuple[Element, Item]] = []
    for condition, item in tumours:
        side = item.values.get("side")
        before = [each for _, each in found if each.key.split("|")[0] == item.key]
        sides = {each.values["side"].value for each in before if "side" in each.values}
        apart = side is not None and sides and side.value not in sides
        found.append((condition, replace(item, key=f"{item.key}|{side.value}") if apart and side else item))
    return found


def _diagnosis(condition: Element, concept: Concept, icd10: Coding | None, of_stay: frozenset[str]) -> Item:
    values = _name_and_code(concept, icd10, "tumour", Importance.HIGH)
    sites = condition.children("bodySite")
    if sites:
        site = word_of(condition.concepts("bodySite")[0], "site")
        if site:
            values["site"] = a_word(FactType.TERM, site)
    side = next((s for s in map(side_of_site, sites) if s), None) or side_of_concept(concept)
    if side:
        values["side"] = side
    if histology := word_of(coded_value(condition.extension(*urls("histology"))), "histology"):
        values["histology"] = a_word(FactType.TERM, histology)
    if date := _date(condition):
        values["date"] = date
    values |= _stage(condition)
    return Item(
        kind="diagnosis",
        key=icd10.code if icd10 else values["name"].value.casefold() if "name" in values else condition.home,
        values=values,
        rank=_rank(condition, of_stay) * 2 + bool(icd10 and is_metastasis(icd10.code)),
        date=values["date"].value if "date" in values else "",
    )


def _comorbidity(condition: Element, concept: Concept, icd10: Coding | None, of_stay: frozenset[str]) -> Item | None:
    values = _name_and_code(concept, icd10, "", Importance.NORMAL)
    if not values:
        return None
    key = icd10.code if icd10 else values["name"].value.casefold()
    return Item(kind="comorbidity", key=key, values=values, rank=_rank(condition, of_stay))


def _certainty(icd10: Coding | None) -> Concept | None:
    """ICD-10-GM's mark beside the code: certain, suspected, excluded, or in the past."""
    return coded_value(icd10.element.extension(*urls("code_certainty"))) if icd10 else None


def _as_certain_as_told(name: Value, icd10: Coding | None) -> Value:
    known = known_code(_certainty(icd10), "certainty")
    if known is None:
        return name
    form = pair(known[1])
    shown = Display(de=form.de.format(name.display.de), en=form.en.format(name.display.en))
    return replace(name, value=shown.de, display=shown, source=f"{name.source} + {known[0].code_source}")


def _name_and_code(concept: Concept, icd10: Coding | None, names: str, importance: Importance) -> dict[str, Value]:
    values: dict[str, Value] = {}
    word = word_of(concept, names)
    if word:
        values["name"] = replace(a_word(FactType.TERM, word, importance), code=None, system=None)
    elif icd10 and (listed := icd10_name(icd10.code)):
        values["name"] = Value(
            type=FactType.TERM,
            value=listed.de,
            display=listed,
            source=f"{icd10.source}.code",
            importance=importance,
        )
    if "name" in values:
        values["name"] = _as_certain_as_told(values["name"], icd10)
    if icd10:
        values["icd10"] = Value(
            type=FactType.ICD10,
            value=icd10.code,
            display=displays.same_in_both(icd10.code),
            source=f"{icd10.source}.code",
            importance=importance,
            code=icd10.code,
            system=icd10.system,
        )
    return values


def _rank(condition: Element, of_stay: frozenset[str]) -> int:
    categories = {code for each in condition.concepts("category") for code in each.codes()}
    return 0 if "encounter-diagnosis" in categories or condition.home in of_stay else 1


def _date(condition: Element) -> Value | None:
    start, _ = condition.period("onset")
    found = start or condition.moment("recordedDate")
    return a_date(found) if found else None


def _stage(condition: Element) -> dict[str, Value]:
    for stage in condition.children("stage"):
        summary = stage.concept("summary")
        if summary is None:
            continue
        said = [summary.text.value] if summary.text else []
        said += [text for each in summary.codings for text in (each.display, each.code) if text]
        for text in said:
            if all_categories(text):
                continue
            if group := stage_group(text):
                return {"stage": _coded(FactType.STAGE, group, summary.source)}
    return {}


def _coded(type_: FactType, value: str, source: str) -> Value:
    return Value(type=type_, value=value, display=displays.same_in_both(value), source=source)


# ---------------------------------------------------------------- observations of the tumour


def _with_observations(tumours: list[tuple[Element, Item]], records: Records) -> list[Item]:
    """Attach TNM, stage, grading and markers by focus; without one, to the first diagnosis."""
    if not tumours:
        return []
    items = dict(enumerate(item for _, item in tumours))
    homes = {condition.home: place for place, (condition, _) in enumerate(tumours)}
    staged = _stage_assessments(tumours)
    first = min(items, key=lambda place: (items[place].rank, not items[place].date, items[place].date, place))
    observations = sorted(records.of("Observation"), key=_newest_first)
    for observation in observations:
        kind = kind_of(observation)
        if kind not in ("tnm", "grading", "marker", "histology", "metastasis"):
            continue
        focus = [local(each.word("reference")) for each in observation.children("focus")]
        named = next((homes[each] for each in focus if each in homes), staged.get(observation.home))
        if named is None and any(each.startswith("Condition/") for each in focus):
            continue
        place = first if named is None else named
        for each in [observation, *_categories(kind, observation)]:
            items[place] = _attached(items[place], kind, each)
    return [with_tnm(item) for item in items.values()]


def _categories(kind: str, observation: Element) -> list[Element]:
    """TNM categories told as components of their stage group."""
    components = observation.children("component") if kind == "tnm" and "component" in observation.json else []
    return [each for each in components if known_code(each.concept("code"), "tnm")]


def _has_value(observation: Element) -> bool:
    return any(name.startswith("value") for name in observation.json)


def _stage_assessments(tumours: Sequence[tuple[Element, Item]]) -> dict[str, int]:
    return {
        local(each.word("reference")): place
        for place, (condition, _) in enumerate(tumours)
        for stage in condition.children("stage")
        for each in (stage.children("assessment"))
    }


def _newest_first(observation: Element) -> tuple[bool, tuple[int, ...]]:
    moment = moment_of(observation)
    return moment is None, tuple(-ord(sign) for sign in moment.value.utc) if moment else ()


def _attached(item: Item, kind: str, observation: Element) -> Item:
    if kind == "marker":
        marker = _marker(observation)
        return replace(item, parts=(*item.parts, marker)) if marker else item
    if kind == "metastasis":
        site = _metastasis(observation)
        return replace(item, parts=(*item.parts, site)) if site else item
    found = {"grading": _grading, "histology": _histology}.get(kind, _category)(observation)
    if found is None and kind == "tnm" and not _has_value(observation):
        return item
    if found is None:
        observation.note("value is no category of TNM, stage or grade, left out")
        return item
    leaf, value = found
    before = item.values.get(leaf)
    if before is None or (leaf == "stage" and "stage.summary" in before.source) or _is_more(before, value):
        return replace(item, values={**item.values, leaf: value})
    return item


def _is_more(before: Value, value: Value) -> bool:
    """Pathological staging, once there, is what a letter tells; clinical M stands beside it (UICC)."""
    return before.type is FactType.TNM and before.value[:1] == "c" and "p" in value.value[:3]


def _said(observation: Element) -> tuple[list[str], str]:
    concept = observation.concept("valueCodeableConcept", at="value")
    if concept:
        texts = [concept.text.value] if concept.text else []
        texts += [text for each in concept.codings for text in (each.code, each.display) if text]
        return texts, concept.source
    text = observation.text("valueString", at="value")
    return ([text.value], text.source) if text else ([], "")


def _category(observation: Element) -> tuple[str, Value] | None:
    code = observation.concept("code")
    known = known_code(code, "tnm")
    if known is None:
        return None
    prefix, axis = str(known[1]).split()
    prefix = _told_prefix(observation) or prefix.removeprefix("x")
    texts, source = _said(observation)
    for text in texts:
        if axis == "stage":
            if not all_categories(text) and (group := stage_group(text)):
                return "stage", _coded(FactType.STAGE, group, source)
        elif found := category(text, axis, prefix):
            return axis, _coded(FactType.TNM, found, source)
    return None


def _told_prefix(observation: Element) -> str:
    """oBDS: c, p or u beside the category; what ultrasound found is clinical."""
    code = observation.child("code")
    for place in (code, observation):
        told = coded_value(place.extension(*urls("tnm_prefix"))) if place else None
        for coding in told.codings if told else []:
            if coding.code in ("c", "p", "u"):
                return "p" if coding.code == "p" else "c"
    return ""


def _histology(observation: Element) -> tuple[str, Value] | None:
    word = word_of(observation.concept("valueCodeableConcept", at="value"), "histology")
    return ("histology", a_word(FactType.TERM, word)) if word else None


def _metastasis(observation: Element) -> Item | None:
    """Told as a marker of the tumour: a place is no diagnosis with a code of its own."""
    word = listed_word(observation.concept("valueCodeableConcept", at="value"), "metastasis")
    if word is None:
        return None
    shown = Display(de=f"Fernmetastasen: {word.display.de}", en=f"distant metastases: {word.display.en}")
    value = replace(a_word(FactType.TEXT, word), value=shown.de, display=shown)
    moment = moment_of(observation)
    day = moment.value.date if moment else ""
    return Item(kind="marker", key=_marker_key(shown.en), values={"": value}, date=day)


def _grading(observation: Element) -> tuple[str, Value] | None:
    concept = observation.concept("valueCodeableConcept", at="value")
    known = known_code(concept, "grading_value")
    if known:
        return "grading", _coded(FactType.GRADING, str(known[1]), f"{known[0].source}.code")
    texts, source = _said(observation)
    number = observation.number("valueInteger", at="value")
    if number:
        texts, source = [str(number.value)], number.source
    found = next((grade for text in texts if (grade := grading(text))), None)
    return ("grading", _coded(FactType.GRADING, found, source)) if found else None


def with_tnm(item: Item) -> Item:
    """The categories told as one fact beside each of them."""
    parts = [item.values[axis] for axis in ("t", "n", "m") if axis in item.values]
    if not parts:
        return item
    whole = " ".join(each.value for each in parts)
    value = _coded(FactType.TNM, whole, " + ".join(dict.fromkeys(each.source for each in parts)))
    return replace(item, values={**item.values, "tnm": value})


def _marker(observation: Element) -> Item | None:
    moment = moment_of(observation)
    return marker_item(
        observation.concept("code"),
        value_of(observation, FactType.TEXT),
        moment.value.date if moment else "",
    )


def marker_item(code: Concept | None, value: Value | None, day: str) -> Item | None:
    """A marker told with its value as one fact (``Ki-67 20 %``); None where either is not understood."""
    name = word_of(code, "marker" if known_code(code, "marker") else "")
    if name is None or value is None:
        return None
    shown = Value(
        type=FactType.TEXT,
        value=f"{name.value} {value.value}{' ' + value.unit if value.unit else ''}",
        display=Display(de=f"{name.display.de} {value.display.de}", en=f"{name.display.en} {value.display.en}"),
        source=value.source,
        code=name.code,
        system=name.system,
    )
    return Item(kind="marker", key=_marker_key(name.display.en), values={"": shown}, date=day)


def _marker_key(name: str) -> str:
    return re.sub(r"\W+", "", name.casefold())
