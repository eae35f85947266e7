"""What is wrong with the chart itself and is told beside every draft: conflicts, arithmetic, planted instructions."""

import re
from collections.abc import Iterable, Mapping

from service.model import ChartRef, Display, Fact, FactType, Finding, FindingKind, Severity
from service.radiotherapy import Reason, check_chart
from service.verify.book import Book
from service.verify.outcome import reference, type_of

_INSTRUCTION = re.compile(
    r"ignor\w*\s+(?:\w+\s+){0,3}(?:instruction|anweisung|previous|bisherig|obig|vorherig)|system ?prompt|"
    r"you are (?:an?|now)\b|du bist (?:jetzt|ein)\b|disregard\s+(?:\w+\s+){0,3}(?:instruction|above|previous)|\bas an ai\b|<\|",
    re.IGNORECASE,
)
_INSTRUCTION_WARNING = re.compile(r"instruction|anweisung|prompt", re.IGNORECASE)
_REASONS: Mapping[Reason, tuple[str, str]] = {
    "dose_and_fractions": ("Dosis und Fraktionierung gehen nicht auf", "dose and fractionation do not agree"),
    "volume_fractions_exceed_course": (
        "ein Volumen hat mehr Fraktionen als die Serie",
        "a volume has more fractions than the course",
    ),
    "end_before_start": ("das Ende liegt vor dem Beginn", "the end is before the start"),
    "more_fractions_than_days_allow": (
        "mehr Fraktionen, als der Zeitraum zulässt",
        "more fractions than the days allow",
    ),
    "side_against_diagnosis": ("andere Seite als die Diagnose", "another side than the diagnosis"),
    "side_against_site": ("Seite und Lokalisation widersprechen sich", "side and site contradict each other"),
    "course_before_birth": ("Behandlung vor der Geburt", "treatment before birth"),
    "systemic_end_before_start": ("das Ende liegt vor dem Beginn", "the end is before the start"),
}


def check_chart_notes(book: Book) -> Iterable[Finding]:
    """Conflicts between sources, contradictions of the chart's own figures, instruction-like text. All warn."""
    for conflict in book.chart.conflicts:
        values, sources = " / ".join(conflict.values), ", ".join(conflict.sources)
        ref = ChartRef(handle=conflict.handle, value=values, source=sources)
        yield _note(
            FindingKind.CONTRADICTED,
            "sentence",
            ref,
            Display(
                de=f"Die Quellen widersprechen sich bei {conflict.handle}: {values} ({sources}).",
                en=f"The sources disagree on {conflict.handle}: {values} ({sources}).",
            ),
        )
    for found in check_chart(book.chart):
        fact, other = book.facts[found.handle], book.facts.get(found.other)
        de, en = _REASONS[found.reason]
        yield _note(
            FindingKind.ARITHMETIC,
            type_of(fact),
            reference(fact),
            Display(
                de=f"In der Akte: {de} ({_shown(fact, other, 'de')}).",
                en=f"In the chart: {en} ({_shown(fact, other, 'en')}).",
            ),
        )
    yield from _instructions(book)


def _shown(fact: Fact, other: Fact | None, lang: str) -> str:
    both = [each for each in (fact, other) if each]
    return ", ".join(f"{f.handle} {f.display.de if lang == 'de' else f.display.en}" for f in both)


def _instructions(book: Book) -> Iterable[Finding]:
    """Text in the chart that reads like an order to a model. A warning the chart's reader gave is told once more
    only where no fact shows it."""
    told = False
    for fact in book.typed(FactType.TEXT, FactType.TERM, FactType.ALLERGY, FactType.SCHEDULE, FactType.NAME):
        if _INSTRUCTION.search(f"{fact.value} {fact.display.de}"):
            told = True
            yield _note(
                FindingKind.UNSUPPORTED,
                "sentence",
                reference(fact),
                Display(
                    de="Ein Text der Akte liest sich wie eine Anweisung an das Modell; bitte prüfen.",
                    en="A text of the chart reads like an instruction to the model; please check.",
                ),
            )
    for warning in () if told else book.chart.warnings:
        if _INSTRUCTION_WARNING.search(warning):
            yield _note(FindingKind.UNSUPPORTED, "sentence", None, Display(de=warning, en=warning))


def _note(kind: FindingKind, word: str, ref: ChartRef | None, message: Display) -> Finding:
    return Finding(kind=kind, type=word, span=None, text="", severity=Severity.WARN, chart=ref, message=message)
