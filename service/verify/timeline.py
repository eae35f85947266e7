"""Dates in their role.

A date that the chart holds for something else is an error where the words are clear ("Beginn",
"vom ... bis ...", "geb."); where they are not, the chart's holding it anywhere is enough.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from service.model import Fact, FactType, Severity
from service.verify.book import Book
from service.verify.dates import same_date
from service.verify.desk import Desk
from service.verify.extract import Mention
from service.verify.outcome import Outcome, settle, supported, unsupported
from service.verify.page import Page, Range
from service.verify.roles import CLOCK_AFTER, EDGED, domains_of, edge_of, facts_of, is_plain, window_of

_BIRTH = re.compile(
    r"(?:geb\.?(?:oren(?:e[rnms]?)?)?(?:\s+am)?|geburtsdatum|geburtstag|\*|\bborn(?:\s+on)?|date of birth|\bd\.?o\.?b\.?|birth ?date)\s*[:(]?\s*$"
)
_PAIR = re.compile(
    r"\s*(?:\([^()\n]{0,30}\)\s*)?(?:bis(?:\s+(?:zum|einschließlich|inkl\.))?|to|until|through|till|–|-|—|und|and)\s*(?:zum\s|the\s|dem\s|den\s)?\s*"
)
_BETWEEN = re.compile(r"(?:zwischen(?: dem)?|between)\s*(?:the\s)?$")
_TREATED = re.compile(r"behandl|therap|treat|operat|biops|bestrahl|radi|chemo|fraktion|zyklus|cycle|dosis|dose")
_LETTER_DATE = re.compile(r",?\s*(?:den|datum|date|dated|letter|brief|diktat|dictated|vom|signed|unterzeichnet|on)\b")


def same(mention: Mention, fact: Fact) -> bool:
    return same_date(mention.values, fact.value)


@dataclass(frozen=True, kw_only=True)
class _Edges:
    start: Fact | None
    end: Fact | None


def check_dates(desk: Desk, dates: Sequence[Mention]) -> Iterable[Outcome]:
    """Judge every date, ranges as pairs."""
    index = 0
    while index < len(dates):
        first = dates[index]
        second = dates[index + 1] if index + 1 < len(dates) else None
        if second and _is_pair(desk.page, first, second):
            yield from _pair(desk, first, second)
            index += 2
            continue
        outcome = _single(desk, first, dates)
        if outcome:
            yield outcome
        index += 1


def _is_pair(page: Page, first: Mention, second: Mention) -> bool:
    gap = page.folded[first.end : second.start]
    if "\n\n" in gap or not _PAIR.fullmatch(gap):
        return False
    joined = gap.split()[0] in ("und", "and")
    return not joined or bool(_BETWEEN.search(page.folded[max(0, first.start - 20) : first.start]))


# ---------------------------------------------------------------- ranges


def _pair(desk: Desk, first: Mention, second: Mention) -> Iterable[Outcome]:
    cued, strong = domains_of(desk, Range(first.start, second.end))
    wanted = [d for d in cued if d in EDGED]
    every = _edges(desk.book, EDGED)
    likely = _edges(desk.book, wanted) if wanted else every
    best = max(likely, key=lambda e: _agreement(e, first, second), default=None)
    if best is None or _agreement(best, first, second) < 2:
        elsewhere = next((e for e in every if _agreement(e, first, second) == 2), None)
        # with one clear domain, another's range is the wrong range
        if elsewhere and not (strong and len(wanted) == 1 and best):
            best = elsewhere
    facts = desk.book.typed(FactType.DATE)
    for mention, meant in ((first, best.start if best else None), (second, best.end if best else None)):
        role = [meant] if meant else []
        clear = best is not None and (strong or _agreement(best, first, second) > 0)
        clear = clear or (best is not None and _swapped(best, first, second))
        written_by = desk.own.get(mention.start)
        outcome = settle(mention, role=role, strong=clear, pool=facts, same=same, own=written_by)
        yield outcome or _unknown(desk.page, mention)


def _edges(book: Book, kinds: Iterable[str]) -> list[_Edges]:
    found: list[_Edges] = []
    for kind in kinds:
        for group in book.of(kind):
            edges = _Edges(start=group.leaves.get("start"), end=group.leaves.get("end"))
            if edges.start or edges.end:
                found.append(edges)
    return found


def _agreement(edges: _Edges, first: Mention, second: Mention) -> int:
    starts = edges.start is not None and same(first, edges.start)
    ends = edges.end is not None and same(second, edges.end)
    return starts + ends


def _swapped(edges: _Edges, first: Mention, second: Mention) -> bool:
    return bool(edges.start and edges.end and same(first, edges.end) and same(second, edges.start))


# ---------------------------------------------------------------- one date


def _single(desk: Desk, mention: Mention, dates: Sequence[Mention]) -> Outcome | None:
    own = desk.own.get(mention.start)
    birth = desk.book.facts.get("patient.birth_date")
    if _BIRTH.search(desk.page.folded[max(0, mention.start - 30) : mention.start]):
        if birth is None:
            return unsupported(mention, severity=Severity.BLOCK)
        return settle(mention, role=[birth], strong=True, pool=[], same=same, own=own) or _unknown(desk.page, mention)
    facts = [fact for fact in desk.book.typed(FactType.DATE) if fact is not birth]
    sentence = desk.page.sentence_at(mention.start)
    beside = [d for d in dates if sentence.holds(d.start, d.end)]
    window = window_of(desk.page, mention, beside)
    hour = CLOCK_AFTER.match(desk.page.folded, mention.end)
    if hour and window.end < hour.end() <= sentence.end:
        window = Range(window.start, hour.end())  # "am 09.06.2026, 11:15 Uhr": a comma does not part them
    edge = edge_of(desk.page.part(window), mention.start - window.start)
    cued, plain = domains_of(desk, window)
    role = [fact for domain in cued for fact in facts_of(desk, domain, edge, window, alone=len(beside) == 1)]
    strong = plain and bool(role) and is_plain(desk, cued, edge, window)
    outcome = settle(mention, role=list(dict.fromkeys(role)), strong=strong, pool=facts, same=same, own=own)
    if outcome is None and birth and same(mention, birth):
        return supported(mention, birth)  # "Name, 03.04.1961" needs no word for it
    if outcome is None and _is_letter_date(desk.page, mention):
        return None
    return outcome or _unknown(desk.page, mention)


def _unknown(page: Page, mention: Mention) -> Outcome:
    """A date of no fact: of a treatment it blocks, of anything else it is told."""
    area = page.part(page.sentence_at(mention.start)) + page.heading_at(mention.start)
    treated = len(mention.value) == 10 and bool(_TREATED.search(area))
    return unsupported(mention, severity=Severity.BLOCK if treated else Severity.WARN)


def _is_letter_date(page: Page, mention: Mention) -> bool:
    """The date of the letter itself: a short line of its own, or beside a place, in the head or at the foot."""
    line = page.line_at(mention.start)
    rest = page.folded[line.start : mention.start] + page.folded[mention.end : line.end]
    short = len(rest.strip()) < 40 and not page.is_item(mention.start)
    return short and (not rest.strip(" .,:") or bool(_LETTER_DATE.search(rest))) and not _TREATED.search(rest)
