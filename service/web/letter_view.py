"""The letter cut into sections and marked pieces, each finding with the section that it concerns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from service.letter import Section, finding_key, sections
from service.model import Decision, Finding, FindingKind, Lang, Severity, Span
from service.signoff import Desk
from service.web.fields import full_label, in_words


@dataclass(frozen=True, kw_only=True)
class FindingView:
    """One entry of the checklist. ``section`` is None where no text is concerned."""

    key: str
    kind: str
    severity: str
    text: str
    message: str
    subject: str
    chart_value: str
    handle: str
    fixable: bool
    decision: Decision | None
    section: int | None

    @property
    def is_open(self) -> bool:
        return self.decision is None

    @property
    def blocks(self) -> bool:
        return self.is_open and self.severity == Severity.BLOCK.value


@dataclass(frozen=True, kw_only=True)
class Piece:
    """Text in a row. ``kind``: "" (plain), "supported", or a finding's severity or "settled"."""

    text: str
    kind: str = ""
    target: str = ""
    anchor: str = ""
    label: str = ""


@dataclass(frozen=True, kw_only=True)
class SectionView:
    """One section as shown, with its findings beneath it."""

    number: int
    title: str
    body: str
    pieces: tuple[Piece, ...]
    findings: tuple[FindingView, ...]


@dataclass(frozen=True, kw_only=True)
class _Mark:
    start: int
    end: int
    kind: str
    target: str
    anchor: str
    label: str


def fact_anchor(handle: str) -> str:
    return "fact-" + handle.replace(".", "-")


def finding_views(desk: Desk, ui: Lang) -> tuple[FindingView, ...]:
    """All findings, the blocking ones first, then in the order of the text."""
    places = sections(desk.review.text)
    handles = [fact.handle for fact in desk.chart.facts]
    views = [_view(finding, desk, places, handles, ui) for finding in desk.verification.findings]
    order = [severity.value for severity in Severity]
    return tuple(sorted(views, key=lambda view: (not view.is_open, order.index(view.severity))))


def section_views(desk: Desk, findings: Sequence[FindingView], ui: Lang) -> tuple[SectionView, ...]:
    text = desk.review.text
    marks = _marks(desk, {view.key: view for view in findings}, ui)
    return tuple(
        SectionView(
            number=number,
            title=section.title,
            body=text[section.start : section.end],
            pieces=tuple(_pieces(text, section.start, section.end, marks)),
            findings=tuple(view for view in findings if view.section == number),
        )
        for number, section in enumerate(sections(text))
    )


def _view(finding: Finding, desk: Desk, places: Sequence[Section], handles: Sequence[str], ui: Lang) -> FindingView:
    key = finding_key(finding)
    fact = desk.chart.get(finding.chart.handle) if finding.chart else None
    section = None
    if finding.span is not None:
        start = finding.span[0]
        section = next((n for n, place in enumerate(places) if place.start <= start < place.end), None)
    return FindingView(
        key=key,
        kind=finding.kind.value,
        severity=finding.severity.value,
        text=finding.text,
        message="" if finding.kind is FindingKind.OMITTED and fact else in_words(finding.message.in_(ui), handles, ui),
        subject=full_label(fact.handle, ui) if fact else "",
        chart_value=fact.display.in_(desk.draft.lang) if fact else "",
        handle=fact.handle if fact else "",
        fixable=finding.span is not None and fact is not None,
        decision=desk.review.decisions.get(key),
        section=section,
    )


def _marks(desk: Desk, findings: Mapping[str, FindingView], ui: Lang) -> list[_Mark]:
    """Without overlap; an open fault wins over a settled one, and both over support."""
    marks: list[_Mark] = []
    for finding in desk.verification.findings:
        view = findings.get(finding_key(finding))  # None: a mere note, which stands in no text
        if finding.span and view is not None and view.section is not None:
            kind = finding.severity.value if view.is_open else "settled"
            marks.append(
                _Mark(
                    start=finding.span[0],
                    end=finding.span[1],
                    kind=kind,
                    target=f"finding-{view.key}",
                    anchor=f"at-{view.key}",
                    label="",
                )
            )
    seen: set[str] = set()
    for span in desk.evidence:
        marks.append(_support(span, first=span.handle not in seen, ui=ui))
        seen.add(span.handle)
    rank = {"block": 0, "warn": 1, "settled": 2, "supported": 3}
    kept: list[_Mark] = []
    for mark in sorted(marks, key=lambda m: (rank[m.kind], m.start)):
        if mark.start < mark.end and not any(mark.start < k.end and k.start < mark.end for k in kept):
            kept.append(mark)
    return sorted(kept, key=lambda m: m.start)


def _support(span: Span, *, first: bool, ui: Lang) -> _Mark:
    return _Mark(
        start=span.start,
        end=span.end,
        kind="supported",
        target=fact_anchor(span.handle),
        anchor=f"in-letter-{fact_anchor(span.handle)}" if first else "",
        label=full_label(span.handle, ui),
    )


def _pieces(text: str, start: int, end: int, marks: Sequence[_Mark]) -> list[Piece]:
    pieces: list[Piece] = []
    place = start
    for mark in marks:
        if mark.end <= start or mark.start >= end:
            continue
        first, last = max(mark.start, start), min(mark.end, end)  # a finding may cross a blank line
        if place < first:
            pieces.append(Piece(text=text[place:first]))
        anchor = mark.anchor if mark.start >= start else ""
        pieces.append(Piece(text=text[first:last], kind=mark.kind, target=mark.target, anchor=anchor, label=mark.label))
        place = last
    if place < end:
        pieces.append(Piece(text=text[place:end]))
    return pieces
