"""Which number a patient or a visit goes by, after any number of merges and changes. Pure.

Aliases are taken in the order of their event times, whatever the order in which they arrived: two numbers that were
ever made one stay one, and the one that they go by is what the newest alias says. A number that comes back to its
first owner (A to B, later B to A) is therefore no circle.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Alias:
    """A merge or a change of visit said: what was ``former`` is ``present``. ``event_time``: ISO 8601 in UTC or
    empty, which sorts first."""

    former: str
    present: str
    event_time: str


def present_names(aliases: Iterable[Alias]) -> dict[str, str]:
    """For every number in ``aliases`` the one that it goes by now."""
    groups: dict[str, set[str]] = {}
    names: dict[str, str] = {}
    for alias in sorted(aliases, key=lambda each: (each.event_time, each.former, each.present)):
        for key in (alias.former, alias.present):
            groups.setdefault(key, {key})
            names.setdefault(key, key)
        former, present = groups[alias.former], groups[alias.present]
        if former is present:
            if names[alias.former] != alias.former:
                continue  # told again
            name = alias.present
        else:
            name = names[alias.present]  # if that one was given up before, what it goes by
        present |= former
        for key in present:
            groups[key], names[key] = present, name
    return names


def split_stay(key: str) -> tuple[str, str] | None:
    """(patient key, admission time) of the key of a visit without a number; None for a numbered one."""
    parts = key.split("|")
    return (f"{parts[0]}|{parts[1]}", parts[2]) if len(parts) == 3 else None


def present_visit(key: str, *, visits: Iterable[Alias], patients: Mapping[str, str]) -> str:
    """The key that a visit goes by. A visit without a number goes with its patient.

    Args:
        visits: aliases of visits.
        patients: of :func:`present_names`; a patient that is not in it goes by its own number.
    """

    def with_patient(visit: str) -> str:
        stay = split_stay(visit)
        return f"{patients.get(stay[0], stay[0])}|{stay[1]}" if stay else visit

    moved = [
        Alias(former=with_patient(each.former), present=with_patient(each.present), event_time=each.event_time)
        for each in visits
    ]
    own = with_patient(key)
    return present_names(moved).get(own, own)
