"""A desk as the review's templates want it."""

from typing import Any

from service.model import CaseState, FindingKind, Lang, Severity
from service.signoff import REVIEWABLE, Desk
from service.web.difference import changed_lines
from service.web.evidence_view import evidence_groups
from service.web.fields import full_label
from service.web.letter_view import finding_views, section_views

_PANELS = (FindingKind.CONTRADICTED, FindingKind.UNSUPPORTED, FindingKind.OMITTED, FindingKind.ARITHMETIC)


def desk_view(desk: Desk, ui: Lang) -> dict[str, Any]:
    """Everything the page shows, in the page's language; values of the chart in the letter's."""
    findings = finding_views(desk, ui)
    weighty = [view for view in findings if view.severity != Severity.INFO.value]
    panels = [(kind.value, [view for view in weighty if view.kind == kind.value]) for kind in _PANELS]
    return {
        "case": desk.case,
        "patient": _patient(desk, ui),
        "letter_lang": desk.draft.lang,
        "revision": desk.review.revision,
        "digest": desk.digest,
        "sections": section_views(desk, weighty, ui),
        "panels": [(kind, views) for kind, views in panels if views or kind != FindingKind.ARITHMETIC.value],
        "minor": [view for view in findings if view.severity == Severity.INFO.value],
        "blocking": [view for view in weighty if view.blocks],
        "settled": [view for view in weighty if not view.is_open],
        "groups": evidence_groups(desk, ui),
        "ledger": desk.verification,
        "changed": [full_label(handle, ui) for handle in desk.changed],
        "notices": desk.case.notices,
        "writer": desk.draft.writer,
        "difference": changed_lines(desk.draft.text, desk.review.text),
        "editable": desk.case.state in REVIEWABLE and desk.signature is None,
        "withdrawn": desk.case.state is CaseState.WITHDRAWN,
        "signature": desk.signature,
    }


def _patient(desk: Desk, ui: Lang) -> dict[str, str]:
    """Whom the letter is about, for the banner; empty strings for what the chart lacks."""

    def shown(handle: str) -> str:
        fact = desk.chart.get(handle)
        return fact.display.in_(ui) if fact else ""

    family, given = shown("patient.family"), shown("patient.given")
    return {
        "name": f"{family}, {given}" if family and given else family or given or shown("patient.name"),
        "birth_date": shown("patient.birth_date"),
        "sex": shown("patient.sex"),
        "record": shown("patient.id"),
        "visit": shown("visit.number"),
        "start": shown("visit.start"),
        "end": shown("visit.end"),
    }
