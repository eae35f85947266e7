"""Radiation doses and fractions in prose: 50,4 Gy; 5040 cGy; 28 x 1,8 Gy; Einzeldosis 1,8 Gy; 28 Fraktionen.

Doses are in Gy (ICRU 83 speaks of gray; planning systems of cGy); canonical as the chart's facts are.
"""

import re
from collections.abc import Iterator
from decimal import Decimal

from service.verify.extract import Mention
from service.verify.numbers import DIGITS_PATTERN, WORD_PATTERN, canonical, parse
from service.verify.page import Page

_FIGURE = rf"(?:(?<![\w.,]){DIGITS_PATTERN}|\b(?:{WORD_PATTERN}))"
_UNIT = r"(?:cgy|centigray|zentigray|gy|grays?)\b(?:\s?\(rbe\)|e\b)?"
_DOSE = re.compile(rf"(?P<n>{_FIGURE})(?:\s*(?:-|–|bis|to)\s*(?P<n2>{DIGITS_PATTERN}))?\s?-?\s*(?P<u>{_UNIT})")
_PRODUCT = re.compile(
    rf"(?P<k>(?<![\w.,])\d{{1,2}}|\b(?:{WORD_PATTERN}))\s*(?:[x×*·]|mal|times)\s*"
    rf"(?P<d>{DIGITS_PATTERN})\s*-?\s*(?P<u>{_UNIT})"
)
_OF = r"(?:/|\s*(?:von(?:\s+geplanten)?|of(?:\s+(?:a\s+)?planned)?|out of)\s*)"
_FRACTION_WORD = (
    r"(?:einzel)?(?:fraktion(?:en)?\b|fractions?\b|fx\b|sitzungen\b|bestrahlungssitzungen\b|bestrahlungen\b|"
    r"sessions?\b|treatments\b)"
)
_FRACTIONS = re.compile(
    rf"(?P<n>(?<![\w.,/-])\d{{1,3}}(?![.,]\d)|\b(?:{WORD_PATTERN}))(?:{_OF}(?P<of>\d{{1,3}}|(?:{WORD_PATTERN})\b))?"
    rf"\s*(?:(?:once-)?(?:daily|tägl\w*\.?|taegliche\w*|geplante[nr]?|planned|einzelnen?|weitere[nr]?|further|applied|"
    rf"applizierte[nr]?|outpatient|ambulante[nr]?)\s+)?-?(?:{_FRACTION_WORD})"
)
_FRACTIONS_LABEL = re.compile(
    r"(?:fraktionen|fraktionszahl|anzahl (?:der )?(?:fraktionen|sitzungen)|fractions|number of fractions)\s*"
    r"(?:[:=]|von|of|betrug|was)\s*(?P<n>\d{1,3})(?![.,]?\d|\s*(?:c?gy|/))"
)
_WEEKLY = re.compile(
    r"\s*(?:pro|je|per|a|/|in der|each|every)\s?(?:woche|week|tag|day)|\s*(?:wöchentlich|weekly|täglich|a day|daily\b)"
)
_PER_FRACTION_BEFORE = re.compile(
    r"(?:\bà|\bje(?:weils)?|@|einzeldos(?:is|en)|einzelfraktionsdos(?:is|en)|fraktionsdos(?:is|en)|\bed|tagesdos(?:is|en)|"
    r"single doses?|fraction doses?|dose per fraction|dosis pro fraktion|dosis je fraktion|daily doses?|"
    r"fractions? of|fraktionen (?:zu|von|mit)|sitzungen (?:zu|von)|\bat)"
    r"\s*(?:\(ed\))?\s*(?:von|of|zu|was|betrug|:|=|je|à|mit|jeweils)*\s*$"
)
_PER_FRACTION_AFTER = re.compile(
    r"[^\S\n]*(?:\(?(?:pro|je|per|/|a)\s*(?:einzel)?(?:fraktion|fraction|fx|sitzung|tag|day|session)|(?:einzeldosis|single dose|fraktionsdosis|ed\b)(?![\s(:]*(?:von\s|of\s)?\d)|"
    r"fractions\b|fraktionen\b|-?fraktion(?:en|ierung)?\b|daily|täglich|per fraction)"
)
_PLANNED = re.compile(r"geplant|vorgesehen|verordnet|verschrieben|planned|intended|prescribed")


def find_doses(page: Page) -> list[Mention]:
    """Doses (type ``dose``, or ``dose_per_fraction`` where the words say so) and fractions, by position."""
    products = list(_PRODUCT.finditer(page.folded))
    taken = [match.span() for match in products]
    found = [mention for match in products for mention in _of_product(page, match)]
    for match in _DOSE.finditer(page.folded):
        if not _inside(match.start(), taken):
            found += _of_dose(page, match)
    for match in _FRACTIONS.finditer(page.folded):
        if not _inside(match.start(), taken):
            found += _of_fractions(page, match)
    seen = {mention.start for mention in found}
    for match in _FRACTIONS_LABEL.finditer(page.folded):
        if match.start("n") not in seen:
            found.append(_mention(page, "fractions", match.start("n"), match.end("n"), parse(match["n"])))
    return sorted(found, key=lambda mention: mention.start)


def _inside(position: int, ranges: list[tuple[int, int]]) -> bool:
    return any(start <= position < end for start, end in ranges)


def _of_product(page: Page, match: "re.Match[str]") -> Iterator[Mention]:
    label = "product" + _planned(page, match.start())
    yield _mention(page, "fractions", match.start("k"), match.end("k"), parse(match["k"]), label=label)
    yield _mention(
        page, "dose_per_fraction", match.start("d"), match.end("u"), _gray(match["d"], match["u"]), label=label
    )


def _of_dose(page: Page, match: "re.Match[str]") -> Iterator[Mention]:
    folded = page.folded
    kind = "dose"
    before = folded[max(0, match.start() - 40) : match.start()]
    if (
        _PER_FRACTION_BEFORE.search(before)
        or _PER_FRACTION_AFTER.match(folded, match.end())
        or re.search(r"\d\s*(?:gy)?\s*/\s*$", before)
    ):
        kind = "dose_per_fraction"
    label = _planned(page, match.start())
    if match["n2"]:
        yield _mention(
            page, kind, match.start("n"), match.end("n"), _gray(match["n"], match["u"]), label=label + " range"
        )
        yield _mention(
            page, kind, match.start("n2"), match.end("u"), _gray(match["n2"], match["u"]), label=label + " range"
        )
    else:
        slash = re.search(rf"(?<![\w.,/])({DIGITS_PATTERN})\s*/\s*$", before)
        if slash:
            offset = match.start() - len(before)
            yield _mention(
                page,
                "dose",
                offset + slash.start(1),
                offset + slash.end(1),
                _gray(slash[1], match["u"]),
                label=label,
            )
        yield _mention(page, kind, match.start(), match.end(), _gray(match["n"], match["u"]), label=label)


def _of_fractions(page: Page, match: "re.Match[str]") -> Iterator[Mention]:
    if _WEEKLY.match(page.folded, match.end()):
        return
    label = _planned(page, match.start())
    of = match["of"]
    if of and re.search(r"planned|geplant", match[0][: match.start("of") - match.start()]):
        label = ""
    yield _mention(page, "fractions", match.start("n"), match.end("n"), parse(match["n"]), label=label)
    if of:
        yield _mention(page, "fractions", match.start("of"), match.end("of"), parse(of), label="of")


def _planned(page: Page, position: int) -> str:
    words = page.part(page.clause_at(position)) + page.heading_at(position)
    return " planned" if _PLANNED.search(words) else ""


def _gray(figure: str, unit: str) -> Decimal | None:
    centi = unit.startswith(("c", "z"))
    number = parse(figure, thousands=centi)
    return number / 100 if number is not None and centi else number


def _mention(page: Page, kind: str, start: int, end: int, number: Decimal | None, *, label: str = "") -> Mention:
    value = canonical(number) if number is not None else page.text[start:end]
    return Mention(type=kind, start=start, end=end, text=page.text[start:end], values=(value,), label=label.strip())
