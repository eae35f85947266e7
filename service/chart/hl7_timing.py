"""When a drug is taken: TQ1 (since 2.5), else RXE-1 or ORC-7 (before), else the words of the order."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from service.chart.codes import pair, table
from service.chart.element import Leaf
from service.chart.hl7_fields import leaf
from service.chart.items import Value
from service.chart.values import a_text
from service.model import Display, FactType
from service.ports import Segment

_BY_DAY = re.compile(r"\d+(?:[.,/]\d+)?(?:\s*-\s*\d+(?:[.,/]\d+)?){2,3}")
"""``1-0-1``, ``1-0-1-0``, ``1/2-0-1``: morning, noon, evening, night."""
_EVERY = re.compile(r"Q(?P<count>\d{1,2})(?P<unit>[HDW])")
_UNITS = {"H": ("Stunden", "hours"), "D": ("Tage", "days"), "W": ("Wochen", "weeks")}


def schedule(segments: Mapping[str, Sequence[Segment]]) -> Value | None:
    """A pattern by the day first, then the order's words, then a repeat pattern (HL7 table 0335) in words."""
    patterns = [*_leaves(segments, "TQ1", 3), *_leaves(segments, "RXE", 1, 2), *_leaves(segments, "ORC", 7, 2)]
    words = [*_leaves(segments, "TQ1", 11), *_words(segments, "RXE", 7), *_words(segments, "RXO", 7)]
    by_day = next((each for each in [*patterns, *words] if _BY_DAY.fullmatch(each.value)), None)
    if by_day:
        return a_text(FactType.SCHEDULE, by_day)
    if words:
        return a_text(FactType.SCHEDULE, words[0])
    if not patterns:
        return None
    value = a_text(FactType.SCHEDULE, patterns[0])
    shown = _in_words(patterns[0].value.upper())
    return replace(value, display=shown) if shown else value


def _leaves(
    segments: Mapping[str, Sequence[Segment]], name: str, field: int, component: int | None = None
) -> list[Leaf[str]]:
    """A repeat pattern is a component whose first subcomponent is the code."""
    return [found for each in segments.get(name, ()) if (found := leaf(each, field, component=component))]


def _words(segments: Mapping[str, Sequence[Segment]], name: str, field: int) -> list[Leaf[str]]:
    return [
        found
        for each in segments.get(name, ())
        if (found := leaf(each, field, component=2) or leaf(each, field, component=1))
    ]


def _in_words(pattern: str) -> Display | None:
    known = table("repeat_pattern").get(pattern)
    if known:
        return pair(known)
    every = _EVERY.fullmatch(pattern)
    if every is None or int(every["count"]) < 2:
        return None
    de, en = _UNITS[every["unit"]]
    return Display(de=f"alle {every['count']} {de}", en=f"every {every['count']} {en}")
