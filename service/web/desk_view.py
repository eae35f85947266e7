"""A desk as the review template wants it: text cut into marked pieces, evidence in groups."""

import difflib
from typing import Any

from service.letter import finding_key, sections
from service.model import Fact, Finding, Lang, Severity, Span
from service.signoff import REVIEWABLE, Desk


def desk_view(desk: Desk, ui: Lang) -> dict[str, Any]:
    text, evidence = desk.review.text, desk.evidence
    stated = {span.handle for span in evidence}
    return {
        "case": desk.case,
        "letter_lang": desk.draft.lang,
        "revision": desk.review.revision,
        "digest": desk.digest,
        "text": text,
        "sections": _sections(desk, evidence),
        "findings": [_finding(finding, desk, ui) for finding in desk.verification.findings],
        "blocking": len(desk.blocking),
        "evidence": _groups(desk.chart.facts, stated, desk.draft.lang),
        "stated": desk.verification.stated,
        "missing": desk.verification.missing,
        "changed": desk.changed,
        "notices": desk.case.notices,
        "writer": desk.draft.writer,
        "difference": _difference(desk.draft.text, text),
        "editable": desk.case.state in REVIEWABLE and desk.signature is None,
        "signature": desk.signature,
    }


def _sections(desk: Desk, evidence: tuple[Span, ...]) -> list[dict[str, Any]]:
    text = desk.review.text
    marks = _marks(desk, evidence)
    return [
        {
            "number": number,
            "title": section.title,
            "body": text[section.start : section.end],
            "pieces": _pieces(text, section.start, section.end, marks),
        }
        for number, section in enumerate(sections(text))
    ]


def _marks(desk: Desk, evidence: tuple[Span, ...]) -> list[tuple[int, int, str, str]]:
    """(start, end, class, target) without overlap; findings win over support."""
    marks: list[tuple[int, int, str, str]] = []
    for finding in desk.verification.findings:
        if finding.span and finding.severity is not Severity.INFO:
            key = finding_key(finding)
            decided = "decided" if key in desk.review.decisions else finding.severity.value
            marks.append((*finding.span, f"finding {decided}", f"finding-{key}"))
    marks += [(span.start, span.end, "supported", anchor(span.handle)) for span in evidence]
    kept: list[tuple[int, int, str, str]] = []
    for mark in sorted(marks, key=lambda m: (not m[2].startswith("finding"), m[0])):
        if mark[0] < mark[1] and not any(mark[0] < end and start < mark[1] for start, end, *_ in kept):
            kept.append(mark)
    return sorted(kept)


def _pieces(text: str, start: int, end: int, marks: list[tuple[int, int, str, str]]) -> list[dict[str, str]]:
    pieces: list[dict[str, str]] = []
    place = start
    for first, last, kind, target in marks:
        if last <= start or first >= end:
            continue
        first, last = max(first, start), min(last, end)  # noqa: PLW2901  # a finding may cross a blank line
        if place < first:
            pieces.append({"text": text[place:first], "kind": "", "target": ""})
        pieces.append({"text": text[first:last], "kind": kind, "target": target})
        place = last
    if place < end:
        pieces.append({"text": text[place:end], "kind": "", "target": ""})
    return pieces


def anchor(handle: str) -> str:
    return "fact-" + handle.replace(".", "-")


def _finding(finding: Finding, desk: Desk, ui: Lang) -> dict[str, Any]:
    key = finding_key(finding)
    fact = desk.chart.get(finding.chart.handle) if finding.chart else None
    return {
        "key": key,
        "kind": finding.kind.value,
        "type": finding.type,
        "severity": finding.severity.value,
        "text": finding.text,
        "message": finding.message.in_(ui),
        "decision": desk.review.decisions.get(key),
        "chart_value": fact.display.in_(desk.draft.lang) if fact else "",
        "target": anchor(finding.chart.handle) if finding.chart else "",
        "fixable": finding.span is not None and fact is not None,
    }


def _groups(facts: tuple[Fact, ...], stated: set[str], lang: Lang) -> list[dict[str, Any]]:
    groups: dict[str, list[dict[str, Any]]] = {}
    for fact in facts:
        groups.setdefault(fact.handle.split(".")[0], []).append(
            {
                "handle": fact.handle,
                "anchor": anchor(fact.handle),
                "value": fact.display.in_(lang),
                "source": fact.source,
                "stated": fact.handle in stated,
                "importance": fact.importance.value,
            }
        )
    return [{"name": name, "facts": members} for name, members in groups.items()]


def _difference(draft: str, text: str) -> list[dict[str, str]]:
    """Changed lines between the AI's draft and the text, as ``{"sign": "-" | "+", "line"}``."""
    if draft == text:
        return []
    lines = difflib.unified_diff(draft.split("\n"), text.split("\n"), lineterm="", n=0)
    return [
        {"sign": line[0], "line": line[1:]}
        for line in lines
        if line[:1] in "+-" and not line.startswith(("---", "+++"))
    ]
