"""DESIGN section 2, event by state, and the races between a message and the work that it overtakes."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from journey_world import Journey, adt, oru

from service import rescue, signoff
from service.ehr_steps import deliver
from service.errors import LostLease
from service.model import CaseState, DeliveryState, StepState
from service.pipeline import Outcome, run_step

DISCHARGE = 10


def discharge(journey: Journey, *, until: str = "") -> Journey:
    """A discharged visit: its draft in the inbox, or the journey stopped before the step ``until``."""
    journey.receive(adt("A01", minute=0))
    journey.receive(adt("A03", minute=DISCHARGE))
    if until:
        journey.advance_to(until)
    else:
        journey.run_all()
    return journey


def change_diagnosis(journey: Journey, *, minute: int = 20) -> None:
    journey.ehr.diagnosis, journey.ehr.words = "C61", "Prostatakarzinom"
    journey.receive(adt("A08", minute=minute))


def touch(journey: Journey) -> None:
    desk = signoff.open_desk(journey.world, journey.case.id)
    text = desk.review.text + "\n\nVon Hand ergänzt."
    signoff.rewrite(journey.world, journey.case.id, revision=desk.review.revision, text=text, by="dr1")


def sign(journey: Journey) -> str:
    desk = signoff.open_desk(journey.world, journey.case.id)
    signoff.sign(journey.world, journey.case.id, revision=desk.review.revision, digest=desk.digest, signer="Dr. Muster")
    return desk.review.text


def operate(journey: Journey, what: Callable[..., object]) -> None:
    case_id = journey.case.id
    with journey.store.begin() as tx:
        what(tx, case_id)


@pytest.mark.parametrize("until", ["chart", "write", "check", "deliver", ""])
def test_a_second_discharge_of_the_same_visit_is_the_same_case_with_one_draft(journey: Journey, until: str) -> None:
    discharge(journey, until=until)
    journey.receive(adt("A03", minute=DISCHARGE, again="-b"))
    journey.receive(adt("A03", minute=DISCHARGE))  # and the very same bytes
    journey.run_all()
    assert journey.case.state is CaseState.IN_INBOX
    assert len(journey.inbox.held) == len(journey.inbox.live) == 1


@pytest.mark.parametrize("until", ["chart", "write", "check", "deliver", ""])
def test_a_cancelled_discharge_leaves_nothing_to_sign_and_a_new_one_exactly_one_draft(
    journey: Journey, until: str
) -> None:
    discharge(journey, until=until)
    journey.receive(adt("A13", minute=20))
    journey.run_all()
    withdrawn = journey.case
    assert withdrawn.state is CaseState.WITHDRAWN
    assert journey.inbox.live == journey.inbox.open_tasks == []
    journey.receive(adt("A03", minute=30))
    journey.run_all()
    assert journey.case.state is CaseState.IN_INBOX
    assert [document.key for document in journey.inbox.live] == [f"{journey.case.id}.{journey.case.generation}"]
    assert len(journey.inbox.open_tasks) == 1


def test_a_discharge_cancelled_before_its_chart_was_read_is_open_again(journey: Journey) -> None:
    journey.receive(adt("A03", minute=DISCHARGE))
    journey.receive(adt("A13", minute=20))
    journey.run_all()
    assert (journey.case.state, journey.writer.letters) == (CaseState.OPEN, 0)


def test_a_cancellation_that_arrives_before_its_discharge_still_cancels_it(journey: Journey) -> None:
    journey.receive(adt("A01", minute=0))
    journey.receive(adt("A13", minute=20))
    journey.run_all()
    journey.receive(adt("A03", minute=DISCHARGE))
    journey.run_all()
    assert journey.case.state is CaseState.OPEN
    assert journey.inbox.held == {}


@pytest.mark.parametrize("until", ["write", "check", "deliver", ""])
def test_a_changed_fact_that_the_draft_states_gives_a_new_draft_in_the_old_ones_place(
    journey: Journey, until: str
) -> None:
    discharge(journey, until=until)
    change_diagnosis(journey)
    journey.run_all()
    (draft,) = journey.inbox.live
    assert "Prostatakarzinom" in draft.text
    assert journey.inbox.open_tasks == [draft]


def test_a_new_fact_that_the_draft_does_not_state_leaves_it_and_shows_on_the_desk(journey: Journey) -> None:
    discharge(journey)
    journey.ehr.tell_allergy("Penicillin")
    journey.receive(oru(minute=20))
    journey.run_all()
    assert journey.case.generation == 1
    desk = signoff.open_desk(journey.world, journey.case.id)
    assert "allergy.1.name" in desk.changed
    assert any(f.chart and f.chart.handle == "allergy.1.name" for f in desk.open_findings)


def test_a_change_during_review_never_overwrites_and_shows_as_a_finding(journey: Journey) -> None:
    discharge(journey)
    touch(journey)
    change_diagnosis(journey)
    journey.run_all()
    desk = signoff.open_desk(journey.world, journey.case.id)
    assert (journey.case.state, journey.case.generation) == (CaseState.IN_REVIEW, 1)
    assert desk.review.text.endswith("Von Hand ergänzt.")
    assert "Mammakarzinom" in desk.review.text
    assert {"diagnosis.1.name", "diagnosis.1.icd10"} <= set(desk.changed)
    assert "chart_changed_in_review" in desk.case.notices
    assert not any(span.handle == "diagnosis.1.icd10" for span in desk.evidence)
    assert any(finding.type == "icd10" for finding in desk.blocking)


def test_a_chart_that_changes_back_during_review_takes_its_findings_along(journey: Journey) -> None:
    discharge(journey)
    touch(journey)
    change_diagnosis(journey)
    journey.run_all()
    journey.ehr.diagnosis, journey.ehr.words = "C50.4", "Mammakarzinom"
    journey.receive(adt("A08", minute=30))
    journey.run_all()
    desk = signoff.open_desk(journey.world, journey.case.id)
    assert desk.changed == ()
    assert desk.blocking == ()


def test_a_cancelled_discharge_withdraws_a_reviewed_draft_and_keeps_its_text(journey: Journey) -> None:
    discharge(journey)
    touch(journey)
    journey.receive(adt("A13", minute=20))
    journey.run_all()
    assert (journey.case.state, journey.case.withdrawn_by) == (CaseState.WITHDRAWN, "ehr")
    assert journey.inbox.open_tasks == []
    assert signoff.open_desk(journey.world, journey.case.id).review.text.endswith("Von Hand ergänzt.")


@pytest.mark.parametrize(
    ("body", "notice"),
    [
        (adt("A03", minute=20, again="-b"), "update_after_signature"),
        (adt("A08", minute=20), "update_after_signature"),
        (oru(minute=20), "update_after_signature"),
        (adt("A13", minute=20), "discharge_cancelled_after_signature"),
    ],
)
def test_nothing_changes_a_signed_letter_and_its_signer_is_told(journey: Journey, body: bytes, notice: str) -> None:
    discharge(journey)
    text = sign(journey)
    journey.run_all()
    journey.ehr.diagnosis, journey.ehr.words = "C61", "Prostatakarzinom"
    journey.receive(body)
    journey.run_all()
    assert journey.case.state is CaseState.SIGNED
    assert journey.case.notices == (notice,)
    assert [(document.text, document.task) for document in journey.inbox.held.values()] == [(text, "completed")]


def test_a_letter_signed_before_its_draft_was_delivered_becomes_final_all_the_same(journey: Journey) -> None:
    discharge(journey, until="deliver")
    journey.inbox.faults += ["unavailable"] * 3
    journey.run_due()
    text = sign(journey)
    journey.run_all()
    assert [(document.text, document.task) for document in journey.inbox.final] == [(text, "completed")]
    assert journey.case.delivery is DeliveryState.CONFIRMED


def test_a_letter_signed_while_its_draft_is_on_its_way_becomes_final(journey: Journey) -> None:
    discharge(journey, until="deliver")

    def meanwhile() -> None:
        sign(journey)

    journey.inbox.during_post = meanwhile
    journey.run_all()
    assert len(journey.inbox.final) == 1
    assert journey.inbox.open_tasks == []


def test_a_cancellation_that_overtakes_a_delivery_under_way_takes_the_draft_back(journey: Journey) -> None:
    step = discharge(journey, until="deliver").advance_to("deliver")

    def cancel() -> None:
        journey.receive(adt("A13", minute=20))
        journey.run_due()

    journey.inbox.during_post = cancel
    assert run_step(journey.world, step.id) is Outcome.LOST
    journey.run_due()  # at once, not when a lease has run out
    assert journey.case.state is CaseState.WITHDRAWN
    assert journey.inbox.live == journey.inbox.open_tasks == []
    assert len(journey.inbox.held) == 1


def test_a_draft_that_reaches_the_ehr_after_its_withdrawal_is_taken_back_too(journey: Journey) -> None:
    discharge(journey, until="deliver")
    journey.inbox.faults.append("lost")
    journey.run_due()
    journey.receive(adt("A13", minute=20))
    journey.run_due()
    journey.inbox.arrive_late()
    assert len(journey.inbox.live) == 1
    journey.run_all()
    assert journey.inbox.live == journey.inbox.open_tasks == []


def test_a_draft_held_in_delivery_and_cancelled_then_is_taken_back(journey: Journey) -> None:
    step = discharge(journey, until="deliver").advance_to("deliver")

    def hold_and_cancel() -> None:
        operate(journey, rescue.hold_case)
        journey.receive(adt("A13", minute=20))
        journey.run_due()

    journey.inbox.during_post = hold_and_cancel
    run_step(journey.world, step.id)
    journey.run_all()
    assert journey.case.state is CaseState.WITHDRAWN
    assert journey.inbox.live == journey.inbox.open_tasks == []


def test_a_delivery_that_slept_through_a_new_draft_does_not_post_under_its_key(journey: Journey) -> None:
    step = discharge(journey, until="deliver").advance_to("deliver")
    with journey.store.begin() as tx:
        claimed = tx.claim(step.id, lease=timedelta(seconds=60))
    assert claimed is not None
    change_diagnosis(journey)
    journey.run_due()
    with pytest.raises(LostLease):
        deliver(journey.world, claimed)
    journey.run_all()
    assert ["Prostatakarzinom" in document.text for document in journey.inbox.live] == [True]


@pytest.mark.parametrize("fault", ["lost", "stored"])
def test_a_delivery_of_unknown_outcome_is_asked_about_and_ends_as_one_draft(journey: Journey, fault: str) -> None:
    discharge(journey, until="deliver")
    journey.inbox.faults.append(fault)
    journey.run_due()
    assert journey.case.delivery is DeliveryState.AMBIGUOUS
    journey.run_all()
    assert (journey.case.state, journey.case.delivery) == (CaseState.IN_INBOX, DeliveryState.CONFIRMED)
    assert len(journey.inbox.held) == 1


def test_a_message_that_comes_while_the_chart_is_read_is_not_lost(journey: Journey) -> None:
    step = discharge(journey, until="chart").advance_to("chart")

    def meanwhile() -> None:
        change_diagnosis(journey)
        journey.run_due()

    journey.ehr.during = meanwhile  # after the old chart was read
    run_step(journey.world, step.id)
    journey.run_all()
    assert "Prostatakarzinom" in journey.inbox.live[0].text


def test_of_two_looks_at_the_chart_the_one_that_saw_less_does_not_win(journey: Journey) -> None:
    discharge(journey)
    touch(journey)
    journey.receive(oru(minute=20))
    first = journey.advance_to("refresh")

    def meanwhile() -> None:
        change_diagnosis(journey, minute=30)
        journey.run_due()

    journey.ehr.during = meanwhile
    assert run_step(journey.world, first.id) is Outcome.DONE
    journey.run_all()
    assert "diagnosis.1.icd10" in signoff.open_desk(journey.world, journey.case.id).changed


def test_a_refused_delivery_stops_the_case_until_an_operator_replays_it(journey: Journey) -> None:
    discharge(journey, until="deliver")
    journey.inbox.faults.append("refused")
    journey.run_all()
    assert (journey.case.state, journey.case.delivery) == (CaseState.FAILED, DeliveryState.REFUSED)
    change_diagnosis(journey)  # what comes in meanwhile counts when it goes on
    journey.run_all()
    operate(journey, rescue.retry_case)
    journey.run_all()
    assert journey.case.state is CaseState.IN_INBOX
    assert ["Prostatakarzinom" in document.text for document in journey.inbox.live] == [True]


def test_a_step_whose_worker_is_lost_again_and_again_is_dead_and_can_be_replayed(journey: Journey) -> None:
    step = discharge(journey, until="write").advance_to("write")
    for _ in range(journey.world.rules.unexpected_attempts):
        with journey.store.begin() as tx:
            assert tx.claim(step.id, lease=timedelta(seconds=60)) is not None
        journey.clock.advance(minutes=2)
    assert run_step(journey.world, step.id) is Outcome.DEAD
    assert journey.case.state is CaseState.FAILED
    operate(journey, rescue.retry_case)
    journey.run_all()
    assert len(journey.inbox.live) == 1


def test_an_unforeseen_error_keeps_its_class_and_place_and_none_of_its_words(journey: Journey) -> None:
    discharge(journey, until="write")
    journey.writer.faults.append(ValueError("Beispiel, Berta"))
    journey.run_due()
    (failed,) = [step for step in journey.steps() if step.state is StepState.FAILED]
    assert failed.error_text is not None
    assert failed.error_text.startswith("ValueError at journey_world:")
    assert "Beispiel" not in failed.error_text


@pytest.mark.parametrize("until", ["chart", "write", "check", "deliver", ""])
def test_a_held_case_waits_and_goes_on_after_its_release_with_what_came_meanwhile(journey: Journey, until: str) -> None:
    discharge(journey, until=until)
    operate(journey, rescue.hold_case)
    change_diagnosis(journey)
    journey.run_all()
    assert journey.case.state is CaseState.HELD
    operate(journey, rescue.release_case)
    journey.run_all()
    assert journey.case.notices == ()
    assert ["Prostatakarzinom" in document.text for document in journey.inbox.live] == [True]


def test_a_held_case_whose_discharge_is_cancelled_and_repeated_still_waits_for_the_operator(journey: Journey) -> None:
    discharge(journey, until="chart")
    operate(journey, rescue.hold_case)
    journey.receive(adt("A13", minute=20))
    journey.receive(adt("A03", minute=30))
    journey.run_all()
    assert journey.case.state is CaseState.HELD
    assert journey.inbox.held == {}
    operate(journey, rescue.release_case)
    journey.run_all()
    assert len(journey.inbox.live) == 1


def test_a_chart_with_nothing_to_say_is_held_and_not_written_about(journey: Journey) -> None:
    journey.ehr.diagnosis = ""
    discharge(journey)
    assert (journey.case.state, journey.writer.letters) == (CaseState.HELD, 0)


def test_what_a_person_withdrew_no_message_brings_back(journey: Journey) -> None:
    discharge(journey)
    operate(journey, rescue.withdraw_case)
    journey.receive(adt("A13", minute=20))
    journey.receive(adt("A03", minute=30))
    journey.run_all()
    assert (journey.case.state, journey.case.withdrawn_by) == (CaseState.WITHDRAWN, "operator")
    assert journey.case.notices == ("discharge_after_withdrawal",)
    assert journey.inbox.open_tasks == []


@pytest.mark.parametrize("mark", ["T", "D"])
def test_a_training_or_debugging_message_makes_no_case(journey: Journey, mark: str) -> None:
    journey.receive(adt("A03", minute=DISCHARGE).replace(b"|P|2.5.1", f"|{mark}|2.5.1".encode()))
    journey.run_all()
    with journey.store.begin() as tx:
        assert tx.cases() == []


def test_a_letter_is_written_in_the_language_of_its_case(journey: Journey) -> None:
    journey.receive(adt("A01", minute=0))
    journey.run_all()
    other = Journey(
        store=journey.store, clock=journey.clock, inbox=journey.inbox, ehr=journey.ehr, writer=journey.writer, lang="en"
    )
    other.receive(adt("A03", minute=DISCHARGE))  # the setting changed meanwhile; the case was begun in German
    other.run_all()
    assert journey.inbox.live[0].text.startswith("Diagnose:")
