"""Figures of one letter that must agree with each other: fractions x dose per fraction = total dose."""

from collections.abc import Iterable, Sequence
from decimal import Decimal

from service.verify.extract import Mention
from service.verify.numbers import as_number, canonical
from service.verify.outcome import Outcome, miscalculated
from service.verify.page import Page

_ROUNDING = Decimal("0.011")
"""A dose per fraction is written with two decimals (2,67 Gy); the product may miss by that much a fraction."""


def check_arithmetic(page: Page, mentions: Sequence[Mention]) -> Iterable[Outcome]:
    """Judge each sentence, or clause of it, that tells exactly one total, one dose per fraction and one count."""
    seen: set[int] = set()
    for area in [*page.clauses, *page.sentences]:
        inside = [m for m in mentions if area.holds(m.start, m.end) and m.label != "of" and "range" not in m.label]
        totals = [m for m in inside if m.type == "dose"]
        singles = [m for m in inside if m.type == "dose_per_fraction"]
        counts = [m for m in inside if m.type == "fractions"]
        if not (len(totals) == len(singles) == len(counts) == 1) or totals[0].start in seen:
            continue
        total, single, count = (as_number(m[0].value) for m in (totals, singles, counts))
        if total is None or single is None or count is None:
            continue
        seen.add(totals[0].start)
        product = single * count
        slack = _ROUNDING * count if _has_two_decimals(singles[0]) else Decimal("0.001")
        if abs(product - total) > slack:
            sum_ = f"{canonical(count)} × {canonical(single)} Gy = {canonical(product)} Gy"
            yield miscalculated(
                totals[0],
                de=f"Die Angaben gehen nicht auf: {sum_.replace('.', ',')}, im Brief steht {totals[0].text}.",
                en=f"The figures do not agree: {sum_}, the letter says {totals[0].text}.",
            )


def _has_two_decimals(mention: Mention) -> bool:
    _, _, decimals = mention.value.partition(".")
    return len(decimals) >= 2
