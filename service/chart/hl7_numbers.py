"""Things that carry a placer's and a filler's number: orders (ORC-2, ORC-3) and appointments (SCH-1, SCH-2)."""

from typing import Generic, TypeVar

T = TypeVar("T")
Numbers = tuple[str, str]
"""Placer's number, filler's number; empty where there is none."""


class Numbered(Generic[T]):
    """What stands under each number, in order of first appearance; None where it was taken back.

    The filler's number decides where both have one, else the placer's.
    """

    def __init__(self) -> None:
        self._rows: list[tuple[Numbers, T | None]] = []

    def put(self, numbers: Numbers, value: T | None) -> None:
        for place, (known, _) in enumerate(self._rows):
            if _is_same(known, numbers):
                both = (numbers[0] or known[0], numbers[1] or known[1])
                self._rows[place] = (both, value)
                return
        self._rows.append((numbers, value))

    def get(self, numbers: Numbers) -> T | None:
        return next((value for known, value in self._rows if _is_same(known, numbers)), None)

    def values(self) -> list[T]:
        return [value for _, value in self._rows if value is not None]


def _is_same(one: Numbers, other: Numbers) -> bool:
    if one[1] and other[1]:
        return one[1] == other[1]
    return bool(one[0]) and one[0] == other[0]
