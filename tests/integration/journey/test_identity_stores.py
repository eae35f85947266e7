"""Who is who, on SQLite and on PostgreSQL."""

import threading
from dataclasses import dataclass, field

import pytest
from identity_ward import NoEhr, case_of, members, receive, sign, states, the_case
from journey_world import Journey
from store_fixtures import Clock
from told import tell

from adapters.store import SqlStore
from service import lifecycle
from service.model import CaseState
from service.pipeline import run_step


@dataclass(kw_only=True)
class AskedEhr(NoEhr):
    """Keeps whose references were asked for."""

    asked: list[str] = field(default_factory=list)

    def references(self, case_key: str, patient_id: str = "") -> tuple[str, str, str]:
        self.asked.append(patient_id)
        return super().references(case_key, patient_id)


@pytest.fixture
def ward(store: SqlStore, clock: Clock) -> Journey:
    return Journey(store=store, clock=clock, ehr=NoEhr())


ADMIT, DISCHARGE = tell("A01", at=0, visit="F1"), tell("A03", at=10, visit="F1")
MERGE = tell("A40", at=20, patient="P2", former="P1")
RENUMBER = tell("A50", at=20, visit="F2", former_visit="F1")


def test_after_a_merge_the_draft_lies_with_the_present_patient(ward: Journey) -> None:
    ehr = AskedEhr()
    ward = Journey(store=ward.store, clock=ward.clock, inbox=ward.inbox, ehr=ehr)
    receive(ward, ADMIT, DISCHARGE, MERGE)
    assert ehr.asked == ["P1", "P2"]
    receive(ward, tell("A08", at=30, visit="F1"), tell("A13", at=40, visit="F1"), tell("A03", at=50, visit="F1"))
    assert ehr.asked[-1] == "P2", "a sender that has not heard of the merge took the draft back to the former number"


def test_two_cases_of_one_visit_become_one_and_the_other_ends(ward: Journey) -> None:
    receive(ward, ADMIT, tell("A01", at=1, visit="F2"), DISCHARGE)
    receive(ward, tell("A42", at=20, visit="F2", former_visit="F1"))
    case = the_case(ward, "F2")
    assert case_of(ward, "F1") is None
    assert (case.state, case.notices) == (CaseState.IN_INBOX, (lifecycle.TOOK_A_CASE_IN,))
    assert members(ward, case) == ["admit@00", "admit@01", "discharge@10", "change_visit@20"]
    (ended,) = [each for each in states(ward).values() if each[0] == "withdrawn"]
    assert ended[1] == (lifecycle.MERGED,)
    assert len(ward.inbox.live) == len(ward.inbox.open_tasks) == 1
    with ward.store.begin() as tx:
        trail = [(entry.action, entry.detail) for entry in tx.audit_trail()]
    assert ("merged", f"into {case.id}") in trail
    receive(ward, tell("R01", at=30, visit="F1"))
    assert members(ward, case)[-1] == "result@30", "what is late under the former number is lost"
    assert case_of(ward, "F1") is None


def test_of_two_cases_the_signed_one_goes_on_and_no_second_letter_is_begun(ward: Journey) -> None:
    receive(ward, ADMIT, DISCHARGE, tell("A01", at=11, visit="F2"))
    signed = the_case(ward, "F1")
    sign(ward, signed)
    receive(ward, RENUMBER)
    case = the_case(ward, "F2")
    assert (case.id, case.state) == (signed.id, CaseState.SIGNED)
    assert set(case.notices) == {lifecycle.TOOK_A_CASE_IN, "identity_changed_after_signature"}
    assert len(ward.inbox.held) == 1


def test_a_visit_without_a_number_goes_with_its_patient(ward: Journey) -> None:
    receive(ward, tell("A01", at=0, admitted=0), MERGE, tell("A03", at=10, admitted=0))
    ((key, (state, notices)),) = states(ward).items()
    assert (key.split("|")[:2], state, notices) == (["KIS", "P2"], "in_inbox", ())


def test_a_result_that_names_no_visit_belongs_to_each_of_two_open_ones_and_to_none_long_ended(ward: Journey) -> None:
    day = 24 * 60
    receive(ward, tell("A01", at=0, visit="F3"), tell("A03", at=10, visit="F3"))
    receive(ward, tell("A01", at=30 * day, visit="F1"), tell("A01", at=31 * day, visit="F2"))
    receive(ward, tell("R01", at=32 * day), tell("R01", at=5 * day), tell("R01", at=28 * day, patient="P2"))
    names = {visit: members(ward, the_case(ward, visit)) for visit in ("F1", "F2", "F3")}
    assert {visit: sum(name.startswith("result") for name in names[visit]) for visit in names} == {
        "F1": 1,
        "F2": 1,
        "F3": 1,
    }


def test_one_control_id_with_other_bytes_is_kept_and_read_and_warned_of(ward: Journey) -> None:
    first = ward.receive(tell("A01", at=0, visit="F1", control_id="4711"))
    again = ward.receive(tell("A01", at=0, visit="F1", control_id="4711"))
    other = ward.receive(tell("A03", at=10, visit="F1", control_id="4711"))
    ward.run_all()
    assert first == again != other
    assert the_case(ward, "F1").state is CaseState.IN_INBOX
    with ward.store.begin() as tx:
        assert [tx.message(each).error_code for each in (first, other)] == [None, "control_id_reused"]


def test_a_message_about_several_patients_is_filed_for_the_first_and_flagged(ward: Journey) -> None:
    result = tell("R01", at=5, visit="F1")
    other = result.split(b"\r", 1)[1].replace(b"P1^", b"P2^").replace(b"F1^", b"F2^")
    ward.receive(tell("A01", at=0, visit="F1"))
    ward.receive(tell("A01", at=1, visit="F2", patient="P2"))
    several = ward.receive(result + other)
    alone = ward.receive(tell("R01", at=6, visit="F1"))
    ward.run_all()
    with ward.store.begin() as tx:
        assert [tx.message(each).error_code for each in (several, alone)] == ["several_patients", None]
    assert members(ward, the_case(ward, "F1")) == ["admit@00", "result@05", "result@06"]
    assert members(ward, the_case(ward, "F2")) == ["admit@01"]


def test_a_change_of_number_and_a_discharge_read_at_once_end_as_one_case(ward: Journey) -> None:
    """Ten times two workers: neither may file by what the other one is about to change."""
    for number in range(10):
        old, new = f"F{number}a", f"F{number}b"
        ward.receive(tell("A50", at=20, visit=new, former_visit=old))
        ward.receive(tell("A03", at=10, visit=old))
        steps = ward.due()
        assert [step.name for step in steps] == ["read", "read"]
        workers = [threading.Thread(target=run_step, args=(ward.world, step.id)) for step in steps]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        ward.run_all()
        assert case_of(ward, old) is None
        assert members(ward, the_case(ward, new)) == ["discharge@10", "change_visit@20"]
