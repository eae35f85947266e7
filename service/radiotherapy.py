"""Dose, fractionation, dates, laterality: the arithmetic that must agree. Pure; doses in gray.

ICRU 83: each volume has its own prescription. Doses to the same volume in sequential phases add up;
doses to different volumes treated at once (simultaneous integrated boost) never do.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Literal

from service.model import Chart, Fact

_CENT = Decimal("0.01")
_UNITS: Mapping[str, Decimal] = {
    "gy": Decimal(1),
    "cgy": Decimal("0.01"),
    "gray": Decimal(1),
    "centigray": _CENT,
    "mgy": Decimal("0.001"),
}

Reason = Literal[
    "dose_and_fractions",
    "volume_fractions_exceed_course",
    "end_before_start",
    "more_fractions_than_days_allow",
    "side_against_diagnosis",
    "side_against_site",
    "course_before_birth",
    "systemic_end_before_start",
]


@dataclass(frozen=True, kw_only=True)
class Contradiction:
    """Two facts of one chart that cannot both hold."""

    handle: str
    reason: Reason
    other: str


def to_gray(value: Decimal | str | int, unit: str) -> Decimal:
    """A dose in gray.

    Args:
        unit: Gy, cGy or mGy, in any case and as a word.

    Raises:
        ValueError: another unit, or no number.
    """
    factor = _UNITS.get(unit.strip().lower())
    if factor is None:
        raise ValueError("unit of dose")
    try:
        number = Decimal(value)
    except InvalidOperation as fault:
        raise ValueError("value of dose") from fault
    if not number.is_finite():
        raise ValueError("value of dose")
    return number * factor


def plain(number: Decimal) -> str:
    """Decimal point, no trailing zeros, no exponent: ``50.40`` reads ``50.4``, ``6E+1`` reads ``60``."""
    text = format(number, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def dose_per_fraction(total: Decimal, fractions: int) -> Decimal | None:
    """Total / fractions where that is exact to a hundredth of a gray, else None.

    Not rounded: 66 Gy in 31 is a course of two fractionations, and 2.13 Gy would be invented.
    """
    if fractions <= 0:
        return None
    single = (total / fractions).quantize(_CENT, ROUND_HALF_UP)
    return single if single > 0 and single * fractions == total else None


def agree(total: Decimal, single: Decimal, fractions: int) -> bool:
    """Whether single x fractions is the total, the single dose being rounded to a hundredth of a gray."""
    return abs(total - single * fractions) <= Decimal("0.005") * fractions


def sequential_sum(doses: Iterable[Decimal]) -> Decimal:
    """What one volume received over phases one after another."""
    return sum(doses, Decimal(0))


def days_allow(fractions: int, start: date, end: date) -> bool:
    """At most two fractions a day, first and last day counted (hyperfractionation has two)."""
    return fractions <= 2 * ((end - start).days + 1)


def check_chart(chart: Chart) -> tuple[Contradiction, ...]:
    """Contradictions inside one chart: of doses, fractions, dates and sides. Missing facts are none."""
    facts = {fact.handle: fact for fact in chart.facts}
    found: list[Contradiction] = []
    for stem in _stems(facts, "course"):
        found += _check_dates(facts, stem)
        found += _check_sides(facts, stem)
        for volume in _stems(facts, f"{stem}.volume"):
            found += _check_volume(facts, stem, volume)
    for stem in _stems(facts, "systemic"):
        start, end = _day(facts.get(f"{stem}.start")), _day(facts.get(f"{stem}.end"))
        if start and end and end < start:
            found.append(Contradiction(handle=f"{stem}.end", reason="systemic_end_before_start", other=f"{stem}.start"))
    return tuple(found)


def _stems(facts: Mapping[str, Fact], kind: str) -> list[str]:
    depth = kind.count(".") + 2
    heads = {".".join(handle.split(".")[:depth]) for handle in facts if handle.startswith(f"{kind}.")}
    return sorted(heads, key=lambda head: int(head.rsplit(".", 1)[1]) if head.rsplit(".", 1)[1].isdigit() else 0)


def _check_dates(facts: Mapping[str, Fact], stem: str) -> list[Contradiction]:
    start, end = _day(facts.get(f"{stem}.start")), _day(facts.get(f"{stem}.end"))
    birth = _day(facts.get("patient.birth_date"))
    found: list[Contradiction] = []
    if start and birth and start < birth:
        found.append(Contradiction(handle=f"{stem}.start", reason="course_before_birth", other="patient.birth_date"))
    if not (start and end):
        return found
    if end < start:
        found.append(Contradiction(handle=f"{stem}.end", reason="end_before_start", other=f"{stem}.start"))
        return found
    fractions = _number(facts.get(f"{stem}.fractions"))
    if fractions is not None and not days_allow(int(fractions), start, end):
        found.append(
            Contradiction(handle=f"{stem}.fractions", reason="more_fractions_than_days_allow", other=f"{stem}.end")
        )
    return found


def _check_sides(facts: Mapping[str, Fact], stem: str) -> list[Contradiction]:
    side = facts.get(f"{stem}.side")
    if side is None or side.value == "bilateral":
        return []
    opposite = "left" if side.value == "right" else "right"
    site = facts.get(f"{stem}.site")
    if site and _named_side(site.display.de, site.display.en) == opposite:
        return [Contradiction(handle=f"{stem}.side", reason="side_against_site", other=f"{stem}.site")]
    tumours = [fact for handle, fact in facts.items() if handle.startswith("diagnosis.") and handle.endswith(".side")]
    if tumours and all(fact.value == opposite for fact in tumours):
        return [Contradiction(handle=f"{stem}.side", reason="side_against_diagnosis", other=tumours[0].handle)]
    return []


def _named_side(de: str, en: str) -> str | None:
    words = f"{de} {en}".lower()
    right, left = "recht" in words or "right" in words, "link" in words or "left" in words
    return "right" if right and not left else "left" if left and not right else None


def _check_volume(facts: Mapping[str, Fact], course: str, volume: str) -> list[Contradiction]:
    total = _number(facts.get(f"{volume}.dose"))
    single = _number(facts.get(f"{volume}.dose_per_fraction"))
    fractions = _number(facts.get(f"{volume}.fractions"))
    sessions = _number(facts.get(f"{course}.fractions"))
    found: list[Contradiction] = []
    if total is not None and single is not None and fractions is not None and not agree(total, single, int(fractions)):
        found.append(
            Contradiction(handle=f"{volume}.dose", reason="dose_and_fractions", other=f"{volume}.dose_per_fraction")
        )
    if fractions is not None and sessions is not None and fractions > sessions:
        found.append(
            Contradiction(
                handle=f"{volume}.fractions", reason="volume_fractions_exceed_course", other=f"{course}.fractions"
            )
        )
    return found


def _day(fact: Fact | None) -> date | None:
    try:
        return date.fromisoformat(fact.value) if fact else None
    except ValueError:
        return None


def _number(fact: Fact | None) -> Decimal | None:
    try:
        number = Decimal(fact.value) if fact else None
    except InvalidOperation:
        return None
    return number if number is not None and number.is_finite() else None
