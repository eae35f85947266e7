"""Patient and Encounter: who it is about, and the stay."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from service.chart import displays
from service.chart.dates import age_at
from service.chart.element import Element, Leaf
from service.chart.items import Item, Value
from service.chart.records import Records
from service.chart.values import a_code, a_date, a_text
from service.model import FactType, Importance

_SEXES = frozenset({"female", "male", "other", "unknown"})
_USES = ("official", "usual", "", "temp", "nickname", "maiden", "old", "anonymous")
_PHYSICIANS = ("ATND", "DIS", "PPRF", "ADM")


def read_person(records: Records) -> Iterator[Item]:
    if records.patient:
        yield _patient(records.patient, records)
    if records.encounter:
        yield _visit(records.encounter, records)


def _patient(patient: Element, records: Records) -> Item:
    values: dict[str, Value] = {}
    name = _best_name(patient)
    if name:
        values |= _name(name)
    birth = patient.moment("birthDate")
    if birth:
        values["birth_date"] = a_date(birth)
        end = records.end_of_stay()
        if end and (aged := age(values["birth_date"], end.value.date, end.source)):
            values["age"] = aged
    sex = patient.text("gender")
    if sex and sex.value in _SEXES:
        values |= sex_and_salutation(sex.value, sex.source)
    elif sex:
        patient.note("gender is none of the four codes, left out")
    number = _identifier(patient, ("MR", "PI"))
    if number:
        values["id"] = a_text(FactType.IDENTIFIER, number, Importance.LOW)
    return Item(kind="patient", key="", values=values)


def with_age(items: Sequence[Item]) -> list[Item]:
    """The patient with an age, where one source gave the birth and another the discharge."""
    ends = [each.values["end"] for each in items if each.kind == "visit" and "end" in each.values]
    births = [each.values["birth_date"] for each in items if each.kind == "patient" and "birth_date" in each.values]
    if not ends or not births:
        return list(items)
    aged = age(births[0], ends[0].value, ends[0].source)
    return [
        replace(each, values={**each.values, "age": aged})
        if each.kind == "patient" and "age" not in each.values and aged
        else each
        for each in items
    ]


def age(birth: Value, end: str, end_source: str) -> Value | None:
    """Age at discharge: from both dates, and so with both sources."""
    years = age_at(birth.value, end)
    if years is None:
        return None
    return Value(
        type=FactType.AGE,
        value=str(years),
        display=displays.same_in_both(str(years)),
        source=f"{birth.source} + {end_source}",
    )


def sex_and_salutation(sex: str, source: str) -> dict[str, Value]:
    values = {"sex": a_code(FactType.SEX, sex, source, Importance.LOW)} if sex != "unknown" else {}
    if greeting := displays.salutation(sex):
        values["salutation"] = Value(
            type=FactType.SALUTATION, value=sex, display=greeting, source=source, importance=Importance.LOW
        )
    return values


def _best_name(patient: Element) -> Element | None:
    names = [each for each in patient.children("name") if not _is_over(each)] or patient.children("name")
    ranked = sorted(names, key=lambda each: _USES.index(use) if (use := each.word("use")) in _USES else len(_USES))
    return ranked[0] if ranked else None


def _is_over(name: Element) -> bool:
    return name.word("use") == "old"


def _name(name: Element) -> dict[str, Value]:
    values: dict[str, Value] = {}
    family = name.text("family")
    given = name.texts("given")
    if family:
        values["family"] = a_text(FactType.NAME, family)
    if given:
        values["given"] = a_text(FactType.NAME, joined(given))
    parts = [*given, *([family] if family else [])]
    whole = joined(parts) if parts else name.text("text")
    if whole:
        values["name"] = a_text(FactType.NAME, whole)
    return values


def joined(parts: list[Leaf[str]]) -> Leaf[str]:
    """Words of several elements as one, with all their sources."""
    return Leaf(value=" ".join(each.value for each in parts), source=" + ".join(each.source for each in parts))


def _identifier(element: Element, kinds: tuple[str, ...]) -> Leaf[str] | None:
    """The identifier of the first kind given that there is, else one without a type, else the first."""
    found = [(each, _kinds_of(each)) for each in element.children("identifier") if each.text("value")]
    if not found:
        return None
    for kind in (*kinds, ""):
        for each, own in found:
            if kind in own and each.word("use") != "old":
                return each.text("value")
    return found[0][0].text("value")


def _kinds_of(identifier: Element) -> list[str]:
    """Codes of its type; one empty where it has none."""
    kind = identifier.child("type")
    codings = kind.children("coding") if kind else []
    return [each.word("code") for each in codings] or [""]


def _visit(encounter: Element, records: Records) -> Item:
    values: dict[str, Value] = {}
    number = _identifier(encounter, ("VN", "AN"))
    if number:
        values["number"] = a_text(FactType.IDENTIFIER, number, Importance.LOW)
    period = encounter.child("period")
    start, end = (period.moment("start"), period.moment("end")) if period else (None, None)
    if start:
        values["start"] = a_date(start)
    if end:
        values["end"] = a_date(end)
    if physician := _physician(encounter, records):
        values["physician"] = a_text(FactType.NAME, physician, Importance.LOW)
    if ward := _ward(encounter, records):
        values["ward"] = a_text(FactType.TEXT, ward, Importance.LOW)
    return Item(kind="visit", key="", values=values)


def _physician(encounter: Element, records: Records) -> Leaf[str] | None:
    ranked: dict[int, Element] = {}
    for each in encounter.children("participant"):
        codes = {coding.code for concept in each.concepts("type") for coding in concept.codings}
        place = next((rank for rank, code in enumerate(_PHYSICIANS) if code in codes), None)
        if place is not None:
            ranked.setdefault(place, each)
    return reference_name(ranked[min(ranked)], "individual", records) if ranked else None


def _ward(encounter: Element, records: Records) -> Leaf[str] | None:
    places = encounter.children("location")
    current = [each for each in places if each.word("status") in ("active", "")] or places
    for each in reversed(current):
        if named := reference_name(each, "location", records):
            return named
    return reference_name(encounter, "serviceProvider", records)


def reference_name(element: Element, name: str, records: Records) -> Leaf[str] | None:
    """The name of what a reference points to: its display, else the name in the resource it leads to."""
    reference = element.child(name)
    if reference is None:
        return None
    if display := reference.text("display"):
        return display
    target = records.resolve(reference.word("reference"), element)
    if target is None:
        return None
    if "practitioner" in target.json:
        return reference_name(target, "practitioner", records)
    if isinstance(target.json.get("name"), list):
        names = target.children("name")
        return _person(names[0]) if names else None
    return target.text("name") or target.text("description")


def _person(name: Element) -> Leaf[str] | None:
    parts = [*(name.texts("prefix")), *(name.texts("given"))]
    family = name.text("family")
    parts += [family] if family else []
    return joined(parts) if parts else name.text("text")
