"""What may be signed, by whom it was changed, and that the signature binds what was shown."""

import hashlib

import pytest
from journey_world import Journey, adt

from service import signoff
from service.errors import Conflict, NotAllowed, NotFound, SignatureRefused, UnusableInput
from service.letter import finding_key
from service.model import CaseState, Severity
from service.signoff import Desk


@pytest.fixture
def desk(journey: Journey) -> Desk:
    """A draft in the inbox with one blocking finding: a dose that the chart does not have."""
    journey.writer.added = "\nBestrahlung bis 54,0 Gy"
    journey.receive(adt("A03", minute=10))
    journey.run_all()
    opened = signoff.open_desk(journey.world, journey.case.id)
    assert [finding.type for finding in opened.blocking] == ["dose"]
    return opened


def sign(journey: Journey, desk: Desk, **changes: str | int) -> None:
    wish = {"revision": desk.review.revision, "digest": desk.digest, "signer": "Dr. Muster", **changes}
    signoff.sign(journey.world, desk.case.id, **wish)  # type: ignore[arg-type]


def decided(journey: Journey, desk: Desk, action: str = "dismissed") -> Desk:
    return signoff.decide(
        journey.world,
        desk.case.id,
        revision=desk.review.revision,
        key=finding_key(desk.blocking[0]),
        action=action,  # type: ignore[arg-type]
        reason="liegt auf Papier vor",
        by="dr1",
    )


def without_dose(journey: Journey, desk: Desk) -> Desk:
    text = desk.review.text.replace("Bestrahlung bis 54,0 Gy", "Bestrahlung wie besprochen")
    return signoff.rewrite(journey.world, desk.case.id, revision=desk.review.revision, text=text, by="dr1")


def test_a_letter_with_an_open_blocking_finding_is_not_signed(journey: Journey, desk: Desk) -> None:
    with pytest.raises(SignatureRefused, match="blocking"):
        sign(journey, desk)
    assert journey.case.state is CaseState.IN_INBOX


def test_a_fixed_finding_is_gone_and_the_letter_can_be_signed(journey: Journey, desk: Desk) -> None:
    fixed = without_dose(journey, desk)
    assert fixed.blocking == ()
    sign(journey, fixed)
    journey.run_all()
    assert [document.text for document in journey.inbox.final] == [fixed.review.text]


@pytest.mark.parametrize("action", ["accepted", "dismissed"])
def test_a_decided_finding_is_shown_and_blocks_no_more(journey: Journey, desk: Desk, action: str) -> None:
    after = decided(journey, desk, action)
    assert after.blocking == ()
    assert any(finding.severity is Severity.BLOCK for finding in after.verification.findings)
    sign(journey, after)


def test_a_decision_needs_a_reason_and_a_finding(journey: Journey, desk: Desk) -> None:
    for key, reason in ((finding_key(desk.blocking[0]), "  "), ("0" * 16, "gut so")):
        with pytest.raises(UnusableInput):
            signoff.decide(
                journey.world, desk.case.id, revision=0, key=key, action="dismissed", reason=reason, by="dr1"
            )


def test_a_decision_survives_an_edit_elsewhere_and_not_the_end_of_its_finding(journey: Journey, desk: Desk) -> None:
    kept = decided(journey, desk)
    text = "Sehr geehrte Kollegen,\n\n" + kept.review.text
    kept = signoff.rewrite(journey.world, desk.case.id, revision=kept.review.revision, text=text, by="dr1")
    assert kept.blocking == ()
    gone = without_dose(journey, kept)
    assert gone.review.decisions == {}
    back = signoff.rewrite(journey.world, desk.case.id, revision=gone.review.revision, text=text, by="dr1")
    assert [finding.type for finding in back.blocking] == ["dose"]


def test_another_dose_in_the_same_place_is_another_finding(journey: Journey, desk: Desk) -> None:
    after = decided(journey, desk)
    text = after.review.text.replace("54,0 Gy", "60,0 Gy")
    after = signoff.rewrite(journey.world, desk.case.id, revision=after.review.revision, text=text, by="dr1")
    assert [finding.text for finding in after.blocking] == ["60,0 Gy"]


def test_of_two_reviewers_the_second_is_told_and_overwrites_nothing(journey: Journey, desk: Desk) -> None:
    first = without_dose(journey, desk)
    for act in (
        lambda: without_dose(journey, desk),
        lambda: decided(journey, desk),
        lambda: sign(journey, desk),
        lambda: signoff.discard(journey.world, desk.case.id, revision=desk.review.revision, by="dr2"),
    ):
        with pytest.raises(Conflict):
            act()
    assert signoff.open_desk(journey.world, desk.case.id).review == first.review


def test_the_signature_binds_the_digest_of_the_text_that_was_shown(journey: Journey, desk: Desk) -> None:
    fixed = without_dose(journey, desk)
    with pytest.raises(SignatureRefused, match="shown"):
        sign(journey, fixed, digest=desk.digest)
    with pytest.raises(SignatureRefused, match="signer"):
        sign(journey, fixed, signer=" ")
    sign(journey, fixed)
    with journey.store.begin() as tx:
        signature = tx.signature(desk.case.id)
    assert signature is not None
    assert signature.digest == hashlib.sha256(fixed.review.text.encode()).hexdigest()


def test_a_signed_letter_is_neither_signed_again_nor_changed_nor_discarded(journey: Journey, desk: Desk) -> None:
    fixed = without_dose(journey, desk)
    sign(journey, fixed)
    for act in (
        lambda: sign(journey, fixed),
        lambda: signoff.rewrite(journey.world, desk.case.id, revision=fixed.review.revision, text="anders", by="dr1"),
        lambda: signoff.discard(journey.world, desk.case.id, revision=fixed.review.revision, by="dr1"),
    ):
        with pytest.raises(NotAllowed):
            act()


def test_an_empty_letter_is_not_signed(journey: Journey, desk: Desk) -> None:
    empty = signoff.rewrite(journey.world, desk.case.id, revision=0, text=" \n", by="dr1")
    with pytest.raises(SignatureRefused):
        sign(journey, empty)


def test_a_withdrawn_letter_is_not_signed(journey: Journey, desk: Desk) -> None:
    fixed = without_dose(journey, desk)
    journey.receive(adt("A13", minute=20))
    journey.run_all()
    with pytest.raises(NotAllowed, match="withdrawn"):
        sign(journey, fixed)


def test_a_discarded_draft_leaves_the_inbox_and_keeps_its_text(journey: Journey, desk: Desk) -> None:
    signoff.discard(journey.world, desk.case.id, revision=0, by="dr1")
    journey.run_all()
    assert (journey.case.state, journey.case.withdrawn_by) == (CaseState.WITHDRAWN, "physician")
    assert journey.inbox.open_tasks == []
    assert signoff.open_desk(journey.world, desk.case.id).review.text == desk.review.text


def test_a_case_whose_new_draft_is_being_written_has_no_desk_yet(journey: Journey, desk: Desk) -> None:
    journey.ehr.diagnosis, journey.ehr.words = "C61", "Prostatakarzinom"
    journey.receive(adt("A08", minute=20))
    journey.advance_to("write")
    with pytest.raises(NotFound):
        signoff.open_desk(journey.world, desk.case.id)


def test_a_changed_chart_reopens_what_was_decided_about_the_old_value(journey: Journey, desk: Desk) -> None:
    text = desk.review.text.replace("C50.4", "C50.9").replace("Bestrahlung bis 54,0 Gy", "")
    wrong = signoff.rewrite(journey.world, desk.case.id, revision=0, text=text, by="dr1")
    after = decided(journey, wrong)
    assert after.blocking == ()
    journey.ehr.diagnosis, journey.ehr.words = "C61", "Prostatakarzinom"
    journey.receive(adt("A08", minute=20))
    journey.run_all()
    changed = signoff.open_desk(journey.world, desk.case.id)
    assert changed.blocking
    with pytest.raises(SignatureRefused):
        sign(journey, changed)


def test_the_charts_value_mends_a_finding(journey: Journey, desk: Desk) -> None:
    text = without_dose(journey, desk).review.text.replace("C50.4", "C50.9")
    wrong = signoff.rewrite(journey.world, desk.case.id, revision=1, text=text, by="dr1")
    (finding,) = [each for each in wrong.blocking if each.type == "icd10"]
    mended = signoff.take_chart_value(
        journey.world, desk.case.id, revision=wrong.review.revision, key=finding_key(finding), by="dr1"
    )
    assert "C50.4" in mended.review.text
    assert mended.blocking == ()
