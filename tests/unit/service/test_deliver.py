"""An unknown outcome is asked about before anything is repeated."""

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from service.deliver import deliver, draft_document, finalize, withdraw
from service.errors import EhrRefused, SignatureRefused, UnusableInput
from service.model import (
    Case,
    CaseState,
    Chart,
    DeliveryState,
    Display,
    DraftDocument,
    Fact,
    FactType,
    Finding,
    FindingKind,
    Letter,
    Posted,
    Severity,
    Signature,
    Verification,
    WriterInfo,
)

NOW = datetime(2026, 3, 1, tzinfo=UTC)
WRITER = WriterInfo(base="b", lora="l", prompt="p", handles="h", tokens=1, seconds=0.1)
CASE = Case(
    id="c7",
    key="KIS|F1",
    state=CaseState.DRAFTED,
    delivery=DeliveryState.NONE,
    generation=2,
    version=1,
    lang="de",
    created_at=NOW,
    updated_at=NOW,
)
COURSE = Fact(
    handle="course.1.start",
    type=FactType.DATE,
    value="2026-02-02",
    display=Display(de="02.02.2026", en="2 February 2026"),
    source="Procedure/7#performedPeriod.start",
)
PLACE = Posted(document="DocumentReference/1", task="Task/1")


@dataclass
class AnInbox:
    """An inbox in memory that writes down what was asked."""

    held: Posted | None = None
    asked: list[str] = field(default_factory=list)

    def post(self, draft: DraftDocument, *, replaces: Posted | None = None) -> Posted:
        self.asked.append(f"post {draft.key}" + (f" for {replaces.document}" if replaces else ""))
        return PLACE

    def find(self, key: str) -> Posted | None:
        self.asked.append(f"find {key}")
        return self.held

    def finalize(self, posted: Posted, *, text: str, signature: Signature) -> None:
        self.asked.append(f"finalize {posted.document}")

    def withdraw(self, posted: Posted, *, reason: str) -> None:
        self.asked.append(f"withdraw {posted.document}")


def a_letter(writer: WriterInfo | None = WRITER, **changes: str) -> Letter:
    return Letter(lang="en" if changes.get("lang") == "en" else "de", raw="x", text="x", spans=(), writer=writer)


def a_verification(*severities: Severity) -> Verification:
    findings = tuple(
        Finding(
            kind=FindingKind.OMITTED,
            type="dose",
            span=None,
            text="",
            severity=severity,
            chart=None,
            message=Display(de="", en=""),
        )
        for severity in severities
    )
    return Verification(verdict="flagged", findings=findings, supported=(), stated=0, left_out=0, missing=0)


def a_document(letter: Letter | None = None, *, chart: Chart | None = None) -> DraftDocument:
    return draft_document(
        CASE,
        letter or a_letter(),
        a_verification(Severity.BLOCK, Severity.WARN, Severity.WARN, Severity.INFO),
        chart=chart or Chart(facts=(COURSE,)),
        refs=("Patient/1", "Encounter/2", ""),
        review_url="http://localhost/launch",
        clock=lambda: NOW,
    )


def a_signature(text: str) -> Signature:
    digest = hashlib.sha256(text.encode()).hexdigest()
    return Signature(case_id="c7", generation=2, revision=1, signer="x", signed_at=NOW, digest=digest)


def test_a_draft_document_carries_key_references_and_counts_of_findings() -> None:
    document = a_document()
    assert document.key == "c7.2"
    assert (document.patient_ref, document.encounter_ref, document.owner_ref) == ("Patient/1", "Encounter/2", "")
    assert (document.findings_block, document.findings_warn) == (1, 2)
    assert document.created_at == NOW


def test_a_title_follows_language_and_treatment_and_never_names_the_patient() -> None:
    assert a_document().title == "Arztbrief Strahlentherapie (Entwurf)"
    assert a_document(a_letter(lang="en")).title == "Radiation oncology letter (draft)"
    assert a_document(chart=Chart(facts=())).title == "Arztbrief (Entwurf)"


def test_a_letter_without_author_is_not_delivered() -> None:
    with pytest.raises(UnusableInput, match="writer"):
        a_document(a_letter(writer=None))


def test_a_first_attempt_posts_and_one_after_an_unknown_outcome_asks_first() -> None:
    inbox = AnInbox()
    assert deliver(inbox, a_document()) == PLACE
    assert inbox.asked == ["post c7.2"]
    inbox = AnInbox(held=PLACE)
    assert deliver(inbox, a_document(), last_attempt_ambiguous=True) == PLACE
    assert inbox.asked == ["find c7.2"]


@pytest.mark.parametrize("held", [None, Posted(document="DocumentReference/1", task="")])
def test_what_the_ehr_lacks_after_an_unknown_outcome_is_posted(held: Posted | None) -> None:
    inbox = AnInbox(held=held)
    deliver(inbox, a_document(), last_attempt_ambiguous=True)
    assert inbox.asked == ["find c7.2", "post c7.2"]


def test_a_former_draft_is_superseded_even_when_the_new_one_is_already_there() -> None:
    inbox = AnInbox(held=PLACE)
    deliver(inbox, a_document(), replaces=Posted(document="DocumentReference/0", task=""), last_attempt_ambiguous=True)
    assert inbox.asked[-1] == "post c7.2 for DocumentReference/0"


def test_only_the_text_that_was_signed_is_made_final() -> None:
    inbox = AnInbox(held=PLACE)
    with pytest.raises(SignatureRefused):
        finalize(inbox, key="c7.2", posted=PLACE, text="anders", signature=a_signature("Brief"))
    assert inbox.asked == []
    assert finalize(inbox, key="c7.2", posted=None, text="Brief", signature=a_signature("Brief")) == PLACE
    assert inbox.asked == ["find c7.2", "finalize DocumentReference/1"]
    with pytest.raises(EhrRefused):
        finalize(AnInbox(), key="c7.2", posted=None, text="Brief", signature=a_signature("Brief"))


def test_a_draft_that_never_arrived_needs_no_withdrawal() -> None:
    inbox = AnInbox()
    assert withdraw(inbox, key="c7.2", posted=None, reason="A13") is None
    assert inbox.asked == ["find c7.2"]
    assert withdraw(inbox, key="c7.2", posted=PLACE, reason="A13") == PLACE
    assert inbox.asked[-1] == "withdraw DocumentReference/1"
