"""The omission ledger: every fact of the chart is stated, left out, or missing."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from service.model import Display, Fact, FactType, Finding, FindingKind, Importance, Severity, Span
from service.verify.book import Group
from service.verify.desk import Desk
from service.verify.outcome import reference, type_of
from service.verify.vocabulary import keys_of

_KEY_LEAF = {
    "diagnosis": "name",
    "comorbidity": "name",
    "course": "site",
    "volume": "dose",
    "systemic": "drug",
    "procedure": "name",
    "toxicity": "term",
    "lab": "value",
    "medication": "drug",
    "allergy": "name",
    "appointment": "date",
    "plan": "what",
}
_CHECKED_BY_VALUE = frozenset(
    {
        FactType.DATE, FactType.DOSE, FactType.DOSE_PER_FRACTION, FactType.FRACTIONS, FactType.DRUG, FactType.ICD10,
        FactType.TNM, FactType.STAGE, FactType.DRUG_DOSE, FactType.LAB, FactType.IDENTIFIER, FactType.TIME,
    }
)  # fmt: skip
_ONE_FOR_ANOTHER = (
    ("patient.name", "patient.family"),
    ("patient.name", "patient.given"),
    ("patient.family", "patient.name"),
    ("patient.sex", "patient.salutation"),
    ("patient.salutation", "patient.sex"),
)


@dataclass(frozen=True, kw_only=True)
class Ledger:
    findings: tuple[Finding, ...]
    stated: int
    left_out: int
    missing: int


def keep_ledger(desk: Desk, supported: Sequence[Span], findings: Sequence[Finding]) -> Ledger:
    """Count every fact once, and tell of those missing.

    A fact that a finding already names as contradicted is missing, but told. Of a group whose key fact
    is missing (a drug, a volume's dose) only the most important omission is told: the rest follows.
    """
    stated = _stated(desk, supported)
    told = {f.chart.handle for f in findings if f.chart and f.kind is FindingKind.CONTRADICTED}
    told_groups = {desk.book.group_of(desk.book.facts[h]).stem for h in told if h in desk.book.facts}
    missing = [f for f in desk.book.chart.facts if f.handle not in stated and f.importance is not Importance.LOW]
    left_out = [f for f in desk.book.chart.facts if f.handle not in stated and f.importance is Importance.LOW]
    omitted: list[Finding] = []
    silent: set[str] = set()
    for fact in sorted(missing, key=lambda f: f.importance is not Importance.HIGH):
        group = desk.book.group_of(fact)
        if fact.handle in told or group.stem in silent:
            continue
        key = group.leaves.get(_KEY_LEAF.get(group.kind, ""))
        if key is not None and key.handle not in stated and key.importance is not Importance.LOW:
            silent.add(group.stem)
            if group.stem in told_groups:
                continue
        omitted.append(_omission(fact))
    return Ledger(findings=tuple(omitted), stated=len(stated), left_out=len(left_out), missing=len(missing))


def _stated(desk: Desk, supported: Sequence[Span]) -> set[str]:
    stated = {span.handle for span in supported}
    values = {(f.type, f.value) for h in stated if (f := desk.book.facts.get(h))}
    for fact in desk.book.chart.facts:
        same_kind = fact.type not in (FactType.DRUG, FactType.DRUG_DOSE, FactType.TIME, FactType.LAB)
        if (same_kind and (fact.type, fact.value) in values and not _is_future(fact)) or (
            fact.type not in _CHECKED_BY_VALUE and _in_words(desk, fact)
        ):
            stated.add(fact.handle)
    for have, also in _ONE_FOR_ANOTHER:
        if have in stated and also in desk.book.facts:
            stated.add(also)
    for group in desk.book.groups:
        _by_parts(group, stated)
    return stated


def _is_future(fact: Fact) -> bool:
    return fact.handle.startswith(("appointment.", "plan."))


def _by_parts(group: Group, stated: set[str]) -> None:
    """TNM is stated by its parts and the parts by it; a unit by its value."""
    whole = group.leaves.get("tnm")
    parts = [f for leaf, f in group.leaves.items() if leaf in ("t", "n", "m")]
    if whole and whole.handle in stated:
        stated.update(f.handle for f in parts)
    elif whole and parts and all(f.handle in stated for f in parts):
        stated.add(whole.handle)
    value = group.leaves.get("value")
    if value and value.handle in stated:
        stated.update(f.handle for leaf, f in group.leaves.items() if leaf in ("unit", "name"))


def _in_words(desk: Desk, fact: Fact) -> bool:
    """Whether the letter's words say a coded or free term: as written, or most of its keys."""
    shown = {fact.display.de.lower(), fact.display.en.lower()}
    if any(len(s) > 2 and re.search(rf"(?<!\w){re.escape(s)}(?!\w)", desk.page.folded) for s in shown):
        return True
    if fact.type not in (FactType.TERM, FactType.TEXT, FactType.ALLERGY, FactType.INTENT, FactType.STATUS):
        return False
    here = desk.names.index.keys_in(0, len(desk.page.text))
    for text in (fact.display.de, fact.display.en):
        keys = keys_of(text)
        if keys and len(keys & here) * 2 >= len(keys):
            return True
    return False


def find_terms(desk: Desk) -> Iterable[Span]:
    """Where the letter writes a term of the chart word for word: evidence to show beside it."""
    worded = (
        FactType.TERM, FactType.TEXT, FactType.ALLERGY, FactType.SCHEDULE, FactType.CYCLES, FactType.INTENT, FactType.STATUS
    )  # fmt: skip
    for fact in desk.book.typed(*worded):
        shown = fact.display.in_(desk.page.lang)
        if len(shown) < 3:
            continue
        for match in re.finditer(rf"(?<!\w){re.escape(shown.lower())}(?!\w)", desk.page.folded):
            yield Span(
                start=match.start(),
                end=match.end(),
                handle=fact.handle,
                source=fact.source,
                text=desk.page.text[match.start() : match.end()],
            )


def _omission(fact: Fact) -> Finding:
    severity = Severity.WARN if fact.importance is Importance.HIGH else Severity.INFO
    return Finding(
        kind=FindingKind.OMITTED,
        type=type_of(fact),
        span=None,
        text="",
        severity=severity,
        chart=reference(fact),
        message=Display(
            de=f"Nicht im Brief: {fact.display.de} ({fact.handle}).",
            en=f"Not in the letter: {fact.display.en} ({fact.handle}).",
        ),
    )
