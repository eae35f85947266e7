"""Whether two channels tell of one radiotherapy course, and which volume of one is which of the other.

No number is shared between a hospital's FHIR server and its record-and-verify system, so what a course is
decides: its days first, then place, fractions and volumes.
"""

from collections.abc import Callable, Sequence
from itertools import product

from service.chart.items import Item, Value, same

ENOUGH = 3
"""Points of :func:`likeness` from which two courses are one."""
_WEIGHTS = {"start": (4, -2), "end": (2, -1), "site": (2, -2), "side": (1, -2), "fractions": (1, -1)}
"""For the same value, and against another one."""


def paired(
    known: Sequence[Item], told: Sequence[Item], points: Callable[[Item, Item], int], *, enough: int
) -> dict[int, int]:
    """For the place of an item in ``told`` the place of the same thing in ``known``, the most alike first; each
    is taken once."""
    ranked = sorted(
        (-points(known[mine], told[theirs]), mine, theirs)
        for mine, theirs in product(range(len(known)), range(len(told)))
    )
    found: dict[int, int] = {}
    for score, mine, theirs in ranked:
        if -score >= enough and theirs not in found and mine not in found.values():
            found[theirs] = mine
    return found


def likeness(one: Item, other: Item) -> int:
    """Points for what agrees less points for what does not; courses of different times have none."""
    if _apart_in_time(one, other):
        return 0
    points = 0
    for leaf, (agreeing, differing) in _WEIGHTS.items():
        mine, theirs = one.values.get(leaf), other.values.get(leaf)
        if mine and theirs:
            points += agreeing if same(mine, theirs) else differing
    names = [{_name(part) for part in item.parts} - {""} for item in (one, other)]
    doses = [{part.values["dose"].value for part in item.parts if "dose" in part.values} for item in (one, other)]
    if names[0] & names[1]:
        points += 2
    if all(doses):
        points += 1 if doses[0] & doses[1] else -1
    return points


def _apart_in_time(one: Item, other: Item) -> bool:
    """The one ends before the other starts; without ends, they start in different months."""
    starts, ends = [[item.values.get(leaf) for item in (one, other)] for leaf in ("start", "end")]
    if not (starts[0] and starts[1]) or same(starts[0], starts[1]):
        return False
    first, second = (0, 1) if starts[0].value < starts[1].value else (1, 0)
    end = ends[first]
    if end:
        return end.value < _value(starts[second])
    return _value(starts[0])[:7] != _value(starts[1])[:7]


def _value(value: Value | None) -> str:
    return value.value if value else ""


def volume_pairs(known: Sequence[Item], told: Sequence[Item]) -> dict[int, int]:
    """By name, else by dose and fractions, else the only one left on either side."""
    found: dict[int, int] = {}
    for alike in (_same_name, _same_dose):
        for theirs, mine in product(range(len(told)), range(len(known))):
            free = theirs not in found and mine not in found.values()
            if free and alike(known[mine], told[theirs]):
                found[theirs] = mine
    mine_left = [place for place in range(len(known)) if place not in found.values()]
    theirs_left = [place for place in range(len(told)) if place not in found]
    if len(mine_left) == 1 and len(theirs_left) == 1:
        found[theirs_left[0]] = mine_left[0]
    return found


def _name(part: Item) -> str:
    name = part.values.get("name")
    return name.value.casefold() if name else ""


def _same_name(one: Item, other: Item) -> bool:
    return bool(_name(one)) and _name(one) == _name(other)


def _same_dose(one: Item, other: Item) -> bool:
    mine, theirs = one.values.get("dose"), other.values.get("dose")
    counted, other_counted = one.values.get("fractions"), other.values.get("fractions")
    fractions_fit = not (counted and other_counted) or same(counted, other_counted)
    return bool(mine and theirs and same(mine, theirs)) and fractions_fit
