"""What the words beside a date say it is the date of."""

import re

from service.model import Fact
from service.verify.desk import Desk
from service.verify.extract import Mention
from service.verify.page import Page, Range

DOMAINS = {
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
    "diagnosis": re.compile(
        r"erstdiagnos|\bed\b|diagnos|\bdx\b|gesichert|confirmed|nachgewiesen|histologisch|festgestellt"
    ),
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
_FUTURE = re.compile(
    r"geplant|vorgesehen|vereinbart|planned|scheduled|arranged|termin|vorstell|wiedervorst|\bwv\b|appointment|nachsorge|follow-?up|"
    r"\buhr\b|will be|will see|einbestell|reviewed in"
)
_AFTER = re.compile(r"\b(?:nach|after|following|vor|before|status post|z\.\s?n)\b")
_FIRST_DIAGNOSIS = re.compile(
    r"erstdiagnos|\b(?:ed|dx)\b|first diagnos|initial diagnos|diagnosed|diagnostiziert|date of diagnosis|diagnosedatum"
)
_APPOINTMENTS = re.compile(r"termin|appointment|wiedervorstellung")
_CLOCK = re.compile(
    r"\d[\s,]*(?:um|at)?\s*\b(?P<h>\d{1,2})(?:[:.](?P<m>\d\d))?\s*(?:uhr|a\.?m\b|p\.?m\b)|\d,?\s+(?:at\s+)?(?P<h2>\d{1,2}):(?P<m2>\d\d)\b"
)
CLOCK_AFTER = re.compile(
    r",?\s*(?:um\s+|at\s+)?\d{1,2}(?:[:.]\d\d)?\s*(?:uhr|a\.?m\b|p\.?m\b)|,?\s*(?:at\s+)?\d{1,2}:\d\d\b"
)
EDGED = ("course", "visit", "systemic")
"""Groups that have a start and an end."""


def window_of(page: Page, mention: Mention, beside: list[Mention]) -> Range:
    """The words of a date's clause that no other date stands nearer to. Where the date is alone in its
    clause, as in brackets, the clause before belongs to it."""
    clause = page.phrase_at(mention.start, mention.end)
    left = max([clause.start, *(d.end for d in beside if d.end <= mention.start)])
    right = min([max(clause.end, mention.end), *(d.start for d in beside if d.start >= mention.end)])
    return Range(left, right)


def domains_of(desk: Desk, window: Range) -> tuple[list[str], bool]:
    """What the words are about: those of the window if they say, else of the clauses, the sentence, the heading;
    and whether they say it plainly (window or clauses, or only one thing in the sentence)."""
    page = desk.page
    if _APPOINTMENTS.search(page.heading_at(window.start)) or _CLOCK.search(page.part(window)):
        return ["appointment"], True
    clause = Range(page.clause_at(window.start).start, max(window.end, page.clause_at(max(window.end - 1, 0)).end))
    sentence = page.sentence_at(window.start)
    for place in (window, clause, sentence):
        found = _cued(desk, place)
        if found:
            return found, place is not sentence or len(found) == 1
    heading = page.heading_at(window.start)
    return [domain for domain, pattern in DOMAINS.items() if pattern.search(heading)], False


def _cued(desk: Desk, area: Range) -> list[str]:
    words = desk.page.part(area)
    found = [domain for domain, pattern in DOMAINS.items() if pattern.search(words)]
    for kind in ("procedure", "toxicity", "plan"):
        if kind not in found and desk.names.named(kind, area):
            found.append(kind)
    for group in desk.names.book.of("lab"):
        name = group.leaves.get("name")
        if name and "lab" not in found and re.search(rf"(?<!\w){re.escape(name.display.de.lower())}(?!\w)", words):
            found.append("lab")
    for group in desk.names.book.of("systemic"):
        drug = group.leaves.get("drug")
        if drug and drug.display.de.lower() in words and "systemic" not in found:
            found.append("systemic")
    return found


def edge_of(words: str, position: int) -> str:
    """``start``, ``end`` or nothing: the nearest such word of the clause, before the date rather than after."""
    best, nearest = "", 10_000
    for name, pattern in (("start", _START), ("end", _END)):
        for match in pattern.finditer(words):
            distance = position - match.end() if match.end() <= position else match.start() - position + 5
            if 0 <= distance < nearest:
                best, nearest = name, distance
    return best


def facts_of(desk: Desk, domain: str, edge: str, window: Range, alone: bool) -> list[Fact]:
    """The dates of a domain that the words leave open.

    Args:
        edge: ``start``, ``end`` or empty.
        alone: no other date stands in the sentence, so that what the sentence names is what the date is of.
    """
    book, words = desk.book, desk.page.part(window)
    if domain == "visit":
        admitted, discharged = bool(_ADMISSION.search(words)), bool(_DISCHARGE.search(words))
        leaves = ["start"] * admitted + ["end"] * discharged or ([edge] if edge else ["start", "end"])
        return [f for leaf in leaves for f in book.leaves("visit", leaf)]
    if domain in EDGED:
        groups = (desk.names.named("course", window) if domain == "course" else []) or book.of(domain)
        return [g.leaves[leaf] for g in groups for leaf in ([edge] if edge else ["start", "end"]) if leaf in g.leaves]
    kinds = ("appointment", "plan") if domain in ("appointment", "plan") else (domain,)
    if (timed := _of_clock(desk, words)) and kinds[0] == "appointment":
        return timed
    places = (window, desk.page.sentence_at(window.start)) if alone else (window,)
    for place in places:
        named = [g for kind in kinds for g in desk.names.named(kind, place) if "date" in g.leaves]
        if named:
            return [g.leaves["date"] for g in named]
    return [f for kind in kinds for f in book.leaves(kind, "date")]


def _of_clock(desk: Desk, words: str) -> list[Fact]:
    """The dates of the appointments at the hour told beside a date."""
    match = _CLOCK.search(words)
    if not match:
        return []
    clock = f"{int(match['h'] or match['h2']):02}:{match['m'] or match['m2'] or '00'}"
    groups = [g for g in desk.book.of("appointment") if "time" in g.leaves and "date" in g.leaves]
    return [g.leaves["date"] for g in groups if g.leaves["time"].value[:5] == clock]


def is_plain(desk: Desk, cued: list[str], edge: str, window: Range) -> bool:
    """Whether the words leave no other reading, so that another fact's date is wrong there: an edge of a
    course, stay or systemic therapy; a first diagnosis; one named procedure; a laboratory value; something to come."""
    words = desk.page.part(window)
    if all(domain in ("appointment", "plan") for domain in cued):
        if _CLOCK.search(words):
            return True
        sentence = desk.page.part(desk.page.sentence_at(window.start))
        return bool(_FUTURE.search(sentence) or _FUTURE.search(desk.page.heading_at(window.start)))
    if len(cued) > 1:
        return False
    if cued[0] in EDGED:
        return bool(edge)
    if cued[0] == "diagnosis":
        return bool(_FIRST_DIAGNOSIS.search(words))
    if cued[0] == "procedure":
        return len(desk.names.named("procedure", window)) == 1 and not _AFTER.search(words)
    return cued[0] == "lab"
