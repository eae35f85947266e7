"""What starts a letter, by rules, on a real store: each trigger once, one letter a visit, and no rule looks back."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import orjson
import pytest
from journey_world import KEY, Journey, adt, oru

from adapters.hl7.message import read_message
from service import rescue, signoff
from service.errors import NotAllowed, UnusableInput
from service.model import Case, CaseState, LetterKind, Trigger
from service.on_demand import request_draft
from service.ports import Resource
from service.starting import Rule
from service.visits import Visit, file_visit

COURSE_END = Rule(name="course", departments=("RT-*",), trigger=Trigger.COURSE_END)
OFF = Rule(name="off", departments=("RT-*",), trigger=None)
DISCHARGE = Rule(name="rest", trigger=Trigger.DISCHARGE)


def by_rules(journey: Journey, *rules: Rule) -> None:
    journey.world = replace(journey.world, rules=replace(journey.world.rules, starts=rules))


def ambulatory(body: bytes, department: str = "RT-AMB") -> bytes:
    return body.replace(b"|I|ST1|", f"|O|{department}|".encode())


def course(*, minute: int, status: str = "abgeschlossen", processing: str = "P", where: bool = True) -> bytes:
    """What a record-and-verify system tells of the course."""
    head = oru(minute=minute, value=status).split(b"\r")
    body = [*head[:4], f"OBX|1|CE|RT-COURSE-STATUS^^99RT|1|{status}||||||F".encode()]
    told = b"\r".join(body).replace(b"|P|2.5.1", f"|{processing}|2.5.1".encode()) + b"\r"
    return ambulatory(told) if where else told.replace(b"|I|ST1|", b"|||")


def receive(journey: Journey, *bodies: bytes) -> None:
    for body in bodies:
        journey.receive(body)
    journey.run_all()


def state(journey: Journey) -> CaseState:
    return journey.case.state


def begun(journey: Journey) -> dict[str, object]:
    case_id = journey.case.id
    with journey.store.begin() as tx:
        payload = tx.get("start", case_id)
    return payload or {}


def ask(journey: Journey, *, actor: str = "Dr. Muster", letter: LetterKind | None = None) -> Case:
    with journey.store.begin() as tx:
        found = tx.case_by_key(KEY)
        assert found is not None
        return request_draft(tx, found.id, actor=actor, rules=journey.world.rules, reader=read_message, letter=letter)


# ---------------------------------------------------------------- triggers


def test_a_discharge_starts_its_letter_by_the_default_rule_and_the_case_keeps_why(journey: Journey) -> None:
    receive(journey, adt("A01", minute=0), adt("A03", minute=10))
    assert state(journey) is CaseState.IN_INBOX
    started = begun(journey)
    assert (started["rule"], started["trigger"], started["letter"]) == ("default", "discharge", "discharge")
    case_id = journey.case.id
    with journey.store.begin() as tx:
        starting = [message for message in tx.messages_of(case_id) if message.start is not None]
    assert [message.id for message in starting] == [started["message"]]


@pytest.mark.parametrize("where", [True, False], ids=["the result says where", "the visit says where"])
def test_the_end_of_a_course_starts_a_letter_in_the_department_of_the_visit(journey: Journey, where: bool) -> None:
    by_rules(journey, COURSE_END, OFF)
    receive(journey, ambulatory(adt("A04", minute=0)), course(minute=5, status="laufend", where=where))
    assert state(journey) is CaseState.OPEN
    receive(journey, course(minute=10, where=where))
    assert state(journey) is CaseState.IN_INBOX
    assert begun(journey)["letter"] == "end_of_radiotherapy"


@pytest.mark.parametrize("processing", ["T", "D"])
def test_a_course_that_ends_in_training_starts_nothing(journey: Journey, processing: str) -> None:
    by_rules(journey, COURSE_END)
    receive(journey, ambulatory(adt("A04", minute=0)), course(minute=10, processing=processing))
    assert state(journey) is CaseState.OPEN


@pytest.mark.parametrize(("at", "trigger"), [("start", "A04"), ("end", "A03")])
def test_a_follow_up_visit_starts_a_letter_at_the_end_that_the_rule_names(
    journey: Journey, at: str, trigger: str
) -> None:
    rule = Rule(name="visit", departments=("RT-NACH*",), trigger=Trigger.FOLLOW_UP, at=at)  # type: ignore[arg-type]
    by_rules(journey, rule)
    other = {"A04": "A03", "A03": "A04"}[trigger]
    receive(journey, ambulatory(adt(other, minute=0 if other == "A04" else 20), "RT-NACHSORGE"))
    assert state(journey) is CaseState.OPEN
    receive(journey, ambulatory(adt(trigger, minute=0 if trigger == "A04" else 20), "RT-NACHSORGE"))
    assert state(journey) is CaseState.IN_INBOX
    assert begun(journey)["trigger"] == "follow_up"


def test_a_department_that_is_switched_off_gets_no_letter_and_its_neighbour_does(journey: Journey) -> None:
    by_rules(journey, OFF, DISCHARGE)
    receive(journey, ambulatory(adt("A03", minute=10)))
    assert state(journey) is CaseState.OPEN
    receive(journey, adt("A03", minute=20))
    assert begun(journey)["rule"] == "rest"


ENCOUNTER: dict[str, Any] = {
    "resourceType": "Encounter",
    "id": "e1",
    "status": "in-progress",
    "class": {"code": "AMB"},
    "identifier": [{"system": "KIS", "value": "F4711"}],
    "location": [{"location": {"display": "RT-AMB"}}],
}
COURSE: dict[str, Any] = {
    "resourceType": "Procedure",
    "id": "p1",
    "status": "completed",
    "code": {"coding": [{"system": "http://snomed.info/sct", "code": "1217123003"}]},
    "encounter": {"reference": "Encounter/e1"},
}


def file(journey: Journey, encounter: Resource, *others: Resource) -> None:
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": r} for r in (encounter, *others)]}
    file_visit(journey.world, Visit(encounter=encounter, patient=None, body=orjson.dumps(bundle)))
    journey.run_all()


def test_a_completed_procedure_starts_the_letter_of_its_ambulatory_visit(journey: Journey) -> None:
    by_rules(journey, COURSE_END, OFF)
    file(journey, ENCOUNTER, COURSE | {"status": "in-progress"})
    assert state(journey) is CaseState.OPEN
    file(journey, ENCOUNTER, COURSE)
    assert state(journey) is CaseState.IN_INBOX
    assert begun(journey)["letter"] == "end_of_radiotherapy"


def test_an_encounter_of_test_data_starts_nothing_however_its_course_went(journey: Journey) -> None:
    by_rules(journey, COURSE_END, DISCHARGE)
    file(journey, ENCOUNTER | {"meta": {"security": [{"code": "HTEST"}]}, "status": "finished"}, COURSE)
    assert state(journey) is CaseState.OPEN


def test_a_finished_ambulatory_encounter_is_a_follow_up(journey: Journey) -> None:
    by_rules(journey, Rule(name="visits", departments=("RT-AMB",), trigger=Trigger.FOLLOW_UP))
    file(journey, ENCOUNTER)
    assert state(journey) is CaseState.OPEN
    file(journey, ENCOUNTER | {"status": "finished"})
    assert begun(journey)["trigger"] == "follow_up"


@pytest.mark.parametrize("tells", ["ADT", "FHIR"])
def test_a_course_that_ended_before_anybody_said_where_starts_its_letter_when_that_is_told(
    journey: Journey, tells: str
) -> None:
    by_rules(journey, COURSE_END, OFF)
    receive(journey, course(minute=10, where=False))
    assert state(journey) is CaseState.OPEN
    if tells == "ADT":
        receive(journey, ambulatory(adt("A04", minute=0)))
    else:
        file(journey, ENCOUNTER)
    assert state(journey) is CaseState.IN_INBOX
    assert begun(journey)["trigger"] == "course_end"


def test_where_the_visit_was_when_its_course_ended_decides_not_where_it_went(journey: Journey) -> None:
    by_rules(journey, COURSE_END, OFF)
    receive(journey, adt("A02", minute=20), ambulatory(adt("A04", minute=0)), course(minute=10, where=False))
    assert state(journey) is CaseState.IN_INBOX


def test_a_decision_that_waited_is_made_once(journey: Journey) -> None:
    by_rules(journey, COURSE_END)
    receive(journey, course(minute=10, where=False), adt("A01", minute=0))
    by_rules(journey, Rule(name="anywhere", trigger=Trigger.COURSE_END))
    receive(journey, adt("A08", minute=20))
    assert state(journey) is CaseState.OPEN


# ---------------------------------------------------------------- one letter a visit


def test_a_trigger_of_a_visit_that_has_its_letter_is_an_update(journey: Journey) -> None:
    by_rules(journey, COURSE_END, DISCHARGE)
    receive(journey, ambulatory(adt("A04", minute=0)), course(minute=10), ambulatory(adt("A03", minute=20)))
    receive(journey, course(minute=30, status="completed"))
    assert (journey.case.state, journey.case.generation) == (CaseState.IN_INBOX, 1)
    assert len(journey.inbox.held) == 1


def test_a_cancelled_discharge_takes_back_no_letter_of_a_course(journey: Journey) -> None:
    by_rules(journey, COURSE_END, DISCHARGE)
    receive(journey, ambulatory(adt("A04", minute=0)), course(minute=10), ambulatory(adt("A13", minute=20)))
    assert state(journey) is CaseState.IN_INBOX
    assert len(journey.inbox.live) == 1


def test_rules_that_change_start_no_letter_for_messages_that_were_read_before(journey: Journey) -> None:
    by_rules(journey, OFF)
    receive(journey, ambulatory(adt("A04", minute=0)), ambulatory(adt("A03", minute=10)))
    by_rules(journey, DISCHARGE)
    receive(journey, ambulatory(adt("A08", minute=20)), ambulatory(adt("A03", minute=10)))
    assert (journey.case.state, journey.inbox.held) == (CaseState.OPEN, {})
    receive(journey, ambulatory(adt("A03", minute=30)))
    assert state(journey) is CaseState.IN_INBOX


def test_rules_that_change_take_no_letter_back(journey: Journey) -> None:
    receive(journey, ambulatory(adt("A03", minute=10)))
    by_rules(journey, OFF)
    receive(journey, ambulatory(adt("A08", minute=20)))
    assert (journey.case.state, journey.case.generation) == (CaseState.IN_INBOX, 1)


# ---------------------------------------------------------------- a physician asks


def test_a_physician_gets_a_draft_while_the_patient_is_still_here_and_the_discharge_updates_it(
    journey: Journey,
) -> None:
    receive(journey, adt("A01", minute=0))
    ask(journey, letter=LetterKind.END_OF_RADIOTHERAPY)
    journey.run_all()
    assert (journey.case.state, begun(journey)["letter"]) == (CaseState.IN_INBOX, "end_of_radiotherapy")
    receive(journey, adt("A03", minute=10))
    assert (journey.case.state, journey.case.generation, len(journey.inbox.live)) == (CaseState.IN_INBOX, 1, 1)
    with journey.store.begin() as tx:
        asked = [entry for entry in tx.audit_trail() if entry.action == "draft_requested"]
    assert [(entry.actor, entry.detail) for entry in asked] == [("Dr. Muster", "end_of_radiotherapy")]


def test_asking_again_changes_nothing_while_a_draft_is_under_way_or_there(journey: Journey) -> None:
    receive(journey, adt("A01", minute=0))
    first = ask(journey)
    assert ask(journey) == first
    journey.run_all()
    before = journey.case
    assert ask(journey) == before


def test_a_cancelled_discharge_takes_back_no_draft_that_was_asked_for(journey: Journey) -> None:
    receive(journey, adt("A01", minute=0))
    ask(journey)
    receive(journey, adt("A03", minute=10), adt("A13", minute=20))
    assert (journey.case.state, len(journey.inbox.live)) == (CaseState.IN_INBOX, 1)


def test_a_draft_that_was_discarded_is_begun_anew_for_who_asks(journey: Journey) -> None:
    receive(journey, adt("A03", minute=10))
    desk = signoff.open_desk(journey.world, journey.case.id)
    signoff.discard(journey.world, journey.case.id, revision=desk.review.revision, by="dr1")
    journey.run_all()
    ask(journey)
    journey.run_all()
    assert (journey.case.state, journey.case.withdrawn_by) == (CaseState.IN_INBOX, None)
    assert len(journey.inbox.live) == 1


def test_a_signed_letter_is_not_begun_anew_and_an_addendum_is_named(journey: Journey) -> None:
    receive(journey, adt("A03", minute=10))
    desk = signoff.open_desk(journey.world, journey.case.id)
    signoff.sign(journey.world, journey.case.id, revision=desk.review.revision, digest=desk.digest, signer="Dr. M")
    with pytest.raises(NotAllowed, match="addendum"):
        ask(journey)


@pytest.mark.parametrize(
    ("rules", "actor", "error"),
    [((OFF,), "Dr. Muster", NotAllowed), ((DISCHARGE,), "  ", UnusableInput), ((DISCHARGE,), "x" * 201, UnusableInput)],
)
def test_nothing_begins_where_it_is_switched_off_or_nobody_asks(
    journey: Journey, rules: Sequence[Rule], actor: str, error: type[Exception]
) -> None:
    by_rules(journey, *rules)
    receive(journey, ambulatory(adt("A04", minute=0)))
    with pytest.raises(error):
        ask(journey, actor=actor)
    assert (journey.case.state, journey.case.generation) == (CaseState.OPEN, 0)


def test_a_held_case_waits_for_its_operator(journey: Journey) -> None:
    receive(journey, adt("A01", minute=0))
    case_id = journey.case.id
    with journey.store.begin() as tx:
        rescue.hold_case(tx, case_id)
    with pytest.raises(NotAllowed, match="release"):
        ask(journey)
