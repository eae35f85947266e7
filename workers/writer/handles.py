"""The closed list of handles and forms (handles, version 1): what a letter may name at all.

A model with a vocabulary of its own knows each as one token, up to the numbers given here; a chart's
further items are then not shown to it. To rename a handle is to train anew, so the list has a digest.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from functools import cache

from service.letter import FORMS, display
from service.model import Chart, Fact, FactType, Lang

HANDLE_VERSION = "1"

_DATE = tuple(sorted(FORMS[FactType.DATE]))
_SALUTATION = tuple(sorted(FORMS[FactType.SALUTATION]))

_SINGLE: Mapping[str, Sequence[str]] = {
    "patient": ("salutation", "name", "family", "given", "birth_date", "age", "sex", "id"),
    "visit": ("number", "start", "end", "physician", "ward"),
    "performance": ("ecog", "karnofsky"),
}
_NUMBERED: Mapping[str, tuple[int, Sequence[str]]] = {
    "diagnosis": (
        4,
        ("name", "icd10", "side", "site", "histology", "date", "t", "n", "m", "tnm", "stage", "grading"),
    ),
    "comorbidity": (12, ("name", "icd10")),
    "course": (4, ("intent", "technique", "start", "end", "site", "side", "fractions", "status")),
    "systemic": (6, ("drug", "dose", "rhythm", "cycles", "start", "end")),
    "procedure": (8, ("name", "date")),
    "toxicity": (10, ("term", "grade", "date")),
    "lab": (12, ("name", "value", "date")),
    "medication": (14, ("drug", "dose", "schedule")),
    "allergy": (6, ("name",)),
    "appointment": (8, ("date", "time", "place")),
    "plan": (8, ("what", "date")),
}
_PARTS: Mapping[str, tuple[str, int, Sequence[str]]] = {
    "diagnosis": ("marker", 6, ("",)),
    "course": ("volume", 5, ("name", "dose", "dose_per_fraction", "fractions")),
}
_DATES = frozenset({"date", "start", "end", "birth_date"})


@cache
def known_handles() -> tuple[str, ...]:
    """Every handle of the closed list, without brackets, with its numbers up to the vocabulary's end."""
    found = [f"{kind}.{leaf}" for kind, leaves in _SINGLE.items() for leaf in leaves]
    for kind, (most, leaves) in _NUMBERED.items():
        for n in range(1, most + 1):
            found += [f"{kind}.{n}.{leaf}" for leaf in leaves]
            if kind in _PARTS:
                part, parts, part_leaves = _PARTS[kind]
                found += [
                    f"{kind}.{n}.{part}.{m}" + (f".{leaf}" if leaf else "")
                    for m in range(1, parts + 1)
                    for leaf in part_leaves
                ]
    return tuple(found)


def _forms_of(handle: str) -> Sequence[str]:
    leaf = handle.rsplit(".", 1)[-1]
    if leaf in _DATES:
        return _DATE
    return _SALUTATION if leaf == "salutation" else ()


@cache
def known_references() -> tuple[str, ...]:
    """Every handle and handle with form as written: ``[[course.1.start]]``, ``[[course.1.start:month]]``."""
    return tuple(
        f"[[{name}]]"
        for handle in known_handles()
        for name in (handle, *(f"{handle}:{form}" for form in _forms_of(handle)))
    )


@cache
def handles_digest() -> str:
    """SHA-256 of the closed list and its version."""
    return hashlib.sha256("\n".join((HANDLE_VERSION, *known_references())).encode()).hexdigest()


def references(chart: Chart, shown: Sequence[str], lang: Lang) -> tuple[str, ...]:
    """The references that resolve against this chart, of the handles that the prompt shows."""
    facts = {fact.handle: fact for fact in chart.facts}
    return tuple(each for handle in shown if handle in facts for each in _of_fact(facts[handle], lang))


def _of_fact(fact: Fact, lang: Lang) -> Iterator[str]:
    yield f"[[{fact.handle}]]"
    for form in sorted(FORMS.get(fact.type, ())):
        if display(fact, lang, form) is not None:
            yield f"[[{fact.handle}:{form}]]"
