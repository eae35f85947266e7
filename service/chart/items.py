"""What a reader found, before it has a handle: values with their place, and the things they belong to."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal, InvalidOperation
from typing import Literal

from service.model import Display, FactType, Importance

Origin = Literal["fhir", "hl7"]

_COMPARED = frozenset(
    {
        FactType.IDENTIFIER,
        FactType.DATE,
        FactType.TIME,
        FactType.SEX,
        FactType.ICD10,
        FactType.TNM,
        FactType.STAGE,
        FactType.GRADING,
        FactType.LATERALITY,
        FactType.DOSE,
        FactType.DOSE_PER_FRACTION,
        FactType.FRACTIONS,
        FactType.INTENT,
        FactType.STATUS,
        FactType.DRUG_DOSE,
        FactType.CYCLES,
        FactType.LAB,
        FactType.GRADE,
        FactType.PERFORMANCE,
    }
)
"""Types of which two different values contradict each other; two wordings of a term do not."""

_COMPARED_NAMES = frozenset({"family", "given"})


@dataclass(frozen=True, kw_only=True)
class Value:
    """A value with its place. ``value`` canonical, ``unit`` UCUM, as in :class:`service.model.Fact`."""

    type: FactType
    value: str
    display: Display
    source: str
    unit: str | None = None
    importance: Importance = Importance.NORMAL
    code: str | None = None
    system: str | None = None


@dataclass(frozen=True, kw_only=True)
class Clash:
    """Values of one leaf that contradict each other, the chosen one first."""

    leaf: str
    values: tuple[Value, ...]


@dataclass(frozen=True, kw_only=True)
class Item:
    """One thing of the visit: a diagnosis, a course, the patient.

    Attributes:
        kind: first part of the handle (``diagnosis``); for a part of an item ``volume`` or ``marker``.
        key: two items of a kind with the same key are the same thing.
        values: by the handle's last part; a marker's single value lies under ``""``.
        rank: sorts before the date (encounter diagnoses first).
        date: ISO 8601 or empty; the order of items of the same rank.
    """

    kind: str
    key: str
    values: dict[str, Value]
    parts: tuple["Item", ...] = ()
    rank: int = 0
    date: str = ""
    origin: Origin = "fhir"
    clashes: tuple[Clash, ...] = field(default=())


def merge(items: Iterable[Item]) -> list[Item]:
    """One item for each (kind, key), in order of first appearance. See :func:`joined`."""
    found: dict[tuple[str, str], Item] = {}
    for item in items:
        place = (item.kind, item.key)
        found[place] = joined(found[place], item) if place in found else item
    return list(found.values())


def joined(first: Item, second: Item) -> Item:
    """Two tellings of the same thing made one.

    A leaf that only one has is taken. The same value stays one value with the first source, a more precise
    date excepted. Different values are a :class:`Clash`, and the first stands: callers put FHIR before HL7.
    """
    values = dict(first.values)
    clashes = list(first.clashes)
    for leaf, other in second.values.items():
        mine = values.get(leaf)
        if mine is None:
            values[leaf] = other
        elif not same(mine, other):
            if _is_compared(leaf, mine):
                clashes = _with_clash(clashes, leaf, mine, other)
        elif mine.type is FactType.DATE and len(other.value) > len(mine.value):
            values[leaf] = other
    for each in second.clashes:
        for other in each.values:
            clashes = _with_clash(clashes, each.leaf, values.get(each.leaf, other), other)
    return replace(
        first,
        values=values,
        parts=tuple(merge([*first.parts, *second.parts])),
        # another standard's word on a thing must not renumber what stands in a draft
        rank=min(first.rank, second.rank) if first.origin == second.origin else first.rank,
        date=first.date or second.date,
        clashes=tuple(clashes),
    )


def contradicted(item: Item, other: Item, leaves: Collection[str] | None = None) -> Item:
    """``item`` with what ``other`` says of the same thing and it does not: values stand, clashes are added.

    ``leaves``: only these are held against each other.
    """
    clashes = list(item.clashes)
    for leaf, value in item.values.items():
        told = other.values.get(leaf)
        if told and (leaves is None or leaf in leaves) and _is_compared(leaf, value) and not same(value, told):
            clashes = _with_clash(clashes, leaf, value, told)
    others = {(each.kind, each.key): each for each in other.parts}
    parts = [
        contradicted(each, others[each.kind, each.key]) if (each.kind, each.key) in others else each
        for each in item.parts
    ]
    return replace(item, clashes=tuple(clashes), parts=tuple(parts))


def with_clash(item: Item, leaf: str, other: Value) -> Item:
    """``other`` contradicts the value of ``leaf``."""
    return replace(item, clashes=tuple(_with_clash(item.clashes, leaf, item.values[leaf], other)))


def _is_compared(leaf: str, value: Value) -> bool:
    return value.type in _COMPARED or (value.type is FactType.NAME and leaf in _COMPARED_NAMES)


def _with_clash(clashes: Sequence[Clash], leaf: str, mine: Value, other: Value) -> list[Clash]:
    """A third value stands beside the two that contradict each other already."""
    told = next((each.values for each in clashes if each.leaf == leaf), (mine,))
    if any(same(each, other) for each in told):
        return list(clashes)
    return [*(each for each in clashes if each.leaf != leaf), Clash(leaf=leaf, values=(*told, other))]


def same(one: Value, other: Value) -> bool:
    """Whether two values say the same: numbers by value, partial dates and names by what both say, words
    without case."""
    if one.type is FactType.DATE and other.type is FactType.DATE:
        return one.value.startswith(other.value) or other.value.startswith(one.value)
    left, right = _number(one.value), _number(other.value)
    if left is not None and right is not None:
        return left == right and (one.unit or "") == (other.unit or "")
    words, others = one.value.casefold().split(), other.value.casefold().split()
    if one.type is FactType.NAME and words and others:
        shared = min(len(words), len(others))
        return words[:shared] == others[:shared]
    return words == others


def _number(text: str) -> Decimal | None:
    try:
        return Decimal(text)
    except InvalidOperation:
        return None


def by_rank_and_date(items: Sequence[Item]) -> list[Item]:
    """Stable: rank, then date (undated last), then the order of the source."""
    return sorted(items, key=lambda item: (item.rank, not item.date, item.date))
