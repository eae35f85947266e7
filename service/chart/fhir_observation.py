"""Labs, performance status, toxicity and allergies."""

from collections.abc import Iterator
from dataclasses import replace

from service.chart import displays
from service.chart.codes import Word, known_code, pair, word_of
from service.chart.element import Concept, Element
from service.chart.items import Item, Value
from service.chart.observations import CTCAE_GRADE, kind_of, moment_of, performance_value, score_of, value_of
from service.chart.records import Records
from service.chart.values import a_date, a_word
from service.model import Display, FactType, Importance

LABS_PER_CODE = 3
"""Newest dates of one laboratory code that a chart keeps: enough for a course of values."""


def read_findings(records: Records) -> Iterator[Item]:
    labs: dict[str, list[Item]] = {}
    scores: dict[str, tuple[str, Item]] = {}
    for observation in records.of("Observation"):
        kind = kind_of(observation)
        if kind == "performance":
            _keep_newest(scores, observation, observation)
        elif scored := _scored_components(observation):
            for each in scored:
                _keep_newest(scores, each, observation)
        elif kind == "toxicity":
            yield from _toxicity(observation, observation.concept("code"))
        elif kind == "lab":
            for item in _labs(observation):
                labs.setdefault(item.key.split("|")[0], []).append(item)
    for event in records.of("AdverseEvent"):
        yield from _toxicity(event, event.concept("event"))
    yield from (item for _, item in scores.values())
    for same in labs.values():
        yield from newest(same)
    for intolerance in records.of("AllergyIntolerance"):
        yield from _allergy(intolerance)


def _scored_components(observation: Element) -> list[Element]:
    components = observation.children("component") if "component" in observation.json else []
    return [each for each in components if known_code(each.concept("code"), "performance")]


def _keep_newest(scores: dict[str, tuple[str, Item]], told: Element, observation: Element) -> None:
    """``told``: the Observation itself, or a component of it."""
    known = known_code(told.concept("code"), "performance")
    score = score_of(told)
    if known is None:
        return
    name = str(known[1])
    value = performance_value(name, score) if score else None
    if value is None:
        told.note("value is no performance score, left out")
        return
    moment = moment_of(observation)
    at = moment.value.utc if moment else ""
    if name not in scores or at > scores[name][0]:
        scores[name] = (at, Item(kind="performance", key=name, values={name: value}))


# ---------------------------------------------------------------- laboratory


def newest(items: list[Item]) -> list[Item]:
    """The newest dates of one code. Of several values on one day the last one told stands.

    The newest value of a tumour marker, or one out of its range, is worth telling; earlier ones are context.
    """
    by_day: dict[str, Item] = {}
    for item in sorted(items, key=lambda each: each.date):
        by_day[item.date[:10]] = item
    kept = list(by_day.values())[-LABS_PER_CODE:]
    return [*(_quiet(each) for each in kept[:-1]), *kept[-1:]]


def _quiet(item: Item) -> Item:
    values = {leaf: replace(value, importance=Importance.LOW) for leaf, value in item.values.items()}
    return replace(item, values=values)


def _labs(observation: Element) -> Iterator[Item]:
    moment = moment_of(observation)
    if item := _lab(observation, a_date(moment) if moment else None, moment.value.utc if moment else ""):
        yield item
    for component in observation.children("component") if "component" in observation.json else []:
        if item := _lab(component, a_date(moment) if moment else None, moment.value.utc if moment else ""):
            yield item


def _lab(observation: Element, date: Value | None, at: str) -> Item | None:
    code = observation.concept("code")
    name = word_of(code, "lab")
    value = value_of(observation, FactType.LAB)
    if name is None or value is None or code is None:
        return None
    told = bool(known_code(code, "told_lab")) or _out_of_range(observation)
    importance = Importance.NORMAL if told else Importance.LOW
    values = {
        "name": replace(a_word(FactType.TERM, name), importance=importance),
        "value": replace(value, importance=importance),
    }
    if value.unit:
        values["unit"] = lab_unit(value)
    if date:
        values["date"] = replace(date, importance=importance)
    key = next((each.code for each in code.codings if each.code), name.display.en.casefold())
    return Item(kind="lab", key=f"{key}|{at}", values=values, date=at)


def lab_unit(value: Value) -> Value:
    de, en = displays.written_unit(value.unit or "")
    return Value(
        type=FactType.UNIT,
        value=value.unit or "",
        display=Display(de=de, en=en),
        source=value.source,
        importance=Importance.LOW,
    )


def _out_of_range(observation: Element) -> bool:
    concepts = observation.concepts("interpretation") if "interpretation" in observation.json else []
    return any(concept.codes() & {"H", "L", "HH", "LL", "A", "AA", "HU", "LU"} for concept in concepts)


# ---------------------------------------------------------------- toxicity


def _toxicity(event: Element, code: Concept | None) -> Iterator[Item]:
    if event.word("actuality") == "potential":
        return
    term = word_of(code, "toxicity")
    if term is None:
        return
    values = {"term": a_word(FactType.TERM, term)}
    grade = _grade(event)
    if grade:
        values["grade"] = grade
        if grade.value == "0":
            return
        if grade.value in ("3", "4", "5"):
            values = {leaf: replace(value, importance=Importance.HIGH) for leaf, value in values.items()}
    moment = (
        event.moment("date") or event.moment("detected") if "date" in event.json or "detected" in event.json else None
    )
    moment = moment or (moment_of(event) if event.home.startswith("Observation/") else None)
    if moment:
        values["date"] = a_date(moment)
    day = moment.value.date if moment else ""
    key = f"{(term.code or term.value).casefold()}|{day}"
    yield Item(kind="toxicity", key=key, values=values, date=day)


def _grade(event: Element) -> Value | None:
    for extension in event.extensions(CTCAE_GRADE):
        number = extension.number("valueInteger", at="value")
        if number:
            return _ctcae(str(number.value), number.source, extension)
        concept = extension.concept("valueCodeableConcept", at="value")
        for coding in concept.codings if concept else []:
            if coding.code:
                return _ctcae(coding.code, f"{coding.source}.code", extension)
    severity = event.concept("severity") if "severity" in event.json else None
    for coding in severity.codings if severity else []:
        if coding.code in ("1", "2", "3", "4", "5"):
            return _ctcae(coding.code, coding.code_source, event)
    if event.home.startswith("Observation/"):
        score = score_of(event)
        return _ctcae(score.value, score.source, event) if score else None
    return None


def _ctcae(grade: str, source: str, place: Element) -> Value | None:
    if grade not in ("0", "1", "2", "3", "4", "5"):
        place.note("no CTCAE grade, left out")
        return None
    return Value(type=FactType.GRADE, value=grade, display=displays.same_in_both(grade), source=source)


# ---------------------------------------------------------------- allergy


def _allergy(intolerance: Element) -> Iterator[Item]:
    status = intolerance.concept("clinicalStatus")
    if status and status.codes() & {"resolved", "inactive"}:
        return
    code = intolerance.concept("code")
    none_known = known_code(code, "no_allergy")
    if none_known:
        shown = pair(none_known[1])
        value = Value(
            type=FactType.ALLERGY,
            value=shown.en,
            display=shown,
            source=f"{none_known[0].source}.code",
            importance=Importance.HIGH,
            code=none_known[0].code,
            system=none_known[0].system or None,
        )
        yield Item(kind="allergy", key=shown.en, values={"name": value})
        return
    found = word_of(code, "allergen") or _substance(intolerance)
    if found:
        value = a_word(FactType.ALLERGY, found, Importance.HIGH)
        yield Item(kind="allergy", key=found.value.casefold(), values={"name": value})


def _substance(intolerance: Element) -> Word | None:
    for reaction in intolerance.children("reaction") if "reaction" in intolerance.json else []:
        if found := word_of(reaction.concept("substance"), "allergen"):
            return found
    return None
