"""DESIGN section 2, the last row and the time of things: merges, moves, changes of visit, what is late or told again."""

from collections.abc import Iterator

import pytest
from identity_ward import NoEhr, case_of, members, receive, sign, states, the_case, touch
from journey_world import Journey
from store_fixtures import Clock
from told import tell

from adapters.keys import KeyRing
from adapters.store import open_store
from service import lifecycle, signoff
from service.errors import SignatureRefused
from service.letter import finding_key
from service.model import Case, CaseState


@pytest.fixture
def ward(sqlite_url: str, keyring: KeyRing, clock: Clock) -> Iterator[Journey]:
    store = open_store(sqlite_url, keyring, clock=clock)
    yield Journey(store=store, clock=clock, ehr=NoEhr())
    store.close()


ADMIT, DISCHARGE = tell("A01", at=0, visit="F1"), tell("A03", at=10, visit="F1")
MERGE = tell("A40", at=20, patient="P2", former="P1")
RENUMBER = tell("A50", at=20, visit="F2", former_visit="F1")
MOVE = tell("A45", at=20, patient="P2", former="P1", visit="F1", former_visit="F1")


# ---------------------------------------------------------------- merges and moves, row by row


@pytest.mark.parametrize("change", [MERGE, MOVE, RENUMBER], ids=["merge", "move", "renumber"])
def test_before_drafting_the_case_goes_with_its_patient_and_its_number(ward: Journey, change: bytes) -> None:
    receive(ward, ADMIT, change, DISCHARGE)
    case = the_case(ward, "F2" if change is RENUMBER else "F1")
    assert (case.state, case.generation, case.notices) == (CaseState.IN_INBOX, 1, ())
    assert members(ward, case) == ["admit@00", "discharge@10", f"{'merge' if change is MERGE else 'change_visit'}@20"]


@pytest.mark.parametrize("change", [MERGE, MOVE, RENUMBER], ids=["merge", "move", "renumber"])
def test_an_untouched_draft_is_made_anew_under_the_present_identity_and_once_only(ward: Journey, change: bytes) -> None:
    receive(ward, ADMIT, DISCHARGE, change)
    visit = "F2" if change is RENUMBER else "F1"
    case = the_case(ward, visit)
    assert (case.state, case.generation) == (CaseState.IN_INBOX, 2)
    assert len(ward.inbox.live) == len(ward.inbox.open_tasks) == 1
    receive(ward, change, change.replace(b"|A", b"|again-A", 1).replace(b"|P|2.5.1", b"-b|P|2.5.1"))
    assert the_case(ward, visit).generation == 2
    assert len(states(ward)) == 1


@pytest.mark.parametrize("change", [MERGE, MOVE, RENUMBER], ids=["merge", "move", "renumber"])
def test_a_touched_draft_is_kept_and_cannot_be_signed_until_a_person_has_decided(ward: Journey, change: bytes) -> None:
    receive(ward, ADMIT, DISCHARGE)
    touch(ward, the_case(ward, "F1"))
    receive(ward, change)
    case = the_case(ward, "F2" if change is RENUMBER else "F1")
    assert (case.state, case.generation) == (CaseState.IN_REVIEW, 1)
    assert "identity_changed_in_review" in case.notices
    desk = signoff.open_desk(ward.world, case.id)
    assert desk.review.text.endswith("Von Hand ergänzt.")
    (finding,) = desk.identity
    assert finding in desk.blocking
    with pytest.raises(SignatureRefused):
        sign(ward, case)
    desk = decide_all(ward, case)
    edited = signoff.rewrite(
        ward.world, case.id, revision=desk.review.revision, text=desk.review.text + "\nUnd noch etwas.", by="dr1"
    )
    assert edited.blocking == (), "an edit took the decision back"
    sign(ward, case)
    assert the_case(ward, "F2" if change is RENUMBER else "F1").state is CaseState.SIGNED


def decide_all(ward: Journey, case: Case) -> signoff.Desk:
    desk = signoff.open_desk(ward.world, case.id)
    while desk.blocking:
        desk = signoff.decide(
            ward.world,
            case.id,
            revision=desk.review.revision,
            key=finding_key(desk.blocking[0]),
            action="accepted",
            reason="Ausweis gesehen",
            by="dr1",
        )
    return desk


def test_a_second_move_during_review_is_a_finding_of_its_own(ward: Journey) -> None:
    receive(ward, ADMIT, DISCHARGE)
    case = the_case(ward, "F1")
    touch(ward, case)
    receive(ward, MOVE)
    decide_all(ward, case)
    receive(ward, tell("A45", at=30, patient="P3", former="P2", visit="F1", former_visit="F1"))
    desk = signoff.open_desk(ward.world, case.id)
    assert len(desk.identity) == 2
    assert [finding for finding in desk.identity if finding in desk.blocking] == [desk.identity[1]]


@pytest.mark.parametrize("change", [MERGE, MOVE, RENUMBER], ids=["merge", "move", "renumber"])
def test_a_signed_letter_stays_and_its_signer_is_told(ward: Journey, change: bytes) -> None:
    receive(ward, ADMIT, DISCHARGE)
    sign(ward, the_case(ward, "F1"))
    receive(ward, change, change)
    case = the_case(ward, "F2" if change is RENUMBER else "F1")
    assert (case.state, case.notices) == (CaseState.SIGNED, ("identity_changed_after_signature",))
    assert len(ward.inbox.final) == 1


def test_two_signed_cases_of_one_visit_both_stay_signed_and_both_are_told(ward: Journey) -> None:
    receive(ward, ADMIT, DISCHARGE, tell("A01", at=11, visit="F2"), tell("A03", at=12, visit="F2"))
    for visit in ("F1", "F2"):
        sign(ward, the_case(ward, visit))
    receive(ward, RENUMBER)
    assert sorted(state for state, _ in states(ward).values()) == ["signed", "signed"]
    told = {notice for _, notices in states(ward).values() for notice in notices}
    assert told == {lifecycle.MERGED, lifecycle.TOOK_A_CASE_IN, "identity_changed_after_signature"}
    assert len(ward.inbox.final) == 2


def test_a_number_that_changes_again_and_back_is_one_visit(ward: Journey) -> None:
    receive(ward, tell("A50", at=22, visit="F1", former_visit="F3"), tell("A50", at=21, visit="F3", former_visit="F2"))
    receive(ward, RENUMBER, ADMIT, DISCHARGE)
    assert [key for key, (state, _) in states(ward).items() if state != "withdrawn"] == ["KIS|F1"]
    assert the_case(ward, "F1").state is CaseState.IN_INBOX


# ---------------------------------------------------------------- cancelled, repeated, late


def test_a_cancellation_with_the_time_of_the_discharge_itself_cancels_it(ward: Journey) -> None:
    receive(ward, ADMIT, DISCHARGE, tell("A13", at=10, recorded=25, visit="F1"))
    assert (the_case(ward, "F1").state, ward.inbox.live) == (CaseState.WITHDRAWN, [])
    receive(ward, tell("A03", at=9, recorded=30, visit="F1"))  # discharged anew, and a minute earlier
    case = the_case(ward, "F1")
    assert (case.state, case.generation, len(ward.inbox.live)) == (CaseState.IN_INBOX, 2, 1)


def test_a_cancellation_takes_back_every_telling_of_a_discharge_and_none_that_is_recorded_later(ward: Journey) -> None:
    receive(ward, ADMIT, DISCHARGE, tell("A03", at=11, recorded=12, visit="F1"))
    receive(ward, tell("A03", at=30, visit="F1"))  # overtakes its own cancellation
    receive(ward, tell("A13", at=10, recorded=20, visit="F1"))
    assert the_case(ward, "F1").state is CaseState.IN_INBOX
    assert len(ward.inbox.live) == 1


def test_a_cancelled_visit_ends_its_case_and_one_that_is_admitted_again_begins_anew(ward: Journey) -> None:
    receive(ward, ADMIT, DISCHARGE, tell("A11", at=0, recorded=20, visit="F1"), tell("A08", at=21, visit="F1"))
    case = the_case(ward, "F1")
    assert (case.state, case.withdrawn_by, ward.inbox.live) == (CaseState.WITHDRAWN, "ehr", [])
    receive(ward, tell("A01", at=30, visit="F1"))
    assert the_case(ward, "F1").state is CaseState.OPEN
    receive(ward, tell("A03", at=40, visit="F1"))
    assert (the_case(ward, "F1").state, len(ward.inbox.live)) == (CaseState.IN_INBOX, 1)


def test_a_late_result_that_names_no_visit_is_seen_by_the_reviewer(ward: Journey) -> None:
    receive(ward, ADMIT, DISCHARGE, tell("R01", at=500))
    assert any(handle.startswith("lab.") for handle in signoff.open_desk(ward.world, the_case(ward, "F1").id).changed)


def test_a_visit_of_which_only_the_discharge_was_told_gets_its_letter(ward: Journey) -> None:
    receive(ward, DISCHARGE)
    assert the_case(ward, "F1").state is CaseState.IN_INBOX


def test_a_merge_of_patients_without_a_case_makes_none_and_is_remembered(ward: Journey) -> None:
    receive(ward, MERGE)
    assert states(ward) == {}
    receive(ward, ADMIT, DISCHARGE, tell("R01", at=30, patient="P2"))
    assert members(ward, the_case(ward, "F1")) == ["admit@00", "discharge@10", "merge@20", "result@30"]


def test_a_move_that_names_no_visit_is_told_to_the_operator(ward: Journey) -> None:
    receive(ward, ADMIT)
    body = tell("A43", at=20, patient="P2", former="P1")
    message_id = ward.receive(body)
    ward.run_all()
    assert the_case(ward, "F1").notices == ("move_names_no_visit",)
    with ward.store.begin() as tx:
        assert tx.message(message_id).error_code == "move_names_no_visit"


@pytest.mark.parametrize("trigger", ["A40", "A50", "A45"])
def test_a_training_message_merges_and_moves_nothing(ward: Journey, trigger: str) -> None:
    receive(ward, ADMIT, DISCHARGE)
    visit, former_visit = ("", "") if trigger == "A40" else ("F2", "F1")
    receive(ward, tell(trigger, at=20, patient="P2", former="P1", mark="T", visit=visit, former_visit=former_visit))
    assert case_of(ward, "F2") is None
    assert the_case(ward, "F1").generation == 1
