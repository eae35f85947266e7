"""Where FHIR and HL7 v2 tell of the same thing, it is one item: FHIR's, with what only HL7 knows added.

HL7's items take the key of FHIR's, and :func:`service.chart.items.merge` does the rest: FHIR's value stands,
another one is a conflict. What only HL7 tells is numbered behind FHIR's, so that no handle moves when it comes.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from service.chart.fhir_observation import newest
from service.chart.fhir_tumour import with_tnm
from service.chart.hl7_diagnosis import with_main
from service.chart.hl7_radiotherapy import with_single_dose
from service.chart.hl7_senders import denies_allergies
from service.chart.items import Item, Value, by_rank_and_date, merge, same, with_clash
from service.chart.same_course import ENOUGH, likeness, paired, volume_pairs
from service.model import FactType

_BEHIND = 1000
"""Rank of what only HL7 tells, behind all ranks of FHIR's readers."""


def meet(fhir: Sequence[Item], hl7: Sequence[Item], notes: list[str]) -> list[Item]:
    """One list of items of both. ``notes`` takes what had to be left out."""
    known = merge(fhir)
    told = merge(hl7)
    if not any(each.kind == "diagnosis" for each in known):
        told = _with_main_of(told)
    known = _without_delivered_plans(known, told)
    found: list[Item] = []
    for kind, alike in _ALIKE.items():
        found += _named_alike(known, [each for each in told if each.kind == kind and each.key], alike)
    found += _courses(
        [each for each in known if each.kind == "course"], [each for each in told if each.kind == "course"]
    )
    found += [each for each in told if each.kind in ("patient", "visit", "performance")]
    behind = [each if _is_known(each, known) else replace(each, rank=each.rank + _BEHIND) for each in found]
    items = merge([*known, *behind])
    items = _staged(items, [each for each in told if each.kind == "diagnosis" and not each.key], notes)
    return _labs_by_day(_told_apart(items), behind)


def _with_main_of(told: Sequence[Item]) -> list[Item]:
    coded = [each for each in told if each.kind in ("diagnosis", "comorbidity") and each.key]
    return [*with_main(coded), *(each for each in told if each not in coded)]


def _is_known(item: Item, known: Sequence[Item]) -> bool:
    return any((each.kind, each.key) == (item.kind, item.key) for each in known)


# ---------------------------------------------------------------- things with a code or a name


def _named_alike(known: Sequence[Item], told: Sequence[Item], alike: Callable[[Item, Item], int]) -> Iterator[Item]:
    """Each of HL7's with the kind and key of FHIR's that is the same; others under a key of their own."""
    partners = paired(known, told, alike, enough=1)
    for place, item in enumerate(told):
        if place in partners:
            mine = known[partners[place]]
            yield replace(_fitted(item, mine), kind=mine.kind, key=mine.key)
        else:
            yield item if item.kind == "lab" else replace(item, key=f"HL7 {item.key}")


def _fitted(item: Item, known: Item) -> Item:
    """Without a dose in another unit: what was given (160 mg) does not contradict what is planned (80 mg/m²)."""
    mine, theirs = known.values.get("dose"), item.values.get("dose")
    if item.kind == "systemic" and mine and theirs and mine.unit != theirs.unit:
        return replace(item, values={leaf: value for leaf, value in item.values.items() if leaf != "dose"})
    return item


def _diagnoses(one: Item, other: Item) -> int:
    if one.kind not in ("diagnosis", "comorbidity"):
        return 0
    codes = [each.values["icd10"].value.replace(".", "").upper() for each in (one, other) if "icd10" in each.values]
    named = _words(one, "name") == _words(other, "name") != ""
    alike = codes[0] == codes[1] if len(codes) == 2 else named
    sides = [each.values["side"].value for each in (one, other) if "side" in each.values]
    return (2 if len(sides) < 2 or sides[0] == sides[1] else 1) if alike else 0


def _words(item: Item, leaf: str) -> str:
    return item.values[leaf].value.casefold() if leaf in item.values else ""


def _coded(leaf: str, day: str = "") -> Callable[[Item, Item], int]:
    """By code or words of ``leaf``; where ``day`` is given and both have it, on the same day."""

    def alike(one: Item, other: Item) -> int:
        mine, theirs = one.values.get(leaf), other.values.get(leaf)
        if one.kind != other.kind or mine is None or theirs is None:
            return 0
        if day and day in one.values and day in other.values and not same(one.values[day], other.values[day]):
            return 0
        by_code = bool(mine.code) and mine.code == theirs.code
        return 1 if by_code or mine.value.casefold() == theirs.value.casefold() else 0

    return alike


def _labs(one: Item, other: Item) -> int:
    """The same code at the same time; on the same day where one gives no clock."""
    if one.kind != "lab" or one.key.split("|")[0] != other.key.split("|")[0]:
        return 0
    if one.date == other.date:
        return 2
    without_clock = "T" not in one.date or "T" not in other.date
    days = [each.values["date"] for each in (one, other) if "date" in each.values]
    return 1 if without_clock and len(days) == 2 and same(*days) else 0


_ALIKE: dict[str, Callable[[Item, Item], int]] = {
    "diagnosis": _diagnoses,
    "comorbidity": _diagnoses,
    "procedure": _coded("name", "date"),
    "systemic": _coded("drug"),
    "medication": _coded("drug"),
    "toxicity": _coded("term", "date"),
    "lab": _labs,
    "allergy": _coded("name"),
    "appointment": lambda one, other: int(one.kind == "appointment" and one.date == other.date),
}


def _labs_by_day(items: Sequence[Item], hl7: Sequence[Item]) -> list[Item]:
    """Where HL7 adds a laboratory value, its code's newest days are chosen anew, as the readers do."""
    added = {each.key.split("|")[0] for each in hl7 if each.kind == "lab" and each.rank >= _BEHIND}
    labs = [each for each in items if each.kind == "lab"]
    chosen = {
        each.key: each for code in added for each in newest([lab for lab in labs if lab.key.split("|")[0] == code])
    }
    standing = [
        each for each in items if each.kind != "lab" or each.key.split("|")[0] not in added or each.key in chosen
    ]
    return [chosen.get(each.key, each) if each.kind == "lab" else each for each in standing]


# ---------------------------------------------------------------- courses


def _courses(known: Sequence[Item], told: Sequence[Item]) -> Iterator[Item]:
    partners = paired(known, told, likeness, enough=ENOUGH)
    for place, course in enumerate(told):
        if place not in partners:
            yield replace(course, parts=tuple(with_single_dose(each) for each in course.parts))
            continue
        mine = known[partners[place]]
        volumes = volume_pairs(mine.parts, course.parts)
        parts = [
            replace(part, key=mine.parts[volumes[index]].key) if index in volumes else with_single_dose(part)
            for index, part in enumerate(course.parts)
        ]
        yield replace(course, key=mine.key, parts=tuple(parts))


def _without_delivered_plans(known: Sequence[Item], told: Sequence[Item]) -> list[Item]:
    """A prescription whose delivery HL7 tells gives way: what was planned must not stand as delivered."""
    delivered = [each for each in told if each.kind == "course" and _status(each) != "planned"]
    return [
        each
        for each in known
        if not (
            each.kind == "course"
            and _status(each) == "planned"
            and any(likeness(each, one) >= ENOUGH for one in delivered)
        )
    ]


def _status(course: Item) -> str:
    return course.values["status"].value if "status" in course.values else ""


# ---------------------------------------------------------------- staging and allergies


def _staged(items: Sequence[Item], staging: Sequence[Item], notes: list[str]) -> list[Item]:
    """TNM, stage, grade and markers of OBX belong to the leading diagnosis: an OBX names none."""
    if not staging:
        return list(items)
    leading = next(iter(by_rank_and_date([each for each in items if each.kind == "diagnosis"])), None)
    if leading is None:
        notes.append("OBX: staging or markers without a diagnosis, left out")
        return list(items)
    grown = leading
    for each in staging:
        values = {leaf: value for leaf, value in each.values.items() if not _of_other_basis(grown, leaf, value)}
        better = {leaf: value for leaf, value in each.values.items() if _is_pathological(grown, leaf, value)}
        (grown,) = merge([replace(grown, values=grown.values | better), replace(each, key=grown.key, values=values)])
    changed = any(grown.values.get(leaf) != leading.values.get(leaf) for leaf in ("t", "n", "m"))
    return [(with_tnm(grown) if changed else grown) if each is leading else each for each in items]


def _of_other_basis(item: Item, leaf: str, value: Value) -> bool:
    """cT2 and pT1 both hold: one was found before surgery, one by it (UICC)."""
    before = item.values.get(leaf)
    both = before is not None and value.type is FactType.TNM
    return bool(both and before and ("p" in before.value[:3]) != ("p" in value.value[:3]))


def _is_pathological(item: Item, leaf: str, value: Value) -> bool:
    return _of_other_basis(item, leaf, value) and "p" in value.value[:3]


def _told_apart(items: Sequence[Item]) -> list[Item]:
    """No known allergy in one channel and an allergy in the other: both stay, and the conflict is told."""
    allergies = [each for each in items if each.kind == "allergy"]
    denied = [each for each in allergies if denies_allergies(each)]
    real = [each for each in allergies if each not in denied]
    against = {each.key: next((one for one in real if one.origin != each.origin), None) for each in denied}
    return [
        with_clash(each, "name", other.values["name"])
        if each.kind == "allergy" and (other := against.get(each.key))
        else each
        for each in items
    ]
