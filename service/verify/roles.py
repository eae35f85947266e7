"""Dates in their role: what the words beside a date say it is the date of.

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
from service.verify.outcome import Outcome, settle, unsupported
from service.verify.page import Page, Range

_DOMAINS = {
    "course": re.compile(
        r"bestrahl|radiother|strahlenther|radiatio|irradiat|\brt\b|radiochemo|strahlenbehandl|\brct\b|chemoradi|"
        r"perkutan|boost|fraktion|fraction|imrt|vmat|linac|\bserie"
    ),
    "visit": re.compile(
        r"stationär|aufenthalt|in unserer|in our (?:care|department|clinic|hospital)|inpatient|hospital|aufnahme|"
        r"aufgenommen|admi(?:t|ss)|entlass|discharg|\bward\b|\bstay|betreut|under our care"
    ),
    "systemic": re.compile(
        r"chemo(?!radi)|systemther|systemic|immunther|immunother|antihormon|endokrin|endocrine|\badt\b|zykl|\bcycle|androgen"
    ),
    "diagnosis": re.compile(r"erstdiagnos|\bed\b|diagnos|gesichert|confirmed|nachgewiesen|histologisch|festgestellt"),
    "procedure": re.compile(
        r"\bop\b|operat|resekt|resect|ektomie|ectomy|biops|surgery|surgical|exzision|excision|ablatio|punktion|implant|"
        r"eingriff|lobektom|prozedur|procedure|staging|stanz"
    ),
    "lab": re.compile(r"labor|\blabs?\b|laboratory|blutwert|tumormarker|tumou?r marker"),
    "appointment": re.compile(
        r"termin|vorstell|appointment|sprechstunde|nachsorge|follow-?up|kontrolle|kontrollunter|\breview\b|\buhr\b|"
        r"einbestell|please attend|seen again|next visit"
    ),
    "plan": re.compile(r"geplant|vorgesehen|planned|scheduled|\bmrt\b|\bmri\b|\bct\b|\bpet\b|sono|mammogr|staging"),
}
_START = re.compile(
    r"beg[aio]nn|start|\bseit\b|\bsince\b|\bab\b|eingeleitet|einleitung|initiat|commenc|aufnahme|aufgenommen|admi(?:t|ss)|"
    r"\berste[nr]? (?:fraktion|bestrahl|sitzung)|first (?:fraction|treatment)|\bfrom\b|einstellung"
)
_END = re.compile(
    r"\bend|beend|abgeschlossen|abschluss|complet|finish|letzte[nr]?\b|last (?:fraction|treatment)|\bbis\b|until|entlass|"
    r"discharg|abgebrochen|abbruch|stopped|conclu|schluss"
)
_ADMISSION = re.compile(r"aufnahme|aufgenommen|admi(?:t|ss)")
_DISCHARGE = re.compile(r"entlass|discharg")
_BIRTH = re.compile(
    r"(?:geb\.?(?:oren(?:e[rnms]?)?)?(?:\s+am)?|geburtsdatum|geburtstag|\*|\bborn(?:\s+on)?|date of birth|\bd\.?o\.?b\.?|birth ?date)\s*[:(]?\s*$"
)
_PAIR = re.compile(
    r"\s*(?:\([^()\n]{0,30}\)\s*)?(?:bis(?:\s+(?:zum|einschließlich|inkl\.))?|to|until|through|till|–|-|—|und|and)\s*(?:zum\s|the\s)?\s*"
)
_BETWEEN = re.compile(r"(?:zwischen(?: dem)?|between)\s*(?:the\s)?$")
_TREATED = re.compile(r"behandl|therap|treat|operat|biops|bestrahl|radi|chemo|fraktion|zyklus|cycle|dosis|dose")
_LETTER_DATE = re.compile(r",?\s*(?:den|datum|date|dated|letter|brief|diktat|dictated|vom|signed|unterzeichnet|on)\b")
_EDGES = {"course": ("start", "end"), "visit": ("start", "end"), "systemic": ("start", "end")}


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
    joined = gap.strip() in ("und", "and")
    return not joined or bool(_BETWEEN.search(page.folded[max(0, first.start - 20) : first.start]))


# ---------------------------------------------------------------- ranges


def _pair(desk: Desk, first: Mention, second: Mention) -> Iterable[Outcome]:
    cued, strong = _domains(desk, Range(first.start, second.end), None)
    wanted = [d for d in cued if d in _EDGES]
    every = _edges(desk.book, _EDGES)
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
    sentence = desk.page.sentence_at(mention.start)
    beside = [d for d in dates if sentence.holds(d.start, d.end)]
    alone = len(beside) == 1  # then what the sentence names is what the date is of
    facts = desk.book.typed(FactType.DATE)
    before = desk.page.folded[max(0, mention.start - 30) : mention.start]
    birth = desk.book.facts.get("patient.birth_date")
    if _BIRTH.search(before):
        if birth is None:
            return unsupported(mention, severity=Severity.BLOCK)
        return settle(mention, role=[birth], strong=True, pool=[], same=same, own=own) or _unknown(desk.page, mention)
    facts = [fact for fact in facts if fact is not birth] or facts
    clause = _window(desk.page, mention, beside)
    words = desk.page.part(clause)
    edge = _edge(words, mention.start - clause.start)
    cued, clear = _domains(desk, Range(mention.start, mention.end), clause)
    role: list[Fact] = []
    for domain in cued:
        role += _facts_of(desk, domain, edge, clause, alone)
    if "appointment" in cued and "plan" not in cued:
        role += _facts_of(desk, "plan", "", clause, alone)
    strong = clear and bool(role) and _is_clear(words, cued, edge)
    outcome = settle(mention, role=_by_precision(role), strong=strong, pool=facts, same=same, own=own)
    if outcome is None and _is_letter_date(desk.page, mention):
        return None
    return outcome or _unknown(desk.page, mention)


def _window(page: Page, mention: Mention, beside: Sequence[Mention]) -> Range:
    """The words of a date's clause that no other date stands nearer to: between its neighbours."""
    clause = page.clause_at(mention.start)
    left = max([clause.start, *(d.end for d in beside if d.end <= mention.start)])
    right = min([max(clause.end, mention.end), *(d.start for d in beside if d.start >= mention.end)])
    return Range(left, right)


def _domains(desk: Desk, area: Range, window: Range | None) -> tuple[list[str], bool]:
    """What the words are about: of the clause if it says, else the sentence, else the heading; and if the clause did."""
    clause, sentence = desk.page.clause_at(area.start), desk.page.sentence_at(area.start)
    if desk.page.clause_at(area.end - 1) != clause:
        clause = Range(clause.start, max(clause.end, desk.page.clause_at(area.end - 1).end))
    for place in (window or clause, clause, sentence):
        found = _cued(desk, place)
        if found:
            return found, place is not sentence or len(found) == 1
    heading = desk.page.heading_at(area.start)
    return [d for d, pattern in _DOMAINS.items() if pattern.search(heading)], False


def _cued(desk: Desk, area: Range) -> list[str]:
    words = desk.page.part(area)
    found = [domain for domain, pattern in _DOMAINS.items() if pattern.search(words)]
    for kind in ("procedure", "toxicity", "plan"):
        if kind not in found and desk.names.named(kind, area):
            found.append(kind)
    for group in desk.names.book.of("lab"):
        name = group.leaves.get("name")
        if name and name.display.de.lower() in words and "lab" not in found:
            found.append("lab")
    for group in desk.names.book.of("systemic"):
        drug = group.leaves.get("drug")
        if drug and drug.display.de.lower() in words and "systemic" not in found:
            found.append("systemic")
    return found


def _edge(words: str, position: int) -> str:
    """``start``, ``end`` or nothing: the nearest such word of the clause, before the date rather than after."""
    best, nearest = "", 10_000
    for name, pattern in (("start", _START), ("end", _END)):
        for match in pattern.finditer(words):
            distance = position - match.end() if match.end() <= position else match.start() - position + 5
            if 0 <= distance < nearest:
                best, nearest = name, distance
    return best


def _facts_of(desk: Desk, domain: str, edge: str, clause: Range, alone: bool) -> list[Fact]:
    words = desk.page.part(clause)
    if domain == "visit":
        admitted, discharged = bool(_ADMISSION.search(words)), bool(_DISCHARGE.search(words))
        leaves = ["start"] * admitted + ["end"] * discharged or ([edge] if edge else ["start", "end"])
        return [f for leaf in leaves for f in desk.book.leaves("visit", leaf)]
    if domain in _EDGES:
        groups = desk.names.named("course", clause) if domain == "course" else []
        groups = groups or desk.book.of(domain)
        return [g.leaves[leaf] for g in groups for leaf in ([edge] if edge else ["start", "end"]) if leaf in g.leaves]
    named = desk.names.named(domain, clause) or (
        desk.names.named(domain, desk.page.sentence_at(clause.start)) if alone else []
    )
    return [g.leaves["date"] for g in named or desk.book.of(domain) if "date" in g.leaves]


def _is_clear(words: str, cued: Sequence[str], edge: str) -> bool:
    """Whether the words leave no other reading: an edge of a course, stay or systemic therapy; a first diagnosis;
    an appointment."""
    if len(cued) == 1:
        if cued[0] in _EDGES:
            return bool(edge)
        if cued[0] == "diagnosis":
            return bool(re.search(r"erstdiagnos|\bed\b|first diagnos|initial diagnos|diagnosed|diagnostiziert", words))
    return bool(cued) and all(d in ("appointment", "plan") for d in cued) and "appointment" in cued


def _by_precision(facts: Sequence[Fact]) -> list[Fact]:
    return list(dict.fromkeys(facts))


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
