"""ICD-10, TNM, stage, grading, toxicity grades and performance against the diagnosis or event their line names."""

import re
from collections.abc import Iterable, Sequence

from service.model import Display, Fact, FactType, Severity
from service.verify.book import Book, Group
from service.verify.desk import Desk
from service.verify.extract import Mention
from service.verify.outcome import Outcome, contradicted, settle, supported, unsupported

_COMPONENT = re.compile(r"([ypcrau]{0,3})([TNM])(is|[0-4xX][a-d]?[1-3]?(?:mi)?)", re.IGNORECASE)
_NEGATED = re.compile(r"\b(?:kein\w*|ohne|no|not|without|none|nicht)\b")
_TOXIC = re.compile(r"ctc|toxi|nebenwirk|side effect|adverse")
_TUMOUR_GRADE = re.compile(
    r"karzinom|carcinoma|tumou?r|differenz|differentiat|grading|isup|grade group|gliom|\bwho\b|dcis"
)


# ---------------------------------------------------------------- ICD-10


def check_icd10(desk: Desk, mentions: Sequence[Mention]) -> Iterable[Outcome]:
    """A code must be the one of the diagnosis or comorbidity that its line names."""
    facts = desk.book.typed(FactType.ICD10)
    for mention in mentions:
        named: list[Group] = []
        for area in (desk.page.phrase_at(mention.start, mention.end), desk.page.sentence_at(mention.start)):
            named = named or desk.names.named("diagnosis", area) + desk.names.named("comorbidity", area)
        role = [g.leaves["icd10"] for g in named if "icd10" in g.leaves]
        outcome = settle(
            mention, role=role, strong=len(role) == 1, pool=facts, same=_same_code, own=desk.own.get(mention.start)
        )
        if outcome is None and not desk.book.says(mention.value):
            category = mention.value[:3]
            kin = [f for f in facts if f.value[:3] == category] or [f for f in facts if f.value[:1] == category[:1]]
            outcome = contradicted(mention, kin[0]) if kin else unsupported(mention)
        if outcome:
            yield outcome


def _same_code(mention: Mention, fact: Fact) -> bool:
    """Equal, or a category (``C50``) standing for its subcategory."""
    code = re.sub(r"[^A-Z0-9.]", "", fact.value.upper()).rstrip(".")
    return code == mention.value or (len(mention.value) == 3 and code.startswith(mention.value))


# ---------------------------------------------------------------- TNM and stage


def check_tnm(desk: Desk, mentions: Sequence[Mention]) -> Iterable[Outcome]:
    facts = desk.book.typed(FactType.TNM)
    for mention in mentions:
        if mention.start in desk.own:
            yield supported(mention, desk.own[mention.start])
            continue
        groups = _tumours(desk, mention)
        letter = mention.label
        role = [f for g in groups for f in g.leaves.values() if f.type is FactType.TNM and _component(f, letter)]
        pool = [f for f in facts if _component(f, letter)]
        outcome = settle(mention, role=role or pool, strong=False, pool=pool, same=_same_tnm)
        if outcome:
            yield outcome
        elif not desk.book.says(mention.text):
            yield unsupported(mention)


def _component(fact: Fact, letter: str) -> list[tuple[str, str]]:
    """(prefix, category) of a letter in ``cT2`` or ``pT1c pN0 (sn) cM0``; a prefix carries on."""
    found: list[tuple[str, str]] = []
    carried = ""
    for prefix, which, category in _COMPONENT.findall(fact.value):
        carried = prefix.lower() or carried
        if which.upper() == letter:
            found.append((carried, category.lower()))
    return found


def _same_tnm(mention: Mention, fact: Fact) -> bool:
    match = _COMPONENT.fullmatch(mention.value)
    if not match:
        return False
    prefix, letter, category = match[1].lower(), match[2].upper(), match[3].lower()
    for known, value in _component(fact, letter):
        matching = not prefix or not known or prefix == known
        if matching and (value == category or (len(category) == 1 and value.startswith(category))):
            return True
    return False


def _tumours(desk: Desk, mention: Mention) -> list[Group]:
    return desk.names.named("diagnosis", desk.page.sentence_at(mention.start)) or desk.book.of("diagnosis")


def check_stages(desk: Desk, mentions: Sequence[Mention]) -> Iterable[Outcome]:
    facts = desk.book.typed(FactType.STAGE)
    for mention in mentions:
        if mention.start not in desk.own and re.search(
            rf"(?:stadium|stage)\s*{re.escape(mention.text.lower())}\b", desk.book.prose
        ):
            continue
        named = desk.names.named("diagnosis", desk.page.sentence_at(mention.start))
        role = [g.leaves["stage"] for g in named if "stage" in g.leaves]
        outcome = settle(
            mention,
            role=role or facts,
            strong=len(role) == 1,
            pool=facts,
            same=lambda m, f: (
                re.sub(r"(?:stage|stadium|uicc|figo|\s)", "", f.value, flags=re.IGNORECASE).upper() == m.value
            ),
            own=desk.own.get(mention.start),
        )
        yield outcome or unsupported(mention)


# ---------------------------------------------------------------- grades


def check_grades(desk: Desk, mentions: Sequence[Mention]) -> Iterable[Outcome]:
    """Grading, grades of toxicity, ECOG, Karnofsky, Gleason. All warn: they steer less than a dose does."""
    for mention in mentions:
        fact = desk.own.get(mention.start)
        outcome: Outcome | None
        if mention.label in ("ecog", "karnofsky"):
            outcome = _performance(desk.book, mention, fact)
        elif mention.label == "gleason":
            outcome = _gleason(desk.book, mention)
        elif mention.label == "grading" and not _is_toxic(desk, mention):
            outcome = _grading(desk, mention, fact)
        else:
            outcome = _grade(desk, mention, fact)
        if outcome:
            yield outcome


def _is_toxic(desk: Desk, mention: Mention) -> bool:
    """Whether ``G2`` is a toxicity's grade rather than a tumour's."""
    clause = desk.page.clause_at(mention.start)
    return bool(_TOXIC.search(desk.page.part(clause)) or desk.names.named("toxicity", clause))


def _performance(book: Book, mention: Mention, own: Fact | None) -> Outcome:
    meant = book.facts.get(f"performance.{mention.label}")
    if meant is None:
        return unsupported(mention)
    return settle(mention, role=[meant], strong=True, pool=[], same=_same_figure, own=own) or unsupported(mention)


def _same_figure(mention: Mention, fact: Fact) -> bool:
    return _digits(fact.value) == _digits(mention.value)


def _gleason(book: Book, mention: Mention) -> Outcome | None:
    """Against what the chart writes of Gleason anywhere; a sum alone (``Gleason 7``) against the sum."""
    wanted = mention.value
    for fact in book.chart.facts:
        if "gleason" not in f"{fact.display.de} {fact.display.en} {fact.value}".lower():
            continue
        written = re.sub(r"\s", "", f"{fact.display.de} {fact.value}")
        pattern = re.search(r"([1-5])\+([1-5])", written)
        sums = {str(int(pattern[1]) + int(pattern[2]))} if pattern else set(re.findall(r"\d{1,2}", written))
        says = {pattern[0]} if pattern and "+" in wanted else sums
        return supported(mention, fact) if wanted.rstrip("ab") in says else contradicted(mention, fact)
    return unsupported(mention)


def _grading(desk: Desk, mention: Mention, own: Fact | None) -> Outcome | None:
    facts = desk.book.typed(FactType.GRADING)
    named = desk.names.named("diagnosis", desk.page.sentence_at(mention.start))
    role = [g.leaves["grading"] for g in named if "grading" in g.leaves] or facts
    outcome = settle(
        mention, role=role, strong=False, pool=facts, same=lambda m, f: _digits(f.value) == _digits(m.value), own=own
    )
    if outcome is None and not desk.book.says(mention.text):
        return unsupported(mention)
    return outcome


def _grade(desk: Desk, mention: Mention, own: Fact | None) -> Outcome | None:
    clause, sentence = desk.page.phrase_at(mention.start, mention.end), desk.page.sentence_at(mention.start)
    facts = desk.book.typed(FactType.GRADE)
    words = desk.page.part(sentence)
    if own is None and _NEGATED.search(desk.page.folded[clause.start : mention.start]):
        return _bounded(mention, facts)
    named = desk.names.named("toxicity", clause)
    if not named and len(only := desk.names.all_named("toxicity", sentence)) == 1:
        named = only
    role = [g.leaves["grade"] for g in named if "grade" in g.leaves]
    outcome = settle(mention, role=role, strong=len(named) == 1, pool=facts, same=_same_figure, own=own)
    if outcome is None:
        gradings = desk.book.typed(FactType.GRADING)
        if _TUMOUR_GRADE.search(words) and any(_digits(f.value) == mention.value for f in gradings):
            return None
        if re.search(
            rf"(?:grad|grade|°)\s*{re.escape(mention.text.lower())}\b|\b{re.escape(mention.text.lower())}°",
            desk.book.prose,
        ):
            return None
        nearest = facts[0] if len(facts) == 1 and desk.names.named("toxicity", sentence) else None
        return contradicted(mention, nearest) if nearest else unsupported(mention)
    return outcome


def _bounded(mention: Mention, facts: Sequence[Fact]) -> Outcome | None:
    """ "No toxicity of grade 3 or higher" denies facts: wrong only if the chart has one."""
    for fact in facts:
        if fact.value.isdecimal() and int(fact.value) >= int(mention.value):
            return contradicted(
                mention,
                fact,
                severity=Severity.WARN,
                role=Display(
                    de=f"Der Brief verneint Grad {mention.value}; die Akte hat Grad {fact.value}.",
                    en=f"The letter denies grade {mention.value}; the chart has grade {fact.value}.",
                ),
            )
    return None


def _digits(value: str) -> str:
    return re.sub(r"\D", "", value)
