"""What a letter denies though the chart has it, and the reverse: allergies, spread, toxicity, receptors, completion."""

import re
from collections.abc import Iterable

from service.model import Display, Fact, FactType
from service.verify.book import Group
from service.verify.desk import Desk
from service.verify.extract import Mention
from service.verify.outcome import Outcome, contradicted
from service.verify.page import Page, Range

_NEGATOR = re.compile(
    r"\b(?:kein(?:e[nrsm]?|erlei)?|ohne|no|without|denies|verneint|nicht|never|nie|not|neither|none|negative for|free of|frei von)\b"
)
_SOFTENED = re.compile(
    r"mehr\b|longer|außer|bis auf|mit ausnahme|except|apart from|other than|weitere|further|other\b|höhergradig|higher|≥|>|"
    r"rückläufig|resol|entlass|at discharge|aktuell|currently|relevant|signifikant|significant|grad\b|grade\b|neue[nrs]?\b|new\b|"
    r"frische|acute|rezidiv|recurr|progres|weder|bei auftreten|sollte|should|falls|\bif\b|nur\b|only\b|schwer|severe|nicht nur"
)
_NO_ALLERGY = re.compile(
    r"allerg(?:ien?|ies)\s*:\s*(?P<d>(?:keine|none|no known|nil|nicht bekannt)(?:\s+(?:bekannte[n]?\s+|known\s+)?(?:allerg\w+|unverträglich\w+))?)|"
    r"allerg(?:ien?|ies)\s+(?P<e>(?:sind\s+|are\s+)?(?:keine|nicht bekannt|not known|none known))|"
    r"kein(?:e|erlei)?\s+(?:\w+\s+){0,2}(?:allergien?|unverträglichkeit\w*)|(?:no|without)\s+(?:\w+\s+){0,3}allerg\w+|\bnkda\b"
)
_NO_METASTASIS = re.compile(
    r"(?:kein(?:e[nrs]?)?|ohne|no|without)\s+(?:\w+\s+){0,5}(?:fern)?metasta\w+|nicht metastasiert|non-metastatic"
)
_NO_NODES = re.compile(
    r"nodal[-\s]?negativ|node[-\s]negative|(?:kein(?:e[nr]?)?|ohne|no|without)\s+(?:\w+\s+){0,3}(?:lymphknoten(?:befall|metasta\w+|beteiligung)|"
    r"nodal involvement|nodal metasta\w+|lymph node (?:involvement|metasta\w+))"
)
_NO_TOXICITY = re.compile(
    r"(?:kein(?:e[nr]?|erlei)?|ohne|no|without)\s+(?:\w+\s+){0,2}(?:nebenwirkung\w*|toxizität\w*|akuttoxizität\w*|side effects?|toxicit\w+|adverse \w+)|"
    r"nebenwirkungsfrei|komplikationslos vertragen"
)
_MARKER = re.compile(
    r"(?P<s>(?:stark\s+|strongly\s+)?(?:positiv|negativ|positive|negative|pos\.|neg\.)\w*|(?<=[a-zäö0-9])\s?[+](?!\w))"
)
_STOPPED = re.compile(
    r"abgebrochen|vorzeitig (?:beendet|abgebrochen|abgeschlossen)|abbruch der|stopped early|discontinued|terminated (?:early|prematurely)|prematurely"
)
_COMPLETED = re.compile(
    r"planmäßig|planmaessig|wie geplant|regulär (?:beendet|abgeschlossen)|as planned|(?:treatment|radiotherapy|course) was completed|"
    r"vollständig (?:appliziert|durchgeführt)"
)
_RADIO = re.compile(r"bestrahl|radio|strahlen|irradiat|serie|therap|treatment|course")


def check_negations(desk: Desk) -> Iterable[Outcome]:
    """Denials of facts, receptor signs turned round, and a course said to be completed or stopped that was not."""
    yield from _whole_classes(desk)
    yield from _terms(desk)
    yield from _markers(desk)
    yield from _status(desk)


def _whole_classes(desk: Desk) -> Iterable[Outcome]:
    nodal = [f for f in desk.book.typed(FactType.TNM) if re.search(r"N[1-3]", f.value) and "N0" not in f.value]
    distant = [f for f in desk.book.typed(FactType.TNM) if re.search(r"M1", f.value)]
    allergies = [f for f in desk.book.typed(FactType.ALLERGY) if not _is_denial(f)]
    toxicities = [f for f in desk.book.leaves("toxicity", "grade") if f.value.isdecimal() and int(f.value) >= 2]
    for pattern, facts in (
        (_NO_ALLERGY, allergies),
        (_NO_METASTASIS, distant),
        (_NO_NODES, nodal),
        (_NO_TOXICITY, toxicities),
    ):
        if not facts:
            continue
        for match in pattern.finditer(desk.page.folded):
            sentence = desk.page.part(desk.page.sentence_at(match.start()))
            if pattern is not _NO_ALLERGY and _SOFTENED.search(sentence):
                continue
            denial = next((g for g in ("d", "e") if match.groupdict().get(g)), 0)
            yield _denied(desk.page, *match.span(denial), facts[0])


def _is_denial(fact: Fact) -> bool:
    return bool(re.match(r"kein|no\b|none|nicht|nkda", fact.display.de.lower()))


def _terms(desk: Desk) -> Iterable[Outcome]:
    """``kein Erythem``, ``without cisplatin``: a negator and, within four words, a term the chart has."""
    for match in _NEGATOR.finditer(desk.page.folded):
        clause, sentence = desk.page.clause_at(match.start()), desk.page.sentence_at(match.start())
        following = desk.page.words_in(match.end(), clause.end)[:4]
        of_a_verb = match[0] in ("nicht", "not", "nie", "never")
        if not following or of_a_verb or _SOFTENED.search(desk.page.part(sentence)):
            continue
        area = Range(following[0].start, following[-1].end)
        denied: Fact | None = None
        end = area.end
        for kind, leaf in (("toxicity", "term"), ("comorbidity", "name")):
            for group in desk.names.named(kind, area):
                if leaf in group.leaves and not _is_denial(group.leaves[leaf]) and not _is_absent(group):
                    denied = group.leaves[leaf]
                    places = [w.end for w in following if desk.names.index.keys_in(w.start, w.end) & group.keys]
                    end = max(places, default=end)
        for drug in desk.drugs:
            facts = [f for f in desk.pharmacy.by_substance.get(drug.value, []) if f.type is FactType.DRUG]
            if facts and area.holds(drug.start, drug.end) and drug.start - match.end() < 12:
                denied, end = facts[0], drug.end
        if denied:
            yield _denied(desk.page, match.start(), end, denied)


def _is_absent(group: Group) -> bool:
    """CTCAE grade 0: the chart itself says there was none."""
    grade = group.leaves.get("grade")
    return grade is not None and grade.value == "0"


def _markers(desk: Desk) -> Iterable[Outcome]:
    """``HER2 positiv`` where the chart has it negative. Short names only, the sign right behind the name."""
    for fact in desk.book.chart.facts:
        shown = f"{fact.display.de} {fact.value}".lower()
        sign = _sign(shown)
        if not sign or ".marker." not in fact.handle:
            continue
        name = re.match(r"[\w/-]+(?:\s?\d)?", fact.display.de.lower())
        if not name or len(name[0]) < 2:
            continue
        aliases = _aliases(name[0])
        pattern = re.compile(
            rf"(?<!\w)(?:{'|'.join(map(re.escape, aliases))})(?:-?(?:status|rezeptor(?:status)?|receptor(?: status)?))?\s*[-:(]?\s*{_MARKER.pattern}"
        )
        for match in pattern.finditer(desk.page.folded):
            written = _sign(match["s"])
            if written and written != sign:
                yield _denied(desk.page, *match.span(), fact)


def _aliases(name: str) -> list[str]:
    groups = [
        ("er", "östrogenrezeptor", "östrogenrezeptoren", "oestrogen receptor", "estrogen receptor"),
        ("pr", "pgr", "progesteronrezeptor", "progesteronrezeptoren", "progesterone receptor"),
        ("her2", "her-2", "her2/neu", "her2neu", "her2-neu", "her 2"),
    ]
    for group in groups:
        if name in group:
            return sorted(group, key=len, reverse=True)
    return [name]


def _sign(text: str) -> str:
    if re.search(r"negativ|neg\.|\b0\b|wildtyp|wild type", text):
        return "-"
    return "+" if re.search(r"positiv|pos\.|\+", text) else ""


def _status(desk: Desk) -> Iterable[Outcome]:
    statuses = desk.book.leaves("course", "status")
    delivered = [f for f in statuses if not desk.book.is_planned(f)]
    values = {f.value for f in delivered}
    for pattern, wrong in ((_STOPPED, "completed"), (_COMPLETED, "stopped")):
        if not delivered or not all(v == wrong for v in values):
            continue
        for match in pattern.finditer(desk.page.folded):
            sentence = desk.page.sentence_at(match.start())
            words = desk.page.part(sentence)
            if _RADIO.search(words) and not _NEGATOR.search(words) and not _of_drugs(words):
                yield _denied(desk.page, *match.span(), delivered[0])


def _of_drugs(words: str) -> bool:
    """Whether the sentence speaks of drugs: stopping them is no stopping of the course."""
    return bool(re.search(r"chemo|systemtherap|\bmg\b|antibio|zyklus|cycle|medikation", words))


def _denied(page: Page, start: int, end: int, fact: Fact) -> Outcome:
    text = page.text[start:end]
    mention = Mention(type="negation", start=start, end=end, text=text, values=(text,))
    return contradicted(
        mention,
        fact,
        role=Display(
            de=f"„{text}“ widerspricht der Akte: {fact.display.de}.",
            en=f"“{text}” contradicts the chart: {fact.display.en}.",
        ),
    )
