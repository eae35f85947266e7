"""The table of states and events, without a store."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from service import lifecycle
from service.errors import NotAllowed
from service.model import Case, CaseState, DeliveryState, Event
from service.visit import VisitStatus

NOW = datetime(2026, 3, 12, tzinfo=UTC)
DRAFTED = sorted(lifecycle.DRAFT_STATES)


def a_case(state: CaseState, **changes: object) -> Case:
    case = Case(
        id="c1",
        key="KIS|F1",
        state=state,
        delivery=DeliveryState.NONE,
        generation=0 if state is CaseState.OPEN else 1,
        version=1,
        lang="de",
        created_at=NOW,
        updated_at=NOW,
    )
    return replace(case, **changes)  # type: ignore[arg-type]


def discharge(case: Case, *, starts: bool = True) -> lifecycle.Consequence:
    after = VisitStatus.DISCHARGED if starts else VisitStatus.OPEN
    return lifecycle.follow(case, before=VisitStatus.OPEN, after=after, event=Event.DISCHARGE, starts=starts)


def cancel_discharge(case: Case, *, on_request: bool = False) -> lifecycle.Consequence:
    return lifecycle.follow(
        case,
        before=VisitStatus.DISCHARGED,
        after=VisitStatus.REOPENED,
        event=Event.CANCEL_DISCHARGE,
        on_request=on_request,
    )


def cancel_visit(case: Case) -> lifecycle.Consequence:
    return lifecycle.follow(case, before=VisitStatus.DISCHARGED, after=VisitStatus.CANCELLED, event=Event.CANCEL_ADMIT)


def test_the_first_discharge_begins_a_draft() -> None:
    begun = discharge(a_case(CaseState.OPEN))
    assert (begun.case.state, begun.case.generation, begun.start) == (CaseState.DISCHARGED, 1, ("chart",))


def test_a_discharge_that_starts_no_letter_is_an_update() -> None:
    assert discharge(a_case(CaseState.OPEN), starts=False).start == ()


@pytest.mark.parametrize("state", [CaseState.DISCHARGED, *DRAFTED])
@pytest.mark.parametrize("event", [Event.DISCHARGE, Event.UPDATE, Event.RESULT, Event.ADMIT])
def test_what_comes_after_the_discharge_only_looks_again(state: CaseState, event: Event) -> None:
    stands = VisitStatus.DISCHARGED
    after = lifecycle.follow(a_case(state), before=stands, after=stands, event=event, starts=event is Event.DISCHARGE)
    assert (after.case, after.start, after.cancel_steps) == (a_case(state), ("refresh",), False)


@pytest.mark.parametrize("state", DRAFTED)
def test_a_cancelled_discharge_withdraws_an_unsigned_draft(state: CaseState) -> None:
    after = cancel_discharge(a_case(state))
    assert (after.case.state, after.case.withdrawn_by) == (CaseState.WITHDRAWN, "ehr")
    assert (after.start, after.cancel_steps) == (("retract",), True)


def test_a_cancelled_discharge_leaves_the_draft_that_a_physician_asked_for() -> None:
    after = cancel_discharge(a_case(CaseState.IN_INBOX), on_request=True)
    assert (after.case.state, after.start, after.cancel_steps) == (CaseState.IN_INBOX, ("refresh",), False)


@pytest.mark.parametrize("state", [CaseState.DISCHARGED, *DRAFTED])
def test_a_cancelled_visit_withdraws_whatever_was_not_signed(state: CaseState) -> None:
    after = cancel_visit(a_case(state))
    assert (after.case.state, after.case.withdrawn_by) == (CaseState.WITHDRAWN, "ehr")
    assert (after.start, after.cancel_steps) == (("retract",), True)


@pytest.mark.parametrize("before", list(VisitStatus))
@pytest.mark.parametrize("after", list(VisitStatus))
@pytest.mark.parametrize("event", list(Event))
def test_no_event_moves_a_signed_case_or_starts_a_step(event: Event, before: VisitStatus, after: VisitStatus) -> None:
    followed = lifecycle.follow(a_case(CaseState.SIGNED), before=before, after=after, event=event)
    for then in (followed, lifecycle.identity_changed(followed.case), lifecycle.merged(followed.case)):
        assert (then.case.state, then.start, then.cancel_steps) == (CaseState.SIGNED, (), False)


def test_what_is_told_after_the_signature_is_a_notice_to_the_signer() -> None:
    signed, stands = a_case(CaseState.SIGNED), VisitStatus.DISCHARGED
    assert cancel_discharge(signed).case.notices == ("discharge_cancelled_after_signature",)
    assert cancel_visit(signed).case.notices == ("visit_cancelled_after_signature",)
    assert lifecycle.identity_changed(signed).case.notices == ("identity_changed_after_signature",)
    updated = lifecycle.follow(signed, before=stands, after=stands, event=Event.RESULT)
    assert updated.case.notices == ("update_after_signature",)
    merged_again = lifecycle.follow(signed, before=stands, after=stands, event=Event.MERGE)
    assert merged_again.case == signed


def test_a_draft_under_a_former_identity_is_made_anew_unless_a_person_has_touched_it() -> None:
    anew = lifecycle.identity_changed(a_case(CaseState.IN_INBOX))
    assert (anew.case.generation, anew.start, anew.cancel_steps) == (2, ("chart",), True)
    touched = a_case(CaseState.HELD, held_from=CaseState.IN_REVIEW)
    assert lifecycle.identity_changed(touched).case == replace(touched, notices=("identity_changed_in_review",))


@pytest.mark.parametrize("by", ["physician", "operator"])
def test_a_discharge_revives_what_the_ehr_cancelled_and_never_what_a_person_withdrew(by: str) -> None:
    revived = discharge(a_case(CaseState.WITHDRAWN, withdrawn_by="ehr"))
    assert (revived.case.state, revived.case.generation) == (CaseState.DISCHARGED, 2)
    kept = discharge(a_case(CaseState.WITHDRAWN, withdrawn_by=by))
    assert (kept.case.state, kept.start) == (CaseState.WITHDRAWN, ())


@pytest.mark.parametrize(("stated", "generation"), [(True, 2), (False, 1)])
def test_only_a_changed_fact_that_the_draft_states_gives_a_new_one(stated: bool, generation: int) -> None:
    assert lifecycle.chart_changed(a_case(CaseState.IN_INBOX), stated=stated).case.generation == generation


def test_what_a_person_has_touched_is_never_drafted_anew() -> None:
    after = lifecycle.chart_changed(a_case(CaseState.IN_REVIEW), stated=True)
    assert (after.case.generation, after.start, after.cancel_steps) == (1, (), False)
    assert after.case.notices == ("chart_changed_in_review",)


@pytest.mark.parametrize("state", [CaseState.SIGNED, CaseState.WITHDRAWN])
def test_what_has_ended_cannot_be_held(state: CaseState) -> None:
    with pytest.raises(NotAllowed):
        lifecycle.hold(a_case(state), lifecycle.HELD_BY_OPERATOR)


def test_a_signed_case_cannot_be_withdrawn() -> None:
    with pytest.raises(NotAllowed):
        lifecycle.withdraw(a_case(CaseState.SIGNED), by="operator")


def test_a_failed_case_that_is_held_returns_to_where_it_was_before_it_failed() -> None:
    failed = lifecycle.fail(a_case(CaseState.DRAFTING))
    held = lifecycle.hold(failed, lifecycle.HELD_BY_OPERATOR)
    released = lifecycle.release(held)
    assert (released.case.state, released.start, released.case.notices) == (CaseState.DISCHARGED, ("chart",), ())
