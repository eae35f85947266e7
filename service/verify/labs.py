"""Laboratory values and clock times."""

import re
from collections.abc import Iterable, Sequence
from decimal import Decimal
from functools import lru_cache

from service.model import Fact, FactType, Severity
from service.verify.book import Group
from service.verify.dates import same_date
from service.verify.desk import Desk
from service.verify.extract import Mention
from service.verify.numbers import as_number, canonical, parse
from service.verify.outcome import Outcome, contradicted, settle, supported, unsupported
from service.verify.page import Page

_LAB_UNIT = re.compile(
    r"(?<![\w.,/])(?P<n>\d{1,6}(?:[.,]\d{1,3})?)\s?(?P<u>(?:ng|µg|μg|ug|mg|g|pg|mmol|µmol|nmol|pmol|u|iu|mu|miu|ie|gpt|tsd\.?|t|g)"
    r"\s?/\s?(?:dl|ml|l|nl|µl|μl))(?!\w)"
)
_TIME = re.compile(
    r"(?<![\d.,:/])(?P<h>\d{1,2})(?:[:.](?P<m>\d\d))?\s*(?P<k>uhr|a\.?m\.?\b|p\.?m\.?\b|o['’]clock)|(?<![\d.,:/])(?P<h2>\d{1,2}):(?P<m2>\d\d)(?!\d|:\d)"
)
_LIMIT = re.compile(r"(?:norm\w*|referenz\w*|reference|range|<|>|≤|≥|unter|über|below|above|bis)\s*:?\s*$")

_BESIDE = re.compile(r"[\s,]*(?:um|at|@|gegen)?\s*")
_APPOINTED = re.compile(r"termin|appointment|vorstell|review|follow|nachsorge")
_SHORT = {
    "hb": "hämoglobin",
    "leukos": "leukozyten",
    "thrombos": "thrombozyten",
    "krea": "kreatinin",
    "crp": "c-reaktives",
    "psa": "prostataspezifisches",
}


def check_labs(desk: Desk) -> Iterable[Outcome]:
    """Figures after a laboratory name of the chart, and figures with a laboratory unit anywhere."""
    groups = desk.book.of("lab")
    seen: set[int] = set()
    for match, group in _named_labs(desk.page, groups):
        start, end = match.span("n")
        if start in seen:
            continue
        seen.add(start)
        same_name = [g.leaves["value"] for g in groups if "value" in g.leaves and _name(g) == _name(group)]
        mention = Mention(
            type="lab", start=start, end=end, text=desk.page.text[start:end], values=(_figure(match["n"]),)
        )
        outcome = settle(mention, role=same_name, strong=True, pool=[], same=_same_value, own=desk.own.get(start))
        if outcome and mention.text not in _marker_words(desk, _name(group)):
            yield outcome
    everything = desk.book.typed(FactType.LAB)
    for match in _LAB_UNIT.finditer(desk.page.folded):
        start = match.start("n")
        if start in seen or _LIMIT.search(desk.page.folded[max(0, start - 20) : start]):
            continue
        mention = Mention(
            type="lab",
            start=start,
            end=match.end(),
            text=desk.page.text[start : match.end()],
            values=(_figure(match["n"]),),
        )
        known = next((f for f in everything if _same_value(mention, f)), None)
        if known:
            yield supported(mention, known)
        elif not desk.book.says(mention.text):
            yield unsupported(mention)


def _named_labs(page: Page, groups: Sequence[Group]) -> Iterable[tuple["re.Match[str]", Group]]:
    seen: set[str] = set()
    for group in groups:
        for name in _spellings(group):
            if name not in seen:
                seen.add(name)
                for match in _figures_after(name).finditer(page.folded):
                    yield match, group


@lru_cache(maxsize=512)
def _figures_after(name: str) -> re.Pattern[str]:
    """``PSA-Wert lag am 20.04.2026 bei 0,8``: the figure that follows a laboratory name."""
    return re.compile(
        rf"(?<!\w){re.escape(name)}(?:[-\s]*(?:wert|spiegel|level|value))?(?:\s*\([^()\n]{{0,40}}\))?"
        r"(?:\s+(?:von|of|bei|lag|war|was|is|ist|mit|with|at|zuletzt|aktuell|initial|value|auf|betrug|fell to|fiel auf)|"
        r"\s+(?:am|on|vom|from)\s+\d[\d./-]{3,9}(?:\s+[a-zä]+\s+\d{4})?)*\s*[:=]?\s*"
        r"(?P<n>\d{1,6}(?:[.,]\d{1,3})?)(?![\w]|[.,]\d|/\d|-\d|\s*(?:monat|month|woche|week|jahr|year))"
    )


def _spellings(group: Group) -> list[str]:
    """A laboratory name in both languages and the abbreviation letters use."""
    fact = group.leaves.get("name")
    if fact is None:
        return []
    names = {fact.display.de.lower().strip(), fact.display.en.lower().strip()}
    names |= {short for short, long in _SHORT.items() if any(name.startswith(long) for name in names)}
    return sorted(name for name in names if len(name) > 1)


def _name(group: Group) -> str:
    name = group.leaves.get("name")
    return name.display.de.lower().strip() if name else ""


def _marker_words(desk: Desk, name: str) -> str:
    """What tumour markers of the diagnosis say with this name (initial PSA)."""
    return " ".join(
        f"{f.display.de} {f.display.en}"
        for f in desk.book.chart.facts
        if ".marker." in f.handle and name in f"{f.display.de} {f.display.en}".lower()
    )


def _figure(text: str) -> str:
    number = parse(text)
    return canonical(number) if number is not None else text


def _same_value(mention: Mention, fact: Fact) -> bool:
    number = as_number(fact.value.lstrip("<>≤≥ "))
    return number is not None and number == Decimal(mention.value)


def check_times(desk: Desk, dates: Sequence[Mention]) -> Iterable[Outcome]:
    """Times of appointments: the hour of the appointment on the date beside it, else of the one named."""
    facts = desk.book.typed(FactType.TIME)
    for match in _TIME.finditer(desk.page.folded):
        hour, minute = int(match["h"] or match["h2"]), int(match["m"] or match["m2"] or 0)
        if (match["k"] or "").startswith("p") and hour < 12:
            hour += 12
        start, end = match.span()
        mention = Mention(
            type="appointment", start=start, end=end, text=desk.page.text[start:end], values=(f"{hour:02}:{minute:02}",)
        )
        role = [g.leaves["time"] for g in _appointments_at(desk, mention, dates) if "time" in g.leaves]
        outcome = settle(
            mention,
            role=role,
            strong=len(role) == 1,
            pool=facts,
            same=lambda m, f: f.value[:5] == m.value,
            own=desk.own.get(start),
        )
        if outcome:
            yield outcome
        elif facts and _APPOINTED.search(desk.page.part(desk.page.sentence_at(start)) + desk.page.heading_at(start)):
            yield contradicted(mention, facts[0])
        elif not desk.book.says(mention.text) and not desk.book.says(mention.value):
            yield unsupported(mention, severity=Severity.WARN)


def _appointments_at(desk: Desk, mention: Mention, dates: Sequence[Mention]) -> list[Group]:
    sentence = desk.page.sentence_at(mention.start)
    before = [d for d in dates if sentence.start <= d.start and d.end <= mention.start]
    if before and _BESIDE.fullmatch(desk.page.folded, before[-1].end, mention.start):
        groups = [g for g in desk.book.of("appointment") if "date" in g.leaves]
        if on_day := [g for g in groups if same_date(before[-1].values, g.leaves["date"].value)]:
            return on_day
    named = desk.names.named("appointment", desk.page.clause_at(mention.start))
    if not named and len(_TIME.findall(desk.page.part(sentence))) == 1:
        return desk.names.named("appointment", sentence)
    return named
