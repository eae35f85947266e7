"""Review and signature: who may change which text when, and what may be signed.

A review has revisions; a change names the revision it was based on, so two reviewers never overwrite
each other. Every change is verified again before anybody can sign it. The signature binds the digest of
the very text that was shown.
"""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, Literal

from service import lifecycle
from service.chart import chart_from_payload
from service.effects import start, take_effect
from service.errors import Conflict, NotAllowed, NotFound, SignatureRefused, UnusableInput
from service.letter import (
    carry_spans,
    finding_key,
    letter_from_payload,
    replace_section,
    sections,
    verification_from_payload,
    verification_payload,
)
from service.model import (
    Case,
    CaseState,
    Chart,
    ChartRef,
    Decision,
    Display,
    Finding,
    FindingKind,
    Letter,
    Review,
    Severity,
    Signature,
    Span,
    Verification,
)
from service.ports import Transaction
from service.steps import changed_handles
from service.verify import verify
from service.world import World

REVIEWABLE = frozenset({CaseState.DRAFTED, CaseState.IN_INBOX, CaseState.IN_REVIEW})


@dataclass(frozen=True, kw_only=True)
class Desk:
    """Everything a reviewer sees of one case."""

    case: Case
    chart: Chart
    draft: Letter
    review: Review
    verification: Verification
    signature: Signature | None
    identity: tuple[Finding, ...]
    """Blocking: the patient or the visit was merged or moved while a person worked on the text. Part of
    ``verification`` too; no edit answers them, only a decision."""
    changed: tuple[str, ...]
    """Handles whose chart value changed after the draft was written; ``chart`` and ``verification`` are by the
    newest."""

    @property
    def digest(self) -> str:
        return digest_of(self.review.text)

    @property
    def open_findings(self) -> tuple[Finding, ...]:
        return tuple(f for f in self.verification.findings if finding_key(f) not in self.review.decisions)

    @property
    def blocking(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.open_findings if finding.severity is Severity.BLOCK)

    @property
    def evidence(self) -> tuple[Span, ...]:
        """What the chart supports in the text as it stands, by place."""
        carried = [span for span in carry_spans(self.draft, self.review.text) if span.handle not in self.changed]
        faulty = [f.span for f in self.verification.findings if f.span and f.severity is Severity.BLOCK]
        spans = {(s.start, s.end): s for s in (*self.verification.supported, *carried)}
        return tuple(
            span
            for _, span in sorted(spans.items())
            if not any(start < span.end and span.start < end for start, end in faulty)
        )


def digest_of(text: str) -> str:
    """SHA-256 of the text's UTF-8 bytes, hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()


def open_desk(world: World, case_id: str) -> Desk:
    """The case as a reviewer finds it; changes nothing.

    Raises:
        NotFound: there is no such case, or it has no draft yet.
    """
    with world.store.begin() as tx:
        return _desk(tx, case_id)


def edit_section(world: World, case_id: str, *, revision: int, section: int, text: str, by: str) -> Desk:
    """Replace one section of the text.

    Raises:
        Conflict: the text has moved on since ``revision``.
        NotAllowed: the case is signed or withdrawn.
        UnusableInput: there is no such section.
    """
    with world.store.begin() as tx:
        desk = _editable(tx, case_id, revision)
        if not 0 <= section < len(sections(desk.review.text)):
            raise UnusableInput(f"section {section} is not in this letter", remedy="Load the page again.")
        return _save(tx, desk, replace_section(desk.review.text, section, _clean(text)), by)


def rewrite(world: World, case_id: str, *, revision: int, text: str, by: str) -> Desk:
    """Replace the whole text: discard the draft and write one's own. Errors as :func:`edit_section`."""
    with world.store.begin() as tx:
        return _save(tx, _editable(tx, case_id, revision), _clean(text), by)


def decide(
    world: World,
    case_id: str,
    *,
    revision: int,
    key: str,
    action: Literal["accepted", "dismissed"],
    reason: str,
    by: str,
) -> Desk:
    """Accept or dismiss one finding, with a reason.

    Raises:
        UnusableInput: no such finding, or no reason given.
        Conflict, NotAllowed: as :func:`edit_section`.
    """
    if not reason.strip():
        raise UnusableInput("reason is empty", remedy="Say in a few words why the finding may stand.")
    with world.store.begin() as tx:
        desk = _editable(tx, case_id, revision)
        if key not in {finding_key(finding) for finding in desk.verification.findings}:
            raise UnusableInput("there is no such finding any more", remedy="Load the page again.")
        decision = Decision(action=action, reason=reason.strip(), by=by, at=world.clock())
        review = replace(
            desk.review,
            revision=desk.review.revision + 1,
            decisions={**desk.review.decisions, key: decision},
            reviewer=by,
        )
        tx.audit(by, f"finding_{action}", case_id=case_id, detail=f"revision {review.revision}")
        _put_review(tx, desk.case, review)
        _touch(tx, desk.case)
        return _desk(tx, case_id)


def take_chart_value(world: World, case_id: str, *, revision: int, key: str, by: str) -> Desk:
    """Mend one finding: write the chart's value where the letter has another.

    Raises:
        UnusableInput: no such finding, or one that no value can mend.
        Conflict, NotAllowed: as :func:`edit_section`.
    """
    with world.store.begin() as tx:
        desk = _editable(tx, case_id, revision)
        finding = next((f for f in desk.verification.findings if finding_key(f) == key), None)
        fact = desk.chart.get(finding.chart.handle) if finding and finding.chart else None
        if finding is None or finding.span is None or fact is None:
            raise UnusableInput("no value of the chart mends this finding", remedy="Edit the section.")
        start, end = finding.span
        value = fact.display.in_(desk.draft.lang)
        return _save(tx, desk, desk.review.text[:start] + value + desk.review.text[end:], by)


def sign(world: World, case_id: str, *, revision: int, digest: str, signer: str) -> Signature:
    """Sign the text that was shown: exactly that revision, exactly that digest.

    Raises:
        SignatureRefused: a blocking finding is open, no name is given, or the text is not the one shown.
        Conflict: somebody changed or signed it meanwhile.
        NotAllowed: the case is withdrawn, or was signed before.
    """
    if not signer.strip():
        raise SignatureRefused("signer is empty", remedy="Give the name of the signing physician.")
    with world.store.begin() as tx:
        desk = _editable(tx, case_id, revision)
        if desk.digest != digest:
            raise SignatureRefused("the text is not the one that was shown", remedy="Read it again, then sign.")
        if desk.blocking:
            raise SignatureRefused(
                f"{len(desk.blocking)} blocking finding(s) are open", remedy="Fix each, or dismiss it with a reason."
            )
        if not desk.review.text.strip():
            raise SignatureRefused("the letter is empty", remedy="Write it first.")
        signature = Signature(
            case_id=case_id,
            generation=desk.case.generation,
            revision=revision,
            signer=signer.strip(),
            signed_at=world.clock(),
            digest=digest,
        )
        tx.add_signature(signature)
        tx.put("signed", case_id, desk.case.generation, {"text": desk.review.text})
        case = tx.save_case(replace(desk.case, state=CaseState.SIGNED))
        tx.cancel_steps(case_id, names=("refresh", "chart", "write", "check"))
        if tx.get("posted", case_id, case.generation) is not None:
            start(tx, case, "finalize")
        # else the draft is still on its way, and its delivery will start it
        tx.audit("physician", "signed", case_id=case_id, detail=f"revision {revision} sha256 {digest}")
        return signature


def discard(world: World, case_id: str, *, revision: int, by: str) -> Case:
    """The physician does not want this draft; it is withdrawn from the inbox, the text is kept.

    Raises: Conflict, NotAllowed.
    """
    with world.store.begin() as tx:
        desk = _editable(tx, case_id, revision)
        tx.audit(by, "discarded", case_id=case_id)
        return take_effect(tx, lifecycle.withdraw(desk.case, by="physician"))


def _desk(tx: Transaction, case_id: str) -> Desk:
    case = tx.case(case_id)
    payload, draft = tx.get("chart", case_id, case.generation), tx.get("draft", case_id, case.generation)
    if payload is None or draft is None:
        raise NotFound("this case has no draft yet", remedy="Come back when it is in the inbox.")
    letter, chart = letter_from_payload(draft), chart_from_payload(payload)
    stored = tx.get("review", case_id, case.generation)
    review = (
        _review(stored) if stored else Review(case_id=case_id, generation=case.generation, revision=0, text=letter.text)
    )
    verified = tx.get("reverification" if stored else "verification", case_id, case.generation)
    changed: set[str] = set()
    signature = tx.signature(case_id)
    if (newer := tx.get("latest_chart", case_id, case.generation)) and signature is None:
        latest = chart_from_payload(newer)
        changed, chart = changed_handles(chart, latest), latest
    if changed:
        verified = verification_payload(_verify(letter, review.text, chart, changed))
    verification = verification_from_payload(verified or {})
    identity = _identity_findings(tx, case) if signature is None else ()
    if identity:
        verification = replace(verification, verdict="blocked", findings=(*identity, *verification.findings))
    return Desk(
        case=case,
        chart=chart,
        draft=letter,
        review=review,
        verification=verification,
        signature=signature,
        identity=identity,
        changed=tuple(sorted(changed)),
    )


def _identity_findings(tx: Transaction, case: Case) -> tuple[Finding, ...]:
    """One for each merge or move since a person began on the text: a decision about one answers no later one."""
    told = (tx.get("identity", case.id, case.generation) or {"messages": []})["messages"]
    return tuple(
        Finding(
            kind=FindingKind.CONTRADICTED,
            type="identifier",
            span=None,
            text="",
            severity=Severity.BLOCK,
            chart=ChartRef(handle="patient.id", value=message_id, source=message_id),
            message=Display(
                de="Patient oder Fall wurde während der Durchsicht zusammengeführt oder umgehängt. "
                "Prüfen Sie, ob Name, Geburtsdatum und Inhalt zum Patienten gehören.",
                en="The patient or the visit was merged or moved while this was reviewed. "
                "Check that name, date of birth and content belong to the patient.",
            ),
        )
        for message_id in told
    )


def _verify(draft: Letter, text: str, chart: Chart, changed: Collection[str]) -> Verification:
    """What the model pointed at counts as evidence only as long as the chart says the same."""
    spans = tuple(span for span in carry_spans(draft, text) if span.handle not in changed)
    return verify(text, chart, draft.lang, spans=spans)


def _editable(tx: Transaction, case_id: str, revision: int) -> Desk:
    desk = _desk(tx, case_id)
    if desk.signature is not None or desk.case.state is CaseState.SIGNED:
        raise NotAllowed("the letter is signed", remedy="Write an addendum.")
    if desk.case.state not in REVIEWABLE:
        raise NotAllowed(f"the case is {desk.case.state.value}", remedy="Load the page again to see why.")
    if desk.review.revision != revision:
        raise Conflict(
            f"the text is at revision {desk.review.revision}, not {revision}",
            remedy="Load the page again; nothing of the other change is lost.",
        )
    return desk


def _save(tx: Transaction, desk: Desk, text: str, by: str) -> Desk:
    if text == desk.review.text:
        return desk
    verification = _verify(desk.draft, text, desk.chart, desk.changed)
    present = {finding_key(finding) for finding in (*desk.identity, *verification.findings)}
    review = replace(
        desk.review,
        revision=desk.review.revision + 1,
        text=text,
        reviewer=by,
        # a decision holds for a finding as long as it stands; one that comes back is looked at anew
        decisions={key: decision for key, decision in desk.review.decisions.items() if key in present},
    )
    _put_review(tx, desk.case, review, verification)
    _touch(tx, desk.case)
    tx.audit(by, "edited", case_id=desk.case.id, detail=f"revision {review.revision}")
    return _desk(tx, desk.case.id)


def _put_review(tx: Transaction, case: Case, review: Review, verification: Verification | None = None) -> None:
    tx.put("review", case.id, case.generation, {**asdict(review), "decisions": _decisions(review.decisions)})
    if verification is not None:
        tx.put("reverification", case.id, case.generation, verification_payload(verification))
    elif review.revision == 1:  # a decision before any edit: the draft's own verification still holds
        tx.put("reverification", case.id, case.generation, tx.get("verification", case.id, case.generation) or {})


def _touch(tx: Transaction, case: Case) -> None:
    """From the first change on, no new draft replaces what a person has worked on."""
    if case.state is not CaseState.IN_REVIEW:
        tx.save_case(replace(tx.case(case.id), state=CaseState.IN_REVIEW))


def _decisions(decisions: Mapping[str, Decision]) -> dict[str, Any]:
    return {key: {**asdict(decision), "at": decision.at.isoformat()} for key, decision in decisions.items()}


def _review(payload: dict[str, Any]) -> Review:
    decisions = {
        key: Decision(**{**stored, "at": datetime.fromisoformat(stored["at"])})
        for key, stored in payload["decisions"].items()
    }
    return Review(**{**payload, "decisions": decisions})


def _clean(text: str) -> str:
    """Browsers send CRLF; the letter has LF, and no blanks at line ends that nobody typed."""
    return "\n".join(line.rstrip() for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n")).strip("\n")
