"""Irradiated volumes with their doses: from a course summary, its phases, or a prescription (mCODE, CodeX RT); or
from the irradiations of a German registry's course (oBDS)."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from service.chart.codes import urls, word_of
from service.chart.element import Element, Leaf
from service.chart.items import Item, Value
from service.chart.obds_volumes import irradiations, volume_name
from service.chart.records import Records, local
from service.chart.values import a_count, a_dose, a_text, a_word, gray_of
from service.model import FactType, Importance
from service.radiotherapy import agree, dose_per_fraction, sequential_sum


@dataclass(frozen=True, kw_only=True)
class Told:
    """What one resource says of one volume. Doses in gray; ``key`` tells volumes apart."""

    key: str
    name: Value | None
    dose: Leaf[Decimal] | None
    single: Leaf[Decimal] | None
    fractions: Leaf[Decimal] | None


def read_volumes(course: Element | None, phases: Sequence[Element], records: Records) -> list[Item]:
    """The volumes in the summary's order, then those that only phases name."""
    summary = {each.key: each for each in (_told(course, records) if course else [])}
    by_phase: dict[str, list[Told]] = {}
    for phase in phases:
        for each in _told(phase, records):
            by_phase.setdefault(each.key, []).append(each)
    found = []
    for key in dict.fromkeys([*summary, *by_phase]):
        own, parts = summary.get(key), by_phase.get(key, [])
        added = _added(key, parts) if parts else None
        if own and own.dose and added and added.dose and added.dose.value > own.dose.value and course:
            course.note("phases give a volume more dose than the summary; the summary's dose stands")
        item = _item(_completed(own, added), parts)
        if item.values:
            found.append(item)
    return found


def _completed(own: Told | None, added: Told | None) -> Told:
    """The summary's values; the phases' where the summary has no dose for the volume."""
    if own is None:
        assert added is not None  # noqa: S101 - a key comes from one of the two
        return added
    if own.dose is not None or added is None:
        return own
    return Told(
        key=own.key,
        name=own.name or added.name,
        dose=added.dose,
        single=own.single or added.single,
        fractions=own.fractions or added.fractions,
    )


def _added(key: str, parts: Sequence[Told]) -> Told:
    """Phases one after another: doses and fractions of one volume add up."""
    return Told(
        key=key,
        name=next((each.name for each in parts if each.name), None),
        dose=_sum([each.dose for each in parts]),
        single=_common([each.single for each in parts]),
        fractions=_sum([each.fractions for each in parts]),
    )


def _sum(leaves: Sequence[Leaf[Decimal] | None]) -> Leaf[Decimal] | None:
    told = [each for each in leaves if each]
    if not told or len(told) != len(leaves):
        return None
    return Leaf(value=sequential_sum(each.value for each in told), source=sources_of(told))


def _common(leaves: Sequence[Leaf[Decimal] | None]) -> Leaf[Decimal] | None:
    told = [each for each in leaves if each]
    alike = len(told) == len(leaves) and len({each.value for each in told}) == 1
    return Leaf(value=told[0].value, source=sources_of(told)) if alike else None


def sources_of(leaves: Iterable[Leaf[Decimal]]) -> str:
    return " + ".join(dict.fromkeys(each.source for each in leaves))


def _item(told: Told, parts: Sequence[Told]) -> Item:
    values: dict[str, Value] = {}
    if told.name:
        values["name"] = told.name
    if told.dose:
        values["dose"] = a_dose(FactType.DOSE, told.dose.value, told.dose.source, Importance.HIGH)
    if told.fractions:
        values["fractions"] = a_count(FactType.FRACTIONS, told.fractions)
    single = told.single or (_divided(told) if _uniform(parts) else None)
    if single:
        values["dose_per_fraction"] = a_dose(FactType.DOSE_PER_FRACTION, single.value, single.source)
    ordered: dict[str, Value] = {
        leaf: values[leaf] for leaf in ("name", "dose", "dose_per_fraction", "fractions") if leaf in values
    }
    return Item(kind="volume", key=told.key, values=ordered)


def _divided(told: Told) -> Leaf[Decimal] | None:
    if told.dose is None or told.fractions is None:
        return None
    single = dose_per_fraction(told.dose.value, int(told.fractions.value))
    return Leaf(value=single, source=sources_of([told.dose, told.fractions])) if single else None


def _uniform(parts: Sequence[Told]) -> bool:
    """Whether phases, as far as they are told, gave the same dose a fraction."""
    singles = set()
    for each in parts:
        if each.single:
            singles.add(each.single.value)
        elif each.dose and each.fractions:
            singles.add((each.dose.value / each.fractions.value).quantize(Decimal("0.001")))
    return len(singles) <= 1


# ---------------------------------------------------------------- one resource


def _told(element: Element, records: Records) -> list[Told]:
    extensions = [each for url in urls("dose_to_volume") for each in element.extensions(url)]
    found: dict[str, Told] = {each.key: each for each in _irradiations(element)}
    for position, extension in enumerate(extensions):
        name, key = _name(extension, records)
        total = _dose(extension, urls("total_dose"))
        single = _dose(extension, urls("fraction_dose"))
        counted = extension.extension(*urls("fractions"))
        fractions = whole_number(counted) if counted else None
        if total and single and fractions and not agree(total.value, single.value, int(fractions.value)):
            extension.note("dose, dose per fraction and fractions do not agree")
        key = key or f"#{position}"
        if key in found:
            extension.note("the volume is told twice in one resource; the first stands")
            continue
        found[key] = Told(key=key, name=name, dose=total, single=single, fractions=fractions)
    return list(found.values())


def _irradiations(element: Element) -> Iterator[Told]:
    for each in irradiations(element):
        yield Told(
            key=each.source,
            name=volume_name(each),
            dose=_dose(each, urls("irradiation_dose")),
            single=_dose(each, urls("irradiation_fraction_dose")),
            fractions=None,
        )


def _dose(extension: Element, names: Sequence[str]) -> Leaf[Decimal] | None:
    part = extension.extension(*names)
    return gray_of(part.child("valueQuantity", at="value")) if part else None


def whole_number(extension: Element) -> Leaf[Decimal] | None:
    """A count above zero; None and a note for anything else."""
    for name in ("valueUnsignedInt", "valuePositiveInt", "valueInteger"):
        number = extension.number(name, at="value")
        if number and number.value > 0 and number.value == number.value.to_integral_value():
            return number
        if number:
            extension.note("no count of fractions, left out")
    return None


def _name(extension: Element, records: Records) -> tuple[Value | None, str]:
    """The volume's name, and what tells it from others: its BodyStructure, else its name."""
    part = extension.extension("volume")
    reference = part.child("valueReference", at="value") if part else None
    if part is None or reference is None:
        concept = part.concept("valueCodeableConcept", at="value") if part else None
        word = word_of(concept, "site")
        return (a_word(FactType.TERM, word), word.value.casefold()) if word else (None, "")
    target = local(reference.word("reference"))
    body = records.resolve(reference.word("reference"), extension) if target else None
    name = reference.text("display")
    value = a_text(FactType.TERM, name) if name else _body_name(body) if body else None
    return value, target or (value.value.casefold() if value else "")


def _body_name(body: Element) -> Value | None:
    """mCODE radiotherapy volume: description, else an identifier's words, else its location."""
    if described := body.text("description"):
        return a_text(FactType.TERM, described)
    location = word_of(body.concept("location"), "site")
    if location:
        return a_word(FactType.TERM, location)
    for identifier in body.children("identifier") if "identifier" in body.json else []:
        if value := identifier.text("value"):
            return a_text(FactType.TERM, value)
    return None
